/*
 * test_metrics_text.c
 *	  The text that Prometheus scrapes, in both formats.
 */
#include <math.h>
#include <string.h>

#include "../../src/serve/metrics_text.h"
#include "unit.h"

static char written[4096];
static size_t used;

static void
collect(void *arg, const char *data, size_t len)
{
	if (used + len < sizeof(written))
	{
		memcpy(written + used, data, len);
		used += len;
	}
	written[used] = '\0';
}

static const MetricsFamily counter = {"some_seconds", METRICS_COUNTER, "seconds",
									  "A \"help\" \\ of\ntwo lines."};
static const MetricsFamily histogram = {"took_seconds", METRICS_HISTOGRAM, NULL,
										"Times."};

static void
write_all(bool openmetrics)
{
	MetricsText text;
	MetricsSink *sink = &text.sink;
	MetricsSample sample = {.suffix = "_total", .value = 1.5};

	used = 0;
	metrics_text_begin(&text, openmetrics, collect, NULL);
	sink->family(sink, &counter);
	sink->sample(sink, &counter, &sample);
	sample.nlabels = 2;
	sample.labels[0] = (MetricsLabel){"a", "x\\y\"z\n"};
	sample.labels[1] = (MetricsLabel){"b", ""};
	sample.value = 12345678901.0;
	sink->sample(sink, &counter, &sample);
	sink->family(sink, &histogram);
	sample = (MetricsSample){.suffix = "_bucket", .bucket = true, .bound = 1, .value = 2};
	sink->sample(sink, &histogram, &sample);
	sample.nlabels = 1;
	sample.labels[0] = (MetricsLabel){"a", "b"};
	sample.bound = INFINITY;
	sink->sample(sink, &histogram, &sample);
	metrics_text_end(&text);
}

static void
test_text(void)
{
	write_all(false);
	CHECK(strcmp(written, "# HELP some_seconds_total A \"help\" \\\\ of\\ntwo lines.\n"
						  "# TYPE some_seconds_total counter\n"
						  "some_seconds_total 1.5\n"
						  "some_seconds_total{a=\"x\\\\y\\\"z\\n\",b=\"\"} 12345678901\n"
						  "# HELP took_seconds Times.\n"
						  "# TYPE took_seconds histogram\n"
						  "took_seconds_bucket{le=\"1\"} 2\n"
						  "took_seconds_bucket{a=\"b\",le=\"+Inf\"} 2\n") == 0,
		  "%s", written);
}

static void
test_openmetrics(void)
{
	write_all(true);
	CHECK(strcmp(written, "# HELP some_seconds A \\\"help\\\" \\\\ of\\ntwo lines.\n"
						  "# TYPE some_seconds counter\n"
						  "# UNIT some_seconds seconds\n"
						  "some_seconds_total 1.5\n"
						  "some_seconds_total{a=\"x\\\\y\\\"z\\n\",b=\"\"} 12345678901\n"
						  "# HELP took_seconds Times.\n"
						  "# TYPE took_seconds histogram\n"
						  "took_seconds_bucket{le=\"1.0\"} 2\n"
						  "took_seconds_bucket{a=\"b\",le=\"+Inf\"} 2\n"
						  "# EOF\n") == 0,
		  "%s", written);
}

static void
check_number(double number, bool always_point, const char *expected)
{
	char out[METRICS_NUMBER_SIZE];
	const char *found = metrics_number(out, number, always_point);

	CHECK(strcmp(found, expected) == 0, "%s instead of %s", found, expected);
}

static void
test_numbers(void)
{
	check_number(0, false, "0");
	check_number(0, true, "0.0");
	check_number(0.00025, true, "0.00025");
	check_number(120, true, "120.0");
	check_number(1795271594.833084, false, "1795271594.83308");
	check_number(9007199254740993.0, false, "9.00719925474099e+15");
	check_number(999999999999999.0, false, "999999999999999");
	check_number(-1.5, false, "-1.5");
	check_number(INFINITY, true, "+Inf");
	check_number(-INFINITY, false, "-Inf");
	check_number(NAN, false, "NaN");
}

int
main(void)
{
	test_text();
	test_openmetrics();
	test_numbers();
	return unit_finish();
}
