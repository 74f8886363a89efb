/*
 * test_buckets.c
 *	  Classic histograms: bounds as text, quantiles, fractions, and the repair of counts
 *	  that fall.
 */
#include <math.h>
#include <string.h>

#include "../../src/promql/buckets.h"
#include "unit.h"

#define MAX_BUCKETS 8

static bool
close_to(double a, double b)
{
	if (isnan(a) || isnan(b))
		return isnan(a) && isnan(b);
	return a == b || fabs(a - b) < 1e-9 * (fabs(a) + fabs(b));
}

static void
test_bounds(void)
{
	static const struct
	{
		const char *text;
		bool valid;
		double bound;
	} cases[] = {
		{"1", true, 1},
		{"+1.5e3", true, 1500},
		{"-.5", true, -0.5},
		{"0x1p-2", true, 0.25},
		{"+Inf", true, INFINITY},
		{"inf", true, INFINITY},
		{"-Infinity", true, -INFINITY},
		{"1e-400", true, 0},
		{"", false, 0},
		{" 1", false, 0},
		{"1 ", false, 0},
		{"1\n", false, 0},
		{"abc", false, 0},
		{"1e400", false, 0},
		{"0x10", false, 0},
		{"nan(1)", false, 0},
		{"-nan", false, 0},
		{"+-1", false, 0},
	};
	double bound;
	TsString zero = {"1\0", 2};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		TsString text = {cases[i].text, strlen(cases[i].text)};
		bool valid = classic_read_bound(text, &bound);

		CHECK(valid == cases[i].valid && (!valid || bound == cases[i].bound), "'%s'",
			  cases[i].text);
	}
	CHECK(classic_read_bound((TsString){"NaN", 3}, &bound) && isnan(bound), "NaN");
	CHECK(!classic_read_bound(zero, &bound), "U+0000");
}

/* A histogram, and what is asked of it. */
typedef struct Case
{
	int n;
	ClassicBucket buckets[MAX_BUCKETS];
	double q;
	double expected;
	bool forced;
} Case;

#define TOP(count)      \
	{                   \
		INFINITY, count \
	}

static const Case quantiles[] = {
	{2, {{1, 10}, TOP(10)}, 0.5, 0.5, false},
	{3, {{1, 10}, {2, 20}, TOP(20)}, 0.75, 1.5, false},
	{3, {{1, 10}, {2, 20}, TOP(40)}, 0.9, 2, false},
	{3, {{-1, 10}, {2, 20}, TOP(20)}, 0.25, -1, false},
	{3, {{-1, 0}, {2, 20}, TOP(20)}, 0.5, 0.5, false},
	{2, {{1, 10}, TOP(10)}, 0, 0, false},
	{2, {{1, 10}, TOP(10)}, 1, 1, false},
	{2, {{1, 10}, TOP(10)}, -0.1, -INFINITY, false},
	{2, {{1, 10}, TOP(10)}, 1.1, INFINITY, false},
	{2, {{1, 10}, TOP(10)}, NAN, NAN, false},
	{2, {{1, 10}, {2, 10}}, 0.5, NAN, false},
	{1, {TOP(10)}, 0.5, NAN, false},
	{2, {{1, 0}, TOP(0)}, 0.5, NAN, false},
	/* equal bounds are one bucket */
	{3, {{1, 5}, {1, 5}, TOP(10)}, 0.5, 0.5, false},
	/* counts that fall */
	{3, {{1, 10}, {2, 5}, TOP(20)}, 0.25, 0.5, true},
	{4, {{1, 10}, {2, 5}, {3, 8}, TOP(20)}, 0.5, 1, true},
	{3, {{1, 10}, {2, 10 * (1 - 1e-14)}, TOP(20)}, 0.25, 0.5, false},
	{3, {{1, 10}, {2, 10 * (1 + 1e-14)}, TOP(20)}, 0.5, 1, false},
};

static const Case fractions[] = {
	/* q is the upper bound; the lower one is 0.5 */
	{3, {{1, 10}, {2, 20}, TOP(20)}, 1, 0.25, false},
	{3, {{1, 10}, {2, 20}, TOP(20)}, 2, 0.75, false},
	{3, {{1, 10}, {2, 20}, TOP(40)}, 1e9, 0.375, false},
	{3, {{1, 10}, {2, 20}, TOP(40)}, INFINITY, 0.875, false},
	{3, {{1, 10}, {2, 20}, TOP(40)}, 0.5, 0, false},
	{3, {{1, 10}, {2, 20}, TOP(40)}, 0.1, 0, false},
	{3, {{1, 10}, {2, 20}, TOP(40)}, NAN, NAN, false},
	{3, {{1, 0}, {2, 0}, TOP(0)}, 1, NAN, false},
	{2, {{1, 10}, {2, 20}}, 1, NAN, false},
	{3, {{-1, 10}, {2, 20}, TOP(20)}, 2, 0.25, false},
	{3, {{0, 10}, {2, 20}, TOP(20)}, 2, 0.375, false},
};

int
main(void)
{
	ClassicBucket buckets[MAX_BUCKETS];
	ClassicRepair repair;

	test_bounds();
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
	{
		const Case *c = &quantiles[i];
		double result;

		memcpy(buckets, c->buckets, sizeof(buckets));
		result = classic_quantile(buckets, (uint32_t) c->n, c->q, &repair);
		CHECK(close_to(result, c->expected) && repair.forced == c->forced,
			  "quantile %d: %g", (int) i, result);
	}
	for (size_t i = 0; i < sizeof(fractions) / sizeof(fractions[0]); i++)
	{
		const Case *c = &fractions[i];
		double result;

		memcpy(buckets, c->buckets, sizeof(buckets));
		result = classic_fraction(buckets, (uint32_t) c->n, 0.5, c->q);
		CHECK(close_to(result, c->expected), "fraction %d: %g", (int) i, result);
	}

	/* What is told of a repair: the outermost bounds concerned, the largest fall. */
	memcpy(buckets, (ClassicBucket[]){{1, 10}, {2, 5}, {3, 12}, {4, 11}, {INFINITY, 20}},
		   5 * sizeof(ClassicBucket));
	classic_quantile(buckets, 5, 0.5, &repair);
	CHECK(repair.min_upper == 2 && repair.max_upper == 4 && repair.max_diff == 5,
		  "%g %g %g", repair.min_upper, repair.max_upper, repair.max_diff);

	/* Open ends: all that is below, all that is above. */
	memcpy(buckets, (ClassicBucket[]){{1, 10}, {2, 20}, {INFINITY, 40}},
		   3 * sizeof(ClassicBucket));
	CHECK(classic_fraction(buckets, 3, -INFINITY, INFINITY) == 1, "all");
	CHECK(classic_fraction(buckets, 3, 2, INFINITY) == 0.5, "above");
	CHECK(classic_fraction(buckets, 3, -INFINITY, 1) == 0.25, "below");
	return unit_finish();
}
