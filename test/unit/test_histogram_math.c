/*
 * test_histogram_math.c
 *	  What PromQL computes with histograms: operators, sums and means, estimates.
 */
#include "histogram_any.h"

/* ---- layouts ---- */

static void
test_compact(void)
{
	const char *text = "{{schema:0 count:9 sum:1 buckets:[0 1 0 _ 2 0 0 0 _x9 3 0] "
					   "n_offset:-3 n_buckets:[0 0 _ 0]}}";

	CHECK_TEXT(ts_histogram_compact(hist(text), 0, &any),
			   "{{schema:0 count:9 sum:1 offset:1 buckets:[1 _x2 2 _x12 3]}}");
	CHECK_TEXT(ts_histogram_compact(hist(text), 2, &any),
			   "{{schema:0 count:9 sum:1 offset:1 buckets:[1 0 0 2 _x12 3]}}");
	CHECK_TEXT(
		ts_histogram_compact(hist(text), 100, &any),
		"{{schema:0 count:9 sum:1 offset:1 buckets:[1 0 0 2 0 0 0 0 0 0 0 0 0 0 0 0 3]}}");
	/* A gap is not filled where that would be no histogram any more. */
	CHECK_TEXT(ts_histogram_compact(hist("{{buckets:[1 _x70000 1]}}"), INT32_MAX, &any),
			   "{{schema:0 count:0 sum:0 buckets:[1 _x70000 1]}}");
	CHECK_TEXT(ts_histogram_compact(hist("{{}}"), 3, &any), "{{schema:0 count:0 sum:0}}");
}

static void
test_reduce(void)
{
	TsHistogram *h = hist(
		"{{schema:1 offset:-3 buckets:[1 2 3 4 5 6 7 _x3 8] n_buckets:[1 2 3]}}");

	CHECK_TEXT(
		ts_histogram_reduce(h, 0, &any),
		"{{schema:0 count:0 sum:0 offset:-1 buckets:[3 7 11 7 _ 8] n_buckets:[1 5]}}");
	CHECK_TEXT(ts_histogram_reduce(h, -4, &any),
			   "{{schema:-4 count:0 sum:0 buckets:[10 26] n_buckets:[1 5]}}");
	CHECK(ts_histogram_equal(
			  ts_histogram_reduce(h, -2, &any),
			  ts_histogram_reduce(ts_histogram_reduce(h, 0, &any), -2, &any)),
		  "in one step or two");
}

/* ---- operators ---- */

static TsHistogramNotes notes;

static TsHistogram *
added(const char *a, const char *b)
{
	memset(&notes, 0, sizeof(notes));
	return ts_histogram_add(hist(a), hist(b), &any, &notes);
}

static TsHistogram *
subtracted(const char *a, const char *b)
{
	memset(&notes, 0, sizeof(notes));
	return ts_histogram_sub(hist(a), hist(b), &any, &notes);
}

static void
test_add(void)
{
	CHECK_TEXT(
		added("{{count:4 sum:5 z_bucket:1 buckets:[1 2 _ 1]}}",
			  "{{count:2 sum:1 z_bucket:2 offset:-2 buckets:[7 _x3 5] n_buckets:[3]}}"),
		"{{schema:0 count:6 sum:6 z_bucket:3 offset:-2 buckets:[7 _ 1 2 5 1] n_buckets:[3]}}");
	CHECK_TEXT(
		subtracted("{{count:4 sum:5 z_bucket:1 buckets:[1 2 _ 1]}}",
				   "{{count:2 sum:1 z_bucket:2 buckets:[1]}}"),
		"{{schema:0 count:2 sum:4 z_bucket:-1 buckets:[0 2 _ 1] counter_reset_hint:gauge}}");
	/* To the lower resolution, whichever it is. */
	CHECK_TEXT(added("{{schema:1 buckets:[1 2 3 4]}}", "{{schema:0 buckets:[10 20 30]}}"),
			   "{{schema:0 count:0 sum:0 buckets:[11 25 34]}}");
	CHECK_TEXT(added("{{schema:0 buckets:[10 20 30]}}", "{{schema:1 buckets:[1 2 3 4]}}"),
			   "{{schema:0 count:0 sum:0 buckets:[11 25 34]}}");
	CHECK(!notes.incompatible && !notes.bounds_reconciled && !notes.reset_hint_collision,
		  "nothing to note");
	CHECK(added("{{}}", "{{schema:-53}}") == NULL && notes.incompatible, "incompatible");
	CHECK(subtracted("{{schema:-53}}", "{{}}") == NULL && notes.incompatible,
		  "incompatible");
}

static void
test_zero_buckets(void)
{
	/* 0.5 is the upper bound of bucket -1: that one and those below are within it. */
	CHECK_TEXT(
		added("{{z_bucket:1 z_bucket_w:0.5 buckets:[4]}}",
			  "{{z_bucket:2 z_bucket_w:0.25 offset:-1 buckets:[3 5] n_offset:-3 "
			  "n_buckets:[7 0 _ 9]}}"),
		"{{schema:0 count:0 sum:0 z_bucket:13 z_bucket_w:0.5 buckets:[9] n_buckets:[9]}}");
	CHECK_TEXT(added("{{z_bucket:2 z_bucket_w:0.25 offset:-1 buckets:[3 5]}}",
					 "{{z_bucket:1 z_bucket_w:0.5 buckets:[4]}}"),
			   "{{schema:0 count:0 sum:0 z_bucket:6 z_bucket_w:0.5 buckets:[9]}}");
	/* A threshold within a bucket with observations grows to its end, */
	CHECK_TEXT(
		added("{{z_bucket:1 z_bucket_w:0.6 buckets:[4]}}",
			  "{{z_bucket:2 offset:-1 buckets:[3 5 6]}}"),
		"{{schema:0 count:0 sum:0 z_bucket:15 z_bucket_w:1 offset:1 buckets:[6]}}");
	/* of the other side, too, and of an empty one it does not. */
	CHECK_TEXT(
		added("{{z_bucket:1 z_bucket_w:0.6 buckets:[0 4]}}",
			  "{{z_bucket:2 buckets:[0 6] n_offset:-1 n_buckets:[5 7]}}"),
		"{{schema:0 count:0 sum:0 z_bucket:15 z_bucket_w:1 offset:1 buckets:[10]}}");
	CHECK_TEXT(added("{{z_bucket:1 z_bucket_w:0.6 buckets:[4 5]}}",
					 "{{z_bucket:2 z_bucket_w:1.5 offset:1 buckets:[1]}}"),
			   "{{schema:0 count:0 sum:0 z_bucket:13 z_bucket_w:2}}");
}

static void
test_hints(void)
{
	static const char *const names[] = {"unknown", "reset", "not_reset", "gauge"};

	for (int a = 0; a < 4; a++)
	{
		for (int b = 0; b < 4; b++)
		{
			char texts[2][100];
			TsResetHint expected = a == b             ? (TsResetHint) a
								   : a == 3 || b == 3 ? TS_RESET_GAUGE
													  : TS_RESET_UNKNOWN;

			sprintf(texts[0], "{{counter_reset_hint:%s}}", names[a]);
			sprintf(texts[1], "{{counter_reset_hint:%s}}", names[b]);
			CHECK(added(texts[0], texts[1])->hint == expected, "%d + %d", a, b);
			CHECK(notes.reset_hint_collision == (a * b == 2), "%d + %d", a, b);
			CHECK(subtracted(texts[0], texts[1])->hint == TS_RESET_GAUGE, "%d - %d", a,
				  b);
			CHECK(notes.reset_hint_collision == (a * b == 2), "%d - %d", a, b);
		}
	}
	CHECK(ts_histogram_with_hint(hist("{{counts:integer}}"), TS_RESET_NO, &any)->integer,
		  "another hint makes no fractions");
}

static void
test_custom(void)
{
	CHECK_TEXT(added("{{schema:-53 custom_values:[1 2 3] buckets:[1 2 3 4]}}",
					 "{{schema:-53 custom_values:[1 2 3] buckets:[10 _ _ 5]}}"),
			   "{{schema:-53 count:0 sum:0 custom_values:[1 2 3] buckets:[11 2 3 9]}}");
	CHECK(!notes.bounds_reconciled, "the same bounds");
	CHECK_TEXT(
		added("{{schema:-53 count:3 custom_values:[1 2 3 7] buckets:[1 2 3 4 5]}}",
			  "{{schema:-53 count:4 custom_values:[2 5 7] buckets:[10 20 30 40]}}"),
		"{{schema:-53 count:7 sum:0 custom_values:[2 7] buckets:[13 57 45]}}");
	CHECK(notes.bounds_reconciled, "other bounds");
	CHECK_TEXT(subtracted("{{schema:-53 custom_values:[1 2] buckets:[1 2 3]}}",
						  "{{schema:-53 custom_values:[3] buckets:[3 3]}}"),
			   "{{schema:-53 count:0 sum:0 custom_values:[] counter_reset_hint:gauge}}");
	CHECK_TEXT(
		subtracted(
			"{{schema:-53 sum:555 count:450 custom_values:[1 2 3 4 5 6 7 8] "
			"buckets:[10 20 30 40 50 60 70 80 90]}}",
			"{{schema:-53 sum:55 count:15 custom_values:[2 4 6] buckets:[1 2 5 7]}}"),
		"{{schema:-53 count:435 sum:500 custom_values:[2 4 6] buckets:[29 68 105 233] "
		"counter_reset_hint:gauge}}");
}

static void
test_scale(void)
{
	const char *text = "{{count:30 sum:33 z_bucket:3 z_bucket_w:0.001 buckets:[3 _ 3] "
					   "n_buckets:[6] counts:integer counter_reset_hint:not_reset}}";

	CHECK_TEXT(
		ts_histogram_mul(hist(text), -2, &any),
		"{{schema:0 count:-60 sum:-66 z_bucket:-6 z_bucket_w:0.001 buckets:[-6 _ -6] "
		"n_buckets:[-12] counter_reset_hint:gauge}}");
	CHECK_TEXT(
		ts_histogram_div(hist(text), 2, &any),
		"{{schema:0 count:15 sum:16.5 z_bucket:1.5 z_bucket_w:0.001 buckets:[1.5 _ 1.5] "
		"n_buckets:[3] counter_reset_hint:not_reset}}");
	CHECK_TEXT(ts_histogram_div(hist(text), 0, &any),
			   "{{schema:0 count:+Inf sum:+Inf z_bucket:+Inf z_bucket_w:0.001 "
			   "counter_reset_hint:not_reset}}");
	CHECK_TEXT(ts_histogram_mul(hist(text), 0, &any),
			   "{{schema:0 count:0 sum:0 z_bucket_w:0.001 buckets:[0 _ 0] n_buckets:[0] "
			   "counter_reset_hint:not_reset}}");
}

static double
all_buckets(const TsHistogram *h)
{
	double sum = h->zero_count;

	for (uint32_t i = 0; i < h->npositive; i++)
		sum += h->positive[i];
	for (uint32_t i = 0; i < h->nnegative; i++)
		sum += h->negative[i];
	return sum;
}

/* The same buckets, and nearly the same numbers. */
static bool
nearly_same(const TsHistogram *a, const TsHistogram *b)
{
	bool same = a->schema == b->schema && a->zero_threshold == b->zero_threshold &&
				near(a->zero_count, b->zero_count) && near(a->count, b->count) &&
				near(a->sum, b->sum) && a->npositive == b->npositive &&
				a->nnegative == b->nnegative &&
				a->npositive_spans == b->npositive_spans &&
				a->nnegative_spans == b->nnegative_spans && a->nbounds == b->nbounds;

	for (uint32_t i = 0; same && i < a->npositive; i++)
		same = near(a->positive[i], b->positive[i]);
	for (uint32_t i = 0; same && i < a->nnegative; i++)
		same = near(a->negative[i], b->negative[i]);
	return same;
}

/* Histograms of one layout are added in a shorter way, to the same end. */
static void
test_same_layout(void)
{
	unit_group_begin();
	for (int i = 0; i < 1000; i++)
	{
		TsHistogram *a = i % 4 ? any_histogram() : any_custom();
		TsHistogram *b = ts_histogram_mul(a, 0.7, &any);
		TsHistogram *cut = ts_histogram_copy(b, &any);
		TsSpan spans[3] = {{0, 0}};
		TsHistogramNotes n = {0};

		/* the same with an empty span before its first */
		if (b->npositive_spans > 0 && b->npositive_spans < 3)
		{
			memcpy(spans + 1, b->positive_spans, b->npositive_spans * sizeof(TsSpan));
			cut->positive_spans = spans;
			cut->npositive_spans = b->npositive_spans + 1;
		}
		CHECK(ts_histogram_equal(ts_histogram_add(a, b, &any, &n),
								 ts_histogram_add(a, cut, &any, &n)),
			  "%s", text_of(a));
		CHECK(ts_histogram_equal(ts_histogram_sub(a, b, &any, &n),
								 ts_histogram_sub(a, cut, &any, &n)),
			  "%s", text_of(a));
		ts_arena_free(&any_arena);
	}
	unit_group_end();
	/* What lies in the zero bucket already is not added. */
	CHECK_TEXT(
		added("{{z_bucket:1 z_bucket_w:1 offset:-1 buckets:[1 2 3]}}",
			  "{{z_bucket:1 z_bucket_w:1 offset:-1 buckets:[1 2 3]}}"),
		"{{schema:0 count:0 sum:0 z_bucket:2 z_bucket_w:1 offset:-1 buckets:[1 2 6]}}");
}

/* Of random histograms: nothing is lost, and the order does not matter. */
static void
test_random_sums(void)
{
	unit_group_begin();
	for (int i = 0; i < 3000; i++)
	{
		bool custom = i % 4 == 0;
		TsHistogram *a = custom ? any_custom() : any_histogram();
		TsHistogram *b = custom ? any_custom() : any_histogram();
		TsHistogramNotes n = {0};
		TsHistogram *sum = ts_histogram_add(a, b, &any, &n);
		TsHistogram *other = ts_histogram_add(b, a, &any, &n);
		TsHistogram *less = ts_histogram_sub(sum, b, &any, &n);

		CHECK(!n.incompatible && sum && other && less, "there is a sum");
		CHECK_NEAR(all_buckets(sum), all_buckets(a) + all_buckets(b));
		sum = ts_histogram_compact(sum, 0, &any);
		other = ts_histogram_compact(other, 0, &any);
		CHECK(nearly_same(sum, other), "%s\n%s", text_of(sum), text_of(other));
		CHECK(fabs(all_buckets(less) - all_buckets(a)) < 1e-9, "%s", text_of(less));
		ts_arena_free(&any_arena);
	}
	unit_group_end();
}

/* ---- resets, equality ---- */

static void
test_resets(void)
{
	static const struct
	{
		const char *before, *now;
		bool reset;
	} cases[] = {
		{"{{count:4 buckets:[1 2 1]}}", "{{count:4 buckets:[1 2 1]}}", false},
		{"{{count:4 buckets:[1 2 1]}}", "{{count:5 buckets:[1 1 3]}}", true},
		{"{{count:4 buckets:[1 2 1]}}", "{{count:3 buckets:[1 2 1]}}", true},
		{"{{buckets:[1 2 1]}}", "{{buckets:[1 2]}}", true},
		{"{{buckets:[1 2 0]}}", "{{buckets:[1 2]}}", false},
		{"{{buckets:[1 2]}}", "{{buckets:[_ 2 3]}}", true},
		{"{{buckets:[0 2]}}", "{{buckets:[_ 2 3]}}", false},
		{"{{n_buckets:[2]}}", "{{n_buckets:[1]}}", true},
		{"{{z_bucket:2}}", "{{z_bucket:1}}", true},
		{"{{schema:0}}", "{{schema:1}}", true},
		{"{{schema:1 buckets:[1 2 3]}}", "{{schema:0 buckets:[1 5]}}", false},
		{"{{schema:1 buckets:[1 2 3]}}", "{{schema:0 buckets:[1 4]}}", true},
		{"{{z_bucket_w:0.5}}", "{{z_bucket_w:0.25}}", true},
		{"{{z_bucket:1 offset:-1 buckets:[2 3]}}",
		 "{{z_bucket:3 z_bucket_w:0.5 buckets:[3]}}", false},
		{"{{z_bucket:1 offset:-1 buckets:[2 3]}}",
		 "{{z_bucket:2 z_bucket_w:0.5 buckets:[3]}}", true},
		{"{{z_bucket:1 offset:-1 buckets:[2 3]}}",
		 "{{z_bucket:9 z_bucket_w:0.75 buckets:[3]}}", true},
		{"{{z_bucket:1 offset:-1 buckets:[2 0]}}",
		 "{{z_bucket:9 z_bucket_w:0.75 buckets:[3]}}", false},
		{"{{count:9}}", "{{count:1 counter_reset_hint:not_reset}}", false},
		{"{{count:1}}", "{{count:1 counter_reset_hint:reset}}", true},
		{"{{count:9}}", "{{count:1 counter_reset_hint:gauge}}", true},
		{"{{}}", "{{schema:-53}}", true},
		{"{{schema:-53}}", "{{}}", true},
		{"{{schema:-53 custom_values:[1] buckets:[1 2]}}",
		 "{{schema:-53 custom_values:[1] buckets:[1 1]}}", true},
		{"{{schema:-53 custom_values:[2 4 6] buckets:[1 2 5 7]}}",
		 "{{schema:-53 custom_values:[2 3 4 6] buckets:[1 0 1 5 8]}}", true},
		{"{{schema:-53 custom_values:[2 4 6] buckets:[1 2 5 7]}}",
		 "{{schema:-53 custom_values:[2 3 4 6] buckets:[1 1 1 5 8]}}", false},
		{"{{schema:-53 custom_values:[2] buckets:[1 7]}}",
		 "{{schema:-53 custom_values:[1] buckets:[2 5]}}", true},
		{"{{schema:-53 custom_values:[2] buckets:[1 7]}}",
		 "{{schema:-53 custom_values:[1] buckets:[3 5]}}", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK(ts_histogram_is_reset(hist(cases[i].now), hist(cases[i].before)) ==
				  cases[i].reset,
			  "%s then %s", cases[i].before, cases[i].now);
}

static void
test_equal(void)
{
	TsHistogram *h = hist("{{sum:NaN buckets:[1 2 _ 3]}}");
	TsSpan spans[] = {{0, 1}, {0, 0}, {0, 1}, {1, 0}, {0, 1}};
	TsHistogram cut = *h;

	cut.positive_spans = spans;
	cut.npositive_spans = 5;
	cut.sum = -NAN;
	CHECK(ts_histogram_equal(h, &cut), "how spans are cut does not matter");
	CHECK(ts_histogram_encoded_size(h) == ts_histogram_encoded_size(&cut),
		  "nor for bytes");
	CHECK(!ts_histogram_equal(h, hist("{{sum:stale buckets:[1 2 _ 3]}}")), "stale");
	CHECK(!ts_histogram_equal(h, hist("{{sum:NaN buckets:[1 2 0 3]}}")),
		  "empty is not none");
	CHECK(!ts_histogram_equal(h, hist("{{sum:NaN z_bucket:1 buckets:[1 2 _ 3]}}")),
		  "zero");
	CHECK(!ts_histogram_equal(hist("{{schema:-53 custom_values:[1]}}"),
							  hist("{{schema:-53 custom_values:[2]}}")),
		  "bounds");
	CHECK(ts_histogram_equal(hist("{{counter_reset_hint:gauge}}"), hist("{{}}")),
		  "hints");
}

static void
test_validate(void)
{
	static const char *const valid[] = {
		"{{count:4 buckets:[1 2 1] counts:integer}}",
		"{{count:5 sum:NaN buckets:[1 2 1] counts:integer}}",
		"{{count:4.5 buckets:[1 2 1]}}",
		"{{sum:stale count:1 counts:integer}}",
	};
	static const char *const invalid[] = {
		"{{count:5 buckets:[1 2 1] counts:integer}}",
		"{{count:3 sum:NaN buckets:[1 2 1] counts:integer}}",
		"{{count:-1}}",
		"{{z_bucket:-1}}",
		"{{buckets:[1 -0.5]}}",
		"{{n_buckets:[1 -0.5]}}",
	};
	TsError err;

	for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++)
		CHECK(ts_histogram_validate(hist(valid[i]), &err) == TS_OK, "%s: %s", valid[i],
			  err.message);
	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++)
		CHECK(ts_histogram_validate(hist(invalid[i]), &err) == TS_ERR_INVALID, "%s",
			  invalid[i]);
}

/* ---- sums and means ---- */

static TsHistogram *
sum_of(const char *const *texts, size_t n, bool mean)
{
	TsHistogramSum *sum = ts_histogram_sum_create(&any);

	memset(&notes, 0, sizeof(notes));
	for (size_t i = 0; i < n; i++)
		CHECK(ts_histogram_sum_add(sum, hist(texts[i]), &notes), "%s", texts[i]);
	CHECK(ts_histogram_sum_n(sum) == n || notes.incompatible, "all are counted");
	return ts_histogram_sum_result(sum, mean, &any);
}

#define SUM(mean, ...)                    \
	sum_of((const char *[]){__VA_ARGS__}, \
		   sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *), mean)

static void
test_sums(void)
{
	CHECK_TEXT(SUM(false, "{{count:1 sum:1 buckets:[1]}}",
				   "{{count:2 sum:1e100 buckets:[_ 1e100]}}",
				   "{{count:3 sum:1 buckets:[_ 1]}}",
				   "{{count:4 sum:-1e100 buckets:[_ -1e100 0]}}"),
			   "{{schema:0 count:10 sum:2 buckets:[1 1]}}");
	CHECK_TEXT(SUM(true, "{{count:1 sum:1 z_bucket:4}}", "{{count:2 sum:1e100}}",
				   "{{count:3 sum:1}}", "{{count:4 sum:-1e100}}"),
			   "{{schema:0 count:2.5 sum:0.5 z_bucket:1}}");
	CHECK_TEXT(SUM(true, "{{schema:3 sum:5 count:4 buckets:[1 2 1]}}"),
			   "{{schema:3 count:4 sum:5 buckets:[1 2 1]}}");
	CHECK_TEXT(SUM(false, "{{schema:-53 count:1 custom_values:[5 10] buckets:[1]}}",
				   "{{schema:-53 count:1 custom_values:[5] buckets:[1]}}",
				   "{{schema:-53 count:1 custom_values:[5 10] buckets:[1]}}"),
			   "{{schema:-53 count:3 sum:0 custom_values:[5] buckets:[3]}}");
	CHECK(notes.bounds_reconciled, "reconciled");
	CHECK_TEXT(SUM(false, "{{count:1}}", "{{schema:-53 count:1}}"),
			   "{{schema:0 count:1 sum:0}}");
	CHECK(notes.incompatible, "what does not fit is left out");
	SUM(false, "{{counter_reset_hint:reset}}", "{{}}",
		"{{counter_reset_hint:not_reset}}");
	CHECK(notes.reset_hint_collision, "however far apart");
}

static void
test_means_without_overflow(void)
{
	TsHistogram *h;

	h = SUM(true, "{{count:1.7976931348623157e+308 sum:5.3}}",
			"{{count:1e308 sum:1e100}}", "{{count:1e-6 sum:1}}",
			"{{count:1e-6 sum:-1e100}}", "{{count:1e-6 sum:2}}", "{{count:1e-6 sum:0}}",
			"{{count:1e-6 sum:0}}");
	CHECK_NEAR(h->count, 3.9967044783747367e+307);
	CHECK_NEAR(h->sum, 1.1857142857142857);
	h = SUM(false, "{{count:1.7976931348623157e+308 sum:5.3}}",
			"{{count:1e308 sum:1e100}}", "{{count:1e-6 sum:3}}",
			"{{count:1e-6 sum:-1e100}}");
	CHECK(isinf(h->count), "a sum may overflow");
	CHECK_NEAR(h->sum, 8.3);
	/* Buckets overflow too, and thresholds grow meanwhile. */
	h = SUM(true, "{{buckets:[1.5e308 4]}}", "{{offset:-1 buckets:[2 1.5e308]}}",
			"{{z_bucket:3 z_bucket_w:0.5 buckets:[1.5e308 2]}}");
	CHECK_NEAR(h->positive[0], 1.5e308);
	CHECK_NEAR(h->zero_count, 5.0 / 3);
	CHECK_NEAR(h->positive[1], 2);
	h = SUM(true, "{{sum:Inf count:1}}", "{{sum:1 count:2}}");
	CHECK(isinf(h->sum) && near(h->count, 1.5), "%s", text_of(h));
	h = SUM(true, "{{sum:NaN count:1}}", "{{sum:1 count:2}}");
	CHECK(isnan(h->sum) && near(h->count, 1.5), "%s", text_of(h));
}

/* A sum in place is what adding one by one gives. */
static void
test_random_accumulation(void)
{
	unit_group_begin();
	for (int i = 0; i < 300; i++)
	{
		bool custom = i % 4 == 0;
		TsHistogramSum *sum = ts_histogram_sum_create(&any);
		TsHistogram *plain = NULL;
		TsHistogram *result;
		TsHistogramNotes n = {0};
		int times = (int) (any_random() % 30) + 1;

		for (int k = 0; k < times; k++)
		{
			TsHistogram *h = custom ? any_custom() : any_histogram();

			plain = plain ? ts_histogram_add(plain, h, &any, &n) : h;
			CHECK(ts_histogram_sum_add(sum, h, &n), "memory");
		}
		plain = ts_histogram_compact(plain, 0, &any);
		result = ts_histogram_sum_result(sum, false, &any);
		CHECK(nearly_same(result, plain), "%s\n%s", text_of(result), text_of(plain));
		result = ts_histogram_sum_result(sum, true, &any);
		CHECK_NEAR(all_buckets(result), all_buckets(plain) / times);
		ts_arena_free(&any_arena);
	}
	unit_group_end();
}

/* No memory is an answer, whenever it ends. */
static void *
short_alloc(void *ctx, size_t size)
{
	int *left = ctx;

	return (*left)-- > 0 ? ts_arena_alloc(&any_arena, size) : NULL;
}

static void
test_no_memory(void)
{
	TsHistogram *a = hist("{{z_bucket_w:0.5 count:1e308 buckets:[1 2 3] n_buckets:[4]}}");
	TsHistogram *b = hist(
		"{{z_bucket_w:0.25 count:1e308 offset:-2 buckets:[1 2 3 4 5 6]}}");
	TsHistogram *c = hist("{{schema:-53 custom_values:[1 2 3] buckets:[1 2 3]}}");
	TsHistogram *d = hist("{{schema:-53 custom_values:[2 3 4] buckets:[1 2 3]}}");

	for (int memory = 0; memory < 60; memory++)
	{
		int left = memory;
		TsAllocator allocator = {short_alloc, any.free, &left};
		TsHistogramNotes n = {0};
		TsHistogramSum *sum;
		bool done;

		sum = ts_histogram_sum_create(&allocator);
		done = sum != NULL && ts_histogram_sum_add(sum, a, &n) &&
			   ts_histogram_sum_add(sum, b, &n) && ts_histogram_sum_add(sum, b, &n) &&
			   ts_histogram_sum_result(sum, true, &allocator) != NULL;
		done = done && ts_histogram_add(c, d, &allocator, &n) != NULL &&
			   ts_histogram_trim(a, 1, true, &allocator) != NULL &&
			   ts_histogram_reduce(a, -1, &allocator) != NULL &&
			   ts_histogram_print(a, &allocator) != NULL;
		CHECK(done == (left >= 0), "with %d allocations", memory);
	}
}

/* ---- estimates ---- */

static void
test_quantiles(void)
{
	TsHistogram *both = hist(
		"{{count:24 sum:100 z_bucket:4 z_bucket_w:0.001 buckets:[2 3 0 1 4] "
		"n_buckets:[2 3 0 1 4]}}");
	static const double cases[][2] = {{1.001, INFINITY},
									  {1, 16},
									  {0.99, 15.34822590920423},
									  {0.9, 10.556063286183155},
									  {0.7, 1.2030250360821164},
									  {0.01, -15.34822590920423},
									  {0, -16},
									  {-1, -INFINITY},
									  {0.5, 0},
									  {0.5416666666666666, 0.0005}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK(fabs(ts_histogram_quantile(both, cases[i][0]) - cases[i][1]) < 1e-12 ||
				  near(ts_histogram_quantile(both, cases[i][0]), cases[i][1]),
			  "%g: %.17g", cases[i][0], ts_histogram_quantile(both, cases[i][0]));
	CHECK_NEAR(ts_histogram_quantile(both, NAN), NAN);
	CHECK_NEAR(ts_histogram_quantile(hist("{{}}"), 0.5), NAN);
	CHECK_NEAR(ts_histogram_quantile(hist("{{count:5 buckets:[0 5]}}"), 0.5), sqrt(2));
	CHECK_NEAR(ts_histogram_quantile(hist("{{schema:-1 count:5 n_buckets:[0 5]}}"), 0.5),
			   -2);
	/* The zero bucket leans to the side on which all else is. */
	CHECK_NEAR(
		ts_histogram_quantile(
			hist("{{count:12 z_bucket:2 z_bucket_w:0.001 buckets:[10]}}"), 1.0 / 12),
		0.0005);
	CHECK_NEAR(
		ts_histogram_quantile(
			hist("{{count:12 z_bucket:2 z_bucket_w:0.001 n_buckets:[10]}}"), 11.0 / 12),
		-0.0005);
	/* Custom buckets. */
	CHECK_NEAR(
		ts_histogram_quantile(
			hist("{{schema:-53 count:4 custom_values:[5 10] buckets:[1 2 1]}}"), 0.5),
		7.5);
	CHECK_NEAR(ts_histogram_quantile(
				   hist("{{schema:-53 count:4 custom_values:[5 10] buckets:[4]}}"), 0.5),
			   2.5);
	CHECK_NEAR(
		ts_histogram_quantile(
			hist("{{schema:-53 count:4 custom_values:[5 10] buckets:[_ _ 4]}}"), 0.5),
		10);
	CHECK_NEAR(ts_histogram_quantile(
				   hist("{{schema:-53 count:4 custom_values:[-5 10] buckets:[4]}}"), 0.5),
			   -5);
	/* Observations of NaN are above all. */
	CHECK_NEAR(ts_histogram_quantile(hist("{{count:4 sum:NaN buckets:[2]}}"), 0.5), 1);
	CHECK_NEAR(ts_histogram_quantile(hist("{{count:4 sum:NaN buckets:[2]}}"), 0.75), NAN);
	CHECK(ts_histogram_has_nan(hist("{{count:4 sum:NaN buckets:[2]}}")), "NaN");
	CHECK(!ts_histogram_has_nan(hist("{{count:2 sum:NaN buckets:[2]}}")),
		  "only infinities");
	CHECK(!ts_histogram_has_nan(hist("{{count:4 sum:3 buckets:[2]}}")), "none");
	/* Too few in the buckets: the end of the last one. */
	CHECK_NEAR(ts_histogram_quantile(hist("{{count:10 sum:1 buckets:[1 1]}}"), 0.4), 2);
	CHECK_NEAR(ts_histogram_quantile(hist("{{count:10 sum:1}}"), 0.4), 0);
}

static void
test_fractions(void)
{
	TsHistogram *h = hist(
		"{{count:12 sum:100 z_bucket:2 z_bucket_w:0.001 buckets:[2 3 0 1 4]}}");
	TsHistogram *c = hist(
		"{{schema:-53 count:100 custom_values:[1 2 3] buckets:[1 2 3 94]}}");
	TsHistogram *n = hist(
		"{{schema:-53 count:100 custom_values:[-3 -2 -1] buckets:[10 2 3 85]}}");
	TsHistogram *over = hist(
		"{{schema:-53 count:10 custom_values:[-10 10] buckets:[_ 10]}}");

	CHECK_NEAR(ts_histogram_fraction(h, 0, INFINITY), 1);
	CHECK_NEAR(ts_histogram_fraction(h, -INFINITY, 0), 0);
	CHECK_NEAR(ts_histogram_fraction(h, 0, 0.0005), 1.0 / 12);
	CHECK_NEAR(ts_histogram_fraction(h, 0, 1.5), 0.4795739585136224);
	CHECK_NEAR(ts_histogram_fraction(h, 1.5, 6), 0.15250624987980724);
	CHECK_NEAR(ts_histogram_fraction(h, 42, 3), 0);
	CHECK_NEAR(ts_histogram_fraction(h, NAN, 3), NAN);
	CHECK_NEAR(ts_histogram_fraction(hist("{{}}"), 0, 3), NAN);
	CHECK_NEAR(ts_histogram_fraction(c, 0, 1.5), 0.02);
	CHECK_NEAR(ts_histogram_fraction(c, 0.5, 2), 0.025);
	CHECK_NEAR(ts_histogram_fraction(c, 4, 5), 0);
	CHECK_NEAR(ts_histogram_fraction(c, 400, INFINITY), 0.94);
	CHECK_NEAR(ts_histogram_fraction(c, -10, -5), 0);
	CHECK_NEAR(ts_histogram_fraction(n, -INFINITY, -1.5), 0.135);
	CHECK_NEAR(ts_histogram_fraction(n, -4, -2), 0.02);
	CHECK_NEAR(ts_histogram_fraction(n, -INFINITY, INFINITY), 1);
	CHECK_NEAR(ts_histogram_fraction(over, -5, 5), 0.5);
	CHECK_NEAR(ts_histogram_fraction(hist("{{count:4 sum:NaN buckets:[2]}}"), 0, 100),
			   0.5);
}

static void
test_variance(void)
{
	CHECK_NEAR(ts_histogram_variance(
				   hist("{{schema:2 count:4 sum:10 buckets:[1 0 0 0 1 0 0 1 1]}}")),
			   1.163807968526718);
	CHECK_NEAR(
		ts_histogram_variance(hist("{{count:10 sum:-100 n_buckets:[0 0 0 0 10]}}")),
		1.725830020304794);
	CHECK_NEAR(ts_histogram_variance(
				   hist("{{schema:-53 count:2 sum:8 custom_values:[-0.25 -0.2 -0.1 0.3] "
						"buckets:[0 1 1 0 0]}}")),
			   17.5365625);
	CHECK_NEAR(ts_histogram_variance(hist("{{schema:0 count:4 sum:Inf buckets:[4]}}")),
			   INFINITY);
	CHECK_NEAR(ts_histogram_variance(hist("{{}}")), NAN);
}

static void
test_trim(void)
{
	static const struct
	{
		const char *text;
		double bound;
		bool upper;
		const char *expected;
	} cases[] = {
		{"{{count:30 sum:7 buckets:[10 10 10]}}", INFINITY, true,
		 "{{schema:0 count:30 sum:7 buckets:[10 10 10]}}"},
		{"{{count:30 sum:7 buckets:[10 10 10]}}", -INFINITY, false,
		 "{{schema:0 count:30 sum:7 buckets:[10 10 10]}}"},
		{"{{count:30 sum:7 buckets:[10 10 10]}}", -INFINITY, true,
		 "{{schema:0 count:0 sum:0}}"},
		{"{{count:5 z_bucket:5 z_bucket_w:0.1}}", 0.05, false,
		 "{{schema:0 count:1.25 sum:0.09375000000000001 z_bucket:1.25 z_bucket_w:0.1}}"},
		{"{{count:5 sum:3 z_bucket:5 z_bucket_w:0.1}}", 0.1, true,
		 "{{schema:0 count:5 sum:3 z_bucket:5 z_bucket_w:0.1}}"},
		{"{{count:5 sum:3 z_bucket:5 z_bucket_w:0.1}}", 0.1, false,
		 "{{schema:0 count:0 sum:0 z_bucket_w:0.1}}"},
		{"{{count:12 z_bucket:2 z_bucket_w:0.5 n_buckets:[10]}}", -0.5, false,
		 "{{schema:0 count:2 sum:-0.5 z_bucket:2 z_bucket_w:0.5}}"},
		{"{{schema:-53 sum:172.5 count:15 custom_values:[5 10 15 20] buckets:[1 6 4 3 1]}}",
		 50, true,
		 "{{schema:-53 count:14 sum:150 custom_values:[5 10 15 20] buckets:[1 6 4 3]}}"},
		{"{{schema:-53 sum:172.5 count:15 custom_values:[5 10 15 20] buckets:[1 6 4 3 1]}}",
		 0, false,
		 "{{schema:-53 count:15 sum:172.5 custom_values:[5 10 15 20] buckets:[1 6 4 3 1]}}"},
		{"{{schema:-53 count:15 custom_values:[-10 5 10 15 20] buckets:[2 1 6 4 3 1]}}",
		 -15, true,
		 "{{schema:-53 count:2 sum:-30 custom_values:[-10 5 10 15 20] buckets:[2]}}"},
		{"{{schema:-53 count:100 buckets:[100]}}", 10, true,
		 "{{schema:-53 count:0 sum:0 custom_values:[]}}"},
		{"{{schema:-53 count:100 buckets:[100]}}", 10, false,
		 "{{schema:-53 count:0 sum:0 custom_values:[]}}"},
		{"{{schema:-53 sum:33 count:101 custom_values:[5] buckets:[1 100]}}", 2, true,
		 "{{schema:-53 count:0.4 sum:0.4 custom_values:[5] buckets:[0.4]}}"},
		{"{{schema:-53 sum:33 count:101 custom_values:[5] buckets:[1 100]}}", 10, false,
		 "{{schema:-53 count:100 sum:1000 custom_values:[5] offset:1 buckets:[100]}}"},
		{"{{schema:-53 sum:33 count:101 custom_values:[-5] buckets:[1 100]}}", -10, true,
		 "{{schema:-53 count:1 sum:-10 custom_values:[-5] buckets:[1]}}"},
		{"{{schema:-53 custom_values:[-3 2]}}", 5, true,
		 "{{schema:-53 count:0 sum:0 custom_values:[-3 2]}}"},
	};
	TsHistogram *h;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK_TEXT(
			ts_histogram_trim(hist(cases[i].text), cases[i].bound, cases[i].upper, &any),
			cases[i].expected);
	h = ts_histogram_trim(
		hist("{{schema:2 count:28 z_bucket:1 z_bucket_w:0.001 buckets:[1 2 4 7 3] "
			 "n_buckets:[1 5 3 1]}}"),
		1.13, true, &any);
	CHECK_NEAR(h->count, 13.410582181123704);
	CHECK_NEAR(h->sum, -9.385798726068233);
	CHECK_NEAR(h->positive[1], 1.410582181123704);
}

/* What is on the two sides of a bound is all there is, and what the fraction says. */
static void
test_random_trims(void)
{
	unit_group_begin();
	for (int i = 0; i < 2000; i++)
	{
		TsHistogram *h = i % 4 ? any_histogram() : any_custom();
		double bound = ((double) (any_random() % 2001) - 1000) / 300;
		TsHistogram counted = *h;
		TsHistogram *below, *above;

		counted.count = all_buckets(h);
		below = ts_histogram_trim(&counted, bound, true, &any);
		above = ts_histogram_trim(&counted, bound, false, &any);
		CHECK(below->count >= 0 && below->count <= counted.count, "%s", text_of(below));
		if (h->schema != TS_HISTOGRAM_CUSTOM_SCHEMA)
			CHECK_NEAR(below->count + above->count, counted.count);
		ts_arena_free(&any_arena);
	}
	unit_group_end();
}

/* ---- walks ---- */

static void
test_walks(void)
{
	TsHistogram *h = hist(
		"{{z_bucket:5 z_bucket_w:0.6 offset:-1 buckets:[1 2 _ 3] n_buckets:[4 _x2 6]}}");
	static const TsBucket expected[] = {
		{-8, -4, true, false, 6, 3},   {-1, -0.6, true, false, 4, 0},
		{-0.6, 0.6, true, true, 5, 0}, {0.6, 0.5, false, true, 1, -1},
		{0.6, 1, false, true, 2, 0},   {2, 4, false, true, 3, 2}};
	static const TsBucket custom[] = {{-INFINITY, 1, true, true, 1, 0},
									  {2, INFINITY, false, true, 2, 2}};
	TsBucketIter iter;
	TsBucket bucket;

	for (int reverse = 0; reverse < 2; reverse++)
	{
		int n = 0;

		ts_bucket_iter_init(&iter, h, reverse);
		while (ts_bucket_iter_next(&iter, &bucket))
		{
			const TsBucket *e = &expected[reverse ? 5 - n : n];

			n++;
			CHECK(bucket.lower == e->lower && bucket.upper == e->upper &&
					  bucket.index == e->index && bucket.count == e->count &&
					  bucket.lower_inclusive == e->lower_inclusive &&
					  bucket.upper_inclusive == e->upper_inclusive,
				  "%d: %g %g %g", n, bucket.lower, bucket.upper, bucket.count);
		}
		CHECK(n == 6, "all of them");
	}
	ts_bucket_iter_init(&iter, hist("{{schema:-53 custom_values:[1 2] buckets:[1 _ 2]}}"),
						false);
	for (int i = 0; i < 2; i++)
		CHECK(ts_bucket_iter_next(&iter, &bucket) && bucket.lower == custom[i].lower &&
				  bucket.upper == custom[i].upper &&
				  bucket.lower_inclusive == custom[i].lower_inclusive,
			  "custom %d", i);
	CHECK(!ts_bucket_iter_next(&iter, &bucket) && !ts_bucket_iter_next(&iter, &bucket),
		  "no more");
	/* The largest bounds there are. */
	ts_bucket_iter_init(&iter, hist("{{schema:8 offset:262144 buckets:[1 1]}}"), false);
	CHECK(ts_bucket_iter_next(&iter, &bucket) && bucket.upper == 0x1.fffffffffffffp1023,
		  "%g", bucket.upper);
	CHECK(ts_bucket_iter_next(&iter, &bucket) && isinf(bucket.upper), "%g", bucket.upper);
	ts_bucket_iter_init(&iter, hist("{{schema:-4 offset:64 buckets:[1 1]}}"), false);
	CHECK(ts_bucket_iter_next(&iter, &bucket) && bucket.upper == 0x1.fffffffffffffp1023,
		  "%g", bucket.upper);
	CHECK(ts_bucket_iter_next(&iter, &bucket) && isinf(bucket.upper), "%g", bucket.upper);
}

int
main(void)
{
	any_begin();
	test_compact();
	test_reduce();
	test_add();
	test_zero_buckets();
	test_hints();
	test_custom();
	test_scale();
	test_same_layout();
	test_random_sums();
	test_resets();
	test_equal();
	test_validate();
	test_sums();
	test_means_without_overflow();
	test_random_accumulation();
	test_no_memory();
	test_quantiles();
	test_fractions();
	test_variance();
	test_trim();
	test_random_trims();
	test_walks();
	any_end();
	return unit_finish();
}
