/*
 * fuzz_otlp_json.c
 *	  OTLP's JSON from anywhere: refused, or made a message of protobuf, within its limit.
 *
 * What was made is walked as far as it is known to be messages, and read as a request is.
 */
#include <stdlib.h>
#include <string.h>

#include "ts_otlp.h"

#define LIMIT (1 << 16)

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Fields that are messages on the way to the points. */
static bool
is_message(int depth, uint32_t tag)
{
	const uint32_t field = tag >> 3;

	if ((tag & 7) != WIRE_BYTES)
		return false;
	switch (depth)
	{
		case 0: /* the request */
			return field == 1;
		case 1: /* ResourceMetrics */
		case 2: /* ScopeMetrics */
			return field <= 2;
		default: /* Metric, what it holds, and points */
			return depth == 3 ? field >= 5 : field == 1;
	}
}

static void
walk(TsWire wire, int depth)
{
	while (wire_more(&wire))
	{
		uint32_t tag;
		TsWire inner;

		if (!wire_tag(&wire, &tag))
			abort();
		if (depth < 4 && is_message(depth, tag))
		{
			if (!wire_message(&wire, &inner))
				abort();
			walk(inner, depth + 1);
		}
		else if (!wire_skip(&wire, tag))
			abort();
	}
}

static TsErrorCode
read_points(TsOtlpReader *reader, TsError *err)
{
	TsOtlpExemplar exemplar;
	bool found;
	TsErrorCode code;

	for (;;)
	{
		code = ts_otlp_next_point(reader, &found, err);
		if (code == TS_ERR_INVALID)
			continue;
		if (code != TS_OK || !found)
			return code;
		do
			code = ts_otlp_next_exemplar(reader, &exemplar, &found, err);
		while (code == TS_OK && found);
		if (code != TS_OK && code != TS_ERR_INVALID)
			return code;
	}
}

static TsErrorCode
read_metrics(TsOtlpReader *reader, TsError *err)
{
	bool found;
	TsErrorCode code;

	while ((code = ts_otlp_next_metric(reader, &found, err)) == TS_OK && found)
	{
		code = read_points(reader, err);
		if (code != TS_OK)
			return code;
	}
	return code;
}

static TsErrorCode
read_request(TsOtlpReader *reader, TsError *err)
{
	bool found;
	TsErrorCode code;

	while ((code = ts_otlp_next_resource(reader, &found, err)) == TS_OK && found)
	{
		while ((code = ts_otlp_next_scope(reader, &found, err)) == TS_OK && found)
		{
			code = read_metrics(reader, err);
			if (code != TS_OK)
				return code;
		}
		if (code != TS_OK)
			return code;
	}
	return code;
}

/* The bytes are a message; how deep values are is the reader's to say. */
static void
read_message(const void *data, size_t size)
{
	TsOtlpReader reader;
	TsError err = {0};
	TsErrorCode code = ts_otlp_open(&reader, data, size, &ts_malloc_allocator, &err);

	if (code == TS_OK)
		code = read_request(&reader, &err);
	if (code == TS_ERR_SYNTAX && strstr(err.message, "deep") == NULL)
		abort();
	ts_otlp_close(&reader);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size > 0 ? size : 1); /* its end is the sanitizer's */
	const void *message = NULL;
	size_t message_size = 0;
	TsError err = {0};
	TsErrorCode code;

	if (size > 0)
		memcpy(copy, data, size);
	code = ts_otlp_from_json(copy, size, LIMIT, &ts_malloc_allocator, &message,
							 &message_size, &err);
	if (code == TS_OK)
	{
		if (message_size > LIMIT)
			abort();
		walk((TsWire){message, (const uint8_t *) message + message_size}, 0);
		read_message(message, message_size);
		free((void *) message);
	}
	else if (err.message[0] == '\0' || err.code != code)
		abort();
	free(copy);
	return 0;
}
