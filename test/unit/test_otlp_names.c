/*
 * test_otlp_names.c
 *	  Names of metrics and labels, and units, under each of the translation strategies.
 *
 * The rules are those of OpenTelemetry's "Prometheus and OpenMetrics Compatibility",
 * sections "Metric Metadata", "Gauges", "Sums" and "Metric Attributes" of "OTLP Metric points
 * to Prometheus", called M, G, S and A here; and where it leaves a choice, those that
 * Prometheus documents for its setting translation_strategy, called P. Cases were made from
 * the rules.
 */
#include <string.h>

#include "ts_otlp.h"
#include "unit.h"

static TsArena arena;

static TsString
string(const char *text)
{
	return (TsString){text, strlen(text)};
}

static bool
is_text(TsErrorCode code, TsString got, const char *expected)
{
	if (expected == NULL)
		return code == TS_ERR_INVALID;
	return code == TS_OK && ts_string_is(got, expected);
}

static const char *const strategies[] = {
	[TS_OTLP_UNDERSCORE_ESCAPING_WITH_SUFFIXES] = "escaped with suffixes",
	[TS_OTLP_UNDERSCORE_ESCAPING_WITHOUT_SUFFIXES] = "escaped",
	[TS_OTLP_NO_UTF8_ESCAPING_WITH_SUFFIXES] = "with suffixes",
	[TS_OTLP_NO_TRANSLATION] = "as it is",
};

/* ---- metrics ---- */

typedef enum Kind
{
	GAUGE,
	COUNTER,
	UP_DOWN,
	HISTOGRAM,
	EXPONENTIAL,
	SUMMARY
} Kind;

static TsOtlpMetric
metric_of(const char *name, const char *unit, Kind kind)
{
	static const TsOtlpType types[] = {
		TS_OTLP_GAUGE,     TS_OTLP_SUM,         TS_OTLP_SUM,
		TS_OTLP_HISTOGRAM, TS_OTLP_EXPONENTIAL, TS_OTLP_SUMMARY,
	};

	return (TsOtlpMetric){
		.name = string(name),
		.unit = string(unit),
		.type = types[kind],
		.monotonic = kind == COUNTER,
		.temporality = TS_OTLP_CUMULATIVE,
	};
}

/* A metric, and its names; NULL: it cannot have one. */
typedef struct MetricCase
{
	const char *name;
	const char *unit;
	Kind kind;
	const char *names[4]; /* by strategy */
} MetricCase;

static const MetricCase metric_cases[] = {
	/* M: a name that is right stays as it is. */
	{"up", "", GAUGE, {"up", "up", "up", "up"}},
	{"node:cpu_Usage9",
	 "",
	 GAUGE,
	 {"node:cpu_Usage9", "node:cpu_Usage9", "node:cpu_Usage9", "node:cpu_Usage9"}},

	/* M: "Invalid characters in the metric name MUST be replaced with the _ character." */
	{"http.server.duration",
	 "",
	 HISTOGRAM,
	 {"http_server_duration", "http_server_duration", "http.server.duration",
	  "http.server.duration"}},
	{"a b/c-d", "", GAUGE, {"a_b_c_d", "a_b_c_d", "a b/c-d", "a b/c-d"}},
	{"température",
	 "",
	 GAUGE,
	 {"temp_rature", "temp_rature", "température", "température"}},

	/* M: "Multiple consecutive _ characters MUST be replaced with a single _". */
	{"a..b", "", GAUGE, {"a_b", "a_b", "a..b", "a..b"}},
	{"a._.b", "", GAUGE, {"a_b", "a___b", "a._.b", "a._.b"}},
	{"a__b", "", GAUGE, {"a_b", "a__b", "a__b", "a__b"}},
	{"日本.x", "", GAUGE, {"x", "x", "日本.x", "日本.x"}},
	{".a.", "", GAUGE, {"a", "a", ".a.", ".a."}},
	{"_a_", "", GAUGE, {"a", "_a_", "_a_", "_a_"}},

	/* M: names match [a-zA-Z_:]([a-zA-Z0-9_:])*: none begins with a digit. */
	{"9lives", "", GAUGE, {"_9lives", "_9lives", "9lives", "9lives"}},
	{".5.xx", "", COUNTER, {"_5_xx_total", "_5_xx", ".5.xx_total", ".5.xx"}},

	/* M: of a name that has nothing but what is replaced nothing is left. */
	{"", "", GAUGE, {NULL, NULL, NULL, NULL}},
	{"...", "", GAUGE, {NULL, NULL, "...", "..."}},
	{"日本", "", SUMMARY, {NULL, NULL, "日本", "日本"}},
	{"___", "", GAUGE, {NULL, "___", "___", "___"}},
	{"_._", "", GAUGE, {NULL, NULL, "_._", "_._"}},

	/* M: "Converting from abbreviations to full words": time, */
	{"t", "s", HISTOGRAM, {"t_seconds", "t", "t_seconds", "t"}},
	{"t", "ms", HISTOGRAM, {"t_milliseconds", "t", "t_milliseconds", "t"}},
	{"t", "us", SUMMARY, {"t_microseconds", "t", "t_microseconds", "t"}},
	{"t", "ns", GAUGE, {"t_nanoseconds", "t", "t_nanoseconds", "t"}},
	{"t", "min", GAUGE, {"t_minutes", "t", "t_minutes", "t"}},
	{"t", "h", GAUGE, {"t_hours", "t", "t_hours", "t"}},
	{"t", "d", GAUGE, {"t_days", "t", "t_days", "t"}},
	/* bytes, */
	{"m", "By", GAUGE, {"m_bytes", "m", "m_bytes", "m"}},
	{"m", "KiBy", GAUGE, {"m_kibibytes", "m", "m_kibibytes", "m"}},
	{"m", "MiBy", GAUGE, {"m_mebibytes", "m", "m_mebibytes", "m"}},
	{"m", "GiBy", GAUGE, {"m_gibibytes", "m", "m_gibibytes", "m"}},
	{"m", "TiBy", GAUGE, {"m_tibibytes", "m", "m_tibibytes", "m"}}, /* P */
	{"m", "KBy", GAUGE, {"m_kilobytes", "m", "m_kilobytes", "m"}},
	{"m", "MBy", GAUGE, {"m_megabytes", "m", "m_megabytes", "m"}},
	{"m", "GBy", GAUGE, {"m_gigabytes", "m", "m_gigabytes", "m"}},
	{"m", "TBy", GAUGE, {"m_terabytes", "m", "m_terabytes", "m"}},
	/* and others. */
	{"x", "m", GAUGE, {"x_meters", "x", "x_meters", "x"}},
	{"x", "V", GAUGE, {"x_volts", "x", "x_volts", "x"}},
	{"x", "A", GAUGE, {"x_amperes", "x", "x_amperes", "x"}},
	{"x", "J", COUNTER, {"x_joules_total", "x", "x_joules_total", "x"}},
	{"x", "W", GAUGE, {"x_watts", "x", "x_watts", "x"}},
	{"x", "g", GAUGE, {"x_grams", "x", "x_grams", "x"}},
	{"x", "Cel", GAUGE, {"x_celsius", "x", "x_celsius", "x"}},
	{"x", "Hz", GAUGE, {"x_hertz", "x", "x_hertz", "x"}},
	{"x", "%", GAUGE, {"x_percent", "x", "x_percent", "x"}},
	/* What is not known stays; what a name may not have becomes "_". */
	{"x", "widgets", GAUGE, {"x_widgets", "x", "x_widgets", "x"}},
	{"x", "S", GAUGE, {"x_S", "x", "x_S", "x"}},
	{"x", "m3 (gas)", GAUGE, {"x_m3_gas_", "x", "x_m3 (gas)", "x"}},
	{"x", "°F", GAUGE, {"x_F", "x", "x_°F", "x"}},
	{"x", "¤", GAUGE, {"x", "x", "x_¤", "x"}},
	{"x", " s ", GAUGE, {"x_seconds", "x", "x_seconds", "x"}},

	/* M: "Dropping the portions of the Unit within brackets (e.g. {packet})". */
	{"x", "{packet}", UP_DOWN, {"x", "x", "x", "x"}},
	{"x", "{packet}", COUNTER, {"x_total", "x", "x_total", "x"}},
	{"x", "By{compressed}", GAUGE, {"x", "x", "x", "x"}},
	{"x", "{packet}/s", GAUGE, {"x_per_second", "x", "x_per_second", "x"}},
	{"x", "By/{packet}", GAUGE, {"x_bytes", "x", "x_bytes", "x"}},

	/* M: "Converting "foo/bar" to "foo_per_bar"". */
	{"x", "By/s", GAUGE, {"x_bytes_per_second", "x", "x_bytes_per_second", "x"}},
	{"x", "m/s", GAUGE, {"x_meters_per_second", "x", "x_meters_per_second", "x"}},
	{"x", "J/m", GAUGE, {"x_joules_per_minute", "x", "x_joules_per_minute", "x"}},
	{"x", "J/h", GAUGE, {"x_joules_per_hour", "x", "x_joules_per_hour", "x"}},
	{"x", "By/d", GAUGE, {"x_bytes_per_day", "x", "x_bytes_per_day", "x"}},
	{"x", "By/w", GAUGE, {"x_bytes_per_week", "x", "x_bytes_per_week", "x"}},
	{"x", "By/mo", GAUGE, {"x_bytes_per_month", "x", "x_bytes_per_month", "x"}},
	{"x", "By/y", GAUGE, {"x_bytes_per_year", "x", "x_bytes_per_year", "x"}},
	{"x", "req/node", GAUGE, {"x_req_per_node", "x", "x_req_per_node", "x"}},
	{"x", "1/s", GAUGE, {"x_per_second", "x", "x_per_second", "x"}},
	{"x", " By / s ", GAUGE, {"x_bytes_per_second", "x", "x_bytes_per_second", "x"}},
	{"x", "m/s/s", GAUGE, {"x_meters_per_s_s", "x", "x_meters_per_s/s", "x"}},
	{"x", "By/", GAUGE, {"x_bytes", "x", "x_bytes", "x"}},
	{"x", "By/¤", GAUGE, {"x_bytes", "x", "x_bytes_per_¤", "x"}},
	{"x", "a%/s%", GAUGE, {"x_a_per_s", "x", "x_a%_per_s%", "x"}},
	{"x", "/", GAUGE, {"x", "x", "x", "x"}},

	/* M: the unit is a suffix "unless the metric name already contains the unit". */
	{"latency.seconds",
	 "s",
	 HISTOGRAM,
	 {"latency_seconds", "latency_seconds", "latency.seconds", "latency.seconds"}},
	{"seconds.of.latency",
	 "s",
	 HISTOGRAM,
	 {"seconds_of_latency", "seconds_of_latency", "seconds.of.latency_seconds",
	  "seconds.of.latency"}},
	{"milliseconds",
	 "s",
	 GAUGE,
	 {"milliseconds_seconds", "milliseconds", "milliseconds", "milliseconds"}}, /* P */
	{"rate_per_second",
	 "{x}/s",
	 GAUGE,
	 {"rate_per_second_per_second", "rate_per_second", "rate_per_second",
	  "rate_per_second"}},

	/* M: "The unit suffix comes before any type-specific suffixes." */
	{"io", "By", COUNTER, {"io_bytes_total", "io", "io_bytes_total", "io"}},
	{"io.total",
	 "By",
	 COUNTER,
	 {"io_bytes_total", "io_total", "io_bytes_total", "io.total"}},
	{"io",
	 "By/s",
	 COUNTER,
	 {"io_bytes_per_second_total", "io", "io_bytes_per_second_total", "io"}},

	/* S: "_total" of monotonic sums, unless it is there; of no others. */
	{"requests",
	 "",
	 COUNTER,
	 {"requests_total", "requests", "requests_total", "requests"}},
	{"requests_total",
	 "",
	 COUNTER,
	 {"requests_total", "requests_total", "requests_total", "requests_total"}},
	{"requests.total",
	 "",
	 COUNTER,
	 {"requests_total", "requests_total", "requests_total", "requests.total"}},
	{"total.requests",
	 "",
	 COUNTER,
	 {"requests_total", "total_requests", "total.requests_total", "total.requests"}},
	{"total", "", COUNTER, {"total", "total", "total_total", "total"}},
	{"requests", "", UP_DOWN, {"requests", "requests", "requests", "requests"}},
	{"total.memory",
	 "By",
	 UP_DOWN,
	 {"total_memory_bytes", "total_memory", "total.memory_bytes", "total.memory"}},
	{"x.total", "", GAUGE, {"x_total", "x_total", "x.total", "x.total"}},
	{"x", "total", COUNTER, {"x_total", "x", "x_total_total", "x"}},
	{"日total", "", COUNTER, {"total", "total", "_total", "日total"}},

	/* M: "Special case: Converting "1" to "ratio""; P: of gauges alone. */
	{"cpu", "1", GAUGE, {"cpu_ratio", "cpu", "cpu_ratio", "cpu"}},
	{"cpu.ratio", "1", GAUGE, {"cpu_ratio", "cpu_ratio", "cpu_ratio", "cpu.ratio"}},
	{"ratio.of.cpu",
	 "1",
	 GAUGE,
	 {"of_cpu_ratio", "ratio_of_cpu", "ratio.of.cpu_ratio", "ratio.of.cpu"}},
	{"cpu", "1", UP_DOWN, {"cpu", "cpu", "cpu", "cpu"}},
	{"cpu", "1", COUNTER, {"cpu_total", "cpu", "cpu_total", "cpu"}},
	{"cpu", "1", HISTOGRAM, {"cpu", "cpu", "cpu", "cpu"}},
	{"cpu", "1", EXPONENTIAL, {"cpu", "cpu", "cpu", "cpu"}},

	/* Suffixes of histograms and summaries are their samples', not the name's. */
	{"h.count", "", HISTOGRAM, {"h_count", "h_count", "h.count", "h.count"}},

	/* A name that is not there may be its suffixes alone (P). */
	{"", "s", HISTOGRAM, {"seconds", NULL, "_seconds", NULL}},
	{"...", "", COUNTER, {"total", NULL, "..._total", "..."}},
};

static void
check_metrics(void)
{
	for (size_t i = 0; i < sizeof(metric_cases) / sizeof(metric_cases[0]); i++)
	{
		const MetricCase *test = &metric_cases[i];
		TsOtlpMetric metric = metric_of(test->name, test->unit, test->kind);

		for (int strategy = 0; strategy < 4; strategy++)
		{
			TsOtlpOptions options = {.translation = (TsOtlpTranslation) strategy};
			TsString name = {"", 0};
			TsError err = {0};
			TsErrorCode code = ts_otlp_metric_name(&options, &metric, &arena, &name,
												   &err);

			CHECK(is_text(code, name, test->names[strategy]),
				  "\"%s\" in \"%s\" of kind %d, %s: \"%.*s\" (%s)", test->name,
				  test->unit, (int) test->kind, strategies[strategy], (int) name.len,
				  name.data, err.message);
		}
	}
}

/* ---- labels ---- */

typedef struct LabelCase
{
	const char *key;
	const char *escaped;
	const char *as_it_is;
} LabelCase;

static const LabelCase label_cases[] = {
	/* A: keys match [a-zA-Z_]([a-zA-Z0-9_])*; other characters become "_". */
	{"method", "method", "method"},
	{"http.method", "http_method", "http.method"},
	{"http:method", "http_method", "http:method"},
	{"a-b c/d", "a_b_c_d", "a-b c/d"},
	{"größe", "gr__e", "größe"},
	{"a.", "a_", "a."},
	/* P: as many as there are characters, and those that were there, are kept. */
	{"a..b", "a__b", "a..b"},
	{"a__b", "a__b", "a__b"},
	{"日本x", "__x", "日本x"},
	/* P: a key that begins with a digit gets "key_", with one underscore "key". */
	{"1st", "key_1st", "1st"},
	{"9", "key_9", "9"},
	{"_private", "key_private", "_private"},
	{".hidden", "key_hidden", ".hidden"},
	{"_", "key_", "_"},
	{"é", "key_", "é"},
	/* P: with two it is one of those that are reserved, and stays. */
	{"__name__", "__name__", "__name__"},
	{"__x", "__x", "__x"},
	{"..x", "__x", "..x"},
	/* Nothing is left of it. */
	{"", NULL, NULL},
	{"__", NULL, "__"},
	{"...", NULL, "..."},
	{"日本", NULL, "日本"},
};

static void
check_labels(void)
{
	for (size_t i = 0; i < sizeof(label_cases) / sizeof(label_cases[0]); i++)
	{
		const LabelCase *test = &label_cases[i];

		for (int strategy = 0; strategy < 4; strategy++)
		{
			TsOtlpOptions options = {.translation = (TsOtlpTranslation) strategy};
			bool escaped = strategy == TS_OTLP_UNDERSCORE_ESCAPING_WITH_SUFFIXES ||
						   strategy == TS_OTLP_UNDERSCORE_ESCAPING_WITHOUT_SUFFIXES;
			TsString name = {"", 0};
			TsError err = {0};
			TsErrorCode code = ts_otlp_label_name(&options, string(test->key), &arena,
												  &name, &err);

			CHECK(is_text(code, name, escaped ? test->escaped : test->as_it_is),
				  "\"%s\", %s: \"%.*s\" (%s)", test->key, strategies[strategy],
				  (int) name.len, name.data, err.message);
		}
	}
}

/* Bytes that are no UTF-8 are characters of their own; none is read beyond the end. */
static void
check_bytes(void)
{
	TsOtlpOptions options = {0};
	TsString name;
	TsError err;

	CHECK(ts_otlp_label_name(&options, (TsString){"a\xE6\x97", 3}, &arena, &name, &err) ==
				  TS_OK &&
			  ts_string_is(name, "a__"),
		  "\"%.*s\"", (int) name.len, name.data);
	CHECK(ts_otlp_label_name(&options, (TsString){"a\0b", 3}, &arena, &name, &err) ==
				  TS_OK &&
			  ts_string_is(name, "a_b"),
		  "\"%.*s\"", (int) name.len, name.data);
}

/* ---- units and types as metadata ---- */

/* M: "The resulting unit SHOULD be added to the metric as UNIT metadata". */
static void
check_units(void)
{
	static const char *const cases[][2] = {
		{"", ""},
		{"s", "seconds"},
		{"By", "bytes"},
		{"By/s", "bytes_per_second"},
		{"{request}", ""},
		{"{request}/s", "per_second"},
		{"1", ""},
		{"1/m", "per_minute"},
		{"foo bar", "foo_bar"},
		{"°F", "F"},
		{"foo!", "foo"},
		{"foo!/s", "foo_per_second"},
		{"%", "percent"},
		{"/", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		TsOtlpOptions options = {.translation = (TsOtlpTranslation) (i % 4)};
		TsString name;
		TsError err;
		TsErrorCode code = ts_otlp_unit(&options, string(cases[i][0]), &arena, &name,
										&err);

		CHECK(is_text(code, name, cases[i][1]), "\"%s\": \"%.*s\"", cases[i][0],
			  (int) name.len, name.data);
	}
}

/* M: "The data point type of an OTLP metric MUST be added as TYPE metadata"; G, S. */
static void
check_types(void)
{
	static const char *const expected[] = {
		[GAUGE] = "gauge",         [COUNTER] = "counter",       [UP_DOWN] = "gauge",
		[HISTOGRAM] = "histogram", [EXPONENTIAL] = "histogram", [SUMMARY] = "summary",
	};
	TsOtlpOptions options = {.delta = TS_OTLP_DELTA_CUMULATIVE};

	for (Kind kind = GAUGE; kind <= SUMMARY; kind++)
	{
		TsOtlpMetric metric = metric_of("x", "", kind);
		bool sum = kind == COUNTER || kind == UP_DOWN;
		bool delta = sum || kind == HISTOGRAM || kind == EXPONENTIAL;
		const char *type;

		options.delta = TS_OTLP_DELTA_CUMULATIVE;
		type = ts_otlp_metric_type(&options, &metric);
		CHECK(strcmp(type, expected[kind]) == 0, "%d: %s", (int) kind, type);

		metric.temporality = delta ? TS_OTLP_DELTA : TS_OTLP_UNSPECIFIED;
		type = ts_otlp_metric_type(&options, &metric);
		CHECK(strcmp(type, expected[kind]) == 0, "%d: %s", (int) kind, type);

		/* P: what is stored as it came is of no type that Prometheus has. */
		options.delta = TS_OTLP_DELTA_STORE;
		type = ts_otlp_metric_type(&options, &metric);
		CHECK(strcmp(type, delta ? "unknown" : expected[kind]) == 0, "%d: %s", (int) kind,
			  type);
	}
	CHECK(strcmp(ts_otlp_metric_type(&options, &(TsOtlpMetric){0}), "unknown") == 0,
		  "no data");
}

/* A delta sum that is stored as it is has the name of a counter all the same (P). */
static void
check_stored_delta(void)
{
	TsOtlpOptions options = {.delta = TS_OTLP_DELTA_STORE};
	TsOtlpMetric metric = metric_of("requests", "", COUNTER);
	TsString name;
	TsError err;

	metric.temporality = TS_OTLP_DELTA;
	CHECK(ts_otlp_metric_name(&options, &metric, &arena, &name, &err) == TS_OK &&
			  ts_string_is(name, "requests_total"),
		  "\"%.*s\"", (int) name.len, name.data);
}

/* Without memory nothing is made. */
static void
check_dry(void)
{
	TsOtlpMetric metric = metric_of("a.b", "By/s", COUNTER);
	TsArena none;
	TsString name;
	TsError err;

	ts_arena_init(&none, &ts_malloc_allocator, 0);
	for (int strategy = 0; strategy < 3; strategy++)
	{
		TsOtlpOptions options = {.translation = (TsOtlpTranslation) strategy};

		CHECK(ts_otlp_metric_name(&options, &metric, &none, &name, &err) == TS_ERR_MEMORY,
			  "%s", strategies[strategy]);
	}
	CHECK(ts_otlp_label_name(&(TsOtlpOptions){0}, string("a.b"), &none, &name, &err) ==
			  TS_ERR_MEMORY,
		  "label");
	CHECK(ts_otlp_unit(&(TsOtlpOptions){0}, string("s"), &none, &name, &err) ==
			  TS_ERR_MEMORY,
		  "unit");
	ts_arena_free(&none);
}

int
main(void)
{
	ts_arena_init(&arena, &ts_malloc_allocator, 16 * 1024 * 1024);
	check_metrics();
	check_labels();
	check_bytes();
	check_units();
	check_types();
	check_stored_delta();
	check_dry();
	ts_arena_free(&arena);
	return unit_finish();
}
