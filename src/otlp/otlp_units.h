/*
 * otlp_units.h
 *	  Units of OpenTelemetry as parts of Prometheus' names.
 */
#ifndef OTLP_UNITS_H
#define OTLP_UNITS_H

#include "ts_base.h"

/*
 * "By/s" has two parts: "bytes", and "per_second". A part that is not there is empty, and so
 * is one with braces, which is a remark. As they come: what is not known stays as it is.
 */
typedef struct OtlpUnit
{
	TsString main;
	TsString per; /* without "per_" */
} OtlpUnit;

extern OtlpUnit otlp_unit(TsString unit);

/*
 * Copies a unit with letters, digits and colons only, and single underscores for the rest,
 * none at its beginning. `out` has as many bytes as the unit; returns how many were written.
 */
extern size_t otlp_clean_unit(TsString unit, char *out);

/* What may be part of a metric's name, but for the underscore. */
static inline bool
otlp_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		   c == ':';
}

#endif /* OTLP_UNITS_H */
