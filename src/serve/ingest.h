/*
 * ingest.h
 *	  What the files that write requests over HTTP and gRPC share.
 */
#ifndef SERVE_INGEST_H
#define SERVE_INGEST_H

#include "postgres.h"

#include "remote_write.h"
#include "serve.h"
#include "ts_otlp.h"

typedef struct IngestItem IngestItem;

/* What is different from one protocol to the other. */
typedef struct IngestProtocol
{
	const char *name; /* for messages */
	/* What the headers say of the body; TS_ERR_INVALID: it is something that we do not read. */
	TsErrorCode (*read_headers)(IngestItem *item, TsError *err);
	/* The message of a body; TS_ERR_LIMIT: it is larger than write_max_size(). */
	TsErrorCode (*decode)(IngestItem *item, const void **data, size_t *size,
						  TsError *err);
	/* As write_parse() does. */
	void (*parse)(IngestItem *item, WriteRequest *write, const void *data, size_t size);
	/*
	 * Put the reply into one that is empty, and count. A message has no line break at its
	 * end. With retry_after (seconds; 0: not) the sender is asked to come again.
	 */
	void (*reply_written)(IngestItem *item);
	void (*reply_failed)(IngestItem *item, int status, const char *message,
						 int retry_after);
} IngestProtocol;

extern const IngestProtocol ingest_remote_write; /* ingest_remote_write.c */
extern const IngestProtocol ingest_otlp;         /* ingest_otlp.c */

typedef enum IngestState
{
	INGEST_WAITS,  /* to be written alone */
	INGEST_JOINED, /* it is written when the transaction commits */
	INGEST_DONE    /* it has its reply */
} IngestState;

/* One request of a batch. */
struct IngestItem
{
	const ServeRequest *request;
	const IngestProtocol *protocol;
	ServeReply *reply;
	IngestState state;
	TsWriteVersion version; /* of remote write */
	TsOtlpFormat format;    /* of OTLP */
	TsWriteEncoding encoding;
	Size decoded; /* bytes of the message */
	/* of one that joined */
	int64 nsamples;
	int64 nhistograms;
	int64 nexemplars;
	int64 nmetadata;
	int64 npoints;
	WriteKnown known;
	WriteRefusals refused;
};

/* ---- ingest_reply.c ---- */

extern void
ingest_begin(IngestItem *item, const ServeRequest *request, ServeReply *reply);
/* It is written, all of it or in part. */
extern void ingest_reply_written(IngestItem *item);
/* It is not; also counts it. */
extern void ingest_reply_failed(IngestItem *item, int status, const char *message);
extern void ingest_reply_error(IngestItem *item, const ErrorData *error);
/* Whether somebody should look at the server because of an error: it is logged. */
extern bool ingest_is_fault(const ErrorData *error);

#endif /* SERVE_INGEST_H */
