/*
 * test_codec_damage.c
 *	  Columns that are cut short are refused; columns with bytes changed are refused or
 *	  give some values; nothing is read or written outside (which is for the
 *	  sanitizers to see: every column lies in memory of exactly its size).
 */
#include "codec_any.h"
#include "codec_columns.h"
#include "unit.h"

#include <stdlib.h>
#include <time.h>

#define MOST 700

static TsCodecEncoder *enc;
static TsCodecReader *reader;

/* Opens and decodes all; what comes out does not matter. */
static TsErrorCode
read_column(TsCodecType type, const uint8_t *data, size_t len, uint32_t n)
{
	static uint64_t out[MOST * 2];
	static TsCodecBytes values[MOST];
	uint8_t *exact = malloc(len > 0 ? len : 1);
	TsErrorCode code;
	uint32_t vectors = ts_codec_vectors(n);

	memcpy(exact, data, len);
	code = ts_codec_open(reader, type, 16, exact, len, n);
	if (code == TS_OK)
		code = decode_any(reader, type, 0, vectors,
						  type == TS_CODEC_BYTES ? (void *) values : out);
	for (uint32_t i = 0; i < n && code == TS_OK && type == TS_CODEC_BYTES; i++)
	{
		if (values[i].size > 0)
			out[0] ^= values[i].data[0] ^ values[i].data[values[i].size - 1];
	}
	/* damage always has a name */
	CHECK(code != TS_ERR_INVALID || ts_codec_problem(reader)[0] != '\0');
	free(exact);
	return code;
}

/*
 * A column in which nothing but its length says where it ends: cut short, it must be
 * refused. (Runs of bits and a constant of bytes take what there is.)
 */
static void
damage(TsCodecType type, uint8_t *data, size_t len, uint32_t n, bool self_delimiting)
{
	bool refused = true;
	bool survived = true;

	CHECK(read_column(type, data, len, n) == TS_OK);
	for (size_t cut = 0; cut < len; cut++)
		refused &= read_column(type, data, cut, n) != TS_OK || !self_delimiting;
	CHECK(refused, "type %d, %u values, form %u", (int) type, n, data[0]);
	for (int round = 0; round < 300; round++)
	{
		size_t at = random_below(random_below(2) ? len : len < 24 ? len : 24);
		uint8_t before = data[at];
		TsErrorCode code;

		data[at] ^= (uint8_t) (1 + random_below(255));
		code = read_column(type, data, len, n);
		survived &= code == TS_OK || code == TS_ERR_INVALID || code == TS_ERR_MEMORY;
		/* a wrong number of values, too */
		read_column(type, data, len, (uint32_t) random_below(MOST));
		data[at] = before;
	}
	CHECK(survived);
}

static void
damage_numbers(unsigned kind, uint32_t n)
{
	static int64_t integers[MOST];
	static double doubles[MOST];
	static float floats[MOST];
	static uint8_t bytes[MOST * 8 + 64];
	size_t len;

	fill_integers(kind, n, integers);
	ts_codec_encode_int(enc, integers, n, bytes, &len);
	damage(TS_CODEC_INT, bytes, len, n, true);
	ts_codec_encode_time(enc, integers, n, bytes, &len);
	damage(TS_CODEC_TIME, bytes, len, n, true);
	for (unsigned flavour = 0; flavour < FLOAT_FLAVOURS; flavour++)
	{
		fill_doubles(kind, flavour, n, integers, doubles);
		ts_codec_encode_float8(enc, doubles, n, bytes, &len);
		damage(TS_CODEC_FLOAT8, bytes, len, n, true);
		for (uint32_t i = 0; i < n; i++)
			floats[i] = (float) doubles[i];
		ts_codec_encode_float4(enc, floats, n, bytes, &len);
		damage(TS_CODEC_FLOAT4, bytes, len, n, true);
	}
}

static void
damage_strings(uint32_t n, unsigned distinct)
{
	static uint64_t words[MOST * 2];
	static TsCodecBytes values[MOST];
	static uint8_t bytes[MOST * 40];
	static char text[MOST][24];
	size_t len;

	for (uint32_t i = 0; i < n; i++)
	{
		words[i * 2] = random_below(distinct);
		words[i * 2 + 1] = words[i * 2];
		values[i].data = (uint8_t *) text[i];
		values[i].size = (uint32_t) sprintf(text[i], "value %u",
											(unsigned) random_below(distinct));
	}
	ts_codec_encode_fixed(enc, words, 16, n, bytes, &len);
	damage(TS_CODEC_FIXED, bytes, len, n, true);
	ts_codec_encode_bytes(enc, values, n, bytes, &len);
	/* form 1 is a constant */
	damage(TS_CODEC_BYTES, bytes, len, n, bytes[0] != 1);
	ts_codec_encode_bits(enc, words, n, bytes, &len);
	damage(TS_CODEC_BITS, bytes, len, n, false);
}

int
main(int argc, char **argv)
{
	static const uint32_t sizes[] = {1, 2, 3, 100, 256, 600};
	static const unsigned distinct[] = {1, 5, 1000000};
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t) time(NULL);

	printf("seed %llu\n", (unsigned long long) seed);
	random_state = seed;
	enc = ts_codec_encoder_create(&ts_malloc_allocator);
	reader = ts_codec_reader_create(&ts_malloc_allocator);
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
	{
		unit_group_begin();
		/* the long ones of random kinds only: each is cut at every length */
		for (unsigned kind = 0; kind < COLUMN_KINDS; kind++)
		{
			if (sizes[s] < 200 || random_below(8) == 0)
				damage_numbers(kind, sizes[s]);
		}
		unit_group_end();
		for (size_t d = 0; d < sizeof(distinct) / sizeof(distinct[0]); d++)
		{
			unit_group_begin();
			damage_strings(sizes[s], distinct[d]);
			unit_group_end();
		}
	}
	ts_codec_encoder_free(enc);
	ts_codec_reader_free(reader);
	return unit_finish();
}
