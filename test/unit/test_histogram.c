/*
 * test_histogram.c
 *	  The forms of a histogram: text, bytes, memory; which ones there are; walks.
 */
#include "histogram_any.h"

#include "../../src/types/histogram_format.h"

/* ---- text ---- */

static void
test_text(void)
{
	static const char *const same[] = {
		"{{schema:0 count:5 sum:3.1 buckets:[1 4]}}",
		"{{schema:0 count:0 sum:0}}",
		"{{schema:-4 count:-3 sum:-Inf z_bucket:-1.5 z_bucket_w:0.001 offset:-7 "
		"buckets:[1 -4 0 _ 2 _x1000000 3e-300] n_offset:1 n_buckets:[0.1 NaN +Inf] "
		"counter_reset_hint:gauge}}",
		"{{schema:-53 count:4 sum:5 custom_values:[-Inf 5 10] buckets:[1 2 _ 1]}}",
		"{{schema:-53 count:1 sum:5 custom_values:[] buckets:[1]}}",
		"{{schema:8 count:1 sum:stale counter_reset_hint:not_reset counts:integer}}",
		"{{schema:3 count:9007199254740992 sum:-0 z_bucket:-0 buckets:[-0 "
		"0.30000000000000004]}}",
		"{{schema:0 count:1 sum:NaN offset:-1073741824 buckets:[0 _x2147483646 1]}}",
	};
	static const char *const others[][2] = {
		{"{{}}", "{{schema:0 count:0 sum:0}}"},
		{" {{ buckets:[1 2 1]\n sum:+5.0 count:4 schema:0 }} ",
		 "{{schema:0 count:4 sum:5 buckets:[1 2 1]}}"},
		{"{{n_buckets:[_ _ 1] n_offset:3 buckets:[1 _x3 _ _x0]}}",
		 "{{schema:0 count:0 sum:0 buckets:[1] n_offset:5 n_buckets:[1]}}"},
		{"{{sum:iNF count:0x1p4 counter_reset_hint:RESET}}",
		 "{{schema:0 count:16 sum:+Inf counter_reset_hint:reset}}"},
	};

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		CHECK_TEXT(hist(same[i]), same[i]);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		CHECK_TEXT(hist(others[i][0]), others[i][1]);
}

static void
test_refused_text(void)
{
	static const struct
	{
		const char *text;
		TsErrorCode code;
		int column;
	} cases[] = {
		{"", TS_ERR_SYNTAX, 1},
		{"{", TS_ERR_SYNTAX, 1},
		{"{{", TS_ERR_SYNTAX, 3},
		{"{{}", TS_ERR_SYNTAX, 3},
		{"{{}} x", TS_ERR_SYNTAX, 6},
		{"{{foo:1}}", TS_ERR_SYNTAX, 3},
		{"{{sum}}", TS_ERR_SYNTAX, 6},
		{"{{sum:}}", TS_ERR_SYNTAX, 7},
		{"{{sum:1 sum:2}}", TS_ERR_SYNTAX, 9},
		{"{{sum:1e999}}", TS_ERR_SYNTAX, 7},
		{"{{sum:1_000}}", TS_ERR_SYNTAX, 7},
		{"{{sum:infinity}}", TS_ERR_SYNTAX, 7},
		{"{{sum:[1]}}", TS_ERR_SYNTAX, 8},
		{"{{count:stale}}", TS_ERR_SYNTAX, 9},
		{"{{buckets:1}}", TS_ERR_SYNTAX, 11},
		{"{{buckets:[1 2}}", TS_ERR_SYNTAX, 15},
		{"{{buckets:[1 a]}}", TS_ERR_SYNTAX, 14},
		{"{{buckets:[1 _y]}}", TS_ERR_SYNTAX, 14},
		{"{{buckets:[1 _x]}}", TS_ERR_SYNTAX, 14},
		{"{{buckets:[1 _x-1 2]}}", TS_ERR_SYNTAX, 14},
		{"{{buckets:[1 [2] 3]}}", TS_ERR_SYNTAX, 18},
		{"{{buckets:[1 _x2000000000 2]}}", TS_ERR_LIMIT, 27},
		{"{{offset:-2000000000 buckets:[1]}}", TS_ERR_SYNTAX, 10},
		{"{{offset:1.5 buckets:[1]}}", TS_ERR_SYNTAX, 10},
		{"{{counter_reset_hint:maybe}}", TS_ERR_SYNTAX, 22},
		{"{{counts:float}}", TS_ERR_SYNTAX, 10},
		{"{{schema:9}}", TS_ERR_INVALID, 0},
		{"{{schema:-5}}", TS_ERR_INVALID, 0},
		{"{{schema:-99999999999999}}", TS_ERR_SYNTAX, 10},
		{"{{custom_values:[1]}}", TS_ERR_INVALID, 0},
		{"{{schema:-53 custom_values:[1 1]}}", TS_ERR_INVALID, 0},
		{"{{schema:-53 custom_values:[1 NaN]}}", TS_ERR_INVALID, 0},
		{"{{schema:-53 custom_values:[1 inf]}}", TS_ERR_INVALID, 0},
		{"{{schema:-53 custom_values:[1] buckets:[1 2 3]}}", TS_ERR_INVALID, 0},
		{"{{schema:-53 custom_values:[1] offset:-1 buckets:[1]}}", TS_ERR_INVALID, 0},
		{"{{schema:-53 custom_values:[1] n_buckets:[1]}}", TS_ERR_INVALID, 0},
		{"{{schema:-53 custom_values:[1] z_bucket:1}}", TS_ERR_INVALID, 0},
		{"{{z_bucket_w:-1}}", TS_ERR_INVALID, 0},
		{"{{z_bucket_w:inf}}", TS_ERR_INVALID, 0},
		{"{{counts:integer count:1.5}}", TS_ERR_INVALID, 0},
		{"{{counts:integer count:1 buckets:[-1]}}", TS_ERR_INVALID, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		TsHistogram *h;
		TsError err = {0};
		TsErrorCode code = ts_histogram_parse(cases[i].text, strlen(cases[i].text), &any,
											  &h, &err);

		CHECK(code == cases[i].code && err.code == code, "%s: %d", cases[i].text, code);
		CHECK(code == TS_OK || err.column == cases[i].column, "%s: %d, %s", cases[i].text,
			  err.column, err.message);
	}
}

/* ---- bytes ---- */

static uint8_t *
bytes_of(const TsHistogram *h, size_t *size)
{
	uint8_t *bytes;

	*size = ts_histogram_encoded_size(h);
	bytes = malloc(*size + 1);
	bytes[*size] = 0xA5;
	ts_histogram_encode(h, bytes);
	CHECK(bytes[*size] == 0xA5, "it keeps within its size");
	return bytes;
}

static void
check_round_trip(const TsHistogram *h)
{
	size_t size, again_size;
	uint8_t *bytes = bytes_of(h, &size);
	uint8_t *again;
	TsHistogram *decoded;
	TsError err;
	const char *text = text_of(h);

	CHECK(ts_histogram_check(bytes, size, &err) == TS_OK, "%s: %s", text, err.message);
	decoded = ts_histogram_decode(bytes, size, &any);
	CHECK(decoded != NULL, "%s", text);
	CHECK_TEXT(decoded, text);
	CHECK(ts_histogram_equal(h, decoded), "%s", text);
	CHECK(decoded->hint == h->hint && decoded->integer == h->integer, "%s", text);
	again = bytes_of(decoded, &again_size);
	CHECK(size == again_size && memcmp(bytes, again, size) == 0, "%s", text);
	free(again);
	again = bytes_of(hist(text), &again_size);
	CHECK(size == again_size && memcmp(bytes, again, size) == 0, "%s", text);
	free(again);
	free(bytes);
}

static void
test_bytes(void)
{
	static const char *const texts[] = {
		"{{}}",
		"{{schema:0 count:5 sum:3.1 buckets:[1 4]}}",
		"{{schema:8 count:5.5 sum:NaN z_bucket:1 z_bucket_w:1e-128 offset:-1073741824 "
		"buckets:[1 4 _x1000000 0 0 7] n_offset:1000000 n_buckets:[0 0]}}",
		"{{schema:-53 count:4 sum:5 custom_values:[5 10] buckets:[1 2 1]}}",
		"{{sum:stale counts:integer}}",
		"{{count:18446744073709551616 counts:integer}}",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		check_round_trip(hist(texts[i]));
	unit_group_begin();
	for (int i = 0; i < 2000; i++)
	{
		check_round_trip(i % 4 ? any_histogram() : any_custom());
		ts_arena_free(&any_arena);
	}
	unit_group_end();
}

/* The bytes are stored: they must stay what they are. */
static void
test_golden(void)
{
	static const uint8_t integer[] = {
		0x01, 0x77, 0x03, 0xCD, 0xCC, 0xCC, 0xCC, 0xCC, 0xCC, 0x08, 0x40, 0xFC, 0xA9,
		0xF1, 0xD2, 0x4D, 0x62, 0x50, 0x3F, 0x02, 0x03, 0x01, 0x04, 0x00, 0x02, 0x02,
		0x00, 0x01, 0x00, 0xAC, 0x02, 0x01, 0x64, 0x03, 0xC8, 0x01, 0x00, 0x04};
	static const uint8_t custom[] = {
		1, 0x0C, 0xCB, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F, 1, 0, 0, 0, 0, 0, 0,    0xF0, 0x3F,
		1, 0,    0,    0, 0, 0, 0, 0, 0, 0xE0, 0x3F, 0, 0, 0, 0, 0, 0, 0xE0, 0x3F};
	const char *texts[] = {
		"{{schema:3 count:300 sum:3.1 z_bucket:1 z_bucket_w:0.001 offset:-2 buckets:[100 3 "
		"_x5 200] n_offset:1 n_buckets:[0 _x2 4] counts:integer counter_reset_hint:reset}}",
		"{{schema:-53 count:0.5 sum:1 custom_values:[1] buckets:[0.5] "
		"counter_reset_hint:gauge}}"};
	size_t size;
	uint8_t *bytes = bytes_of(hist(texts[0]), &size);

	CHECK(size == sizeof(integer) && memcmp(bytes, integer, size) == 0, "integer");
	free(bytes);
	bytes = bytes_of(hist(texts[1]), &size);
	CHECK(size == sizeof(custom) && memcmp(bytes, custom, size) == 0, "custom");
	free(bytes);
}

int
main(void)
{
	any_begin();
	test_text();
	test_refused_text();
	test_bytes();
	test_golden();
	any_end();
	return unit_finish();
}
