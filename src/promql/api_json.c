/*
 * api_json.c
 *	  The pieces that the API's documents are made of.
 */
#include "postgres.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "api.h"
#include "exec.h"
#include "labels.h"

#define MAX_NOTES 10 /* annotations of a kind */

#define FLOAT_ROOM 32 /* of a float, and of a time */

/* ---- where bytes go ---- */

static void
begin_out(ApiOut *out, ApiTake take, void *arg)
{
	out->room = take != NULL ? API_PIECE : 1024;
	out->data = palloc(out->room);
	out->len = 0;
	out->take = take;
	out->arg = arg;
}

void
api_hand_on(ApiOut *out, ApiTake take, void *arg)
{
	Assert(take != NULL);
	begin_out(out, take, arg);
}

void
api_keep(ApiOut *out)
{
	begin_out(out, NULL, NULL);
	out->len = VARHDRSZ;
}

Datum
api_kept(ApiOut *out)
{
	Assert(out->take == NULL);
	SET_VARSIZE(out->data, out->len);
	return PointerGetDatum(out->data);
}

void
api_flush(ApiOut *out)
{
	if (out->take == NULL || out->len == 0)
		return;
	CHECK_FOR_INTERRUPTS();
	out->take(out->arg, out->data, out->len);
	out->len = 0;
}

void
api_make_room(ApiOut *out, Size n)
{
	Size room;

	api_flush(out);
	if (n <= out->room - out->len)
		return;
	if (n >= MaxAllocSize - out->len)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the answer is larger than 1 GB"),
				 errhint("Select fewer series, a shorter range of time or a longer step, "
						 "or use promql(), which gives rows.")));
	room = Max(out->len + n, Min(2 * out->room, MaxAllocSize));
	out->data = repalloc(out->data, room);
	out->room = room;
}

void
api_bytes(ApiOut *out, const char *bytes, Size len)
{
	while (len > 0)
	{
		Size n = out->take != NULL ? Min(len, API_PIECE) : len;

		memcpy(api_room(out, n), bytes, n);
		out->len += n;
		bytes += n;
		len -= n;
	}
}

/* ---- documents ---- */

void
api_begin(ApiOut *out)
{
	api_text(out, "{\"status\":\"success\",\"data\":");
}

static void
notes(ApiOut *out, const char *kind, const char *const *texts, int count)
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

void
api_finish(ApiOut *out, const char *const *warnings, int nwarnings,
		   const char *const *infos, int ninfos)
{
	notes(out, "warning", warnings, nwarnings);
	notes(out, "info", infos, ninfos);
	api_text(out, "}");
	api_flush(out);
}

void
api_finish_list(ApiOut *out, bool truncated)
{
	static const char *const warning[] = {API_TRUNCATED};

	api_finish(out, warning, truncated ? 1 : 0, NULL, 0);
}

void
api_error(ApiOut *out, const char *type, const char *text)
{
	api_text(out, "{\"status\":\"error\",\"errorType\":");
	api_string(out, type, strlen(type));
	api_text(out, ",\"error\":");
	api_string(out, text, strlen(text));
	api_text(out, "}");
	api_flush(out);
}

void
api_object_begin(ApiOut *out)
{
	api_begin(out);
	api_text(out, "{");
}

void
api_object_literal(ApiOut *out, const char *name, const char *json)
{
	if (out->data[out->len - 1] != '{')
		api_text(out, ",");
	api_string(out, name, strlen(name));
	api_text(out, ":");
	api_text(out, json);
}

void
api_object_text(ApiOut *out, const char *name, const char *text)
{
	api_object_literal(out, name, "");
	api_string(out, text, strlen(text));
}

void
api_object_end(ApiOut *out)
{
	api_text(out, "}");
	api_finish(out, NULL, 0, NULL, 0);
}

/* ---- strings ---- */

void
api_string(ApiOut *out, const char *text, Size len)
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
api_float(ApiOut *out, double value)
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
api_time(ApiOut *out, int64 time)
{
	out->len += write_time(time, api_room(out, FLOAT_ROOM));
}

void
api_point(ApiOut *out, int64 time, double value)
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
api_labels(ApiOut *out, TsString labels)
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
api_histogram(ApiOut *out, const TsHistogram *histogram)
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
