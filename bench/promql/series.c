/*
 * series.c
 *	  Series as node exporters have them, and remote write's bytes of them.
 */
#include "series.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LABELS 10

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

void
bench_fail(const char *why)
{
	fprintf(stderr, "bench: %s\n", why);
	exit(2);
}

/* ---- protobuf ---- */

void
bench_put(Bytes *out, const void *data, size_t length)
{
	if (out->length + length > out->room)
	{
		out->room = (out->length + length) * 2;
		out->data = realloc(out->data, out->room);
		if (out->data == NULL)
			bench_fail("no memory");
	}
	memcpy(out->data + out->length, data, length);
	out->length += length;
}

void
bench_put_varint(Bytes *out, uint64_t value)
{
	unsigned char byte;

	while (value >= 0x80)
	{
		byte = (unsigned char) (value | 0x80);
		bench_put(out, &byte, 1);
		value >>= 7;
	}
	byte = (unsigned char) value;
	bench_put(out, &byte, 1);
}

void
bench_put_field(Bytes *out, int field, const void *data, size_t length)
{
	bench_put_varint(out, (uint64_t) field << 3 | 2);
	bench_put_varint(out, length);
	bench_put(out, data, length);
}

void
bench_put_label(Bytes *out, const char *name, const char *value)
{
	static Bytes label;

	label.length = 0;
	bench_put_field(&label, 1, name, strlen(name));
	bench_put_field(&label, 2, value, strlen(value));
	bench_put_field(out, 1, label.data, label.length);
}

void
bench_put_sample(Bytes *out, int64_t time, double value)
{
	unsigned char sample[32];
	Bytes bytes = {sample, 0, sizeof(sample)};
	unsigned char tag = 1 << 3 | 1;

	bench_put(&bytes, &tag, 1);
	bench_put(&bytes, &value, 8);
	tag = 2 << 3;
	bench_put(&bytes, &tag, 1);
	bench_put_varint(&bytes, (uint64_t) time);
	bench_put_field(out, 2, sample, bytes.length);
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
make_series(Series *series, const Metric *metric, int instance, int first, int second,
			bool wide)
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
	if (wide)
		LABEL("kubernetes_namespace", "platform-monitoring-%d", instance % 3);
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
				bench_put_label(&out, texts[j][0], texts[j][1]);
	if (out.length > sizeof(series->labels))
		bench_fail("labels are too long");
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

Series *
bench_all_series(int instances, bool wide)
{
	Series *series = calloc((size_t) instances * BENCH_INSTANCE, sizeof(Series));
	int n = 0;

	if (series == NULL)
		bench_fail("no memory");
	for (int i = 0; i < instances; i++)
	{
		for (size_t m = 0; m < sizeof(metrics) / sizeof(metrics[0]); m++)
			for (int a = 0; a < metrics[m].counts[0]; a++)
				for (int b = 0; b < metrics[m].counts[1]; b++)
					make_series(&series[n++], &metrics[m], i, a, b, wide);
		if (n != (i + 1) * BENCH_INSTANCE)
			bench_fail("an instance does not have its number of series");
	}
	return series;
}

double
bench_next_value(Series *series)
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

int64_t
bench_scrape_time(int64_t start, int64_t step, int instance)
{
	BenchRandom jitter;

	bench_random_seed(&jitter, (uint64_t) instance << 32 | (uint64_t) step);
	return start + step * BENCH_STEP_MS + (int64_t) bench_random_below(&jitter, 7) - 3;
}
