/*
 * points.c
 *	  Series with ten attributes, as labels and as OTLP has them.
 */
#include "points.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ATTRIBUTES 10
#define TEXT       64

/* Of a point: start, time and value, each with its tag. */
#define TIME_AT  9
#define VALUE_AT 18
#define OPEN     27

#define SIX_HOURS_MS (6 * 3600 * 1000)

/* In the order of their names. */
typedef struct Attributes
{
	const char *names[ATTRIBUTES];
	char values[ATTRIBUTES][TEXT];
} Attributes;

static void
make_attributes(Attributes *all, int instance, int point)
{
	static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "PATCH"};
	int n = 0;

#define ATTRIBUTE(name, ...) \
	(snprintf(all->values[n], TEXT, __VA_ARGS__), all->names[n++] = (name))

	ATTRIBUTE("cluster", "production-eu-1");
	ATTRIBUTE("container", "checkout-service");
	ATTRIBUTE("datacenter", "frankfurt-am-main-%d", instance / 10);
	ATTRIBUTE("http_method", "%s", methods[point % 5]);
	ATTRIBUTE("http_route", "/api/v1/orders/item%d", point / 5);
	ATTRIBUTE("kubernetes_namespace", "platform-shop-%d", instance % 3);
	ATTRIBUTE("node", "node-%d.example.com", instance / 4);
	ATTRIBUTE("pod", "checkout-service-7d4b9c5f6-%05d", instance);
	ATTRIBUTE("rack", "r%d", instance % 7);
	ATTRIBUTE("zone", "eu-central-1%c", 'a' + instance % 3);
#undef ATTRIBUTE
}

static void
metric_name(int metric, char *name)
{
	if (metric % 2 == 0)
		snprintf(name, TEXT, "shop_queue_depth_%d", metric);
	else
		snprintf(name, TEXT, "shop_requests_%d_total", metric);
}

static void
identity(int instance, char *job, char *id)
{
	snprintf(job, TEXT, "checkout-%d", instance % 4);
	snprintf(id, TEXT, "checkout-service-7d4b9c5f6-%05d:8080", instance);
}

/* ---- labels ---- */

/* Labels have an order: job and instance come where their names belong. */
static void
make_labels(Series *series, int instance, int metric, int point)
{
	char name[TEXT];
	char job[TEXT];
	char id[TEXT];
	Attributes attributes;
	Bytes out = {0};

	make_attributes(&attributes, instance, point);
	metric_name(metric, name);
	identity(instance, job, id);
	bench_put_label(&out, "__name__", name);
	for (int i = 0; i < ATTRIBUTES; i++)
	{
		if (strcmp(attributes.names[i], "kubernetes_namespace") == 0)
		{
			bench_put_label(&out, "instance", id);
			bench_put_label(&out, "job", job);
		}
		bench_put_label(&out, attributes.names[i], attributes.values[i]);
	}
	if (out.length > sizeof(series->labels))
		bench_fail("labels are too long");
	memcpy(series->labels, out.data, out.length);
	series->length = out.length;
	free(out.data);
}

Series *
points_series(int instances)
{
	Series *all = calloc((size_t) instances * BENCH_INSTANCE, sizeof(Series));

	if (all == NULL)
		bench_fail("no memory");
	for (int i = 0; i < instances * BENCH_INSTANCE; i++)
	{
		Series *series = &all[i];
		int metric = i % BENCH_INSTANCE / POINTS_EACH;

		make_labels(series, i / BENCH_INSTANCE, metric, i % POINTS_EACH);
		series->shape = metric % 2 == 0 ? GAUGE : COUNTER;
		bench_random_seed(&series->random, (uint64_t) i);
		series->value = (double) bench_random_below(&series->random, 100000);
	}
	return all;
}

/* ---- OTLP ---- */

static void
put_key_value(Bytes *out, int field, const char *key, const char *text)
{
	static Bytes value;
	static Bytes both;

	value.length = both.length = 0;
	bench_put_field(&value, 1, text, strlen(text));
	bench_put_field(&both, 1, key, strlen(key));
	bench_put_field(&both, 2, value.data, value.length);
	bench_put_field(out, field, both.data, both.length);
}

/* start_time, time and as_double or as_int are open; then attributes. */
static void
encode_point(Bytes *out, const Series *series, int instance, int point)
{
	static Bytes bytes;
	unsigned char open[OPEN] = {0};
	Attributes attributes;

	open[0] = 2 << 3 | 1;
	open[TIME_AT] = 3 << 3 | 1;
	open[VALUE_AT] = (series->shape == GAUGE ? 4 : 6) << 3 | 1;
	bytes.length = 0;
	bench_put(&bytes, open, sizeof(open));
	make_attributes(&attributes, instance, point);
	for (int i = 0; i < ATTRIBUTES; i++)
		put_key_value(&bytes, 7, attributes.names[i], attributes.values[i]);
	bench_put_field(out, 1, bytes.data, bytes.length);
}

static void
encode_metric(Bytes *out, const Series *series, int instance, int metric)
{
	/* cumulative, monotonic */
	static const unsigned char sum[] = {2 << 3, 2, 3 << 3, 1};
	static Bytes data;
	static Bytes bytes;
	char name[TEXT];

	data.length = bytes.length = 0;
	for (int i = 0; i < POINTS_EACH; i++)
		encode_point(&data, &series[i], instance, i);
	if (series->shape != GAUGE)
		bench_put(&data, sum, sizeof(sum));
	metric_name(metric, name);
	bench_put_field(&bytes, 1, name, strlen(name));
	bench_put_field(&bytes, series->shape == GAUGE ? 5 : 7, data.data, data.length);
	bench_put_field(out, 2, bytes.data, bytes.length);
}

static void
encode_instance(Bytes *out, const Series *series, int instance)
{
	Bytes resource = {0};
	Bytes scope = {0};
	Bytes bytes = {0};
	char job[TEXT];
	char id[TEXT];

	identity(instance, job, id);
	put_key_value(&resource, 1, "service.name", job);
	put_key_value(&resource, 1, "service.instance.id", id);
	for (int i = 0; i < BENCH_INSTANCE; i += POINTS_EACH)
		encode_metric(&scope, &series[i], instance, i / POINTS_EACH);
	bench_put_field(&bytes, 1, resource.data, resource.length);
	bench_put_field(&bytes, 2, scope.data, scope.length);
	bench_put_field(out, 1, bytes.data, bytes.length);
	free(resource.data);
	free(scope.data);
	free(bytes.data);
}

static void
put_nanoseconds(unsigned char *at, int64_t ms)
{
	uint64_t ns = (uint64_t) ms * 1000000;

	memcpy(at, &ns, sizeof(ns));
}

static void
put_point(unsigned char *at, const Series *series, int64_t time, double value)
{
	int64_t integer = (int64_t) value;

	put_nanoseconds(at + 1, time - time % SIX_HOURS_MS);
	put_nanoseconds(at + TIME_AT + 1, time);
	if (series->shape == GAUGE)
		memcpy(at + VALUE_AT + 1, &value, sizeof(value));
	else
		memcpy(at + VALUE_AT + 1, &integer, sizeof(integer));
}

/* What can be read in a message, from one field to the next. */
typedef struct Walk
{
	const unsigned char *at;
	const unsigned char *end;
} Walk;

static uint64_t
walk_varint(Walk *walk)
{
	uint64_t value = 0;

	for (int shift = 0;; shift += 7)
	{
		unsigned char byte = *walk->at++;

		value |= (uint64_t) (byte & 0x7F) << shift;
		if (byte < 0x80)
			return value;
	}
}

/* Notes where points lie: fields 1, 2, 2, 5 or 7, and 1, each within the one before. */
static void
find_points(Body *body, const unsigned char *start, Walk walk, int depth, int *found)
{
	while (walk.at < walk.end)
	{
		uint64_t tag = walk_varint(&walk);
		uint64_t size = walk_varint(&walk);
		Walk within = {walk.at, walk.at + size};
		int field = (int) (tag >> 3);
		bool is_point = depth == 4 && field == 1;
		bool leads = depth == 0 || (depth < 3 && field == 2) ||
					 (depth == 3 && field >= 5);

		if ((tag & 7) != 2)
			continue; /* a number: `size` was its value */
		if (is_point)
			body->samples[(*found)++] = (uint32_t) (walk.at - start);
		else if (leads)
			find_points(body, start, within, depth + 1, found);
		walk.at = within.end;
	}
}

/* A message of gRPC: not compressed, and how long it is, from the largest byte on. */
static size_t
prefix_request(Body *body, const Bytes *message)
{
	const unsigned char prefix[] = {0, (unsigned char) (message->length >> 24),
									(unsigned char) (message->length >> 16),
									(unsigned char) (message->length >> 8),
									(unsigned char) message->length};
	Bytes request = {0};

	bench_put(&request, prefix, sizeof(prefix));
	bench_put(&request, message->data, message->length);
	body->bytes = request.data;
	body->length = request.length;
	return sizeof(prefix);
}

void
points_body(Body *body, Series *all, int first, int count, const char *path)
{
	Bytes message = {0};
	size_t head;
	int found = 0;

	body_init(body, all, first, count, 1);
	for (int i = first; i < first + count; i += BENCH_INSTANCE)
		encode_instance(&message, &all[i], i / BENCH_INSTANCE);
	if (path == NULL)
		head = prefix_request(body, &message);
	else
		head = body_post(body, path, "", &message);
	body->plain = message.length;
	body->put = put_point;
	find_points(body, body->bytes, (Walk){body->bytes + head, body->bytes + body->length},
				0, &found);
	if (found != count)
		bench_fail("points are not where they should be");
	free(message.data);
}
