/*
 * encoding.c
 *	  Compressed bodies of replies: which encoding a client takes, and encoding as a stream.
 *
 * Levels are the fastest: replies are JSON, which shrinks well at any. An encoder takes
 * some hundred kilobytes, so one of each kind is kept for the next reply.
 */
#include "encoding.h"

#include <assert.h>
#include <stdlib.h>

#include <zlib.h>
#include <zstd.h>

#include "http_text.h"

#define OUTPUT_SIZE (16 * 1024)
#define GZIP_LEVEL  1
#define ZSTD_LEVEL  1
/* As zlib wants it said: the largest window, with gzip's header. */
#define GZIP_WINDOW (15 + 16)
#define GZIP_MEMORY 8

/* ---- what a client takes ---- */

Encoding
encoding_choose(TsString accept_encoding)
{
	int any = http_quality(accept_encoding, "*");
	int zstd = http_quality(accept_encoding, "zstd");
	int gzip = http_quality(accept_encoding, "gzip");

	if (gzip < 0)
		gzip = http_quality(accept_encoding, "x-gzip");
	if (gzip < 0)
		gzip = any;
	if (zstd < 0)
		zstd = any;
	if ((zstd <= 0 && gzip <= 0) ||
		http_quality(accept_encoding, "identity") > (zstd > gzip ? zstd : gzip))
		return ENCODING_IDENTITY;
	return zstd >= gzip ? ENCODING_ZSTD : ENCODING_GZIP;
}

const char *
encoding_name(Encoding encoding)
{
	static const char *const names[] = {NULL, "gzip", "zstd"};

	return names[encoding];
}

/* ---- encoding ---- */

struct Encoder
{
	Encoding encoding;
	z_stream gzip;
	ZSTD_CCtx *zstd;
	unsigned char output[OUTPUT_SIZE];
};

static Encoder *spare[ENCODING_ZSTD + 1];

static bool
start(Encoder *encoder)
{
	if (encoder->encoding == ENCODING_GZIP)
		return deflateInit2(&encoder->gzip, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW,
							GZIP_MEMORY, Z_DEFAULT_STRATEGY) == Z_OK;
	encoder->zstd = ZSTD_createCCtx();
	return encoder->zstd != NULL &&
		   !ZSTD_isError(ZSTD_CCtx_setParameter(encoder->zstd, ZSTD_c_compressionLevel,
												ZSTD_LEVEL));
}

static void
destroy(Encoder *encoder)
{
	if (encoder->encoding == ENCODING_GZIP)
		deflateEnd(&encoder->gzip);
	else
		ZSTD_freeCCtx(encoder->zstd);
	free(encoder);
}

Encoder *
encoder_create(Encoding encoding)
{
	Encoder *encoder = spare[encoding];

	assert(encoding != ENCODING_IDENTITY);
	if (encoder != NULL)
	{
		spare[encoding] = NULL;
		return encoder;
	}
	encoder = calloc(1, sizeof(*encoder));
	if (encoder == NULL)
		return NULL;
	encoder->encoding = encoding;
	if (start(encoder))
		return encoder;
	destroy(encoder);
	return NULL;
}

static bool
write_gzip(Encoder *encoder, const void *data, size_t size, bool last, EncoderSink sink,
		   void *arg)
{
	z_stream *stream = &encoder->gzip;
	bool all;
	int result;

	stream->next_in = (Bytef *) data;
	do
	{
		/* what is left of `size` may be more than the stream's counter can say */
		const unsigned char *next = stream->next_in;
		size_t left = size - (size_t) (next - (const unsigned char *) data);

		all = left <= UINT32_MAX / 2;
		stream->avail_in = all ? (uInt) left : UINT32_MAX / 2;
		stream->next_out = encoder->output;
		stream->avail_out = OUTPUT_SIZE;
		result = deflate(stream, last && all ? Z_FINISH : Z_NO_FLUSH);
		if (result == Z_STREAM_ERROR)
			return false;
		sink(arg, encoder->output, OUTPUT_SIZE - stream->avail_out);
	} while (stream->avail_out == 0 || stream->avail_in > 0 || !all ||
			 (last && result != Z_STREAM_END));
	return true;
}

static bool
write_zstd(Encoder *encoder, const void *data, size_t size, bool last, EncoderSink sink,
		   void *arg)
{
	ZSTD_inBuffer input = {data, size, 0};
	size_t left;

	do
	{
		ZSTD_outBuffer output = {encoder->output, OUTPUT_SIZE, 0};

		left = ZSTD_compressStream2(encoder->zstd, &output, &input,
									last ? ZSTD_e_end : ZSTD_e_continue);
		if (ZSTD_isError(left))
			return false;
		sink(arg, encoder->output, output.pos);
	} while (input.pos < input.size || (last && left > 0));
	return true;
}

bool
encoder_write(Encoder *encoder, const void *data, size_t size, bool last,
			  EncoderSink sink, void *arg)
{
	if (encoder->encoding == ENCODING_GZIP)
		return write_gzip(encoder, data, size, last, sink, arg);
	return write_zstd(encoder, data, size, last, sink, arg);
}

void
encoder_free(Encoder *encoder)
{
	Encoding encoding = encoder->encoding;
	bool reusable = spare[encoding] == NULL;

	if (reusable && encoding == ENCODING_GZIP)
		reusable = deflateReset(&encoder->gzip) == Z_OK;
	else if (reusable)
		reusable = !ZSTD_isError(ZSTD_CCtx_reset(encoder->zstd, ZSTD_reset_session_only));
	if (reusable)
		spare[encoding] = encoder;
	else
		destroy(encoder);
}
