/*
 * generate.c
 *	  Writes the rows of the benchmark "engine", in time order, to standard output.
 *
 *	      generate nar|cpu-integer|cpu-decimal text|binary|insert SERIES STEPS [PART PARTS]
 *
 * nar: (time, series_id, value): one point of each series every 15 s. Of five series two
 * are integer counters, two gauges with two decimals, one never changes.
 * cpu: (time, ten tags, ten metrics): one row of each host every 10 s, as TSBS makes it.
 * A metric is a random walk from 0 to 100, in integers or with two decimals.
 *
 * text and binary are for COPY, insert is statements of 1,000 rows that insert into
 * :table. PART of PARTS takes the series whose number modulo PARTS is PART. The same
 * arguments give the same bytes on every machine.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../codec/generators.h"

#define START      INT64_C(820540800) /* 2026-01-01, in seconds since 2000-01-01 */
#define TAGS       10
#define METRICS    10
#define BATCH      1000
#define TAG_LENGTH 32

typedef enum Format
{
	TEXT,
	BINARY,
	INSERT
} Format;

typedef struct Output
{
	Format format;
	uint64_t rows;
	int column;
} Output;

static void
fail(const char *why)
{
	fprintf(stderr, "generate: %s\n", why);
	exit(2);
}

/* ---- rows out ---- */

static void
put_bytes(const void *data, size_t length)
{
	if (fwrite(data, 1, length, stdout) != length)
		fail("cannot write");
}

static void
put_number(uint64_t number, int bytes)
{
	unsigned char out[8];

	for (int i = 0; i < bytes; i++)
		out[i] = (unsigned char) (number >> (8 * (bytes - 1 - i)));
	put_bytes(out, bytes);
}

__attribute__((format(printf, 1, 2))) static void
put_text(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (vprintf(format, args) < 0)
		fail("cannot write");
	va_end(args);
}

static void
start_output(Output *out, Format format)
{
	*out = (Output){.format = format};
	if (format == BINARY)
	{
		put_bytes("PGCOPY\n\377\r\n\0", 11);
		put_number(0, 8);
	}
}

static void
end_output(const Output *out)
{
	if (out->format == BINARY)
		put_number(UINT16_MAX, 2);
	else if (out->format == INSERT && out->rows % BATCH != 0)
		put_text(";\n");
	if (fflush(stdout) != 0)
		fail("cannot write");
}

static void
start_row(Output *out, int columns)
{
	if (out->format == BINARY)
		put_number(columns, 2);
	else if (out->format == INSERT)
		put_text(out->rows % BATCH == 0 ? "INSERT INTO :table VALUES (" : ",\n(");
	out->column = 0;
}

static void
end_row(Output *out)
{
	out->rows++;
	if (out->format == TEXT)
		put_text("\n");
	else if (out->format == INSERT)
		put_text(out->rows % BATCH == 0 ? ");\n" : ")");
}

static void
next_column(Output *out)
{
	if (out->format != BINARY && out->column > 0)
		put_text(out->format == TEXT ? "\t" : ", ");
	out->column++;
}

static void
put_time(Output *out, int64_t seconds)
{
	int64_t of_day = seconds % 86400;
	int day = (int) ((seconds - START) / 86400) + 1;

	next_column(out);
	if (out->format == BINARY)
	{
		put_number(8, 4);
		put_number((uint64_t) seconds * 1000000, 8);
		return;
	}
	put_text(out->format == TEXT ? "2026-01-%02d %02d:%02d:%02d+00"
								 : "'2026-01-%02d %02d:%02d:%02d+00'",
			 day, (int) (of_day / 3600), (int) (of_day / 60 % 60), (int) (of_day % 60));
}

static void
put_integer(Output *out, int64_t value)
{
	next_column(out);
	if (out->format == BINARY)
	{
		put_number(8, 4);
		put_number((uint64_t) value, 8);
	}
	else
		put_text("%" PRId64, value);
}

static void
put_float(Output *out, double value)
{
	next_column(out);
	if (out->format == BINARY)
	{
		uint64_t bits;

		memcpy(&bits, &value, sizeof(bits));
		put_number(8, 4);
		put_number(bits, 8);
	}
	else
		put_text("%.15g", value);
}

static void
put_string(Output *out, const char *value)
{
	next_column(out);
	if (out->format == BINARY)
	{
		put_number(strlen(value), 4);
		put_bytes(value, strlen(value));
	}
	else
		put_text(out->format == TEXT ? "%s" : "'%s'", value);
}

/* ---- nar ---- */

static const BenchKind *
kind_of_series(uint32_t series)
{
	static const char *const names[] = {"counter-idle", "gauge-decimal", "counter-busy",
										"gauge-decimal", "constant"};

	for (int i = 0; i < bench_kind_count; i++)
	{
		if (strcmp(bench_kinds[i].name, names[series % 5]) == 0)
			return &bench_kinds[i];
	}
	fail("a kind of column is missing");
	return NULL;
}

static void
generate_nar(Output *out, uint32_t series, uint32_t steps, uint32_t part, uint32_t parts)
{
	BenchValue *values = malloc(sizeof(BenchValue) * series * steps);

	if (values == NULL)
		fail("out of memory");
	for (uint32_t s = part; s < series; s += parts)
		kind_of_series(s)->fill(s, steps, values + (size_t) s * steps);
	for (uint32_t step = 0; step < steps; step++)
	{
		for (uint32_t s = part; s < series; s += parts)
		{
			start_row(out, 3);
			put_time(out, START + (int64_t) step * 15);
			put_integer(out, s + 1);
			put_float(out, values[(size_t) s * steps + step].f);
			end_row(out);
		}
	}
	free(values);
}

/* ---- cpu ---- */

typedef struct Host
{
	BenchRandom random;
	char tags[TAGS][TAG_LENGTH];
	int64_t metrics[METRICS]; /* in hundredths */
} Host;

static const char *
choose(BenchRandom *random, const char *const *from, int n)
{
	return from[bench_random_below(random, n)];
}

static void
start_host(Host *host, uint32_t number)
{
	static const char *const regions[] = {"us-east-1", "us-west-2", "eu-west-1",
										  "eu-central-1", "ap-southeast-1"};
	static const char *const systems[] = {"Ubuntu15.10", "Ubuntu16.04LTS", "Ubuntu16.10"};
	static const char *const machines[] = {"x64", "x86"};
	static const char *const teams[] = {"SF", "LON", "NYC", "CHI"};
	static const char *const uses[] = {"production", "staging", "test"};
	BenchRandom *r = &host->random;
	const char *region;

	bench_random_seed(r, 7000000 + number);
	region = choose(r, regions, 5);
	snprintf(host->tags[0], TAG_LENGTH, "host_%u", number);
	snprintf(host->tags[1], TAG_LENGTH, "%s", region);
	snprintf(host->tags[2], TAG_LENGTH, "%s%c", region,
			 (char) ('a' + bench_random_below(r, 3)));
	snprintf(host->tags[3], TAG_LENGTH, "%d", (int) bench_random_below(r, 100));
	snprintf(host->tags[4], TAG_LENGTH, "%s", choose(r, systems, 3));
	snprintf(host->tags[5], TAG_LENGTH, "%s", choose(r, machines, 2));
	snprintf(host->tags[6], TAG_LENGTH, "%s", choose(r, teams, 4));
	snprintf(host->tags[7], TAG_LENGTH, "%d", (int) bench_random_below(r, 20));
	snprintf(host->tags[8], TAG_LENGTH, "%d", (int) bench_random_below(r, 2));
	snprintf(host->tags[9], TAG_LENGTH, "%s", choose(r, uses, 3));
	for (int m = 0; m < METRICS; m++)
		host->metrics[m] = (int64_t) bench_random_below(r, 10001);
}

/* A step is close to normal, of mean 0 and deviation 1: the sum of twelve draws. */
static void
step_host(Host *host)
{
	for (int m = 0; m < METRICS; m++)
	{
		int64_t step = -600;

		for (int i = 0; i < 12; i++)
			step += (int64_t) bench_random_below(&host->random, 101);
		host->metrics[m] += step;
		if (host->metrics[m] < 0)
			host->metrics[m] = 0;
		if (host->metrics[m] > 10000)
			host->metrics[m] = 10000;
	}
}

static void
put_host(Output *out, const Host *host, int64_t seconds, int decimals)
{
	start_row(out, 1 + TAGS + METRICS);
	put_time(out, seconds);
	for (int t = 0; t < TAGS; t++)
		put_string(out, host->tags[t]);
	for (int m = 0; m < METRICS; m++)
	{
		if (decimals)
			put_float(out, (double) host->metrics[m] / 100);
		else
			put_float(out, (double) (host->metrics[m] / 100));
	}
	end_row(out);
}

static void
generate_cpu(Output *out, uint32_t hosts, uint32_t steps, uint32_t part, uint32_t parts,
			 int decimals)
{
	Host *all = calloc(hosts, sizeof(Host));

	if (all == NULL)
		fail("out of memory");
	for (uint32_t h = part; h < hosts; h += parts)
		start_host(&all[h], h);
	for (uint32_t step = 0; step < steps; step++)
	{
		for (uint32_t h = part; h < hosts; h += parts)
		{
			put_host(out, &all[h], START + (int64_t) step * 10, decimals);
			step_host(&all[h]);
		}
	}
	free(all);
}

static Format
format_named(const char *name)
{
	if (strcmp(name, "text") == 0)
		return TEXT;
	if (strcmp(name, "binary") == 0)
		return BINARY;
	if (strcmp(name, "insert") != 0)
		fail("the format is text, binary or insert");
	return INSERT;
}

int
main(int argc, char **argv)
{
	Output out;
	uint32_t series;
	uint32_t steps;
	uint32_t part = 0;
	uint32_t parts = 1;

	if (argc != 5 && argc != 7)
		fail("wrong number of arguments");
	series = (uint32_t) strtoul(argv[3], NULL, 10);
	steps = (uint32_t) strtoul(argv[4], NULL, 10);
	if (argc == 7)
	{
		part = (uint32_t) strtoul(argv[5], NULL, 10);
		parts = (uint32_t) strtoul(argv[6], NULL, 10);
	}
	if (series == 0 || steps == 0 || parts == 0 || part >= parts)
		fail("there is nothing to do");

	start_output(&out, format_named(argv[2]));
	if (strcmp(argv[1], "nar") == 0)
		generate_nar(&out, series, steps, part, parts);
	else if (strcmp(argv[1], "cpu-integer") == 0)
		generate_cpu(&out, series, steps, part, parts, 0);
	else if (strcmp(argv[1], "cpu-decimal") == 0)
		generate_cpu(&out, series, steps, part, parts, 1);
	else
		fail("the data are nar, cpu-integer or cpu-decimal");
	end_output(&out);
	return 0;
}
