/*
 * series.h
 *	  The series that the benchmarks of metrics are about, and how remote write sends them.
 *
 * An instance has BENCH_INSTANCE series as node exporters have them. The same arguments
 * give the same labels and values on every machine.
 */
#ifndef BENCH_SERIES_H
#define BENCH_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../codec/generators.h"

#define BENCH_STEP_MS  15000
#define BENCH_INSTANCE 1000

typedef enum Shape
{
	COUNTER, /* grows by integers */
	BUCKET,  /* grows, by more the larger its bound */
	GAUGE,   /* wanders, with two decimals */
	STILL    /* never changes */
} Shape;

typedef struct Series
{
	char labels[512]; /* wire bytes of all Label fields */
	size_t length;
	Shape shape;
	int rank; /* of a bucket */
	double value;
	BenchRandom random;
} Series;

/* Bytes that grow. */
typedef struct Bytes
{
	unsigned char *data;
	size_t length;
	size_t room;
} Bytes;

/* Says why on standard error, and ends the program. */
extern void bench_fail(const char *why);

/* With `wide`, each series has one label more, which makes them as long as real ones. */
extern Series *bench_all_series(int instances, bool wide);
extern double bench_next_value(Series *series);
/* When an instance is scraped: a step's time, with a jitter of up to 3 ms. */
extern int64_t bench_scrape_time(int64_t start, int64_t step, int instance);

extern void bench_put(Bytes *out, const void *data, size_t length);
extern void bench_put_varint(Bytes *out, uint64_t value);
extern void bench_put_field(Bytes *out, int field, const void *data, size_t length);
/* A series' field for one label. */
extern void bench_put_label(Bytes *out, const char *name, const char *value);
/* A series' field for one sample: BENCH_SAMPLE bytes, of which the last 14 vary. */
extern void bench_put_sample(Bytes *out, int64_t time, double value);

#define BENCH_SAMPLE 18

#endif /* BENCH_SERIES_H */
