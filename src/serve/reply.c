/*
 * reply.c
 *	  A reply being made: status, headers, and a body that may be compressed and may be
 *	  long.
 *
 * What is written waits in memory until it is clear that it is worth being compressed
 * (COMPRESS_FROM). What comes out, compressed or not, is kept in memory up to
 * REPLY_INLINE_SIZE and in a temporary file beyond that, which temp_file_limit bounds.
 *
 * A reply lives in a memory context of its own; the file and the encoder go when that is
 * reset, so nothing is left behind by an error.
 */
#include "postgres.h"

#include <unistd.h>

#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "encoding.h"
#include "reply.h"
#include "serve_stats.h"

#define COMPRESS_FROM 1024

struct ServeReply
{
	MemoryContext context; /* the reply is in it */
	MemoryContextCallback cleanup;
	Encoding accepted;
	int status;
	char *content_type;
	StringInfoData headers;
	bool never_compress;
	bool decided;     /* whether to compress */
	Encoder *encoder; /* NULL: nothing is, or not yet */
	StringInfoData
		output;    /* of the body, as it will be sent; its end, when there is a file */
	File file;     /* -1: none */
	uint64 size;   /* of all output, also what is in the file */
	bool finished; /* nothing is written any more */
};

static void
release(void *arg)
{
	ServeReply *reply = arg;

	if (reply->encoder != NULL)
		encoder_free(reply->encoder);
	reply->encoder = NULL;
	if (reply->file >= 0)
		FileClose(reply->file);
	reply->file = -1;
}

static void
begin(ServeReply *reply)
{
	reply->status = 200;
	reply->content_type = SERVE_JSON_TYPE;
	resetStringInfo(&reply->headers);
	reply->never_compress = false;
	reply->decided = false;
	resetStringInfo(&reply->output);
	reply->size = 0;
	reply->finished = false;
}

ServeReply *
reply_create(TsString accept_encoding)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "mytsdb reply",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	ServeReply *reply = palloc0(sizeof(*reply));

	reply->context = context;
	reply->accepted = encoding_choose(accept_encoding);
	reply->file = -1;
	reply->cleanup.func = release;
	reply->cleanup.arg = reply;
	MemoryContextRegisterResetCallback(context, &reply->cleanup);
	initStringInfo(&reply->headers);
	initStringInfo(&reply->output);
	begin(reply);
	MemoryContextSwitchTo(old);
	return reply;
}

void
reply_reset(ServeReply *reply)
{
	release(reply);
	begin(reply);
}

/* ---- head ---- */

void
reply_status(ServeReply *reply, int status, const char *content_type)
{
	Assert(status >= 200 && status <= 599);
	reply->status = status;
	reply->content_type = content_type != NULL
							  ? MemoryContextStrdup(reply->context, content_type)
							  : NULL;
}

int
reply_get_status(const ServeReply *reply)
{
	return reply->status;
}

void
reply_header(ServeReply *reply, const char *name, const char *value)
{
	/* both with ": " and CR LF */
	size_t len = strlen(name) + strlen(value) + 4;

	if (strpbrk(name, "\r\n") != NULL || strpbrk(value, "\r\n") != NULL ||
		(size_t) reply->headers.len + len > REPLY_HEADERS_SIZE)
		return;
	appendStringInfo(&reply->headers, "%s: %s\r\n", name, value);
}

void
reply_never_compress(ServeReply *reply)
{
	Assert(reply->size == 0 && reply->encoder == NULL);
	reply->never_compress = true;
}

/* ---- body ---- */

static void
write_file(ServeReply *reply)
{
	uint64 at = reply->size - reply->output.len;
	int done = 0;

	if (reply->file < 0)
		reply->file = OpenTemporaryFile(true);
	while (done < reply->output.len)
	{
		int written = FileWrite(reply->file, reply->output.data + done,
								reply->output.len - done, (off_t) (at + done),
								PG_WAIT_EXTENSION);

		if (written <= 0)
			ereport(ERROR, (errcode_for_file_access(),
							errmsg("could not write to temporary file: %m")));
		done += written;
	}
	serve_count(STAT_QUERY_SPILLED_BYTES, done);
	resetStringInfo(&reply->output);
}

/* Takes what is to be sent. */
static void
put(void *arg, const void *data, size_t size)
{
	ServeReply *reply = arg;
	const char *next = data;

	while (size > 0)
	{
		int n = (int) Min(size, (size_t) (REPLY_INLINE_SIZE - reply->output.len));

		appendBinaryStringInfo(&reply->output, next, n);
		reply->size += n;
		next += n;
		size -= n;
		/* one that is just as long as what may be in memory stays there */
		if (reply->output.len == REPLY_INLINE_SIZE && (size > 0 || reply->file >= 0))
			write_file(reply);
	}
}

static void
encode(ServeReply *reply, const void *data, Size size, bool last)
{
	if (!encoder_write(reply->encoder, data, size, last, put, reply))
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY),
						errmsg("could not compress a reply: out of memory")));
}

/* The body is long: if it is to be compressed, that begins with what there is of it. */
static void
decide(ServeReply *reply)
{
	StringInfoData plain = reply->output;

	Assert(reply->encoder == NULL && reply->file < 0);
	reply->decided = true;
	if (reply->never_compress)
		return;
	reply_header(reply, "Vary", "Accept-Encoding");
	if (reply->accepted == ENCODING_IDENTITY)
		return;
	reply->encoder = encoder_create(reply->accepted);
	if (reply->encoder == NULL)
		return;
	{
		MemoryContext old = MemoryContextSwitchTo(reply->context);

		initStringInfo(&reply->output);
		MemoryContextSwitchTo(old);
	}
	reply->size = 0;
	encode(reply, plain.data, plain.len, false);
	pfree(plain.data);
}

void
reply_write(ServeReply *reply, const void *data, Size size)
{
	Assert(!reply->finished);
	if (!reply->decided && reply->size + size >= COMPRESS_FROM)
		decide(reply);
	if (reply->encoder != NULL)
		encode(reply, data, size, false);
	else
		put(reply, data, size);
}

void
reply_text(ServeReply *reply, const char *text)
{
	reply_write(reply, text, strlen(text));
}

void
reply_finish(ServeReply *reply)
{
	if (reply->finished)
		return;
	if (reply->encoder != NULL)
		encode(reply, NULL, 0, true);
	if (reply->file >= 0 && reply->output.len > 0)
		write_file(reply);
	reply->finished = true;
}

void
reply_result(const ServeReply *reply, ReplyResult *result)
{
	Assert(reply->finished);
	*result = (ReplyResult){
		.status = reply->status,
		.content_type = reply->content_type,
		.content_encoding = reply->encoder != NULL ? encoding_name(reply->accepted)
												   : NULL,
		.headers = {reply->headers.data, reply->headers.len},
		.file = reply->file,
		.size = reply->size,
	};
	if (reply->file < 0)
		result->body = (TsString){reply->output.data, reply->output.len};
}
