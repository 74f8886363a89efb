/*
 * contenders.c
 *	  Our codecs, Gorilla and zstd level 3 on the raw bytes.
 *
 * Each contender is used as one would use it in earnest: contexts are made once and
 * used again. Gorilla's classes of time differences are cut for coarse units, so it
 * is given milliseconds, which loses nothing here; microseconds would make it five
 * times as large on jittered times.
 */
#include "contenders.h"

#include <stdio.h>
#include <string.h>

#include <zstd.h>

/* what was chosen for a vector is told by its header alone */
#include "codec_internal.h"
#include "gorilla.h"

#define ZSTD_LEVEL 3

static TsCodecEncoder *encoder;
static TsCodecReader *reader;
static ZSTD_CCtx *zstd_out;
static ZSTD_DCtx *zstd_in;

bool
bench_contenders_start(void)
{
	encoder = ts_codec_encoder_create(&ts_malloc_allocator);
	reader = ts_codec_reader_create(&ts_malloc_allocator);
	zstd_out = ZSTD_createCCtx();
	zstd_in = ZSTD_createDCtx();
	if (encoder == NULL || reader == NULL || zstd_out == NULL || zstd_in == NULL)
		return false;
	/* the reader of a chunk knows its size: let the frame not repeat it */
	return !ZSTD_isError(
			   ZSTD_CCtx_setParameter(zstd_out, ZSTD_c_compressionLevel, ZSTD_LEVEL)) &&
		   !ZSTD_isError(ZSTD_CCtx_setParameter(zstd_out, ZSTD_c_contentSizeFlag, 0));
}

void
bench_contenders_stop(void)
{
	ZSTD_freeDCtx(zstd_in);
	ZSTD_freeCCtx(zstd_out);
	ts_codec_reader_free(reader);
	ts_codec_encoder_free(encoder);
}

size_t
bench_bound(size_t n)
{
	size_t bound = GORILLA_BOUND(n);
	size_t zstd = ZSTD_compressBound(n * sizeof(BenchValue));
	size_t ours = ts_codec_number_bound((uint32_t) n);

	bound = bound > zstd ? bound : zstd;
	return bound > ours ? bound : ours;
}

/* ---- ours ---- */

static size_t
ours_encode(unsigned use, bool is_time, const BenchValue *values, size_t n, uint8_t *out)
{
	size_t size = 0;
	TsErrorCode code;

	ts_codec_encoder_use(encoder, use);
	if (is_time)
		code = ts_codec_encode_time(encoder, &values->i, (uint32_t) n, out, &size);
	else
		code = ts_codec_encode_float8(encoder, &values->f, (uint32_t) n, out, &size);
	return code == TS_OK ? size : 0;
}

static bool
ours_open(bool is_time, const uint8_t *data, size_t size, size_t n)
{
	return ts_codec_open(reader, is_time ? TS_CODEC_TIME : TS_CODEC_FLOAT8, 0, data, size,
						 (uint32_t) n) == TS_OK;
}

static bool
ours_decode(bool is_time, const uint8_t *data, size_t size, size_t n, BenchValue *out)
{
	uint32_t vectors = ts_codec_vectors((uint32_t) n);

	if (!ours_open(is_time, data, size, n))
		return false;
	if (is_time)
		return ts_codec_decode_int(reader, 0, vectors, &out->i) == TS_OK;
	return ts_codec_decode_float8(reader, 0, vectors, &out->f) == TS_OK;
}

static void
add_choice(BenchChoices *choices, const char *text, size_t values, double bytes)
{
	int i = 0;

	while (i < choices->count && strcmp(choices->choice[i].text, text) != 0)
		i++;
	if (i == BENCH_CHOICES)
		return;
	if (i == choices->count)
	{
		choices->count++;
		snprintf(choices->choice[i].text, BENCH_CHOICE_BYTES, "%s", text);
		choices->choice[i].values = 0;
		choices->choice[i].bytes = 0;
	}
	choices->choice[i].values += values;
	choices->choice[i].bytes += bytes;
}

/* Every vector by itself; the headers are shared out equally. */
static void
explain_vectors(const NumberColumn *column, const char *source, size_t size,
				BenchChoices *choices)
{
	static const char *const predictors[] = {"plain", "delta", "delta of deltas"};
	uint32_t vectors = ts_codec_vectors(column->n);
	size_t headers = size;

	for (uint32_t v = 0; v < vectors; v++)
		headers -= codec_payload_size(&column->heads[v], vector_length(column->n, v),
									  column->value_width);
	for (uint32_t v = 0; v < vectors; v++)
	{
		const VectorHead *head = &column->heads[v];
		uint32_t m = vector_length(column->n, v);
		char text[BENCH_CHOICE_BYTES];

		snprintf(text, sizeof(text), "%s, %s%s%s%s", source, predictors[head->predictor],
				 head->bitmap ? ", zero bitmap" : "",
				 head->patches > 0 ? ", patched" : "",
				 head->foreign > 0 ? ", exceptions" : "");
		add_choice(choices, text, m,
				   (double) codec_payload_size(head, m, column->value_width) +
					   (double) headers / vectors);
	}
}

static void
ours_explain(bool is_time, const uint8_t *data, size_t size, size_t n,
			 BenchChoices *choices)
{
	static const char *const forms[] = {[FORM_CONST] = "const",
										[FORM_RUNS] = "runs",
										[FORM_PLAIN] = "as they are",
										[FORM_ZSTD] = "zstd"};
	static const char *const sources[][2] = {
		[SOURCE_INTEGER] = {"integer", "integer, line"},
		[SOURCE_DECIMAL] = {"decimal", "decimal, line"},
		[SOURCE_PATTERN] = {"bit pattern", "bit pattern, line"}};
	const NumberColumn *column = &reader->number;
	const char *source;
	char text[BENCH_CHOICE_BYTES];

	if (!ours_open(is_time, data, size, n))
		return;
	if (column->form == FORM_PLAIN || column->form == FORM_ZSTD)
	{
		add_choice(choices, forms[column->form], n, (double) size);
		return;
	}
	source = sources[column->source][column->slope != 0];
	if (column->form == FORM_VECTORS)
	{
		explain_vectors(column, source, size, choices);
		return;
	}
	snprintf(text, sizeof(text), "%s, %s", source, forms[column->form]);
	add_choice(choices, text, n, (double) size);
}

/* ---- Gorilla ---- */

static size_t
gorilla_encode(unsigned use, bool is_time, const BenchValue *values, size_t n,
			   uint8_t *out)
{
	(void) use;
	return is_time ? gorilla_encode_times(&values->i, n, out)
				   : gorilla_encode_floats(&values->bits, n, out);
}

static bool
gorilla_decode(bool is_time, const uint8_t *data, size_t size, size_t n, BenchValue *out)
{
	(void) size;
	if (is_time)
		gorilla_decode_times(data, n, &out->i);
	else
		gorilla_decode_floats(data, n, &out->bits);
	return true;
}

/* ---- zstd ---- */

static size_t
zstd_encode(unsigned use, bool is_time, const BenchValue *values, size_t n, uint8_t *out)
{
	size_t raw = n * sizeof(BenchValue);
	size_t size = ZSTD_compress2(zstd_out, out, ZSTD_compressBound(raw), values, raw);

	(void) use;
	(void) is_time;
	return ZSTD_isError(size) ? 0 : size;
}

static bool
zstd_decode(bool is_time, const uint8_t *data, size_t size, size_t n, BenchValue *out)
{
	size_t raw = n * sizeof(BenchValue);

	(void) is_time;
	return ZSTD_decompressDCtx(zstd_in, out, raw, data, size) == raw;
}

/* ---- all of them ---- */

#define OURS(name, use)                                          \
	{                                                            \
		name, false, use, ours_encode, ours_decode, ours_explain \
	}

/*
 * An encoding by itself is what the chooser makes of a column when it has nothing
 * else: where that does not fit it is constant or plain.
 */
const BenchContender bench_contenders[BENCH_CONTENDERS] = {
	[BENCH_OURS] = OURS("ours", TS_CODEC_USE_ALL),
	[BENCH_GORILLA] = {"gorilla", true, 0, gorilla_encode, gorilla_decode, NULL},
	[BENCH_ZSTD] = {"zstd-3", false, 0, zstd_encode, zstd_decode, NULL},
	[BENCH_COMPARED] = OURS("plain", 0),
	OURS("line", TS_CODEC_USE_LINES | TS_CODEC_USE_FRAMES | TS_CODEC_USE_PATCHES),
	OURS("runs", TS_CODEC_USE_DECIMALS | TS_CODEC_USE_RUNS),
	OURS("frame", TS_CODEC_USE_DECIMALS | TS_CODEC_USE_FRAMES),
	OURS("delta", TS_CODEC_USE_DECIMALS | TS_CODEC_USE_DELTAS),
	OURS("dod", TS_CODEC_USE_DECIMALS | TS_CODEC_USE_DODS),
	OURS("patched", TS_CODEC_USE_DECIMALS | TS_CODEC_USE_DELTAS | TS_CODEC_USE_PATCHES),
	OURS("bitmap", TS_CODEC_USE_DECIMALS | TS_CODEC_USE_DELTAS | TS_CODEC_USE_BITMAPS),
	OURS("pattern", TS_CODEC_USE_ALL & ~(TS_CODEC_USE_DECIMALS | TS_CODEC_USE_ZSTD)),
	OURS("zstd", TS_CODEC_USE_ZSTD),
};
