/*
 * measure.c
 *	  Sizes and speeds of every contender on a set of chunks.
 *
 * First every chunk is encoded, decoded and compared bit for bit; the encoded chunks
 * stay in memory one after the other, as in a block. Then the rounds: encoding goes
 * to one buffer and decoding to another, both used again for every chunk, as a
 * sealer and a scan do it.
 */
#include "measure.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A measurement passes over the set as often as makes it last so long. */
#define MEASURE_NS 2e6

typedef struct Encoded
{
	uint8_t *bytes;
	size_t *offsets; /* of each chunk, and the end of the last */
} Encoded;

typedef struct Scratch
{
	uint8_t *bytes;
	BenchValue *values;
} Scratch;

static const BenchValue *
values_for(const BenchContender *contender, const BenchChunk *chunk)
{
	return contender->milliseconds ? chunk->milliseconds : chunk->values;
}

/* ---- sizes and round trips ---- */

static int
by_frequency(const void *a, const void *b)
{
	size_t x = ((const BenchChoice *) a)->values;
	size_t y = ((const BenchChoice *) b)->values;

	return (x < y) - (x > y);
}

static uint64_t
digest(uint64_t hash, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001B3);
	return hash;
}

static bool
encode_set(const BenchContender *contender, const BenchSet *set, const Scratch *scratch,
		   Encoded *encoded, BenchResult *result)
{
	size_t used = 0;
	size_t room = 0;

	encoded->bytes = NULL;
	encoded->offsets = malloc((set->count + 1) * sizeof(size_t));
	if (encoded->offsets == NULL)
		return false;
	result->chunks = set->count;
	result->values = set->n * set->count;
	result->lossless = true;
	for (size_t c = 0; c < set->count; c++)
	{
		const BenchChunk *chunk = &set->chunks[c];
		const BenchValue *values = values_for(contender, chunk);
		size_t size = contender->encode(contender->use, chunk->is_time, values, set->n,
										scratch->bytes);

		if (room < used + size + BENCH_SLACK)
		{
			uint8_t *larger;

			room = 2 * (used + size + BENCH_SLACK);
			larger = realloc(encoded->bytes, room);
			if (larger == NULL)
				return false;
			encoded->bytes = larger;
		}
		memcpy(encoded->bytes + used, scratch->bytes, size);
		memset(encoded->bytes + used + size, 0, BENCH_SLACK);
		encoded->offsets[c] = used;
		result->lossless = result->lossless && size > 0 &&
						   contender->decode(chunk->is_time, encoded->bytes + used, size,
											 set->n, scratch->values) &&
						   memcmp(scratch->values, values, set->n * sizeof(BenchValue)) ==
							   0;
		if (contender->explain != NULL)
			contender->explain(chunk->is_time, encoded->bytes + used, size, set->n,
							   &result->choices);
		used += size;
	}
	encoded->offsets[set->count] = used;
	result->bytes = used;
	result->digest = digest(UINT64_C(0xCBF29CE484222325), encoded->bytes, used);
	qsort(result->choices.choice, (size_t) result->choices.count, sizeof(BenchChoice),
		  by_frequency);
	return true;
}

/* ---- speeds ---- */

static double
processor_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double) now.tv_sec * 1e9 + (double) now.tv_nsec;
}

static void
encode_pass(const BenchContender *contender, const BenchSet *set, const Scratch *scratch)
{
	for (size_t c = 0; c < set->count; c++)
	{
		const BenchChunk *chunk = &set->chunks[c];

		contender->encode(contender->use, chunk->is_time, values_for(contender, chunk),
						  set->n, scratch->bytes);
	}
}

static void
decode_pass(const BenchContender *contender, const BenchSet *set, const Encoded *encoded,
			const Scratch *scratch)
{
	for (size_t c = 0; c < set->count; c++)
	{
		size_t from = encoded->offsets[c];
		size_t to = encoded->offsets[c + 1];

		contender->decode(set->chunks[c].is_time, encoded->bytes + from, to - from,
						  set->n, scratch->values);
	}
}

/* The time of one pass, over as many as are asked for. encoded is NULL for encoding. */
static double
timed_passes(const BenchContender *contender, const BenchSet *set, const Encoded *encoded,
			 const Scratch *scratch, int passes)
{
	double start = processor_ns();

	for (int i = 0; i < passes; i++)
	{
		if (encoded == NULL)
			encode_pass(contender, set, scratch);
		else
			decode_pass(contender, set, encoded, scratch);
	}
	return (processor_ns() - start) / passes;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *) a;
	double y = *(const double *) b;

	return (x > y) - (x < y);
}

static void
summarize(BenchSpeed *speed)
{
	double sorted[BENCH_ROUNDS];

	memcpy(sorted, speed->round, sizeof(sorted));
	qsort(sorted, BENCH_ROUNDS, sizeof(double), by_value);
	speed->least = sorted[0];
	speed->median = sorted[BENCH_ROUNDS / 2];
	speed->most = sorted[BENCH_ROUNDS - 1];
}

double
bench_ratio(const BenchSpeed *a, const BenchSpeed *b)
{
	BenchSpeed ratios;

	for (int i = 0; i < BENCH_ROUNDS; i++)
		ratios.round[i] = a->round[i] / b->round[i];
	summarize(&ratios);
	return ratios.median;
}

static void
time_set(const BenchSet *set, const Encoded *encoded, const Scratch *scratch,
		 BenchResult *results)
{
	int passes[BENCH_CONTENDERS][2];

	/* the first pass of each warms up and says how many make a measurement */
	for (int round = -1; round < BENCH_ROUNDS; round++)
	{
		for (int c = 0; c < BENCH_CONTENDERS; c++)
		{
			for (int way = 0; way < 2; way++)
			{
				double ns = timed_passes(&bench_contenders[c], set,
										 way == 0 ? NULL : &encoded[c], scratch,
										 round < 0 ? 1 : passes[c][way]);
				BenchSpeed *speed = way == 0 ? &results[c].encode : &results[c].decode;

				if (round < 0)
					passes[c][way] = 1 + (int) (MEASURE_NS / ns);
				else
					speed->round[round] = (double) (set->n * set->count) / ns * 1e9;
			}
		}
	}
	for (int c = 0; c < BENCH_CONTENDERS; c++)
	{
		summarize(&results[c].encode);
		summarize(&results[c].decode);
	}
}

bool
bench_measure(const BenchSet *set, bool timed, BenchResult *results)
{
	Encoded encoded[BENCH_CONTENDERS];
	Scratch scratch;
	bool ok;

	memset(encoded, 0, sizeof(encoded));
	memset(results, 0, BENCH_CONTENDERS * sizeof(BenchResult));
	scratch.bytes = malloc(bench_bound(set->n));
	scratch.values = malloc(set->n * sizeof(BenchValue));
	ok = scratch.bytes != NULL && scratch.values != NULL;
	for (int c = 0; ok && c < BENCH_CONTENDERS; c++)
		ok = encode_set(&bench_contenders[c], set, &scratch, &encoded[c], &results[c]);
	if (ok && timed)
		time_set(set, encoded, &scratch, results);
	for (int c = 0; c < BENCH_CONTENDERS; c++)
	{
		free(encoded[c].bytes);
		free(encoded[c].offsets);
	}
	free(scratch.bytes);
	free(scratch.values);
	return ok;
}
