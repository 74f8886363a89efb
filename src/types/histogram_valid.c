/*
 * histogram_valid.c
 *	  Which histograms there are, and which of them are observations.
 *
 * PromQL has histograms with negative and fractional counts, which a value of the type may
 * hold; what comes from outside as a sample must be one that somebody can have observed.
 */
#include <math.h>

#include "histogram_internal.h"

static TsErrorCode
check_spans(const TsSpan *spans, uint32_t nspans, uint32_t n, const char *side,
			int64_t *end, TsError *err)
{
	uint64_t total = 0;

	*end = 0;
	for (uint32_t i = 0; i < nspans; i++)
	{
		if (i > 0 && spans[i].offset < 0)
			return ts_error_set(err, TS_ERR_INVALID, -1,
								"%s side: span number %u has the negative offset %d",
								side, i + 1, spans[i].offset);
		*end += spans[i].offset;
		if (*end < -HISTOGRAM_MAX_INDEX)
			return ts_error_set(err, TS_ERR_LIMIT, -1,
								"%s side: a bucket's index is below %d", side,
								-HISTOGRAM_MAX_INDEX);
		*end += spans[i].length;
		total += spans[i].length;
		if (*end > HISTOGRAM_MAX_INDEX)
			return ts_error_set(err, TS_ERR_LIMIT, -1,
								"%s side: a bucket's index exceeds %d", side,
								HISTOGRAM_MAX_INDEX);
	}
	if (total != n)
		return ts_error_set(err, TS_ERR_INVALID, -1,
							"%s side: spans need %llu buckets, but there are %u", side,
							(unsigned long long) total, n);
	if (n > TS_HISTOGRAM_MAX_BUCKETS)
		return ts_error_set(err, TS_ERR_LIMIT, -1, "%s side: more than %d buckets", side,
							TS_HISTOGRAM_MAX_BUCKETS);
	return TS_OK;
}

static TsErrorCode
check_custom(const TsHistogram *h, int64_t positive_end, TsError *err)
{
	if (h->nbounds > TS_HISTOGRAM_MAX_BUCKETS)
		return ts_error_set(err, TS_ERR_LIMIT, -1, "more than %d custom bounds",
							TS_HISTOGRAM_MAX_BUCKETS);
	for (uint32_t i = 0; i < h->nbounds; i++)
	{
		if (isnan(h->bounds[i]))
			return ts_error_set(err, TS_ERR_INVALID, -1, "a custom bound is NaN");
		if (i > 0 && h->bounds[i] <= h->bounds[i - 1])
			return ts_error_set(err, TS_ERR_INVALID, -1,
								"custom bounds are not in ascending order");
		if (h->bounds[i] == INFINITY)
			return ts_error_set(err, TS_ERR_INVALID, -1,
								"the custom bound +Inf is implied and must not be given");
	}
	if (h->npositive_spans > 0 && h->positive_spans[0].offset < 0)
		return ts_error_set(err, TS_ERR_INVALID, -1,
							"a custom bucket has a negative index");
	if (positive_end > (int64_t) h->nbounds + 1)
		return ts_error_set(err, TS_ERR_INVALID, -1,
							"%u custom bounds make %u buckets, but there are %lld",
							h->nbounds, h->nbounds + 1, (long long) positive_end);
	if (h->zero_count != 0 || h->zero_threshold != 0)
		return ts_error_set(err, TS_ERR_INVALID, -1,
							"a histogram with custom bounds has no zero bucket");
	if (h->nnegative_spans > 0 || h->nnegative > 0)
		return ts_error_set(err, TS_ERR_INVALID, -1,
							"a histogram with custom bounds has no negative buckets");
	return TS_OK;
}

/* Whole, and not negative? */
static bool
is_whole(double count)
{
	return count >= 0 && count <= 0x1p64 && count == floor(count);
}

bool
histogram_counts_fit(const TsHistogram *h)
{
	bool whole = is_whole(h->count) && is_whole(h->zero_count);

	if (ts_histogram_is_custom(h) && h->zero_count != 0)
		return false;
	for (int side = 0; side < 2 && whole && h->integer; side++)
	{
		HistogramSide s = histogram_side(h, side == 1);

		for (uint32_t i = 0; i < s.n && whole; i++)
			whole = is_whole(s.counts[i]);
	}
	return whole || !h->integer;
}

TsErrorCode
histogram_check_shape(const TsHistogram *h, TsError *err)
{
	int64_t end[2];
	TsErrorCode code;

	if (!ts_histogram_is_custom(h) &&
		(h->schema < TS_HISTOGRAM_MIN_SCHEMA || h->schema > TS_HISTOGRAM_MAX_SCHEMA))
		return ts_error_set(err, TS_ERR_INVALID, -1,
							"schema %d is neither one from %d to %d nor %d", h->schema,
							TS_HISTOGRAM_MIN_SCHEMA, TS_HISTOGRAM_MAX_SCHEMA,
							TS_HISTOGRAM_CUSTOM_SCHEMA);
	code = check_spans(h->positive_spans, h->npositive_spans, h->npositive, "positive",
					   &end[0], err);
	if (code == TS_OK)
		code = check_spans(h->negative_spans, h->nnegative_spans, h->nnegative,
						   "negative", &end[1], err);
	if (code != TS_OK)
		return code;
	if (ts_histogram_is_custom(h))
		code = check_custom(h, end[0], err);
	else if (h->nbounds > 0)
		code = ts_error_set(err, TS_ERR_INVALID, -1,
							"only a histogram of schema %d has custom bounds",
							TS_HISTOGRAM_CUSTOM_SCHEMA);
	else if (!(h->zero_threshold >= 0 && h->zero_threshold < INFINITY))
		code = ts_error_set(err, TS_ERR_INVALID, -1,
							"the zero threshold is not a finite number from 0 on");
	if (code == TS_OK && (unsigned) h->hint > TS_RESET_GAUGE)
		code = ts_error_set(err, TS_ERR_INVALID, -1, "there is no counter reset hint %d",
							(int) h->hint);
	if (code == TS_OK && !histogram_counts_fit(h))
		code = ts_error_set(
			err, TS_ERR_INVALID, -1,
			"a histogram of integers has a count that is not a natural number");
	return code;
}

TsErrorCode
ts_histogram_validate(const TsHistogram *h, TsError *err)
{
	TsErrorCode code = histogram_check_shape(h, err);
	double total = h->zero_count;

	if (code != TS_OK || ts_histogram_is_stale(h))
		return code;
	for (int side = 0; side < 2; side++)
	{
		HistogramSide s = histogram_side(h, side == 1);

		for (uint32_t i = 0; i < s.n; i++)
		{
			if (s.counts[i] < 0)
				return ts_error_set(
					err, TS_ERR_INVALID, -1,
					"%s side: bucket number %u has the observation count %g",
					side == 0 ? "positive" : "negative", i + 1, s.counts[i]);
			total += s.counts[i];
		}
	}
	if (h->zero_count < 0)
		return ts_error_set(err, TS_ERR_INVALID, -1,
							"the zero bucket has the observation count %g",
							h->zero_count);
	if (h->count < 0)
		return ts_error_set(err, TS_ERR_INVALID, -1, "the observation count is %g",
							h->count);
	/* Fractions do not add up exactly; observations of NaN are in no bucket. */
	if (h->integer && (isnan(h->sum) ? total > h->count : total != h->count))
		return ts_error_set(
			err, TS_ERR_INVALID, -1,
			"%.17g observations are in buckets, but the observation count is %.17g",
			total, h->count);
	return TS_OK;
}

bool
ts_histogram_is_stale(const TsHistogram *h)
{
	return double_bits(h->sum) == HISTOGRAM_STALE;
}
