/*
 * api_json.c
 *	  The pieces that the API's documents are made of.
 */
#include "postgres.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "api.h"
#include "exec.h"
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

void
api_string(StringInfo out, const char *text, Size len)
{
	char *to = api_room(out, len * TS_JSON_ESCAPE_SIZE + 2);
	char *start = to;

	*to++ = '"';
	for (Size i = 0; i < len; i++)
	{
		int escaped = ts_json_escape(text[i], to);

		if (escaped == 0)
			*to++ = text[i];
		to += escaped;
	}
	*to++ = '"';
	out->len += to - start;
}

/* ---- numbers ---- */

/* Writes a float and returns its length. */
static int
write_float(double value, char *to)
{
	double size = fabs(value);
	char text[PROMQL_FLOAT_SIZE];
	int len = 0;

	/* what the server writes the same, and faster */
	if (size < 1e-6 || (size >= 1e-4 && size < 1e15))
	{
		if (signbit(value))
			to[len++] = '-';
		if (size == (double) (int64) size)
			return len + pg_ulltoa_n((uint64) size, to + len);
		return len + double_to_shortest_decimal_bufn(size, to + len);
	}
	len = promql_write_json_float(value, text);
	Assert(len <= FLOAT_ROOM);
	memcpy(to, text, len);
	return len;
}

/* Writes a time and returns its length. */
static int
write_time(int64 time, char *to)
{
	int64 ms = time / PQ_MS - (time % PQ_MS < 0) + PQ_UNIX_EPOCH / PQ_MS;
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
