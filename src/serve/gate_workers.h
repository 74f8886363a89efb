/*
 * gate_workers.h
 *	  The gate's end of the links to the workers.
 */
#ifndef SERVE_GATE_WORKERS_H
#define SERVE_GATE_WORKERS_H

#include "gate.h"
#include "serve_processes.h"

typedef struct GateWorker GateWorker;

/* Listens for workers. */
extern void workers_start(void);
/* How many are connected, and how many of them have requests. */
extern int workers_connected(ServeKind kind);
extern int workers_busy(ServeKind kind);
/* One that has none; NULL when there is no such. */
extern GateWorker *workers_idle(ServeKind kind);
/*
 * Gives it requests, at most LINK_MAX_COUNT, which are the worker's until they are
 * answered. False, when there is no memory: they still are the caller's then, and the worker
 * is lost.
 */
extern bool workers_give(GateWorker *worker, GateRequest *const *requests, int count);
/* The worker that has this request stops it, if it can. */
extern void workers_cancel(const GateRequest *request);

/* ---- called back (gate_dispatch.c) ---- */

/* A worker answered; the request is its own no more. */
extern void dispatch_answered(GateRequest *request, const GateReply *reply);
/* The worker has gone, and has not answered this one; perhaps it had not begun it. */
extern void dispatch_lost(GateRequest *request, bool begun);
/* Workers may be idle. */
extern void dispatch_kick(void);

#endif /* SERVE_GATE_WORKERS_H */
