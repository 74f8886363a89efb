/*
 * serve_processes.h
 *	  The processes of the server inside: who is there, what it runs, and how it is told
 *	  to stop that.
 *
 * They are numbered: 0 is the gate, then come the workers. Each has an entry in shared
 * memory for the server's life, whichever process is it at the time.
 *
 * A process begins with serve_process_begin(), before it connects to the database: so none
 * connects while somebody drops, renames or copies that database (serve_leave()), and
 * whoever does can tell all that are there to leave.
 */
#ifndef SERVE_PROCESSES_H
#define SERVE_PROCESSES_H

#include "postgres.h"

#include "port/atomics.h"
#include "storage/latch.h"
#include "storage/spin.h"

typedef enum ServeKind
{
	SERVE_GATE,
	SERVE_INGEST,
	SERVE_QUERY
} ServeKind;

#define SERVE_GATE_NUMBER 0

/*
 * A stop that comes again so soon is the same one: the postmaster sends a signal to a
 * process and then to its group, which is that process.
 */
#define SERVE_SAME_STOP_MS 200

typedef struct ServeProcess
{
	ServeKind kind; /* for the server's life */
	pid_t pid;      /* 0: is not there; protected by ServeShared.mutex */
	Latch *latch;   /* while it is; protected by ServeShared.mutex */
	/*
	 * The request that it runs, or 0: written by the process alone. The one that it should
	 * stop running: written by the gate alone. What is to be stopped is known by its
	 * number, so that a late signal does not hit the next one.
	 */
	pg_atomic_uint64 running;
	pg_atomic_uint64 cancel;
	/* The last one that it began; of writes together the first. Its own to write. */
	pg_atomic_uint64 begun;
} ServeProcess;

typedef struct ServeShared
{
	slock_t mutex;
	int away;       /* statements that want nobody in the database; mutex */
	bool listening; /* the gate has its socket for workers; mutex */
	ServeProcess processes[FLEXIBLE_ARRAY_MEMBER];
} ServeShared;

extern ServeShared *serve_shared;

/* How many processes the settings ask for; they need not all be there. */
extern int serve_process_count(void);

/* ---- for the processes themselves ---- */

/*
 * Enters this process. Waits as long as nobody should be in the database; leaves by itself
 * when the process exits. Signals must be unblocked.
 */
extern void serve_process_begin(int number);
/* The gate says whether workers can connect to it; those that wait for that are woken. */
extern void serve_gate_listens(bool listens);
/* A worker waits for that; returns false when it should exit (*stop is set by a signal). */
extern bool serve_await_gate(const volatile sig_atomic_t *stop);

/* ---- for others ---- */

/* Stops this request, if that process still runs it or is about to. */
extern void serve_cancel(int number, uint64 request);
/*
 * A database is about to be dropped, copied or renamed: if it is the one that is served,
 * all processes are told to leave, and none comes back before the transaction has ended.
 * Waits some seconds for them to be gone.
 */
extern void serve_leave(Oid database);

#endif /* SERVE_PROCESSES_H */
