/*
 * reply.h
 *	  A reply being made, as its worker sees it.
 */
#ifndef SERVE_REPLY_H
#define SERVE_REPLY_H

#include "postgres.h"

#include "storage/fd.h"

#include "serve.h"

/* A body up to this long is sent along; longer ones are files. */
#define REPLY_INLINE_SIZE (64 * 1024)
/* All lines of headers; what would be more is left out. */
#define REPLY_HEADERS_SIZE (16 * 1024)

/* What has become of it. All of it is the reply's. */
typedef struct ReplyResult
{
	int status;
	const char *content_type;     /* NULL: none, and no body */
	const char *content_encoding; /* NULL: none */
	TsString headers;
	TsString body; /* unless there is a file */
	File file;     /* has all of the body, or is -1 */
	uint64 size;   /* of the body */
} ReplyResult;

/* In the current memory context; what it holds goes with that. */
extern ServeReply *reply_create(TsString accept_encoding);
extern int reply_get_status(const ServeReply *reply);
/* All of the body is where it will be sent from; nothing more can be written. */
extern void reply_finish(ServeReply *reply);
/* Of one that is finished. */
extern void reply_result(const ServeReply *reply, ReplyResult *result);

#endif /* SERVE_REPLY_H */
