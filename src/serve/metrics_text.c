/*
 * metrics_text.c
 *	  The text that Prometheus scrapes: its text format 0.0.4, and OpenMetrics 1.0.
 *
 * They differ in what a counter's family is called (in 0.0.4 as its samples are, with
 * _total), in units and the closing line, which only OpenMetrics has, in how whole bounds
 * of buckets are written, and in that OpenMetrics escapes quotes in a help.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "metrics_text.h"

static const char *const kind_names[] = {
	[METRICS_COUNTER] = "counter",
	[METRICS_GAUGE] = "gauge",
	[METRICS_HISTOGRAM] = "histogram",
};

const char *
metrics_kind_name(MetricsKind kind)
{
	return kind_names[kind];
}

/*
 * Our figures are counts, and microseconds shown as seconds: 15 digits tell all of them
 * apart, and do not show where a binary fraction is not a decimal one.
 */
const char *
metrics_number(char out[METRICS_NUMBER_SIZE], double number, bool always_point)
{
	if (isnan(number))
		return "NaN";
	if (isinf(number))
		return number > 0 ? "+Inf" : "-Inf";
	if (number == floor(number) && fabs(number) < 1e15)
		snprintf(out, METRICS_NUMBER_SIZE, always_point ? "%.1f" : "%.0f", number);
	else
		snprintf(out, METRICS_NUMBER_SIZE, "%.15g", number);
	return out;
}

static void
put(MetricsText *text, const char *string)
{
	text->write(text->arg, string, strlen(string));
}

/* With a backslash before itself, for line breaks and, if so wished, before quotes. */
static void
put_escaped(MetricsText *text, const char *string, bool quotes)
{
	for (;;)
	{
		size_t plain = strcspn(string, quotes ? "\\\n\"" : "\\\n");

		text->write(text->arg, string, plain);
		string += plain;
		if (*string == '\0')
			return;
		put(text, *string == '\n' ? "\\n" : *string == '"' ? "\\\"" : "\\\\");
		string++;
	}
}

static void
put_comment(MetricsText *text, const char *keyword, const MetricsFamily *family)
{
	put(text, "# ");
	put(text, keyword);
	put(text, " ");
	put(text, family->name);
	if (family->kind == METRICS_COUNTER && !text->openmetrics)
		put(text, "_total");
	put(text, " ");
}

static void
write_family(MetricsSink *sink, const MetricsFamily *family)
{
	MetricsText *text = (MetricsText *) sink;

	put_comment(text, "HELP", family);
	put_escaped(text, family->help, text->openmetrics);
	put(text, "\n");
	put_comment(text, "TYPE", family);
	put(text, kind_names[family->kind]);
	put(text, "\n");
	if (text->openmetrics && family->unit != NULL)
	{
		put_comment(text, "UNIT", family);
		put(text, family->unit);
		put(text, "\n");
	}
}

static void
put_label(MetricsText *text, bool first, const char *name, const char *value)
{
	put(text, first ? "{" : ",");
	put(text, name);
	put(text, "=\"");
	put_escaped(text, value, true);
	put(text, "\"");
}

static void
write_sample(MetricsSink *sink, const MetricsFamily *family, const MetricsSample *sample)
{
	MetricsText *text = (MetricsText *) sink;
	char number[METRICS_NUMBER_SIZE];

	put(text, family->name);
	put(text, sample->suffix);
	for (int i = 0; i < sample->nlabels; i++)
		put_label(text, i == 0, sample->labels[i].name, sample->labels[i].value);
	if (sample->bucket)
		put_label(text, sample->nlabels == 0, "le",
				  metrics_number(number, sample->bound, text->openmetrics));
	if (sample->nlabels > 0 || sample->bucket)
		put(text, "}");
	put(text, " ");
	put(text, metrics_number(number, sample->value, false));
	put(text, "\n");
}

void
metrics_text_begin(MetricsText *text, bool openmetrics,
				   void (*write)(void *arg, const char *data, size_t len), void *arg)
{
	text->sink.family = write_family;
	text->sink.sample = write_sample;
	text->openmetrics = openmetrics;
	text->write = write;
	text->arg = arg;
}

void
metrics_text_end(MetricsText *text)
{
	if (text->openmetrics)
		put(text, "# EOF\n");
}
