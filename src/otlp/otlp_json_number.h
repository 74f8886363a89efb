/*
 * otlp_json_number.h
 *	  What texts of numbers and bytes in JSON say.
 */
#ifndef OTLP_JSON_NUMBER_H
#define OTLP_JSON_NUMBER_H

#include "ts_base.h"

/* An integer with its sign aside. */
typedef struct JsonInteger
{
	uint64_t magnitude;
	bool negative; /* -0 is not */
} JsonInteger;

/*
 * Of a number as JSON has them. False: it is no integer, also not one written with a fraction
 * of zeros or an exponent, or it does not fit.
 */
extern bool json_number_integer(TsString number, JsonInteger *integer);
/*
 * The float next to it; false: it is beyond them all. What stands behind the number, where
 * it lies, is a byte that is no part of one.
 */
extern bool json_number_double(TsString number, double *value);

/* May write over what it reads; returns how much it wrote, or SIZE_MAX: these are no bytes. */
extern size_t json_bytes_hex(const char *text, size_t len, uint8_t *out);

#endif /* OTLP_JSON_NUMBER_H */
