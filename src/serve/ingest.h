/*
 * ingest.h
 *	  What the files that write requests of remote write over HTTP share.
 */
#ifndef SERVE_INGEST_H
#define SERVE_INGEST_H

#include "postgres.h"

#include "remote_write.h"
#include "serve.h"

typedef enum IngestState
{
	INGEST_WAITS,  /* to be written alone */
	INGEST_JOINED, /* it is written when the transaction commits */
	INGEST_DONE    /* it has its reply */
} IngestState;

/* One request of a batch. */
typedef struct IngestItem
{
	const ServeRequest *request;
	ServeReply *reply;
	IngestState state;
	TsWriteVersion version;
	TsWriteEncoding encoding;
	Size decoded; /* bytes of the message */
	/* of one that joined */
	int64 nsamples;
	int64 nhistograms;
	int64 nexemplars;
	int64 nmetadata;
	WriteKnown known;
	WriteRefusals refused;
} IngestItem;

/* ---- ingest_reply.c ---- */

/*
 * What the headers say of the body. False, and replied, when it is something that we do
 * not read.
 */
extern bool ingest_read_headers(IngestItem *item);
/* It is written, all of it or in part. */
extern void ingest_reply_written(IngestItem *item);
/* It is not; also counts it. */
extern void
ingest_reply_failed(IngestItem *item, int status, const char *message, bool retry);
extern void ingest_reply_error(IngestItem *item, const ErrorData *error);
/* Whether somebody should look at the server because of an error: it is logged. */
extern bool ingest_is_fault(const ErrorData *error);

#endif /* SERVE_INGEST_H */
