/*
 * test_otlp_bridge.c
 *	  What points of OpenTelemetry become, case by case.
 *
 * The rules are those of OpenTelemetry's "Prometheus and OpenMetrics Compatibility", section
 * "OTLP Metric points to Prometheus", and where it leaves a choice, those that Prometheus
 * documents for its own receiver. Cases were made from the rules. A case is a message, as
 * otlp_build.h has it, the options that differ from the usual ones, and all that comes out:
 *
 *	name{label="value"} value @time start=time
 *	name{label="value"} {{...}} @time		a native histogram
 *	# name type unit help					metadata, when asked for
 *	! points reason							refused
 *	  exemplar series labels value @time
 */
#include <math.h>
#include <stdarg.h>

#include "dry_allocator.h"
#include "otlp_build.h"
#include "promql_ast.h"
#include "ts_otlp.h"
#include "unit.h"

static const uint8_t secret[TS_WRITE_SECRET] = {1, 2, 3};

/* ---- text that comes out ---- */

static char out[65536];
static size_t out_len;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void
say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	out_len += (size_t) vsnprintf(out + out_len, sizeof(out) - out_len, format, args);
	va_end(args);
	assert(out_len < sizeof(out));
}

static void
say_labels(TsOtlpLabels labels)
{
	uint32_t count = labels.n;
	TsError err;
	size_t size;
	char *payload;
	char *text;

	if (labels_normalize(labels.pairs, &count, &size, &err) != TS_OK)
	{
		say("(%s)", err.message);
		return;
	}
	payload = malloc(size);
	labels_encode(labels.pairs, count, payload);
	text = malloc(labels_text_size(payload, size));
	labels_text_write(payload, size, text);
	say("%.*s", (int) labels_text_size(payload, size), text);
	free(text);
	free(payload);
}

static void
say_number(double number)
{
	char text[PROMQL_FLOAT_SIZE];
	uint64_t bits;

	memcpy(&bits, &number, sizeof(bits));
	if (bits == UINT64_C(0x7FF0000000000002))
		say("stale");
	else
		say("%.*s", promql_write_short_float(number, text), text);
}

/* ---- series that were seen ---- */

/* Of all cases with the same options: prints, and the labels that they stand for. */
typedef struct Seen
{
	TsFingerprint print;
	char labels[512];
} Seen;

static Seen seen[1024];
static size_t nseen;

/* A print stands for its labels, and within a message nothing else does. */
static void
remember(TsFingerprint print, const char *labels)
{
	for (size_t i = 0; i < nseen; i++)
	{
		const bool same = strcmp(seen[i].labels, labels) == 0;

		CHECK(same == ts_fingerprint_equal(seen[i].print, print), "%s and %s",
			  seen[i].labels, labels);
		if (same)
			return;
	}
	assert(nseen < sizeof(seen) / sizeof(seen[0]) && strlen(labels) < 512);
	seen[nseen].print = print;
	strcpy(seen[nseen++].labels, labels);
}

static bool
was_seen(TsFingerprint print)
{
	for (size_t i = 0; i < nseen; i++)
	{
		if (ts_fingerprint_equal(seen[i].print, print))
			return true;
	}
	return false;
}

/* ---- options ---- */

/* Turns deltas into what comes after 100 of everything since second 5. */
static TsErrorCode
accumulate(void *ctx, TsFingerprint print, TsOtlpPoint *point, TsError *err)
{
	uint32_t *calls = ctx;

	(void) print;
	(*calls)++;
	if (point->count == 13)
		return ts_error_set(err, TS_ERR_LIMIT, -1, "there are too many series");
	point->start = UINT64_C(5000000000);
	point->number += 100;
	point->sum += 100;
	point->count += 100;
	if (point->metric->type == TS_OTLP_EXPONENTIAL)
		point->zero_count += 100;
	else if (point->ncounts > 0)
		point->counts[0] += 100;
	return TS_OK;
}

typedef struct Setup
{
	TsOtlpOptions options;
	TsString promoted[4];
	uint32_t accumulated;
	uint32_t expected;
	bool metadata;
} Setup;

static void
expect(void *ctx, TsFingerprint print)
{
	(void) print;
	((Setup *) ctx)->expected++;
}

static void
set_option(Setup *setup, char *word)
{
	TsOtlpOptions *options = &setup->options;

	if (strcmp(word, "nhcb") == 0)
		options->custom_histograms = true;
	else if (strcmp(word, "min_max") == 0)
		options->min_max = true;
	else if (strcmp(word, "scope") == 0)
		options->scope_labels = true;
	else if (strcmp(word, "keep") == 0)
		options->keep_identifying = true;
	else if (strcmp(word, "promote_all") == 0)
		options->promote_all = true;
	else if (strcmp(word, "refuse") == 0)
		options->delta = TS_OTLP_DELTA_REFUSE;
	else if (strcmp(word, "store") == 0)
		options->delta = TS_OTLP_DELTA_STORE;
	else if (strcmp(word, "metadata") == 0)
		setup->metadata = true;
	else if (strncmp(word, "strategy=", 9) == 0)
		options->translation = (TsOtlpTranslation) atoi(word + 9);
	else
	{
		assert(strncmp(word, "promote=", 8) == 0);
		setup->promoted[options->npromoted++] = (TsString){word + 8, strlen(word + 8)};
	}
}

/* The words are changed, and have to stay. */
static void
set_up(Setup *setup, char *words)
{
	char *rest;

	memset(setup, 0, sizeof(*setup));
	setup->options.info_interval = 150000;
	setup->options.accumulate = accumulate;
	setup->options.accumulate_ctx = &setup->accumulated;
	setup->options.expect = expect;
	setup->options.expect_ctx = setup;
	setup->options.promoted = setup->promoted;
	for (char *word = strtok_r(words, " ", &rest); word != NULL;
		 word = strtok_r(NULL, " ", &rest))
		set_option(setup, word);
}

/* ---- bridging ---- */

static void
say_series(TsOtlpBridge *bridge, const TsOtlpItem *item)
{
	const size_t from = out_len;
	TsOtlpLabels labels;
	TsError err;

	if (ts_otlp_series_labels(bridge, item, &labels, &err) != TS_OK)
	{
		say("(%s)\n", err.message);
		return;
	}
	say_labels(labels);
	remember(item->print, out + from);
	/* Who sorts what he got changes nothing. */
	CHECK(ts_otlp_series_labels(bridge, item, &labels, &err) == TS_OK);
}

static void
say_sample(TsOtlpBridge *bridge, const TsOtlpItem *item, bool native)
{
	say_series(bridge, item);
	say(" ");
	if (native)
	{
		char *text = ts_histogram_print(&item->histogram, &ts_malloc_allocator);

		CHECK(ts_histogram_validate(&item->histogram, NULL) == TS_OK);
		say("%s", text);
		free(text);
	}
	else
		say_number(item->value);
	say(" @%lld", (long long) item->time);
	if (item->start != 0)
		say(" start=%lld", (long long) item->start);
	say("\n");
}

static void
say_exemplars(TsOtlpBridge *bridge)
{
	TsOtlpExemplarItem item;
	TsOtlpLabels labels;
	bool found = true;

	while (ts_otlp_bridge_exemplar(bridge, &item, &found, NULL) == TS_OK && found)
	{
		CHECK(was_seen(item.print), "an exemplar's series");
		say("  exemplar ");
		CHECK(ts_otlp_exemplar_series_labels(bridge, &item, &labels, NULL) == TS_OK);
		say_labels(labels);
		say(" ");
		say_labels(item.labels);
		say(" ");
		say_number(item.value);
		say(" @%lld\n", (long long) item.time);
	}
}

static void
say_item(TsOtlpBridge *bridge, TsOtlpKind kind, const TsOtlpItem *item, bool metadata)
{
	TsWriteMetadata of;
	TsError err;

	if (kind == TS_OTLP_SAMPLE || kind == TS_OTLP_NATIVE)
		say_sample(bridge, item, kind == TS_OTLP_NATIVE);
	else if (kind == TS_OTLP_POINT_END)
		say_exemplars(bridge);
	else if (kind == TS_OTLP_REFUSED)
		say("! %llu %s\n", (unsigned long long) item->npoints, item->reason.message);
	else if (ts_otlp_metadata(bridge, item, &of, &err) != TS_OK)
		say("! metadata: %s\n", err.message);
	else if (metadata)
		say("# %.*s %s %.*s %.*s\n", (int) of.metric.len, of.metric.data, of.type,
			(int) of.unit.len, of.unit.data, (int) of.help.len, of.help.data);
}

static TsErrorCode
say_message(Setup *setup, const void *data, size_t size, TsError *err)
{
	TsOtlpBridge *bridge;
	TsOtlpItem item;
	TsOtlpKind kind = TS_OTLP_END;
	TsErrorCode code;

	out_len = 0;
	out[0] = '\0';
	code = ts_otlp_bridge(&bridge, &setup->options, secret, data, size,
						  &ts_malloc_allocator, err);
	while (code == TS_OK)
	{
		code = ts_otlp_next(bridge, &kind, &item, err);
		if (code != TS_OK || kind == TS_OTLP_END)
			break;
		say_item(bridge, kind, &item, setup->metadata);
	}
	ts_otlp_bridge_free(bridge);
	return code;
}

/* ---- cases ---- */

typedef struct Case
{
	const char *what;
	const char *options;
	const char *message;
	const char *expected;
} Case;

#include "otlp_bridge_cases.h"

static void
test_case(const char *of, const Case *c)
{
	Bytes message = build(c->message);
	char *words = strdup(c->options);
	uint8_t *copy = malloc(message.n + 1); /* its end is the sanitizer's */
	Setup setup;
	TsErrorCode code;
	TsError err = {0};

	nseen = 0;
	memcpy(copy + 1, message.data, message.n);
	set_up(&setup, words);
	code = say_message(&setup, copy + 1, message.n, &err);
	CHECK(code == TS_OK, "%s: %s: %s", of, c->what, err.message);
	CHECK(strcmp(out, c->expected) == 0, "%s: %s:\n%s--- expected:\n%s", of, c->what, out,
		  c->expected);
	free(copy);
	free(words);
	bytes_free(&message);
}

/* ---- what is not said by a message and its samples ---- */

/* Counts samples, without looking at any. */
static TsErrorCode
count_samples(const TsOtlpOptions *options, const Bytes *message,
			  const TsAllocator *allocator, bool labels, uint32_t *samples)
{
	TsOtlpBridge *bridge;
	TsOtlpLabels of;
	TsOtlpItem item;
	TsOtlpKind kind = TS_OTLP_END;
	TsErrorCode code;
	TsError err;

	*samples = 0;
	code = ts_otlp_bridge(&bridge, options, secret, message->data, message->n, allocator,
						  &err);
	while (code == TS_OK)
	{
		code = ts_otlp_next(bridge, &kind, &item, &err);
		if (code != TS_OK || kind == TS_OTLP_END)
			break;
		if (kind != TS_OTLP_SAMPLE && kind != TS_OTLP_NATIVE)
			continue;
		(*samples)++;
		if (labels)
			code = ts_otlp_series_labels(bridge, &item, &of, &err);
	}
	if (bridge != NULL)
		ts_otlp_bridge_free(bridge);
	return code;
}

static const char of_all_kinds[] =
	"resource @service.name=s @x=y\nscope name=n @k=v\n"
	"gauge a.g unit=s\npoint @k=v time=1 int=1\n"
	"sum s cumulative monotonic\npoint time=1 int=1\n"
	"histogram h cumulative\npoint time=1 count=3 sum=1 bounds=1 counts=1,2\n"
	"exponential e cumulative\npoint time=1 count=2 sum=1 pos=0:1 neg=0:1\n"
	"summary q\npoint time=1 q=0.5:1\n";

static void
test_no_memory(void)
{
	Bytes message = build(of_all_kinds);
	DryAllocator dry = {0, 0};
	const TsAllocator allocator = {dry_alloc, dry_free, &dry};
	TsErrorCode code = TS_ERR_MEMORY;
	uint32_t samples = 0;
	char none[] = "scope";
	Setup setup;

	set_up(&setup, none);
	for (int pieces = 0; pieces < 1000 && code == TS_ERR_MEMORY; pieces++)
	{
		dry.left = pieces;
		code = count_samples(&setup.options, &message, &allocator, true, &samples);
		CHECK(dry.held == 0, "%d pieces", pieces);
	}
	CHECK(code == TS_OK && samples == 11, "%u samples", samples);
	bytes_free(&message);
}

/* Series that are known cost no memory, however many points there are. */
static void
test_no_allocation(void)
{
	static char text[1000 * sizeof("point @k=v000 time=1 int=1\n") + 100] = "gauge g\n";
	DryAllocator dry = {0, 0};
	const TsAllocator allocator = {dry_alloc, dry_free, &dry};
	uint32_t samples = 0;
	char none[] = "";
	Setup setup;
	Bytes message;
	size_t len = strlen(text);

	for (int i = 0; i < 1000; i++)
		len += (size_t) sprintf(text + len, "point @k=v%d time=1 int=1\n", i);
	message = build(text);
	set_up(&setup, none);
	dry.left = 2; /* the bridge, and what keeps labels */
	CHECK(count_samples(&setup.options, &message, &allocator, false, &samples) == TS_OK &&
		  samples == 1000);
	CHECK(setup.expected == 1000, "all of them are told ahead");
	bytes_free(&message);
}

/* Times from the first there is to the last make no end of samples. */
static void
test_info_bounded(void)
{
	Bytes message = build(
		"resource @service.name=s @x=y\ngauge g\n"
		"point timens=1 int=1\npoint timens=18446744073709551615 int=1\n"
		"resource @service.name=t @x=y\ngauge g\n"
		"point timens=1 int=1\npoint timens=18446744073709551615 int=1\n");
	uint32_t samples = 0;
	char none[] = "";
	Setup setup;

	set_up(&setup, none);
	CHECK(count_samples(&setup.options, &message, &ts_malloc_allocator, false,
						&samples) == TS_OK);
	CHECK(samples == 4 + 4 + 65536, "%u samples", samples);
	setup.options.info_interval = 0;
	CHECK(count_samples(&setup.options, &message, &ts_malloc_allocator, false,
						&samples) == TS_OK);
	CHECK(samples == 4 + 4, "%u samples", samples);
	bytes_free(&message);
}

/* With other options a series has another fingerprint, as it may have other labels. */
static void
test_options_differ(void)
{
	static const char *const options[] = {
		"",
		"strategy=1",
		"strategy=2",
		"strategy=3",
		"refuse",
		"store",
		"nhcb",
		"min_max",
		"scope",
		"keep",
		"promote_all",
		"promote=a",
		"promote=b",
		"promote=a promote=b",
	};
	const size_t n = sizeof(options) / sizeof(options[0]);
	Bytes message = build("gauge g\npoint time=1 int=1\n");
	TsFingerprint prints[sizeof(options) / sizeof(options[0])];

	unit_group_begin();
	for (size_t i = 0; i < n; i++)
	{
		char *words = strdup(options[i]);
		TsOtlpBridge *bridge;
		TsOtlpItem item;
		TsOtlpKind kind = TS_OTLP_METADATA;
		Setup setup;

		set_up(&setup, words);
		CHECK(ts_otlp_bridge(&bridge, &setup.options, secret, message.data, message.n,
							 &ts_malloc_allocator, NULL) == TS_OK);
		while (kind == TS_OTLP_METADATA)
			CHECK(ts_otlp_next(bridge, &kind, &item, NULL) == TS_OK);
		prints[i] = item.print;
		for (size_t j = 0; j < i; j++)
			CHECK(!ts_fingerprint_equal(prints[i], prints[j]), "\"%s\" and \"%s\"",
				  options[i], options[j]);
		ts_otlp_bridge_free(bridge);
		free(words);
	}
	unit_group_end();
	bytes_free(&message);
}

#define TEST_CASES(cases)                                             \
	do                                                                \
	{                                                                 \
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) \
			test_case(#cases, &cases[i]);                             \
	} while (0)

int
main(void)
{
	TEST_CASES(number_cases);
	TEST_CASES(classic_cases);
	TEST_CASES(custom_cases);
	TEST_CASES(exponential_cases);
	TEST_CASES(summary_cases);
	TEST_CASES(delta_cases);
	TEST_CASES(resource_cases);
	test_no_memory();
	test_no_allocation();
	test_info_bounded();
	test_options_differ();
	return unit_finish();
}
