/*
 * worker.h
 *	  What the files of the workers share.
 */
#ifndef SERVE_WORKER_H
#define SERVE_WORKER_H

#include "postgres.h"

#include "serve.h"

/* ---- one process (worker.c) ---- */

extern PGDLLEXPORT void mytsdb_ingest_main(Datum arg);
extern PGDLLEXPORT void mytsdb_query_main(Datum arg);

/*
 * From here to worker_ends(), cancel requests are for this request; false if it has been
 * canceled already.
 */
extern bool worker_begins(uint64 id);
extern void worker_ends(void);

/* ---- requests (worker_run.c) ---- */

/* All replies are finished afterwards, whatever happens. */
extern void worker_run_query(const ServeRequest *request, ServeReply *reply);
extern void
worker_run_ingest(const ServeRequest *requests, ServeReply *const *replies, int count);

#endif /* SERVE_WORKER_H */
