/*
 * remote_read.h
 *	  What the parts of remote read (remote_read*.c) offer each other on the server's side.
 */
#ifndef REMOTE_READ_H
#define REMOTE_READ_H

#include "postgres.h"

#include "ts_remote_read.h"

/* ---- remote_read.c: a request and its answer; in the current context ---- */

typedef struct RemoteRead RemoteRead;

/*
 * Begins to read a request from its body as it came. TS_ERR_LIMIT, in particular, when it
 * is too large.
 */
extern TsErrorCode
remote_read_open(const void *body, Size body_size, RemoteRead **read, TsError *err);
/* Raises an error for what is wrong with a request. */
extern void remote_read_check(TsErrorCode code, const TsError *err);
extern TsReadType remote_read_type(const RemoteRead *read);
/* Reads all that was asked for, and writes the answer; returns how many samples it has. */
extern int64
remote_read_answer(RemoteRead *read, Oid source, TsReadSink sink, void *sink_arg);

/* ---- remote_read_spool.c: bytes that are written once, and then read in any order ---- */

typedef struct ReadSpool ReadSpool;

/* In the current context. Up to work_mem are kept in memory, more in a temporary file. */
extern ReadSpool *read_spool_create(void);
extern void read_spool_put(ReadSpool *spool, const void *data, Size size);
extern uint64 read_spool_size(const ReadSpool *spool);
/* Hands bytes on; when the first of them were read nothing can be put any more. */
extern void read_spool_copy(ReadSpool *spool, uint64 from, uint64 size, TsReadSink sink,
							void *sink_arg);
extern void read_spool_free(ReadSpool *spool);

#endif /* REMOTE_READ_H */
