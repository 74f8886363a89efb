/*
 * metrics_text.h
 *	  Figures as families of samples, and as the text that Prometheus scrapes.
 *
 * Whoever has figures tells them to a sink: a family first, then its samples. The names of
 * families are those of OpenMetrics: a counter's is without _total, which only its samples
 * have, and one with a unit ends with it. Pure C.
 */
#ifndef SERVE_METRICS_TEXT_H
#define SERVE_METRICS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

typedef enum MetricsKind
{
	METRICS_COUNTER,
	METRICS_GAUGE,
	METRICS_HISTOGRAM
} MetricsKind;

typedef struct MetricsFamily
{
	const char *name;
	MetricsKind kind;
	const char *unit; /* seconds, bytes, ...; NULL: a number of things */
	const char *help;
} MetricsFamily;

typedef struct MetricsLabel
{
	const char *name;
	const char *value;
} MetricsLabel;

#define METRICS_LABELS 3

typedef struct MetricsSample
{
	const char *suffix; /* behind the family's name; "" or _total, _bucket, ... */
	int nlabels;
	MetricsLabel labels[METRICS_LABELS]; /* le is not among them ... */
	bool bucket;
	double bound; /* ... but here, of a bucket */
	double value;
} MetricsSample;

typedef struct MetricsSink
{
	void (*family)(struct MetricsSink *sink, const MetricsFamily *family);
	void (*sample)(struct MetricsSink *sink, const MetricsFamily *family,
				   const MetricsSample *sample);
} MetricsSink;

extern const char *metrics_kind_name(MetricsKind kind);

#define METRICS_NUMBER_SIZE 32

/*
 * A number as both formats have it. With always_point one that is whole has ".0", which
 * OpenMetrics wants of bounds, and Prometheus 3 makes of them.
 */
extern const char *
metrics_number(char out[METRICS_NUMBER_SIZE], double number, bool always_point);

/* A sink that writes text. Embeds the sink, so a pointer to one is one to the other. */
typedef struct MetricsText
{
	MetricsSink sink;
	bool openmetrics; /* OpenMetrics 1.0; otherwise Prometheus' text format 0.0.4 */
	void (*write)(void *arg, const char *data, size_t len);
	void *arg;
} MetricsText;

extern void
metrics_text_begin(MetricsText *text, bool openmetrics,
				   void (*write)(void *arg, const char *data, size_t len), void *arg);
extern void metrics_text_end(MetricsText *text);

#endif /* SERVE_METRICS_TEXT_H */
