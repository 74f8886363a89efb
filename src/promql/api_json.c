/*
 * api_json.c
 *	  The pieces that the API's documents are made of.
 *
 * Floats are written with the fewest digits that read back as the same value, as Go does.
 * The server's own shortest form is the same but for one thing: where a value's neighbours
 * are as far away as a shorter decimal, Go takes that if the mantissa is even. That takes a
 * decimal with few digits in the middle between two doubles, so it happens for large
 * integers alone; these are tried digit by digit.
 */
#include "postgres.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "api.h"
#include "labels.h"

#define MAX_NOTES 10 /* annotations of a kind */

#define FLOAT_ROOM 32 /* of a float, and of a time */

/* ---- documents ---- */

void
api_begin(StringInfo out)
{
	initStringInfo(out);
	appendStringInfoSpaces(out, VARHDRSZ);
	api_text(out, "{\"status\":\"success\",\"data\":");
}

static void
notes(StringInfo out, const char *kind, const char *const *texts, int count)
{
	if (count == 0)
		return;
	api_text(out, psprintf(",\"%ss\":[", kind));
	for (int i = 0; i < Min(count, MAX_NOTES); i++)
	{
		if (i > 0)
			api_text(out, ",");
		api_string(out, texts[i], strlen(texts[i]));
	}
	if (count > MAX_NOTES)
		api_text(out, psprintf(",\"%d more %s annotations omitted\"", count - MAX_NOTES,
							   kind));
	api_text(out, "]");
}

Datum
api_finish(StringInfo out, const char *const *warnings, int nwarnings,
		   const char *const *infos, int ninfos)
{
	notes(out, "warning", warnings, nwarnings);
	notes(out, "info", infos, ninfos);
	api_text(out, "}");
	SET_VARSIZE(out->data, out->len);
	return PointerGetDatum(out->data);
}

Datum
api_finish_list(StringInfo out, bool truncated)
{
	static const char *const warning[] = {API_TRUNCATED};

	return api_finish(out, warning, truncated ? 1 : 0, NULL, 0);
}

/* ---- bytes ---- */

char *
api_room(StringInfo out, Size n)
{
	if (n >= MaxAllocSize - out->len)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the answer is larger than 1 GB"),
				 errhint("Select fewer series, a shorter range of time or a longer step, "
						 "or use promql(), which gives rows.")));
	enlargeStringInfo(out, (int) n);
	return out->data + out->len;
}

/* Writes an escape and returns its length; 0 if the character is written as it is. */
static int
escape(unsigned char c, char *to)
{
	static const char digits[] = "0123456789abcdef";
	const char *shorts = "\bb\ff\nn\rr\tt\"\"\\\\";

	if (c >= 0x20 && c != '"' && c != '\\')
		return 0;
	to[0] = '\\';
	for (const char *s = shorts; *s; s += 2)
	{
		if ((unsigned char) s[0] == c)
		{
			to[1] = s[1];
			return 2;
		}
	}
	memcpy(to + 1, "u00", 3);
	to[4] = digits[c >> 4];
	to[5] = digits[c & 15];
	return 6;
}

void
api_string(StringInfo out, const char *text, Size len)
{
	char *to = api_room(out, len * 6 + 2);
	char *start = to;

	*to++ = '"';
	for (Size i = 0; i < len; i++)
	{
		int escaped = escape((unsigned char) text[i], to);

		if (escaped == 0)
			*to++ = text[i];
		to += escaped;
	}
	*to++ = '"';
	out->len += to - start;
}

/* ---- numbers ---- */

/* The digits of a value (without sign and point), and the place of the point. */
typedef struct Decimal
{
	char digits[20];
	int count;
	int point; /* 0.DIGITS * 10^point */
} Decimal;

/* Reads them out of a number in any form. */
static void
read_decimal(const char *text, Decimal *decimal)
{
	int point = 0;
	bool fraction = false;

	decimal->count = 0;
	for (; *text && *text != 'e'; text++)
	{
		if (*text == '.')
			fraction = true;
		if (*text < '0' || *text > '9')
			continue;
		point -= fraction && decimal->count == 0 && *text == '0';
		point += !fraction && (decimal->count > 0 || *text != '0');
		if (decimal->count > 0 || *text != '0')
			decimal->digits[decimal->count++] = *text;
		Assert(decimal->count < (int) sizeof(decimal->digits));
	}
	while (decimal->count > 1 && decimal->digits[decimal->count - 1] == '0')
		decimal->count--;
	decimal->point = point + (*text == 'e' ? atoi(text + 1) : 0);
}

/* d.ddde+dd, as Go writes it: two digits of exponent at least. */
static int
write_exponent(const Decimal *decimal, char *to)
{
	int len = 0;

	to[len++] = decimal->digits[0];
	if (decimal->count > 1)
	{
		to[len++] = '.';
		memcpy(to + len, decimal->digits + 1, decimal->count - 1);
		len += decimal->count - 1;
	}
	return len + sprintf(to + len, "e%+03d", decimal->point - 1);
}

/* Without exponent; there is room for the zeros. */
static int
write_plain(const Decimal *decimal, char *to)
{
	int len = 0;

	if (decimal->point <= 0)
	{
		to[len++] = '0';
		to[len++] = '.';
		memset(to + len, '0', -decimal->point);
		len += -decimal->point;
		memcpy(to + len, decimal->digits, decimal->count);
		return len + decimal->count;
	}
	for (int i = 0; i < Max(decimal->count, decimal->point); i++)
	{
		if (i == decimal->point)
			to[len++] = '.';
		to[len++] = i < decimal->count ? decimal->digits[i] : '0';
	}
	return len;
}

/* The shortest decimal of a large value that may be an integer halfway between two. */
static void
shortest_by_trying(double value, char *text)
{
	for (int digits = 0; digits < 17; digits++)
	{
		sprintf(text, "%.*e", digits, value);
		if (strtod(text, NULL) == value)
			return;
	}
}

/* Writes a float and returns its length. */
static int
write_float(double value, char *to)
{
	static const double first_gap =
		9007199254740992.0; /* integers are left out from here */
	char text[FLOAT_ROOM];
	double size = fabs(value);
	Decimal decimal;
	int len = 0;

	if (isnan(value))
		return sprintf(to, "NaN");
	if (isinf(value))
		return sprintf(to, value > 0 ? "+Inf" : "-Inf");
	if (signbit(value))
		to[len++] = '-';
	if (size < 1e15 && size == (double) (int64) size)
		return len + pg_ulltoa_n((uint64) size, to + len);
	if (size >= 1e-4 && size < 1e15)
		return len + double_to_shortest_decimal_bufn(size, to + len);
	if (size < first_gap || size >= 1e41)
		text[double_to_shortest_decimal_bufn(size, text)] = '\0';
	else
		shortest_by_trying(size, text);
	read_decimal(text, &decimal);
	if (size < 1e-6 || size >= 1e21)
		return len + write_exponent(&decimal, to + len);
	return len + write_plain(&decimal, to + len);
}

/* Writes a time and returns its length. */
static int
write_time(int64 time, char *to)
{
	const int64 unix_epoch = (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) *
							 SECS_PER_DAY * 1000;
	int64 ms = time / 1000 - (time % 1000 < 0) + unix_epoch;
	uint64 size = ms < 0 ? -(uint64) ms : (uint64) ms;
	int fraction = (int) (size % 1000);
	int len = 0;

	if (ms < 0)
		to[len++] = '-';
	len += pg_ulltoa_n(size / 1000, to + len);
	if (fraction != 0)
	{
		to[len++] = '.';
		to[len++] = '0' + fraction / 100;
		to[len++] = '0' + fraction / 10 % 10;
		to[len++] = '0' + fraction % 10;
	}
	return len;
}

void
api_float(StringInfo out, double value)
{
	char *to = api_room(out, FLOAT_ROOM + 2);
	int len = 0;

	to[len++] = '"';
	len += write_float(value, to + len);
	to[len++] = '"';
	Assert(len <= FLOAT_ROOM + 2);
	out->len += len;
}

void
api_time(StringInfo out, int64 time)
{
	out->len += write_time(time, api_room(out, FLOAT_ROOM));
}

void
api_point(StringInfo out, int64 time, double value)
{
	char *to = api_room(out, 2 * FLOAT_ROOM + 5);
	int len = 0;

	to[len++] = '[';
	len += write_time(time, to + len);
	to[len++] = ',';
	to[len++] = '"';
	len += write_float(value, to + len);
	to[len++] = '"';
	to[len++] = ']';
	out->len += len;
}

/* ---- labels and histograms ---- */

void
api_labels(StringInfo out, TsString labels)
{
	LabelsIter iter;
	LabelsPair pair;
	bool first = true;

	labels_iter_init(&iter, labels.data, labels.len);
	api_text(out, "{");
	while (labels_iter_next(&iter, &pair))
	{
		if (!first)
			api_text(out, ",");
		first = false;
		api_string(out, pair.name.data, pair.name.len);
		api_text(out, ":");
		api_string(out, pair.value.data, pair.value.len);
	}
	api_text(out, "}");
}

/* Which bounds belong to a bucket, by the numbers that Prometheus gives the cases. */
static const char *
boundary_rule(const TsBucket *bucket)
{
	if (bucket->lower_inclusive)
		return bucket->upper_inclusive ? "3" : "1";
	return bucket->upper_inclusive ? "0" : "2";
}

void
api_histogram(StringInfo out, const TsHistogram *histogram)
{
	TsBucketIter iter;
	TsBucket bucket;
	bool any = false;

	api_text(out, "{\"count\":");
	api_float(out, histogram->count);
	api_text(out, ",\"sum\":");
	api_float(out, histogram->sum);
	ts_bucket_iter_init(&iter, histogram, false);
	while (ts_bucket_iter_next(&iter, &bucket))
	{
		if (bucket.count == 0)
			continue;
		api_text(out, any ? ",[" : ",\"buckets\":[[");
		any = true;
		api_text(out, boundary_rule(&bucket));
		api_text(out, ",");
		api_float(out, bucket.lower);
		api_text(out, ",");
		api_float(out, bucket.upper);
		api_text(out, ",");
		api_float(out, bucket.count);
		api_text(out, "]");
	}
	api_text(out, any ? "]}" : "}");
}
