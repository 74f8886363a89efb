/*
 * test_otlp_read.c
 *	  Messages of OTLP in all the ways that protobuf allows, and in some that it does not.
 *
 * What usual messages become is test_otlp_bridge.c's matter.
 */
#include <math.h>

#include "dry_allocator.h"
#include "otlp_build.h"
#include "ts_otlp.h"
#include "unit.h"

static const uint8_t secret[TS_WRITE_SECRET] = {7};

/* ---- reading ---- */

/* A reader at the first point of a message, which has to have one. */
static TsErrorCode
first_point(TsOtlpReader *reader, const Bytes *message, TsError *err)
{
	bool found = true;
	TsErrorCode code;

	code = ts_otlp_open(reader, message->data, message->n, &ts_malloc_allocator, err);
	if (code == TS_OK)
		code = ts_otlp_next_resource(reader, &found, err);
	if (code == TS_OK && found)
		code = ts_otlp_next_scope(reader, &found, err);
	if (code == TS_OK && found)
		code = ts_otlp_next_metric(reader, &found, err);
	if (code == TS_OK && found)
		code = ts_otlp_next_point(reader, &found, err);
	CHECK(code != TS_OK || found, "a point");
	return code;
}

/* Reads all that there is; returns the first error that ends it. */
static TsErrorCode
read_all(const void *data, size_t size, const TsAllocator *allocator, uint64_t *points,
		 TsError *err)
{
	bool resource = true;
	bool scope = true;
	bool metric = true;
	bool point = true;
	bool exemplar = true;
	TsOtlpExemplar of;
	TsOtlpReader reader;
	TsErrorCode code = ts_otlp_open(&reader, data, size, allocator, err);

	*points = 0;
	while (code == TS_OK && resource)
	{
		code = ts_otlp_next_resource(&reader, &resource, err);
		for (scope = resource; code == TS_OK && scope;)
		{
			code = ts_otlp_next_scope(&reader, &scope, err);
			for (metric = scope; code == TS_OK && metric;)
			{
				code = ts_otlp_next_metric(&reader, &metric, err);
				for (point = metric; code == TS_OK && point;)
				{
					code = ts_otlp_next_point(&reader, &point, err);
					*points += code == TS_OK && point;
					if (code == TS_ERR_INVALID || code == TS_ERR_LIMIT)
						code = TS_OK;
					for (exemplar = point; code == TS_OK && exemplar;)
						code = ts_otlp_next_exemplar(&reader, &of, &exemplar, err);
				}
			}
		}
	}
	ts_otlp_close(&reader);
	return code;
}

static TsErrorCode
read_bytes(const Bytes *message, TsError *err)
{
	uint8_t *copy = malloc(message->n + 1); /* its end is the sanitizer's */
	uint64_t points;
	TsErrorCode code;

	memcpy(copy + 1, message->data, message->n);
	code = read_all(copy + 1, message->n, &ts_malloc_allocator, &points, err);
	free(copy);
	return code;
}

/* A metric's bytes as a whole message; they are gone afterwards. */
static Bytes
message_of(Bytes *metric)
{
	Bytes scope = {0};
	Bytes resource = {0};
	Bytes message = {0};

	put_message(&scope, 2, metric);
	put_message(&resource, 2, &scope);
	put_message(&message, 1, &resource);
	bytes_free(&scope);
	bytes_free(&resource);
	return message;
}

/* A point's bytes, as one of a metric whose data have that field. */
static Bytes
message_of_point(int data_field, Bytes *point)
{
	Bytes data = {0};
	Bytes metric = {0};
	Bytes message;

	put_message(&data, 1, point);
	put_text(&metric, 1, "m");
	put_message(&metric, data_field, &data);
	message = message_of(&metric);
	bytes_free(&data);
	bytes_free(&metric);
	return message;
}

/* ---- fields in other orders, and more than once ---- */

static void
test_order(void)
{
	Bytes point = {0};
	Bytes data = {0};
	Bytes metric = {0};
	Bytes message;
	TsOtlpReader reader;
	TsError err = {0};

	put_number(&point, 8, 1);
	put_number(&point, 8, 0);
	put_bits(&point, 3, 1);
	put_attribute(&point, 7, "a", "1");
	put_bits(&point, 3, 2);
	put_double(&point, 4, 1.5);
	put_bits(&point, 6, 7);
	put_attribute(&point, 7, "b", "2");
	put_bits(&point, 2, 9);
	put_message(&data, 1, &point);
	put_number(&data, 3, 1);
	put_number(&data, 2, 1);
	put_number(&data, 2, 2);
	put_message(&metric, 7, &data);
	put_text(&metric, 3, "By");
	put_text(&metric, 1, "old");
	put_text(&metric, 1, "new");
	message = message_of(&metric);

	CHECK(first_point(&reader, &message, &err) == TS_OK, "%s", err.message);
	CHECK(ts_string_is(reader.metric.name, "new") && reader.metric.monotonic &&
		  reader.metric.temporality == TS_OTLP_CUMULATIVE);
	CHECK(reader.metric.npoints == 1 && ts_string_is(reader.metric.unit, "By"));
	CHECK(reader.point.time == 2 && reader.point.start == 9);
	CHECK(!reader.point.no_recorded_value && reader.point.is_integer &&
		  reader.point.integer == 7 && reader.point.number == 7);
	CHECK(reader.point.attributes.count == 2 && !reader.point.attributes.together);
	ts_otlp_close(&reader);
	bytes_free(&message);
	bytes_free(&point);
	bytes_free(&data);
	bytes_free(&metric);
}

/* Attributes have the same fingerprint wherever they lie. */
static void
test_scattered(void)
{
	TsFingerprint prints[2];
	TsError err = {0};

	for (int scattered = 0; scattered < 2; scattered++)
	{
		Bytes point = {0};
		Bytes message;
		TsOtlpReader reader;

		put_attribute(&point, 7, "a", "1");
		if (scattered)
			put_bits(&point, 3, 1);
		put_attribute(&point, 7, "b", "2");
		put_bits(&point, 6, 7);
		message = message_of_point(5, &point);
		CHECK(first_point(&reader, &message, &err) == TS_OK, "%s", err.message);
		CHECK(reader.point.attributes.together == !scattered);
		prints[scattered] = ts_otlp_attributes_print(&reader.point.attributes,
													 (TsFingerprint){1, 2}, secret);
		ts_otlp_close(&reader);
		bytes_free(&message);
		bytes_free(&point);
	}
	CHECK(memcmp(&prints[0], &prints[1], sizeof(prints[0])) == 0);
}

/* A message in two fields is both of them together. */
static void
test_merged(void)
{
	Bytes part = {0};
	Bytes point = {0};
	Bytes data = {0};
	Bytes metric = {0};
	Bytes scope = {0};
	Bytes resource = {0};
	Bytes message = {0};
	TsOtlpReader reader;
	TsError err = {0};
	bool found = false;

	put_bits(&point, 6, 1);
	put_message(&data, 1, &point);
	put_message(&metric, 5, &data); /* a gauge that does not count */
	put_message(&data, 1, &point);
	put_message(&metric, 7, &data);
	put_number(&data, 2, 2);
	put_number(&data, 3, 1);
	put_message(&metric, 7, &data);
	put_text(&metric, 1, "m");
	put_message(&scope, 2, &metric);
	put_text(&part, 1, "lib");
	put_attribute(&part, 3, "a", "1");
	put_message(&scope, 1, &part);
	put_text(&part, 2, "v");
	put_attribute(&part, 3, "b", "2");
	put_message(&scope, 1, &part);
	put_attribute(&part, 1, "c", "3");
	put_message(&resource, 1, &part);
	put_message(&resource, 2, &scope);
	put_attribute(&part, 1, "d", "4");
	put_attribute(&part, 1, "e", "5");
	put_message(&resource, 1, &part);
	put_message(&message, 1, &resource);

	CHECK(first_point(&reader, &message, &err) == TS_ERR_INVALID, "an empty point");
	CHECK(reader.resource.attributes.count == 3 && reader.scope.attributes.count == 2);
	CHECK(ts_string_is(reader.scope.name, "lib") &&
		  ts_string_is(reader.scope.version, "v"));
	CHECK(reader.metric.type == TS_OTLP_SUM && reader.metric.monotonic &&
		  reader.metric.npoints == 1);
	CHECK(ts_otlp_next_point(&reader, &found, &err) == TS_OK && !found);
	ts_otlp_close(&reader);
	bytes_free(&message);
	bytes_free(&part);
	bytes_free(&point);
	bytes_free(&data);
	bytes_free(&metric);
	bytes_free(&scope);
	bytes_free(&resource);
}

/* ---- arrays ---- */

static void
test_unpacked(void)
{
	Bytes point = {0};
	Bytes side = {0};
	Bytes message;
	TsOtlpReader reader;
	TsError err = {0};

	put_bits(&point, 4, 6);
	put_bits(&point, 6, 1);
	put_double(&point, 7, 0.5);
	put_bits(&point, 6, 2);
	put_double(&point, 7, 1.5);
	put_bits(&point, 6, 3);
	message = message_of_point(9, &point);
	CHECK(first_point(&reader, &message, &err) == TS_OK, "%s", err.message);
	CHECK(reader.point.ncounts == 3 && reader.point.counts[2] == 3 &&
		  reader.point.nbounds == 2 && reader.point.bounds[1] == 1.5);
	ts_otlp_close(&reader);
	bytes_free(&message);

	/* A side in two fields, with counts packed and not. */
	put_bits(&point, 4, 6);
	put_number(&side, 1, zigzag(5));
	put_number(&side, 2, 1);
	put_message(&point, 8, &side);
	put_bytes(&side, 2, "\2\3", 2);
	put_number(&side, 1, zigzag(-5));
	put_message(&point, 8, &side);
	message = message_of_point(10, &point);
	CHECK(first_point(&reader, &message, &err) == TS_OK, "%s", err.message);
	CHECK(reader.point.positive.ncounts == 3 && reader.point.positive.counts[2] == 3 &&
		  reader.point.positive.offset == -5 && reader.point.negative.ncounts == 0);
	ts_otlp_close(&reader);
	bytes_free(&message);
	bytes_free(&side);
	bytes_free(&point);
}

/* So many buckets, and one more; the next point is not hurt by it. */
static void
test_too_many(void)
{
	static const struct
	{
		int data;
		int field;
		int bytes; /* of an element */
	} arrays[] = {{9, 6, 8}, {9, 7, 8}, {10, 8, 1}, {11, 6, 0}};

	for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++)
	{
		size_t size = (size_t) (TS_HISTOGRAM_MAX_BUCKETS + 1) * (size_t) arrays[i].bytes;
		uint8_t *zeros = calloc(size + 1, 1);
		Bytes point = {0};
		Bytes side = {0};
		Bytes message;
		TsError err = {0};
		TsOtlpReader reader;
		bool found;

		for (uint32_t n = 0; n <= TS_HISTOGRAM_MAX_BUCKETS && arrays[i].bytes == 0; n++)
			put_text(&point, 6, "");
		if (arrays[i].bytes == 1)
			put_bytes(&side, 2, zeros, size);
		if (arrays[i].bytes == 8)
			put_bytes(&point, arrays[i].field, zeros, size);
		else if (arrays[i].bytes == 1)
			put_message(&point, arrays[i].field, &side);
		message = message_of_point(arrays[i].data, &point);
		CHECK(first_point(&reader, &message, &err) == TS_ERR_LIMIT, "array %zu", i);
		CHECK(ts_otlp_next_point(&reader, &found, &err) == TS_OK && !found);
		ts_otlp_close(&reader);
		bytes_free(&message);
		bytes_free(&side);
		bytes_free(&point);
		free(zeros);
	}
}

/* ---- what is no such message ---- */

static const char usual[] =
	"resource @service.name=s @a:i=1\n"
	"scope name=n version=v url=u @k=v\n"
	"gauge g unit=s help=h\npoint @k=v time=1 start=1 int=1\n"
	"exemplar double=1 time=2 trace=01 span=02 @k=v\n"
	"sum s cumulative monotonic\npoint time=1 double=1 flags=0\n"
	"histogram h delta\npoint @k=v time=1 count=6 sum=1 min=1 "
	"max=2 bounds=1,2 counts=1,2,3 flags=2\n"
	"exponential e delta\npoint @k=v time=1 count=5 sum=1 scale=1 "
	"zero=2 threshold=1 pos=1:1,1 neg=0:1 min=1 max=1\n"
	"summary q\npoint @k=v time=1 count=1 sum=1 q=0.5:1\n";

/* The message cut short anywhere, or with a byte changed, is read within its bounds. */
static void
test_damage(void)
{
	Bytes message = build(usual);
	TsError err = {0};
	size_t whole = 0;

	CHECK(read_bytes(&message, &err) == TS_OK, "%s", err.message);
	unit_group_begin();
	for (size_t i = 1; i < message.n; i++)
	{
		Bytes part = {message.data, i, i};

		err.message[0] = '\0';
		whole += read_bytes(&part, &err) == TS_OK;
		CHECK(whole == 0 && err.message[0] != '\0', "cut at %zu", i);
	}
	for (size_t i = 0; i < message.n; i++)
	{
		const uint8_t byte = message.data[i];

		for (int bit = 0; bit < 8; bit++)
		{
			TsErrorCode code;

			message.data[i] = byte ^ (uint8_t) (1 << bit);
			code = read_bytes(&message, &err);
			CHECK(code == TS_OK || code == TS_ERR_SYNTAX, "bit %d of %zu", bit, i);
		}
		message.data[i] = byte;
	}
	unit_group_end();
	bytes_free(&message);
}

/* Fields that are known are of their wire types only; others may be anything but groups. */
static void
test_wire_types(void)
{
	static const struct
	{
		int data;
		int fields[16]; /* of points that are known, up to 0 */
		int unknown;
	} kinds[] = {
		{5, {2, 3, 4, 5, 6, 7, 8}, 1},
		{7, {2, 3, 4, 5, 6, 7, 8}, 9},
		{9, {2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 1},
		{10, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}, 15},
		{11, {2, 3, 4, 5, 6, 7, 8}, 1},
	};
	TsError err = {0};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
	{
		Bytes point = {0};
		Bytes message;

		for (int j = 0; kinds[i].fields[j] != 0; j++)
		{
			put_varint(&point, (uint64_t) kinds[i].fields[j] << 3 | WIRE_FIXED32);
			put(&point, "\0\0\0\0", 4);
			message = message_of_point(kinds[i].data, &point);
			CHECK(read_bytes(&message, &err) == TS_ERR_SYNTAX, "field %d of data %d",
				  kinds[i].fields[j], kinds[i].data);
			bytes_free(&message);
		}
		put_varint(&point, (uint64_t) kinds[i].unknown << 3 | WIRE_FIXED32);
		put(&point, "\0\0\0\0", 4);
		put_text(&point, 99, "anything");
		put_bits(&point, 100, 1);
		put_number(&point, 536870911, 1);
		message = message_of_point(kinds[i].data, &point);
		CHECK(read_bytes(&message, &err) == TS_OK, "unknown fields of data %d: %s",
			  kinds[i].data, err.message);
		bytes_free(&message);
		put_varint(&point, 99 << 3 | 3);
		put_varint(&point, 99 << 3 | 4);
		message = message_of_point(kinds[i].data, &point);
		CHECK(read_bytes(&message, &err) == TS_ERR_SYNTAX, "a group in data %d",
			  kinds[i].data);
		bytes_free(&message);
		bytes_free(&point);
	}
}

/* The outer messages' fields, too. */
static void
test_outer_wire_types(void)
{
	static const int metric_fields[] = {1, 2, 3, 5, 7, 9, 10, 11, 12, 0};
	static const int others[] = {1, 2, 3, 0};
	static const int first[] = {1, 0};
	static const int *const fields[] = {first, others, others, metric_fields};
	static const int nested[] = {1, 2, 2};
	TsError err = {0};

	for (int level = 0; level < 4; level++)
	{
		for (int i = 0; fields[level][i] != 0; i++)
		{
			Bytes inner = {0};
			Bytes outer = {0};

			put_bits(&inner, fields[level][i], 1);
			for (int j = level; j > 0; j--)
			{
				Bytes swap;

				put_message(&outer, nested[j - 1], &inner);
				swap = inner;
				inner = outer;
				outer = swap;
			}
			CHECK(read_bytes(&inner, &err) == TS_ERR_SYNTAX, "field %d of level %d",
				  fields[level][i], level);
			bytes_free(&inner);
			bytes_free(&outer);
		}
	}
}

/* ---- attributes that become nothing ---- */

/* Attributes are nested too deep, wherever they are. */
static void
test_depth(void)
{
	static const int depths[] = {TS_OTLP_MAX_DEPTH - 1, TS_OTLP_MAX_DEPTH, 100000};

	for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++)
	{
		for (int place = 0; place < 4; place++)
		{
			const TsErrorCode expected = depths[i] < TS_OTLP_MAX_DEPTH ? TS_OK
																	   : TS_ERR_SYNTAX;
			Bytes part = {0};
			Bytes metric = {0};
			Bytes scope = {0};
			Bytes resource = {0};
			Bytes message = {0};
			Bytes data = {0};
			Bytes point = {0};
			TsError err = {0};

			put_deep(&part, (const int[]){1, 3, 12, 7}[place], "deep", depths[i]);
			if (place == 2)
				put(&metric, part.data, part.n);
			if (place == 3)
			{
				put_double(&part, 3, 1);
				put_message(&point, 5, &part);
				put_bits(&point, 6, 1);
				put_message(&data, 1, &point);
				put_message(&metric, 5, &data);
			}
			if (place == 1)
				put_message(&scope, 1, &part);
			put_message(&scope, 2, &metric);
			if (place == 0)
				put_message(&resource, 1, &part);
			put_message(&resource, 2, &scope);
			put_message(&message, 1, &resource);
			CHECK(read_bytes(&message, &err) == expected, "depth %d in place %d: %s",
				  depths[i], place, err.message);
			bytes_free(&part);
			bytes_free(&metric);
			bytes_free(&scope);
			bytes_free(&resource);
			bytes_free(&message);
			bytes_free(&data);
			bytes_free(&point);
		}
	}
}

/* ---- exemplars, memory ---- */

static void
test_exemplars(void)
{
	Bytes message = build("sum s cumulative\npoint time=1 int=1\n"
						  "exemplar int=-3 time=2 trace=0a0b span=0c @k=v @l=w\n"
						  "exemplar time=9\nexemplar double=1 int=2 double=3\n");
	TsOtlpExemplar exemplar;
	TsOtlpReader reader;
	TsError err = {0};
	bool found = false;

	CHECK(first_point(&reader, &message, &err) == TS_OK, "%s", err.message);
	CHECK(reader.point.nexemplars == 3);
	CHECK(ts_otlp_next_exemplar(&reader, &exemplar, &found, &err) == TS_OK && found);
	CHECK(exemplar.value == -3 && exemplar.time == 2000000 &&
		  ts_string_is(exemplar.trace_id, "\x0a\x0b") &&
		  ts_string_is(exemplar.span_id, "\x0c") && exemplar.attributes.count == 2);
	CHECK(ts_otlp_next_exemplar(&reader, &exemplar, &found, &err) == TS_OK && found &&
		  exemplar.value == 3 && exemplar.attributes.count == 0);
	CHECK(ts_otlp_next_exemplar(&reader, &exemplar, &found, &err) == TS_OK && !found);
	ts_otlp_close(&reader);
	bytes_free(&message);
}

static void
test_no_memory(void)
{
	Bytes message = build(usual);
	DryAllocator dry = {0, 0};
	const TsAllocator allocator = {dry_alloc, dry_free, &dry};
	TsErrorCode code = TS_ERR_MEMORY;
	uint64_t points;
	TsError err;

	for (int pieces = 0; pieces < 100 && code == TS_ERR_MEMORY; pieces++)
	{
		dry.left = pieces;
		code = read_all(message.data, message.n, &allocator, &points, &err);
		CHECK(dry.held == 0, "%d pieces", pieces);
	}
	CHECK(code == TS_OK && points == 5);
	bytes_free(&message);
}

int
main(void)
{
	test_order();
	test_scattered();
	test_merged();
	test_unpacked();
	test_too_many();
	test_damage();
	test_wire_types();
	test_outer_wire_types();
	test_depth();
	test_exemplars();
	test_no_memory();
	return unit_finish();
}
