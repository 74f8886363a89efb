/*
 * remote_read_serve.c
 *	  Remote read over HTTP.
 */
#include "postgres.h"

#include "remote_read.h"
#include "serve.h"
#include "serve_stats.h"

static void
put_into_reply(void *reply, const void *data, size_t size)
{
	reply_write(reply, data, size);
}

/* Says what is wrong with the body, before anything is looked up. */
static void
refuse(ServeReply *reply, int status, const char *message)
{
	reply_status(reply, status, SERVE_TEXT_TYPE);
	reply_text(reply, message);
	reply_text(reply, "\n");
}

static bool
is_snappy(TsString encoding)
{
	TsWriteEncoding which;

	return ts_write_content_encoding(encoding.data, encoding.len, &which, NULL) ==
			   TS_OK &&
		   which == TS_WRITE_SNAPPY;
}

static void
begin_answer(ServeReply *reply, TsReadType type)
{
	if (type == TS_READ_SAMPLES)
	{
		reply_status(reply, 200, "application/x-protobuf");
		reply_header(reply, "Content-Encoding", "snappy");
	}
	else
		reply_status(
			reply, 200,
			"application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse");
	reply_never_compress(reply);
}

void
serve_read(const ServeRequest *request, ServeReply *reply)
{
	RemoteRead *read;
	TsErrorCode code;
	TsError err;

	if (!is_snappy(request->content_encoding))
	{
		refuse(reply, 415,
			   "the body of a remote read request must have the content encoding snappy");
		return;
	}
	code = remote_read_open(request->body.data, request->body.len, &read, &err);
	if (code == TS_ERR_LIMIT)
	{
		refuse(reply, 413, err.message);
		return;
	}
	remote_read_check(code, &err);
	begin_answer(reply, remote_read_type(read));
	serve_count(STAT_READ_SAMPLES,
				remote_read_answer(read, request->source, put_into_reply, reply));
	serve_count(STAT_READ_REQUESTS, 1);
}
