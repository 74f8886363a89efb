/*
 * codec_bench.c
 *	  How small and how fast the codecs are, beside Gorilla and zstd.
 *
 *	      codec_bench [--smoke] BUILD FILE
 *
 * Generates every kind of column, cuts the same values into chunks of two hours and of
 * a day, measures each kind by itself and then the mixes: chunks of all kinds, as many
 * values of each, in a random order, so that no branch predictor learns one kind by
 * heart. Prints tables and writes every figure to FILE; BUILD is how the codecs
 * were compiled and only named. A target that is missed is a figure; values that do
 * not come back are a failure. With --smoke nothing is timed, and a missed target of
 * size is a failure, too.
 */
#define _GNU_SOURCE 1
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define SERIES 64   /* of each kind */
#define LENGTH 5760 /* values of each: a day at 15 s */

static const size_t chunk_sizes[] = {480, LENGTH};

#define TABLES ((int) (sizeof(chunk_sizes) / sizeof(chunk_sizes[0])))

/* The values of a kind, series by series. */
typedef struct Data
{
	BenchValue *values;
	BenchValue *milliseconds; /* of times; else the values again */
} Data;

static void *
allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (memory == NULL)
	{
		fprintf(stderr, "codec_bench: out of memory\n");
		exit(2);
	}
	return memory;
}

/* Stays on one core: the figures are those of one, and its caches are kept. */
static void
stay_here(void)
{
	cpu_set_t set;
	int cpu = sched_getcpu();

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		perror("codec_bench: not bound to one core");
}

static Data
generate(const BenchKind *kind)
{
	Data data;

	data.values = allocate(SERIES * LENGTH, sizeof(BenchValue));
	data.milliseconds = data.values;
	for (uint32_t s = 0; s < SERIES; s++)
		kind->fill(s, LENGTH, data.values + (size_t) s * LENGTH);
	if (kind->is_time)
	{
		data.milliseconds = allocate(SERIES * LENGTH, sizeof(BenchValue));
		for (size_t i = 0; i < SERIES * LENGTH; i++)
			data.milliseconds[i].i = data.values[i].i / 1000;
	}
	return data;
}

/* Adds a kind's chunks to a set that has room for them. */
static void
add_chunks(BenchSet *set, const BenchKind *kind, const Data *data)
{
	for (size_t from = 0; from < SERIES * LENGTH; from += set->n)
		set->chunks[set->count++] = (BenchChunk){kind->is_time, data->values + from,
												 data->milliseconds + from};
}

static void
shuffle(BenchSet *set)
{
	BenchRandom r;

	bench_random_seed(&r, 1);
	for (size_t i = set->count; i > 1; i--)
	{
		size_t j = bench_random_below(&r, i);
		BenchChunk chunk = set->chunks[i - 1];

		set->chunks[i - 1] = set->chunks[j];
		set->chunks[j] = chunk;
	}
}

static BenchSet
new_set(size_t n, int kinds)
{
	return (BenchSet){
		n, 0, allocate((size_t) kinds * (SERIES * LENGTH / n), sizeof(BenchChunk))};
}

static void
measure(const BenchSet *set, bool timed, BenchResult *results)
{
	if (!bench_measure(set, timed, results))
	{
		fprintf(stderr, "codec_bench: out of memory\n");
		exit(2);
	}
}

static void
measure_mix(const char *name, BenchMix from, const Data *data, size_t n, BenchRow *row)
{
	BenchSet set = new_set(n, bench_kind_count);

	for (int k = 0; k < bench_kind_count; k++)
	{
		if (bench_kinds[k].mix >= from)
			add_chunks(&set, &bench_kinds[k], &data[k]);
	}
	shuffle(&set);
	row->name = name;
	row->about = "equal numbers of values of every kind";
	row->mix = from;
	measure(&set, true, row->results);
	free(set.chunks);
}

static BenchTable
measure_table(const Data *data, size_t n, bool timed)
{
	BenchTable table;

	memset(&table, 0, sizeof(table));
	table.n = n;
	table.series = SERIES;
	table.timed = timed;
	table.kinds = bench_kind_count;
	table.rows = allocate((size_t) bench_kind_count, sizeof(BenchRow));
	for (int k = 0; k < bench_kind_count; k++)
	{
		BenchRow *row = &table.rows[k];
		BenchSet set = new_set(n, 1);

		row->name = bench_kinds[k].name;
		row->about = bench_kinds[k].about;
		row->mix = bench_kinds[k].mix;
		add_chunks(&set, &bench_kinds[k], &data[k]);
		measure(&set, timed, row->results);
		free(set.chunks);
	}
	if (timed)
	{
		measure_mix("mix", BENCH_MIX_NOISE, data, n, &table.mix);
		measure_mix("mix without random", BENCH_MIX_YES, data, n, &table.quiet_mix);
	}
	return table;
}

int
main(int argc, char **argv)
{
	bool smoke = argc > 1 && strcmp(argv[1], "--smoke") == 0;
	char **rest = argv + 1 + smoke;
	Data *data;
	BenchTable tables[TABLES];
	bool lossless = true;
	int failed = 0;

	if (argc != 3 + smoke)
	{
		fprintf(stderr, "usage: codec_bench [--smoke] BUILD FILE\n");
		return 2;
	}
	stay_here();
	if (!bench_contenders_start())
	{
		fprintf(stderr, "codec_bench: the codecs do not start\n");
		return 2;
	}
	data = allocate((size_t) bench_kind_count, sizeof(Data));
	for (int k = 0; k < bench_kind_count; k++)
		data[k] = generate(&bench_kinds[k]);
	for (int t = 0; t < TABLES; t++)
	{
		tables[t] = measure_table(data, chunk_sizes[t], !smoke);
		lossless = bench_lossless(&tables[t]) && lossless;
		if (!smoke)
			bench_print(stdout, rest[0], &tables[t]);
	}
	if (smoke)
		failed = bench_print_smoke(stdout, rest[0], tables, TABLES);
	if (!bench_write_json(rest[1], rest[0], tables, TABLES))
		return 2;
	for (int t = 0; t < TABLES; t++)
		free(tables[t].rows);
	for (int k = 0; k < bench_kind_count; k++)
	{
		if (bench_kinds[k].is_time)
			free(data[k].milliseconds);
		free(data[k].values);
	}
	free(data);
	bench_contenders_stop();
	if (!lossless)
		fprintf(stderr, "codec_bench: build \"%s\": values did not come back\n", rest[0]);
	return lossless && failed == 0 ? 0 : 1;
}
