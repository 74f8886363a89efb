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
#include <strings.h>

#include <zlib.h>
#include <zstd.h>

#define OUTPUT_SIZE (16 * 1024)
#define GZIP_LEVEL  1
#define ZSTD_LEVEL  1
/* As zlib wants it said: the largest window, with gzip's header. */
#define GZIP_WINDOW (15 + 16)
#define GZIP_MEMORY 8

/* ---- what a client takes ---- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static TsString
trimmed(TsString text)
{
	while (text.len > 0 && is_blank(text.data[0]))
	{
		text.data++;
		text.len--;
	}
	while (text.len > 0 && is_blank(text.data[text.len - 1]))
		text.len--;
	return text;
}

/* Cuts what is before the separator off *rest. */
static TsString
cut(TsString *rest, char separator)
{
	const char *at = rest->len > 0 ? memchr(rest->data, separator, rest->len) : NULL;
	size_t len = at != NULL ? (size_t) (at - rest->data) : rest->len;
	TsString piece = {rest->data, len};

	if (at != NULL)
		len++;
	rest->data += len;
	rest->len -= len;
	return trimmed(piece);
}

static bool
is_name(TsString text, const char *name)
{
	return text.len == strlen(name) && strncasecmp(text.data, name, text.len) == 0;
}

/* A weight in thousandths, "0.5" or "1"; -1: it is none. */
static int
read_weight(TsString text)
{
	int weight;
	int place = 100;

	if (text.len == 0 || text.len > 5 || (text.data[0] != '0' && text.data[0] != '1'))
		return -1;
	weight = (text.data[0] - '0') * 1000;
	if (text.len > 1 && text.data[1] != '.')
		return -1;
	for (size_t i = 2; i < text.len; i++, place /= 10)
	{
		if (text.data[i] < '0' || text.data[i] > '9')
			return -1;
		weight += (text.data[i] - '0') * place;
	}
	return weight <= 1000 ? weight : -1;
}

/* Of an element's parameters; 1000 if they have none. */
static int
element_weight(TsString parameters)
{
	while (parameters.len > 0)
	{
		TsString value = cut(&parameters, ';');
		TsString name = cut(&value, '=');

		if (is_name(name, "q"))
			return read_weight(trimmed(value));
	}
	return 1000;
}

Encoding
encoding_choose(TsString accept_encoding)
{
	TsString rest = accept_encoding;
	int weights[] = {-1, -1, -1}; /* -1: not said */
	int any = -1;
	Encoding best;

	while (rest.len > 0)
	{
		TsString element = cut(&rest, ',');
		TsString name = cut(&element, ';');
		int weight = element_weight(element);

		if (weight < 0)
			continue;
		if (is_name(name, "gzip") || is_name(name, "x-gzip"))
			weights[ENCODING_GZIP] = weight;
		else if (is_name(name, "zstd"))
			weights[ENCODING_ZSTD] = weight;
		else if (is_name(name, "identity"))
			weights[ENCODING_IDENTITY] = weight;
		else if (is_name(name, "*"))
			any = weight;
	}
	for (int i = ENCODING_GZIP; i <= ENCODING_ZSTD; i++)
	{
		if (weights[i] < 0)
			weights[i] = any > 0 ? any : 0;
	}
	best = weights[ENCODING_ZSTD] >= weights[ENCODING_GZIP] ? ENCODING_ZSTD
															: ENCODING_GZIP;
	if (weights[best] == 0 || weights[best] < weights[ENCODING_IDENTITY])
		return ENCODING_IDENTITY;
	return best;
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
