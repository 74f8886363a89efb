/*
 * generate.c
 *	  Writes the samples of the benchmark "promql", as remote write requests, to standard
 *	  output.
 *
 *	      generate START HOURS INSTANCES
 *
 * An instance has 1,000 series as node exporters have them (below), scraped every 15 s
 * with a jitter of up to 3 ms that all its series share. A request holds 100 series with
 * 100 samples each (the shape of a backfill). START is in seconds since 1970.
 *
 * The output is a file for COPY ... (FORMAT binary) into a table of one bytea column: each
 * row is the body of a request, in snappy's block format (one literal: what compression
 * costs is not measured here). The same arguments give the same bytes on every machine.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../codec/generators.h"

#define STEP_MS     15000
#define PER_REQUEST 100 /* series, and samples of each */
#define INSTANCE    1000
#define MAX_LABELS  9

typedef enum Shape
{
	COUNTER, /* grows by integers */
	BUCKET,  /* grows, by more the larger its bound */
	GAUGE,   /* wanders, with two decimals */
	STILL    /* never changes */
} Shape;

/* A metric of every instance: its series are all pairs of two labels' values. */
typedef struct Metric
{
	const char *name; /* %d: the metric is many, each with one series */
	Shape shape;
	const char *labels[2]; /* NULL: none */
	const char *values[2]; /* a list with spaces, or a pattern with %d */
	int counts[2];
} Metric;

static const Metric metrics[] = {
	{"node_cpu_seconds_total",
	 COUNTER,
	 {"cpu", "mode"},
	 {"%d", "idle user system iowait irq softirq steal nice"},
	 {16, 8}},
	{"http_request_duration_seconds_bucket",
	 BUCKET,
	 {"handler", "le"},
	 {"/api/v1/item%d", "0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 +Inf"},
	 {10, 12}},
	{"node_disk_io_time_seconds_total",
	 COUNTER,
	 {"device", NULL},
	 {"nvme%dn1", NULL},
	 {24, 1}},
	{"node_network_receive_bytes_total",
	 COUNTER,
	 {"device", NULL},
	 {"eth%d", NULL},
	 {5, 1}},
	{"node_filesystem_avail_bytes",
	 GAUGE,
	 {"mountpoint", NULL},
	 {"/mnt/volume%d", NULL},
	 {7, 1}},
	{"node_hwmon_temp_celsius", GAUGE, {"chip", "sensor"}, {"chip%d", "temp%d"}, {8, 10}},
	{"node_load1", GAUGE, {NULL, NULL}, {NULL, NULL}, {1, 1}},
	{"node_uname_info", STILL, {"nodename", NULL}, {"host", NULL}, {1, 1}},
	{"node_memory_%d_bytes", GAUGE, {NULL, NULL}, {NULL, NULL}, {134, 1}},
	{"node_netstat_%d_total", COUNTER, {NULL, NULL}, {NULL, NULL}, {300, 1}},
	{"node_setting_%d", STILL, {NULL, NULL}, {NULL, NULL}, {200, 1}},
};

typedef struct Series
{
	char labels[512]; /* wire bytes of all Label fields */
	size_t length;
	Shape shape;
	int rank; /* of a bucket */
	double value;
	BenchRandom random;
} Series;

typedef struct Bytes
{
	unsigned char *data;
	size_t length;
	size_t room;
} Bytes;

static void
fail(const char *why)
{
	fprintf(stderr, "generate: %s\n", why);
	exit(2);
}

/* ---- protobuf ---- */

static void
put(Bytes *out, const void *data, size_t length)
{
	if (out->length + length > out->room)
	{
		out->room = (out->length + length) * 2;
		out->data = realloc(out->data, out->room);
		if (out->data == NULL)
			fail("no memory");
	}
	memcpy(out->data + out->length, data, length);
	out->length += length;
}

static void
put_varint(Bytes *out, uint64_t value)
{
	unsigned char byte;

	while (value >= 0x80)
	{
		byte = (unsigned char) (value | 0x80);
		put(out, &byte, 1);
		value >>= 7;
	}
	byte = (unsigned char) value;
	put(out, &byte, 1);
}

static void
put_field(Bytes *out, int field, const void *data, size_t length)
{
	put_varint(out, (uint64_t) field << 3 | 2);
	put_varint(out, length);
	put(out, data, length);
}

static void
put_label(Bytes *out, const char *name, const char *value)
{
	static Bytes label;

	label.length = 0;
	put_field(&label, 1, name, strlen(name));
	put_field(&label, 2, value, strlen(value));
	put_field(out, 1, label.data, label.length);
}

static void
put_sample(Bytes *out, int64_t time, double value)
{
	unsigned char sample[32];
	Bytes bytes = {sample, 0, sizeof(sample)};
	unsigned char tag = 1 << 3 | 1;

	put(&bytes, &tag, 1);
	put(&bytes, &value, 8);
	tag = 2 << 3;
	put(&bytes, &tag, 1);
	put_varint(&bytes, (uint64_t) time);
	put_field(out, 2, sample, bytes.length);
}

/* ---- series ---- */

/* The value number `i` of a list or a pattern. */
static void
nth_value(const char *values, int i, char *out, size_t size)
{
	if (strchr(values, '%') != NULL)
	{
		const char *percent = strstr(values, "%d");

		snprintf(out, size, "%.*s%d%s", (int) (percent - values), values, i, percent + 2);
		return;
	}
	while (i-- > 0)
		values = strchr(values, ' ') + 1;
	snprintf(out, size, "%.*s", (int) strcspn(values, " "), values);
}

static int
compare_labels(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static void
make_series(Series *series, const Metric *metric, int instance, int first, int second)
{
	char texts[MAX_LABELS][2][96];
	const char *sorted[MAX_LABELS];
	int n = 0;
	Bytes out = {0};

#define LABEL(label, ...)                                                              \
	(snprintf(texts[n][1], sizeof(texts[n][1]), __VA_ARGS__),                          \
	 snprintf(texts[n][0], sizeof(texts[n][0]), "%s", label), sorted[n] = texts[n][0], \
	 n++)

	LABEL("cluster", "production-eu-1");
	LABEL("datacenter", "frankfurt-am-main-%d", instance / 10);
	LABEL("instance", "node-%d.example.com:9100", instance);
	LABEL("job", "node-exporter-%d", instance % 4);
	LABEL("rack", "r%d", instance % 7);
	if (strchr(metric->name, '%') != NULL)
		nth_value(metric->name, first, texts[n][1], sizeof(texts[n][1]));
	else
		snprintf(texts[n][1], sizeof(texts[n][1]), "%s", metric->name);
	snprintf(texts[n][0], sizeof(texts[n][0]), "__name__");
	sorted[n] = texts[n][0];
	n++;
	for (int i = 0; i < 2 && metric->labels[i] != NULL; i++)
	{
		char value[64];

		nth_value(metric->values[i], i == 0 ? first : second, value, sizeof(value));
		if (strcmp(metric->labels[i], "nodename") == 0)
			LABEL(metric->labels[i], "node-%d", instance);
		else
			LABEL(metric->labels[i], "%s", value);
	}
	qsort(sorted, n, sizeof(sorted[0]), compare_labels);
	for (int i = 0; i < n; i++)
		for (int j = 0; j < n; j++)
			if (sorted[i] == texts[j][0])
				put_label(&out, texts[j][0], texts[j][1]);
	if (out.length > sizeof(series->labels))
		fail("labels are too long");
	memcpy(series->labels, out.data, out.length);
	series->length = out.length;
	series->shape = metric->shape;
	series->rank = second;
	bench_random_seed(&series->random, (uint64_t) instance * 1000003 +
										   (uint64_t) (metric - metrics) * 7919 +
										   first * 127);
	series->value = metric->shape == STILL ? 1
										   : bench_random_below(&series->random, 100000);
	free(out.data);
#undef LABEL
}

static Series *
all_series(int instances)
{
	Series *series = calloc((size_t) instances * INSTANCE, sizeof(Series));
	int n = 0;

	if (series == NULL)
		fail("no memory");
	for (int i = 0; i < instances; i++)
	{
		for (size_t m = 0; m < sizeof(metrics) / sizeof(metrics[0]); m++)
			for (int a = 0; a < metrics[m].counts[0]; a++)
				for (int b = 0; b < metrics[m].counts[1]; b++)
					make_series(&series[n++], &metrics[m], i, a, b);
		if (n != (i + 1) * INSTANCE)
			fail("an instance does not have its number of series");
	}
	return series;
}

static double
next_value(Series *series)
{
	switch (series->shape)
	{
		case COUNTER:
			series->value += bench_random_below(&series->random, 200);
			return series->value;
		case BUCKET:
			/* all buckets of a histogram draw the same numbers */
			series->value += (bench_random_below(&series->random, 100) + 1) *
							 (series->rank + 1);
			return series->value;
		case GAUGE:
			series->value += (double) bench_random_below(&series->random, 201) - 100;
			return series->value / 100;
		case STILL:
			break;
	}
	return series->value;
}

/* ---- requests ---- */

static void
put_big_endian(uint64_t number, int bytes)
{
	for (int i = bytes - 1; i >= 0; i--)
		putchar((int) (number >> (8 * i) & 0xff));
}

/* A row with the request as snappy's block: its length, and one literal. */
static void
put_request(const Bytes *request)
{
	unsigned char start[16];
	Bytes bytes = {start, 0, sizeof(start)};
	uint32_t last = (uint32_t) request->length - 1;
	unsigned char literal = 63 << 2;

	put_varint(&bytes, request->length);
	put(&bytes, &literal, 1);
	put(&bytes, &last, 4);
	put_big_endian(1, 2);
	put_big_endian(bytes.length + request->length, 4);
	fwrite(start, 1, bytes.length, stdout);
	if (fwrite(request->data, 1, request->length, stdout) != request->length)
		fail("cannot write");
}

int
main(int argc, char **argv)
{
	if (argc != 4)
		fail("wrong arguments");

	int64_t start = strtoll(argv[1], NULL, 10) * 1000;
	int64_t steps = (int64_t) (strtod(argv[2], NULL) * 3600 * 1000 / STEP_MS);
	int instances = atoi(argv[3]);
	Series *series = all_series(instances);
	Bytes request = {0};
	Bytes one = {0};

	fwrite("PGCOPY\n\377\r\n\0", 1, 11, stdout);
	put_big_endian(0, 8);
	for (int64_t from = 0; from < steps; from += PER_REQUEST)
		for (int s = 0; s < instances * INSTANCE; s += PER_REQUEST)
		{
			request.length = 0;
			for (int i = s; i < s + PER_REQUEST; i++)
			{
				one.length = 0;
				put(&one, series[i].labels, series[i].length);
				for (int64_t step = from; step < from + PER_REQUEST && step < steps;
					 step++)
				{
					BenchRandom jitter;

					bench_random_seed(&jitter,
									  (uint64_t) (i / INSTANCE) << 32 | (uint64_t) step);
					put_sample(&one,
							   start + step * STEP_MS +
								   (int64_t) bench_random_below(&jitter, 7) - 3,
							   next_value(&series[i]));
				}
				put_field(&request, 1, one.data, one.length);
			}
			put_request(&request);
		}
	put_big_endian(UINT16_MAX, 2);
	if (fflush(stdout) != 0)
		fail("cannot write");
	return 0;
}
