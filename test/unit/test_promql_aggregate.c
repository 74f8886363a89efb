/*
 * test_promql_aggregate.c
 *	  The loops of PromQL's aggregations and binary operators: against plain loops, with
 *	  gaps, special values, and lengths around a word's.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "../../src/promql/aggregate_kernel.h"
#include "../../src/promql/binary_kernel.h"

#define MAX_STEPS  200
#define MAX_WORDS  4
#define MAX_SERIES 40

typedef struct Room
{
	uint64_t seen[MAX_WORDS];
	double value[MAX_STEPS];
	double comp[MAX_STEPS];
	double count[MAX_STEPS];
	double mean[MAX_STEPS];
	uint64_t incremental[MAX_WORDS];
} Room;

static PqAccumulator
start(Room *room)
{
	PqAccumulator a = {room->seen,  room->value, room->comp,
					   room->count, room->mean,  room->incremental};

	memset(room, 0x5a, sizeof(*room));
	memset(room->seen, 0, sizeof(room->seen));
	memset(room->incremental, 0, sizeof(room->incremental));
	return a;
}

/* Some series: values, and whether there is one. */
typedef struct Input
{
	uint32_t n;
	uint32_t series;
	double values[MAX_SERIES][MAX_STEPS];
	uint64_t present[MAX_SERIES][MAX_WORDS];
} Input;

static Input input;

static bool
has(const uint64_t *bits, uint32_t i)
{
	return bits[i / 64] >> (i % 64) & 1;
}

static double
uniform(void)
{
	return (double) rand() / RAND_MAX;
}

/* Dense series have values at all steps, as most have. */
static void
make_input(uint32_t n, uint32_t series, int gaps)
{
	input.n = n;
	input.series = series;
	memset(input.present, 0, sizeof(input.present));
	for (uint32_t s = 0; s < series; s++)
	{
		for (uint32_t i = 0; i < n; i++)
		{
			input.values[s][i] = (uniform() - 0.5) * pow(10, rand() % 12);
			if (gaps == 0 || rand() % gaps != 0)
				input.present[s][i / 64] |= UINT64_C(1) << (i % 64);
		}
	}
}

static bool
near(double a, double b)
{
	if (isnan(a) || isnan(b))
		return isnan(a) && isnan(b);
	return a == b || fabs(a - b) <= 1e-9 * (fabs(a) + fabs(b)) + 1e-9;
}

typedef enum Kind
{
	SUM,
	AVG,
	COUNT,
	LEAST,
	MOST,
	VARIANCE,
	KINDS
} Kind;

static const PqAddKernel adders[KINDS] = {pq_kernel_sum, pq_kernel_avg, pq_kernel_count,
										  pq_kernel_min, pq_kernel_max, pq_kernel_stddev};

static void
finish(Kind kind, PqAccumulator *a, uint32_t n)
{
	if (kind == SUM)
		pq_kernel_finish_sum(a, n);
	else if (kind == AVG)
		pq_kernel_finish_avg(a, n);
	else if (kind == VARIANCE)
		pq_kernel_finish_variance(a, false, n);
	else if (kind == COUNT)
		a->value = a->count;
}

/* What it should be at a step, and whether there is anything. */
static bool
plain(Kind kind, uint32_t i, double *result)
{
	long double sum = 0;
	long double squares = 0;
	double least = INFINITY;
	double most = -INFINITY;
	uint32_t count = 0;

	for (uint32_t s = 0; s < input.series; s++)
	{
		if (!has(input.present[s], i))
			continue;
		count++;
		sum += input.values[s][i];
		least = fmin(least, input.values[s][i]);
		most = fmax(most, input.values[s][i]);
	}
	for (uint32_t s = 0; s < input.series; s++)
		if (has(input.present[s], i))
			squares += (input.values[s][i] - sum / count) *
					   (input.values[s][i] - sum / count);
	*result = (double[]){(double) sum, (double) (sum / count),    count, least,
						 most,         (double) (squares / count)}[kind];
	return count > 0;
}

static void
check_against_plain(Kind kind, const PqAccumulator *a)
{
	for (uint32_t i = 0; i < input.n; i++)
	{
		double expected;
		bool any = plain(kind, i, &expected);

		CHECK(has(a->seen, i) == any, "kind %d step %u", kind, i);
		CHECK(!any || near(a->value[i], expected), "kind %d step %u: %.17g, not %.17g",
			  kind, i, a->value[i], expected);
	}
}

static void
test_random(void)
{
	static const uint32_t lengths[] = {1, 2, 63, 64, 65, 127, 128, 200};
	Room room;

	unit_group_begin();
	for (int round = 0; round < 200; round++)
	{
		make_input(lengths[rand() % 8], 1 + rand() % MAX_SERIES, rand() % 4);
		for (int k = 0; k < KINDS; k++)
		{
			PqAccumulator a = start(&room);

			for (uint32_t s = 0; s < input.series; s++)
				adders[k](&a, input.values[s], input.present[s], input.n);
			finish(k, &a, input.n);
			check_against_plain(k, &a);
		}
	}
	unit_group_end();
}

/* One step of several values. */
static double
once(Kind kind, int n, const double *values)
{
	Room room;
	PqAccumulator a = start(&room);
	uint64_t present = 1;

	for (int i = 0; i < n; i++)
		adders[kind](&a, &values[i], &present, 1);
	finish(kind, &a, 1);
	return a.value[0];
}

#define ONCE(kind, ...) \
	once(kind, sizeof((double[]){__VA_ARGS__}) / sizeof(double), (double[]){__VA_ARGS__})

static void
test_special(void)
{
	CHECK(ONCE(SUM, 1e100, 1, -1e100, 1) == 2);
	CHECK(ONCE(AVG, 1e100, 1, -1e100, 1) == 0.5);
	CHECK(near(ONCE(AVG, 1.7e308, 1.7e308, 1.6e308, 1.6e308), 1.65e308));
	CHECK(near(ONCE(AVG, -1.7e308, -1.7e308, -1.7e308, -1.7e308), -1.7e308));
	CHECK(ONCE(SUM, INFINITY, 1, 2, 3) == INFINITY);
	CHECK(ONCE(SUM, 1, 2, 3, -INFINITY) == -INFINITY);
	CHECK(isnan(ONCE(SUM, INFINITY, 1, -INFINITY, 3)));
	CHECK(ONCE(AVG, INFINITY, 1, 2, INFINITY) == INFINITY);
	CHECK(isnan(ONCE(AVG, INFINITY, 1, -INFINITY, 3)));
	CHECK(isnan(ONCE(AVG, NAN, 1, 2, 3)));
	CHECK(ONCE(LEAST, NAN, 3, NAN, 2) == 2);
	CHECK(ONCE(MOST, 1, NAN, 3, NAN) == 3);
	CHECK(isnan(ONCE(LEAST, NAN, NAN, NAN, NAN)));
	CHECK(ONCE(VARIANCE, 5, 5, 5, 5) == 0);
	CHECK(isnan(ONCE(VARIANCE, INFINITY, 1, 2, 3)));
	CHECK(isnan(ONCE(VARIANCE, 1, 2, 3, NAN)));
	CHECK(ONCE(COUNT, NAN, 0, INFINITY, 1) == 4);
	CHECK(isnan(ONCE(VARIANCE, INFINITY)));
	CHECK(ONCE(VARIANCE, 42) == 0);
	CHECK(ONCE(AVG, INFINITY) == INFINITY);
	CHECK(!signbit(ONCE(SUM, -0.0)));
}

static void
test_operators(void)
{
	static const double values[] = {NAN, INFINITY, -INFINITY, 0, -0.0, 1, -1, 2.5, -7};
	double left[81];
	double right[81];
	double out[81];
	uint64_t holds[2];

	for (int i = 0; i < 81; i++)
	{
		left[i] = values[i / 9];
		right[i] = values[i % 9];
	}
	unit_group_begin();
	for (int op = PQ_ADD; op <= PQ_ATAN2; op++)
	{
		pq_kernel_arithmetic(op, out, left, right, 81);
		for (int i = 0; i < 81; i++)
		{
			double l = left[i];
			double r = right[i];
			double expected = (double[]){l + r,      l - r,     l * r,      l / r,
										 fmod(l, r), pow(l, r), atan2(l, r)}[op];
			double in_place[2] = {l, r};

			CHECK(memcmp(&out[i], &expected, 8) == 0 ||
				  (isnan(out[i]) && isnan(expected)));
			pq_kernel_arithmetic(op, &in_place[1], &in_place[0], &in_place[1], 1);
			CHECK(memcmp(&in_place[1], &expected, 8) == 0 || isnan(expected));
		}
	}
	for (int op = PQ_EQL; op <= PQ_LTE; op++)
	{
		pq_kernel_compare(op, holds, left, right, 81);
		CHECK(holds[1] >> 17 == 0);
		for (int i = 0; i < 81; i++)
		{
			double l = left[i];
			double r = right[i];
			bool expected = (bool[]){
				l == r, l != r, l > r, l < r, l >= r, l <= r}[op - PQ_EQL];

			CHECK(has(holds, (uint32_t) i) == expected);
		}
		pq_kernel_bools(out, holds, 81);
		for (int i = 0; i < 81; i++)
			CHECK(out[i] == has(holds, (uint32_t) i));
	}
	unit_group_end();
	CHECK(pow(1, NAN) == 1 && pow(NAN, 0) == 1 && pow(-1, INFINITY) == 1,
		  "pow has other special cases than Go's");
}

int
main(void)
{
	srand(1);
	test_random();
	test_special();
	test_operators();
	return unit_finish();
}
