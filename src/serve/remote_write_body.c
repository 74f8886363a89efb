/*
 * remote_write_body.c
 *	  What the headers of a remote write request say of its body, and decompressing it.
 *
 * The size of what comes out is known before memory is taken for it (snappy), or memory
 * grows with what has come out (zstd, gzip), and never beyond the limit.
 */
#include <limits.h>
#include <snappy-c.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "http_text.h"
#include "ts_remote_write.h"

#define FIRST_ROOM (64 * 1024)
/* As zlib wants it said: the largest window, with gzip's header and nothing else. */
#define GZIP_WINDOW (15 + 16)

/* ---- headers ---- */

TsErrorCode
ts_write_content_type(const char *text, size_t len, TsWriteVersion *version, TsError *err)
{
	const TsString whole = http_trim((TsString){text, len});
	TsString rest = whole;
	static const char expected[] =
		"it is application/x-protobuf, with proto=prometheus.WriteRequest or "
		"proto=io.prometheus.write.v2.Request";

	*version = TS_WRITE_1;
	if (whole.len == 0)
		return TS_OK;
	if (!http_is_word(http_cut(&rest, ';'), "application/x-protobuf"))
		return http_unknown_header("content type", expected, whole, err);
	while (rest.len > 0)
	{
		TsString value = http_cut(&rest, ';');
		TsString name = http_cut(&value, '=');

		if (!http_is_word(name, "proto"))
			continue;
		value = http_trim(value);
		if (value.len >= 2 && value.data[0] == '"' && value.data[value.len - 1] == '"')
			value = (TsString){value.data + 1, value.len - 2};
		if (http_is_word(value, "prometheus.WriteRequest"))
			*version = TS_WRITE_1;
		else if (http_is_word(value, "io.prometheus.write.v2.Request"))
			*version = TS_WRITE_2;
		else
			return http_unknown_header("content type", expected, whole, err);
	}
	return TS_OK;
}

TsErrorCode
ts_write_content_encoding(const char *text, size_t len, TsWriteEncoding *encoding,
						  TsError *err)
{
	const TsString word = http_trim((TsString){text, len});

	if (word.len == 0 || http_is_word(word, "identity") || http_is_word(word, "none"))
		*encoding = TS_WRITE_PLAIN;
	else if (http_is_word(word, "snappy"))
		*encoding = TS_WRITE_SNAPPY;
	else if (http_is_word(word, "zstd"))
		*encoding = TS_WRITE_ZSTD;
	else
		return http_unknown_header("content encoding", "it is snappy, zstd or identity",
								   word, err);
	return TS_OK;
}

/* ---- bodies ---- */

static TsErrorCode
too_large(size_t limit, TsError *err)
{
	return ts_error_set(err, TS_ERR_LIMIT, -1,
						"request is larger than %zu bytes when decompressed", limit);
}

static TsErrorCode
no_memory(TsError *err)
{
	return ts_error_set(err, TS_ERR_MEMORY, -1,
						"out of memory for the decompressed request");
}

static TsErrorCode
damaged(const char *format, TsError *err)
{
	return ts_error_set(err, TS_ERR_SYNTAX, -1, "the body is not compressed by %s",
						format);
}

static TsErrorCode
unsnap(const void *body, size_t size, size_t limit, const TsAllocator *allocator,
	   char **data, size_t *data_size, TsError *err)
{
	size_t length;

	if (snappy_uncompressed_length(body, size, &length) != SNAPPY_OK)
		return damaged("snappy (block format)", err);
	if (length > limit)
		return too_large(limit, err);
	*data = allocator->alloc(allocator->ctx, length > 0 ? length : 1);
	if (*data == NULL)
		return no_memory(err);
	*data_size = length;
	if (snappy_uncompress(body, size, *data, data_size) == SNAPPY_OK)
		return TS_OK;
	allocator->free(allocator->ctx, *data);
	return damaged("snappy (block format)", err);
}

/* Output of zstd or gzip, which grows up to the limit. */
typedef struct Output
{
	const TsAllocator *allocator;
	char *data;
	size_t room;
	size_t limit;
} Output;

static TsErrorCode
grow(Output *output, size_t used, TsError *err)
{
	size_t room = output->room == 0 ? FIRST_ROOM : output->room * 2;
	char *data;

	if (room > output->limit)
		room = output->limit;
	if (room <= output->room)
		return too_large(output->limit, err);
	data = output->allocator->alloc(output->allocator->ctx, room);
	if (data == NULL)
		return no_memory(err);
	if (used > 0)
		memcpy(data, output->data, used);
	if (output->data != NULL)
		output->allocator->free(output->allocator->ctx, output->data);
	output->data = data;
	output->room = room;
	return TS_OK;
}

/*
 * The window that a frame may want is memory, too. Who compresses a stream does not know how
 * much there will be of it, so 8 MB, which every decoder is to support, are fine for any limit.
 */
static int
window_log(size_t limit)
{
	int log = 23;

	while (log < 27 && ((size_t) 1 << log) < limit)
		log++;
	return log;
}

static TsErrorCode
unzstd_into(ZSTD_DCtx *context, const void *body, size_t size, Output *output,
			size_t *data_size, TsError *err)
{
	ZSTD_inBuffer in = {body, size, 0};
	ZSTD_outBuffer out = {output->data, output->room, 0};
	size_t left = 1; /* of a frame; 0: it is complete */
	TsErrorCode code;

	ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, window_log(output->limit));
	while (in.pos < in.size || left > 0)
	{
		const size_t in_before = in.pos;
		const size_t out_before = out.pos;

		left = ZSTD_decompressStream(context, &out, &in);
		if (ZSTD_isError(left))
			return damaged("zstd", err);
		if (in.pos > in_before || out.pos > out_before)
			continue;
		if (out.pos < out.size)
			return damaged("zstd", err); /* it wants more input, and there is none */
		code = grow(output, out.pos, err);
		if (code != TS_OK)
			return code;
		out.dst = output->data;
		out.size = output->room;
	}
	*data_size = out.pos;
	return TS_OK;
}

static TsErrorCode
unzstd(const void *body, size_t size, Output *output, size_t *data_size, TsError *err)
{
	ZSTD_DCtx *context = ZSTD_createDCtx();
	TsErrorCode code = TS_OK;

	if (context == NULL)
		return no_memory(err);
	code = unzstd_into(context, body, size, output, data_size, err);
	ZSTD_freeDCtx(context);
	return code;
}

/*
 * A member after the other, until the body ends with one. What follows a member and is none
 * is damage: nothing of a request may be passed over.
 */
static TsErrorCode
ungzip_into(z_stream *stream, const void *body, size_t size, Output *output,
			size_t *data_size, TsError *err)
{
	const uint8_t *end = (const uint8_t *) body + size;
	size_t used = 0;
	int result = Z_OK;

	stream->next_in = (Bytef *) body;
	for (;;)
	{
		size_t in = (size_t) (end - stream->next_in);
		size_t out = output->room - used;
		TsErrorCode code;

		if (result == Z_STREAM_END && in == 0)
			break;
		if (result == Z_STREAM_END && inflateReset(stream) != Z_OK)
			return damaged("gzip", err);
		/* zlib's counters are smaller than sizes may be */
		stream->avail_in = (uInt) (in < INT_MAX ? in : INT_MAX);
		stream->next_out = (Bytef *) output->data + used;
		stream->avail_out = (uInt) (out < INT_MAX ? out : INT_MAX);
		result = inflate(stream, Z_NO_FLUSH);
		used = (size_t) (stream->next_out - (Bytef *) output->data);
		if (result == Z_MEM_ERROR)
			return no_memory(err);
		if (result == Z_STREAM_END || result == Z_OK)
			continue;
		/* it gets nowhere: for want of room, or of input */
		if (result != Z_BUF_ERROR || used < output->room)
			return damaged("gzip", err);
		code = grow(output, used, err);
		if (code != TS_OK)
			return code;
	}
	*data_size = used;
	return TS_OK;
}

static TsErrorCode
ungzip(const void *body, size_t size, Output *output, size_t *data_size, TsError *err)
{
	z_stream stream = {0};
	TsErrorCode code;

	if (inflateInit2(&stream, GZIP_WINDOW) != Z_OK)
		return no_memory(err);
	code = ungzip_into(&stream, body, size, output, data_size, err);
	inflateEnd(&stream);
	return code;
}

/* By what has come out the memory grows: zstd, gzip. */
static TsErrorCode
unpack(TsWriteEncoding encoding, const void *body, size_t size, size_t limit,
	   const TsAllocator *allocator, char **data, size_t *data_size, TsError *err)
{
	Output output = {.allocator = allocator, .limit = limit};
	TsErrorCode code = grow(&output, 0, err);

	if (code == TS_OK && encoding == TS_WRITE_ZSTD)
		code = unzstd(body, size, &output, data_size, err);
	else if (code == TS_OK)
		code = ungzip(body, size, &output, data_size, err);
	if (code != TS_OK && output.data != NULL)
		allocator->free(allocator->ctx, output.data);
	else
		*data = output.data;
	return code;
}

TsErrorCode
ts_write_decompress(TsWriteEncoding encoding, const void *body, size_t size, size_t limit,
					const TsAllocator *allocator, const void **data, size_t *data_size,
					TsError *err)
{
	char *made = NULL;
	TsErrorCode code;

	if (encoding == TS_WRITE_PLAIN)
	{
		*data = body;
		*data_size = size;
		return size <= limit ? TS_OK : too_large(limit, err);
	}
	code = encoding == TS_WRITE_SNAPPY
			   ? unsnap(body, size, limit, allocator, &made, data_size, err)
			   : unpack(encoding, body, size, limit, allocator, &made, data_size, err);
	*data = made;
	return code;
}
