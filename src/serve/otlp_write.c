/*
 * otlp_write.c
 *	  The first step of a request of OTLP: what the bridge makes of its points is collected,
 *	  as remote write's samples are (remote_write_collect.h).
 *
 * A point is written with all of its samples, or refused and counted as one. What has no
 * point (target_info, metadata, exemplars) is passed over where it cannot be, and said. All
 * times that OTLP knows are times of ours.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "otlp.h"
#include "remote_write_collect.h"
#include "ts_report.h"
#include "ts_series.h"

/* What came between two looks for interrupts. */
#define ITEMS_AT_ONCE 1024

/* Where a request was when the point began. */
typedef struct Mark
{
	uint32 rows;
	int64 nsamples;
	int64 nhistograms;
} Mark;

typedef struct Parse
{
	WriteCollector collector; /* the first, so a pointer to it is one to this */
	TsOtlpBridge *bridge;
	TsOtlpItem item;
	const TsOtlpExemplarItem *exemplar; /* whose series is at hand; NULL: the item's is */
	Mark mark;
	bool refused; /* the point */
} Parse;

static TsErrorCode
read_labels(WriteCollector *collector, LabelsPair **pairs, uint32 *npairs, TsError *err)
{
	Parse *parse = (Parse *) collector;
	TsOtlpLabels labels = {NULL, 0};
	TsErrorCode code =
		parse->exemplar != NULL
			? ts_otlp_exemplar_series_labels(parse->bridge, parse->exemplar, &labels, err)
			: ts_otlp_series_labels(parse->bridge, &parse->item, &labels, err);

	*pairs = labels.pairs;
	*npairs = labels.n;
	return code;
}

static void
expect(void *request, TsFingerprint print)
{
	write_rows_will_find(&((WriteRequest *) request)->samples, print);
}

/* ---- points ---- */

static void
begin_point(Parse *parse)
{
	const WriteRequest *request = parse->collector.request;

	parse->mark = (Mark){request->samples.n, request->nsamples, request->nhistograms};
	parse->refused = false;
}

/* One of its samples was refused, and counted for all of them. */
static void
refuse_point(Parse *parse)
{
	WriteRequest *request = parse->collector.request;

	write_rows_forget(&request->samples, parse->mark.rows);
	request->nsamples = parse->mark.nsamples;
	request->nhistograms = parse->mark.nhistograms;
	parse->refused = true;
}

static bool
accept_series(Parse *parse, int64 *lost)
{
	WriteCollector *collector = &parse->collector;
	TsErrorCode code;
	TsError err;

	write_no_series(collector);
	collector->has_series = true;
	code = write_set_series(collector, parse->item.print, &err);
	return write_accept(collector, code, &err, lost, 1);
}

static void
put_sample(Parse *parse, TsOtlpKind kind)
{
	WriteCollector *collector = &parse->collector;
	const TsOtlpItem *item = &parse->item;
	bool put;

	if (parse->refused)
		return;
	if (!accept_series(parse, &collector->request->refused.samples))
		put = false;
	else if (kind == TS_OTLP_NATIVE)
		put = write_put_histogram(collector, item->time, item->start, &item->histogram);
	else
		put = write_put_sample(collector, item->time, item->start, item->value);
	if (unlikely(!put))
		refuse_point(parse);
}

static void
put_info(Parse *parse)
{
	const TsOtlpItem *item = &parse->item;

	if (accept_series(parse, &parse->collector.request->refused.others))
		(void) write_put_sample(&parse->collector, item->time, 0, item->value);
	begin_point(parse); /* what is refused next begins behind it */
}

static void
put_exemplars(Parse *parse)
{
	WriteCollector *collector = &parse->collector;
	int64 *lost = &collector->request->refused.others;
	TsOtlpExemplarItem exemplar;
	bool found = true;

	for (;;)
	{
		TsError err;
		TsErrorCode code = ts_otlp_bridge_exemplar(parse->bridge, &exemplar, &found,
												   &err);

		CHECK_FOR_INTERRUPTS();
		if (!write_accept(collector, code, &err, lost, 1))
			continue;
		if (!found || !write_wants_exemplars(collector))
			break;
		parse->exemplar = &exemplar;
		write_at_series(collector, exemplar.print);
		write_put_exemplar(collector, exemplar.time, exemplar.value,
						   exemplar.labels.pairs, exemplar.labels.n);
		parse->exemplar = NULL;
		write_no_series(collector); /* the next one's may be another */
	}
}

static void
end_point(Parse *parse)
{
	write_no_series(&parse->collector);
	if (!parse->refused)
	{
		parse->collector.request->npoints++;
		put_exemplars(parse);
	}
	begin_point(parse);
}

/* ---- metadata ---- */

static TsString
copy_text(TsString text)
{
	char *copy = palloc(Max(text.len, 1));

	if (text.len > 0)
		memcpy(copy, text.data, text.len);
	return (TsString){copy, text.len};
}

static void
put_metadata(Parse *parse)
{
	WriteCollector *collector = &parse->collector;
	WriteRequest *request = collector->request;
	const WriteSaid said = {parse->item.print, parse->item.metadata_print};
	TsWriteMetadata metadata;
	TsErrorCode code;
	TsError err;

	if (request->remember && write_known_metadata(request->target, &said))
		return;
	write_no_series(collector);
	code = ts_otlp_metadata(parse->bridge, &parse->item, &metadata, &err);
	if (!write_accept(collector, code, &err, &request->refused.others, 1))
		return;
	if (request->remember)
		write_add_known(&request->known, request->target, &said);
	if (strcmp(metadata.type, "unknown") == 0 && metadata.help.len == 0 &&
		metadata.unit.len == 0)
		return;
	/* The help text is the message's, or a constant. */
	if (metadata.unit.len > 0)
		metadata.unit = copy_text(metadata.unit);
	write_metadata_add(request->metadata, copy_text(metadata.metric), &metadata);
}

/* ---- requests ---- */

static void
refuse_points(Parse *parse)
{
	const TsOtlpItem *item = &parse->item;

	write_no_series(&parse->collector);
	write_refuse(&parse->collector, &parse->collector.request->refused.samples,
				 (int64) item->npoints, ERRCODE_DATA_EXCEPTION, item->reason.message,
				 NULL);
	begin_point(parse);
}

/* False at the end. */
static bool
put_next(Parse *parse)
{
	TsOtlpKind kind;
	TsError err;

	write_check(&parse->collector, ts_otlp_next(parse->bridge, &kind, &parse->item, &err),
				&err);
	switch (kind)
	{
		case TS_OTLP_END:
			return false;
		case TS_OTLP_METADATA:
			put_metadata(parse);
			break;
		case TS_OTLP_SAMPLE:
		case TS_OTLP_NATIVE:
			if (parse->item.part == TS_OTLP_PART_INFO)
				put_info(parse);
			else
				put_sample(parse, kind);
			break;
		case TS_OTLP_POINT_END:
			end_point(parse);
			break;
		case TS_OTLP_REFUSED:
			refuse_points(parse);
			break;
	}
	return true;
}

void
otlp_parse(WriteRequest *request, const void *data, size_t size)
{
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);
	Parse parse = {.collector = {.request = request,
								 .what = "OTLP request",
								 .read_labels = read_labels}};
	TsOtlpOptions options;
	TsError err;
	int items = 0;

	request->partial = true;
	otlp_options(&options);
	options.expect = expect;
	options.expect_ctx = request;
	if (options.delta == TS_OTLP_DELTA_CUMULATIVE)
	{
		request->deltas = otlp_deltas_begin(request->target);
		otlp_deltas_use(request->deltas, &options);
	}
	write_check(&parse.collector,
				ts_otlp_bridge(&parse.bridge, &options, ts_series_secret(), data, size,
							   &allocator, &err),
				&err);
	write_collect_begin(&parse.collector);
	begin_point(&parse);
	while (put_next(&parse))
	{
		if (++items % ITEMS_AT_ONCE == 0)
			CHECK_FOR_INTERRUPTS();
	}
	write_collect_end(&parse.collector);
	ts_otlp_bridge_free(parse.bridge);
}

void
otlp_refusals_text(const WriteRefusals *refused, StringInfo out)
{
	if (refused->count == 0)
		return;
	/* lines, without the end of the last one */
	appendBinaryStringInfo(out, refused->text.data, refused->text.len - 1);
	if (refused->count > refused->shown)
		appendStringInfo(out, "\nand " INT64_FORMAT " refusals more",
						 refused->count - refused->shown);
}

/* ---- bodies ---- */

TsOtlpFormat
otlp_answer_format(ServeRoute route, TsString content_type)
{
	TsOtlpFormat format;

	/* gRPC has a type of its own */
	if (route == ROUTE_OTLP_GRPC)
		return TS_OTLP_PROTOBUF;
	if (ts_otlp_content_type(content_type.data, content_type.len, &format, NULL) == TS_OK)
		return format;
	return TS_OTLP_JSON;
}

TsErrorCode
otlp_decode(TsOtlpFormat format, TsWriteEncoding encoding, TsString body,
			const void **data, size_t *size, TsError *err)
{
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);
	const void *plain;
	size_t plain_size;
	TsError why;
	TsErrorCode code = ts_write_decompress(encoding, body.data, body.len,
										   write_max_size(), &allocator, &plain,
										   &plain_size, err);

	if (code != TS_OK || format == TS_OTLP_PROTOBUF)
	{
		*data = plain;
		*size = plain_size;
		return code;
	}
	code = ts_otlp_from_json(plain, plain_size, write_max_size(), &allocator, data, size,
							 &why);
	if (code == TS_ERR_SYNTAX)
		ts_error_set(err, code, why.offset, "at line %d, column %d: %s", why.line,
					 why.column, why.message);
	else if (code != TS_OK)
		*err = why;
	if (plain != body.data)
		pfree((void *) plain);
	return code;
}
