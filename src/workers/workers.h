/*
 * workers.h
 *	  What the launcher and its workers share.
 */
#ifndef WORKERS_H
#define WORKERS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/latch.h"
#include "storage/spin.h"

#define MAX_WORKERS 16
#define MAX_NOTES   64

typedef enum WorkerOutcome
{
	OUTCOME_NONE, /* not ended yet, or ended by an error */
	OUTCOME_NO_EXTENSION,
	OUTCOME_DONE
} WorkerOutcome;

/* A worker that was started. Protected by `mutex`. */
typedef struct WorkerSlot
{
	Oid database; /* InvalidOid: free */
	pid_t pid;    /* 0: has not begun yet */
	TimestampTz started;
	bool ended;
	WorkerOutcome outcome;
} WorkerSlot;

/* Something to know of a database. Protected by `mutex`. */
typedef struct DatabaseNote
{
	Oid database;          /* InvalidOid: free */
	bool wake;             /* look at it now */
	TimestampTz stay_away; /* until then */
} DatabaseNote;

typedef struct WorkersShared
{
	slock_t mutex;
	Latch *launcher; /* NULL: does not run */
	WorkerSlot slots[MAX_WORKERS];
	DatabaseNote notes[MAX_NOTES]; /* a full table forgets the oldest by turns */
	int next_note;
} WorkersShared;

extern WorkersShared *workers_shared;

/* Settings. */
extern int workers_maximum;
extern int workers_interval;  /* seconds */
extern int workers_seal_age;  /* seconds */
extern int workers_seal_size; /* kB */

extern PGDLLEXPORT void mytsdb_launcher_main(Datum arg);
extern PGDLLEXPORT void mytsdb_maintenance_main(Datum arg);

#endif /* WORKERS_H */
