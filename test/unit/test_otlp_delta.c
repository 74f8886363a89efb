/*
 * test_otlp_delta.c
 *	  What points with delta temporality add up to.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "../../src/otlp/otlp_bridge.h"
#include "../../src/serve/otlp_delta_point.h"
#include "unit.h"

#define NANO 1000000000ULL

/* The state of the series, and room for the one after it. */
static double rooms[2][TS_DELTA_MAX_SIZE / sizeof(double) + 1];
static TsDeltaState *now;
static double given[TS_DELTA_MAX_COUNTS];
static TsError err;

static TsOtlpMetric sum = {.type = TS_OTLP_SUM};
static TsOtlpMetric histogram = {.type = TS_OTLP_HISTOGRAM};
static TsOtlpMetric exponential = {.type = TS_OTLP_EXPONENTIAL};

static void
fresh(void)
{
	now = NULL;
}

/* Adds a point to the series, and makes it the cumulative one. */
static TsErrorCode
add(TsOtlpPoint *point)
{
	TsDeltaState *after = (TsDeltaState *) (now == (void *) rooms[0] ? rooms[1]
																	 : rooms[0]);
	TsErrorCode code = ts_delta_add(now, point, after, &err);

	if (code != TS_OK)
		return code;
	CHECK(after->size <= TS_DELTA_MAX_SIZE, "size %u", after->size);
	now = after;
	ts_delta_give(now, point, given);
	return TS_OK;
}

/* ---- numbers ---- */

static TsOtlpPoint
integer(int64_t value, uint64_t start, uint64_t time)
{
	return (TsOtlpPoint){.metric = &sum,
						 .start = start * NANO,
						 .time = time * NANO,
						 .has_number = true,
						 .is_integer = true,
						 .integer = value,
						 .number = (double) value};
}

static TsOtlpPoint
number(double value)
{
	return (TsOtlpPoint){.metric = &sum,
						 .start = NANO,
						 .time = 2 * NANO,
						 .has_number = true,
						 .number = value};
}

static double
add_integer(int64_t value)
{
	TsOtlpPoint point = integer(value, 1, 2);

	CHECK(add(&point) == TS_OK, "%s", err.message);
	CHECK(!point.is_integer || point.number == (double) point.integer, "%g",
		  point.number);
	return point.number;
}

static double
add_number(double value)
{
	TsOtlpPoint point = number(value);

	CHECK(add(&point) == TS_OK, "%s", err.message);
	return point.number;
}

static void
test_times(void)
{
	TsOtlpPoint point = integer(5, 10, 20);

	fresh();
	add(&point);
	CHECK(point.integer == 5 && point.start == 10 * NANO && point.time == 20 * NANO,
		  "the first one");
	point = integer(7, 20, 30);
	add(&point);
	CHECK(point.integer == 12 && point.start == 10 * NANO && point.time == 30 * NANO,
		  "the second one");
	point = integer(1, 5, 25);
	add(&point);
	CHECK(point.integer == 13 && point.start == 10 * NANO && point.time == 30 * NANO,
		  "a late one counts at the latest time");
	point = integer(-4, 30, 40);
	add(&point);
	CHECK(point.integer == 9 && point.time == 40 * NANO, "down");

	fresh();
	point = integer(5, 0, 20);
	add(&point);
	CHECK(point.start == 20 * NANO, "without a start it begins at its time");
	point = (TsOtlpPoint){.metric = &sum, .time = NANO};
	CHECK(add(&point) == TS_ERR_INVALID, "without a value");
	point = (TsOtlpPoint){.metric = &(TsOtlpMetric){.type = TS_OTLP_GAUGE}, .time = NANO};
	CHECK(add(&point) == TS_ERR_INVALID, "a gauge");
}

static void
test_integers(void)
{
	fresh();
	add_integer(INT64_MAX - 1);
	add_integer(1);
	CHECK(now->kind == TS_DELTA_INTEGER && now->integer == INT64_MAX, "the largest one");
	CHECK(add_integer(1) == 0x1p63, "beyond");
	CHECK(now->kind == TS_DELTA_DOUBLE, "which is a double");
	CHECK(add_integer(1) == 0x1p63, "is not seen, but ...");
	add_integer(-INT64_MAX);
	CHECK(add_integer(0) == 2, "... was not lost");

	fresh();
	add_integer(INT64_MIN);
	CHECK(add_integer(-1) == -0x1p63, "below the smallest one");
	add_integer(INT64_MAX);
	CHECK(add_integer(0) == -2, "it comes back");

	fresh();
	add_integer((INT64_C(1) << 53) + 1);
	add_number(0.5);
	CHECK(add_integer(-(INT64_C(1) << 53)) == 1.5, "integers and doubles");
	fresh();
	add_number(0.5);
	CHECK(add_integer(2) == 2.5, "doubles and integers");
}

static void
test_doubles(void)
{
	fresh();
	unit_group_begin();
	for (int i = 0; i < 1000000; i++)
		add_number(0.1);
	unit_group_end();
	CHECK(add_number(0) == 100000, "a million times 0.1 is %.17g", add_number(0));
	fresh();
	add_number(1);
	add_number(1e100);
	add_number(1);
	CHECK(add_number(-1e100) == 2, "small ones beside a large one");
	fresh();
	add_number(DBL_MAX);
	CHECK(isinf(add_number(DBL_MAX)), "too large");
	CHECK(isinf(add_number(1)), "it stays so");
	CHECK(isnan(add_number(-INFINITY)), "no number");
	CHECK(isnan(add_number(1)), "it stays so");
}

/* ---- explicit bounds ---- */

static TsOtlpPoint
buckets(double *counts, uint32_t ncounts, const double *bounds)
{
	TsOtlpPoint point = {.metric = &histogram,
						 .start = 10 * NANO,
						 .time = 20 * NANO,
						 .counts = counts,
						 .ncounts = ncounts,
						 .bounds = bounds,
						 .nbounds = ncounts > 0 ? ncounts - 1 : 0};

	for (uint32_t i = 0; i < ncounts; i++)
		point.count += counts[i];
	return point;
}

static void
test_histograms(void)
{
	double counts[] = {1, 2, 3};
	double bounds[] = {5, 10};
	double others[] = {5, 11};
	TsOtlpPoint point = buckets(counts, 3, bounds);

	fresh();
	point.has_sum = point.has_min = point.has_max = true;
	point.sum = 40;
	point.min = 2;
	point.max = 15;
	CHECK(add(&point) == TS_OK && point.count == 6 && point.counts[2] == 3, "the first");
	point = buckets(counts, 3, bounds);
	point.has_sum = point.has_min = point.has_max = true;
	point.sum = 1.5;
	point.min = 1;
	point.max = 14;
	point.time = 15 * NANO;
	CHECK(add(&point) == TS_OK, "%s", err.message);
	CHECK(point.count == 12 && point.counts[0] == 2 && point.counts[1] == 4 &&
			  point.counts[2] == 6 && point.ncounts == 3,
		  "counts");
	CHECK(point.sum == 41.5 && point.min == 1 && point.max == 15, "sum, min, max");
	CHECK(point.start == 10 * NANO && point.time == 20 * NANO, "times");
	point = buckets((double[]){0, 0, 0}, 3, bounds);
	CHECK(add(&point) == TS_OK && point.count == 12 && point.has_sum && point.has_min &&
			  point.has_max && point.sum == 41.5,
		  "one without values says nothing");
	point = buckets(counts, 3, bounds);
	CHECK(add(&point) == TS_OK && point.count == 18 && !point.has_sum && !point.has_min &&
			  !point.has_max,
		  "one without a sum takes it away");
	point = buckets(counts, 3, bounds);
	point.has_sum = true;
	CHECK(add(&point) == TS_OK && point.count == 24 && !point.has_sum, "for good");
	point = buckets(counts, 3, others);
	point.start = 30 * NANO;
	point.time = 40 * NANO;
	CHECK(add(&point) == TS_OK && point.count == 6 && point.start == 30 * NANO,
		  "other bounds begin anew");
	point = buckets(counts, 2, others);
	CHECK(add(&point) == TS_OK && point.count == 3, "fewer, too");
	point = buckets(NULL, 0, NULL);
	point.count = 7;
	CHECK(add(&point) == TS_OK && point.count == 7, "and none");
	point = buckets(NULL, 0, NULL);
	point.count = 7;
	CHECK(add(&point) == TS_OK && point.count == 14 && point.ncounts == 0, "twice");
	CHECK(add_integer(3) == 3, "another type begins anew");
}

static void
test_large_histograms(void)
{
	static double counts[TS_DELTA_MAX_COUNTS + 1];
	static double bounds[TS_DELTA_BOUNDS + 1];
	TsOtlpPoint point;

	for (int i = 0; i <= TS_DELTA_BOUNDS; i++)
		bounds[i] = i;
	counts[TS_DELTA_BOUNDS] = 4;
	fresh();
	point = buckets(counts, TS_DELTA_MAX_COUNTS, bounds);
	CHECK(add(&point) == TS_OK && add(&point) == TS_OK && point.count == 8,
		  "the largest one");
	point = buckets(counts, TS_DELTA_MAX_COUNTS + 1, bounds);
	CHECK(add(&point) == TS_ERR_LIMIT, "a larger one");
}

/* ---- exponential ---- */

static TsOtlpPoint
exponents(int scale, int32_t offset, double *counts, uint32_t n)
{
	TsOtlpPoint point = {.metric = &exponential,
						 .start = 10 * NANO,
						 .time = 20 * NANO,
						 .scale = scale,
						 .positive = {offset, counts, n}};

	for (uint32_t i = 0; i < n; i++)
		point.count += counts[i];
	return point;
}

/* Whether buckets are these, without empty ones at their ends. */
static bool
are(const TsOtlpBuckets *buckets, int32_t offset, const double *counts, uint32_t n)
{
	uint32_t from = 0;
	uint32_t to = buckets->ncounts;

	while (from < to && buckets->counts[from] == 0)
		from++;
	while (to > from && buckets->counts[to - 1] == 0)
		to--;
	if (to - from != n || (n > 0 && buckets->offset + (int32_t) from != offset))
		return false;
	return n == 0 || memcmp(buckets->counts + from, counts, n * sizeof(double)) == 0;
}
#define ARE(buckets, offset, ...)                      \
	are(&(buckets), (offset), (double[]){__VA_ARGS__}, \
		sizeof((double[]){__VA_ARGS__}) / sizeof(double))

static void
test_exponential_ranges(void)
{
	double counts[] = {1, 2, 3};
	TsOtlpPoint point = exponents(3, -1, counts, 3);

	fresh();
	point.zero_count = 2;
	point.count += 2;
	point.negative = (TsOtlpBuckets){7, counts, 1};
	point.count += 1;
	CHECK(add(&point) == TS_OK && ARE(point.positive, -1, 1, 2, 3) &&
			  ARE(point.negative, 7, 1) && point.zero_count == 2 && point.count == 9 &&
			  point.scale == 3,
		  "the first one is as it came");
	point = exponents(3, 1, counts, 3);
	CHECK(add(&point) == TS_OK && ARE(point.positive, -1, 1, 2, 4, 2, 3) &&
			  ARE(point.negative, 7, 1) && point.count == 15,
		  "ranges are joined");
	point = exponents(3, -5, counts, 1);
	CHECK(add(&point) == TS_OK && ARE(point.positive, -5, 1, 0, 0, 0, 1, 2, 4, 2, 3),
		  "downward, too");
	point = exponents(2, 0, counts, 1);
	CHECK(add(&point) == TS_OK && point.scale == 2 &&
			  ARE(point.positive, -3, 1, 0, 1, 7, 5) && ARE(point.negative, 3, 1),
		  "the smaller scale");
	point = exponents(4, -4, counts, 3);
	CHECK(add(&point) == TS_OK && point.scale == 2 &&
			  ARE(point.positive, -3, 1, 0, 7, 7, 5) && point.count == 23,
		  "of the state");
	point = exponents(TS_DELTA_MIN_SCALE - 1, 0, counts, 1);
	CHECK(add(&point) == TS_ERR_INVALID, "too small a scale");
	point = exponents(2, 0, counts, 0);
	CHECK(add(&point) == TS_OK && point.count == 23 &&
			  ARE(point.positive, -3, 1, 0, 7, 7, 5),
		  "nothing changes with nothing");
}

static void
test_exponential_bounds(void)
{
	static double many[1000];
	double one[] = {1};
	TsOtlpPoint point;

	fresh();
	for (int i = 0; i < 1000; i++)
		many[i] = 1;
	point = exponents(5, 100, many, 1000);
	CHECK(add(&point) == TS_OK && point.scale == 2 &&
			  point.positive.ncounts <= TS_DELTA_BUCKETS && point.count == 1000,
		  "buckets become wider");
	point = exponents(20, 0, one, 1);
	CHECK(add(&point) == TS_OK && point.scale == 2 && point.count == 1001, "fine ones");
	point = exponents(5, INT32_MAX, one, 1);
	CHECK(add(&point) == TS_ERR_INVALID, "no such values");
	point = exponents(5, INT32_MIN, one, 1);
	CHECK(add(&point) == TS_ERR_INVALID, "nor these");
	point = exponents(TS_DELTA_MIN_SCALE, INT32_MAX, many, 2);
	CHECK(add(&point) == TS_ERR_INVALID, "beyond all offsets");
	CHECK(add_integer(0) == 0, "others can follow");

	/* all that a double can be, at the smallest scale */
	fresh();
	point = exponents(0, -1074, one, 1);
	add(&point);
	point = exponents(0, 1023, one, 1);
	CHECK(add(&point) == TS_OK && point.scale == TS_DELTA_MIN_SCALE && point.count == 2,
		  "all doubles");
}

static void
test_zero_threshold(void)
{
	double counts[] = {1, 2, 4, 8};
	TsOtlpPoint point = exponents(0, -2, counts, 4);

	/* (1/4, 1/2], (1/2, 1], (1, 2], (2, 4] */
	fresh();
	add(&point);
	point = exponents(0, 1, counts, 1);
	point.zero_threshold = 0.5;
	CHECK(add(&point) == TS_OK && ARE(point.positive, -1, 2, 4, 9) &&
			  point.zero_count == 1 && point.zero_threshold == 0.5 && point.count == 16,
		  "at a bucket's end");
	point = exponents(0, 1, counts, 1);
	point.zero_threshold = 0.75;
	CHECK(add(&point) == TS_OK && ARE(point.positive, 0, 4, 10) &&
			  point.zero_count == 3 && point.zero_threshold == 1 && point.count == 17,
		  "within a bucket");
	point = exponents(0, -2, counts, 1);
	point.zero_threshold = 0.125;
	CHECK(add(&point) == TS_OK && ARE(point.positive, 0, 4, 10) &&
			  point.zero_count == 4 && point.zero_threshold == 1,
		  "a point below it");
	point = exponents(0, 1, counts, 1);
	point.negative = (TsOtlpBuckets){1, counts, 1};
	point.count++;
	add(&point);
	point = exponents(0, 5, counts, 1);
	point.zero_threshold = 1.5;
	CHECK(add(&point) == TS_OK && ARE(point.positive, 1, 11, 0, 0, 0, 1) &&
			  point.zero_count == 8 && point.zero_threshold == 2,
		  "of one sign");
	point = exponents(0, 5, counts, 1);
	point.zero_threshold = 2.5;
	CHECK(add(&point) == TS_OK && ARE(point.positive, 5, 2) &&
			  point.negative.counts[0] == 0 && point.zero_count == 20 &&
			  point.zero_threshold == 4 && point.count == 22,
		  "of both");
	point = exponents(0, 5, counts, 1);
	point.zero_threshold = -1;
	CHECK(add(&point) == TS_ERR_INVALID, "below zero");
	point.zero_threshold = INFINITY;
	CHECK(add(&point) == TS_ERR_INVALID, "without an end");
	point.zero_threshold = NAN;
	CHECK(add(&point) == TS_ERR_INVALID, "no number");

	fresh();
	point = exponents(0, 1023, counts, 1);
	add(&point);
	point = exponents(0, 0, counts, 1);
	point.zero_threshold = 0x1.8p1023;
	CHECK(add(&point) == TS_OK && point.zero_threshold == DBL_MAX &&
			  point.zero_count == 2,
		  "within the last bucket there is");
}

/* ---- what points that can be written become ---- */

/* Whether a point can be a native histogram. */
static bool
is_valid(const TsOtlpPoint *point)
{
	OtlpNative native = {.allocator = ts_malloc_allocator};
	TsHistogram h;
	TsErrorCode code = otlp_native(&native, point, &h, &err);

	otlp_native_free(&native);
	return code == TS_OK;
}

/* Adds a point that can be one; then what it becomes can be, too. */
static bool
add_valid(TsOtlpPoint point)
{
	CHECK(is_valid(&point), "%s", err.message);
	if (add(&point) != TS_OK)
		return false;
	CHECK(is_valid(&point), "%s", err.message);
	return true;
}

/* Observations of NaN are in no bucket, which is right as long as the sum is NaN. */
static void
test_nan(void)
{
	double counts[] = {1, 2};
	TsOtlpPoint point = exponents(0, 0, counts, 2);
	TsOtlpPoint nan = point;

	nan.has_sum = true;
	nan.sum = NAN;
	nan.count += 2;
	fresh();
	CHECK(add_valid(point) && add_valid(nan) && add_valid(point),
		  "behind one without a sum");
	fresh();
	CHECK(add_valid(nan) && add_valid(point) && add_valid(nan), "before one");

	point = buckets(counts, 2, (double[]){1});
	nan = point;
	nan.has_sum = true;
	nan.sum = NAN;
	nan.count += 2;
	fresh();
	CHECK(add_valid(point) && add_valid(nan) && add_valid(point), "explicit bounds");
}

static void
test_large_counts(void)
{
	double counts[] = {1, 0x1p52, 1};
	TsOtlpPoint point = exponents(0, 0, counts, 3);

	fresh();
	CHECK(add_valid(point) && add_valid(point), "counts");
	point.start = 30 * NANO;
	point.time = 40 * NANO;
	CHECK(add(&point) == TS_OK && point.count == 0x1p52 + 2 && point.start == 30 * NANO,
		  "begin anew before they are not exact any more");

	counts[1] = 0x1p63;
	point = exponents(0, 1, counts + 1, 1);
	fresh();
	for (int i = 0; i < 5; i++)
		CHECK(add_valid(point), "what is larger from the beginning");
	point = buckets(counts + 1, 1, NULL);
	fresh();
	for (int i = 0; i < 5; i++)
		CHECK(add_valid(point), "explicit bounds");
}

/* No bucket is where no number is, so whatever comes later can be added. */
static void
test_no_such_buckets(void)
{
	static const struct
	{
		int scale;
		int32_t offset;
		bool can_be;
	} cases[] = {
		{0, 1023, true},      {0, 1024, false},       {0, -1075, true},
		{0, -1076, false},    {3, 8191, true},        {3, 8192, false},
		{3, -8600, true},     {3, -8601, false},      {-4, 63, true},
		{-4, 64, false},      {-4, -68, true},        {-4, -69, false},
		{8, 1 << 29, false},  {8, -(1 << 29), false}, {20, 1 << 29, true},
		{20, 1 << 30, false}, {21, 1 << 30, true},
	};
	double one[] = {1};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		TsOtlpPoint point = exponents(cases[i].scale, cases[i].offset, one, 1);

		fresh();
		CHECK((add(&point) == TS_OK) == cases[i].can_be, "bucket %d of scale %d",
			  cases[i].offset, cases[i].scale);
		point = exponents(0, 0, one, 1);
		CHECK(add_valid(point), "what comes behind bucket %d of scale %d",
			  cases[i].offset, cases[i].scale);
	}
}

/* Whatever comes in, in whatever order: counts add up, at all scales. */
static void
test_exponential_random(void)
{
	unit_group_begin();
	for (int round = 0; round < 300; round++)
	{
		double counts[40];
		double expected = 0;

		fresh();
		for (int i = 0; i < 30; i++)
		{
			uint32_t n = (uint32_t) random() % 40;
			TsOtlpPoint point;
			double found;

			for (uint32_t k = 0; k < n; k++)
				counts[k] = (double) (random() % 3);
			point = exponents((int) (random() % 20) - 4, 0, counts, n);
			point.positive.offset = (int32_t) (random() % 600) - 300;
			/* so that there are such values */
			if (point.scale < 0)
				point.positive.offset >>= -point.scale;
			if (random() % 2)
			{
				point.negative = point.positive;
				point.positive.ncounts = 0;
			}
			if (random() % 4 == 0)
				point.zero_threshold = (double) (random() % 100) / 64;
			expected += point.count;
			CHECK(add(&point) == TS_OK, "%s", err.message);
			found = point.zero_count;
			for (uint32_t k = 0; k < point.positive.ncounts; k++)
				found += point.positive.counts[k];
			for (uint32_t k = 0; k < point.negative.ncounts; k++)
				found += point.negative.counts[k];
			CHECK(found == expected && point.count == expected, "%g %g %g", found,
				  point.count, expected);
			CHECK(point.positive.ncounts <= TS_DELTA_BUCKETS &&
					  point.negative.ncounts <= TS_DELTA_BUCKETS,
				  "%u %u", point.positive.ncounts, point.negative.ncounts);
		}
	}
	unit_group_end();
}

/* What can be written becomes what can be, whatever it is. */
static void
test_valid_random(void)
{
	unit_group_begin();
	for (int round = 0; round < 2000; round++)
	{
		fresh();
		for (int i = 0; i < 8; i++)
		{
			double counts[20];
			uint32_t n = (uint32_t) random() % 20;
			int bits = (int) (random() % 24);
			TsOtlpPoint point;

			for (uint32_t k = 0; k < n; k++)
				counts[k] = random() % 3 == 0 ? ldexp((double) (random() % 4), bits) : 0;
			point = exponents((int) (random() % 24) - 4,
							  (int32_t) (random() % 3000) - 1500, counts, n);
			if (random() % 2)
			{
				point.negative = point.positive;
				point.positive.ncounts = 0;
			}
			if (random() % 3 == 0)
				point.zero_threshold = ldexp(1, (int) (random() % 2099) - 1074) * 1.75;
			if (!isfinite(point.zero_threshold))
				point.zero_threshold = DBL_MAX;
			point.has_sum = random() % 2;
			if (point.has_sum && random() % 4 == 0)
			{
				point.sum = NAN;
				point.count += (double) (random() % 3);
			}
			(void) add_valid(point);
		}
	}
	unit_group_end();
}

int
main(void)
{
	test_times();
	test_integers();
	test_doubles();
	test_histograms();
	test_large_histograms();
	test_exponential_ranges();
	test_exponential_bounds();
	test_zero_threshold();
	test_nan();
	test_large_counts();
	test_no_such_buckets();
	test_exponential_random();
	test_valid_random();
	return unit_finish();
}
