/*
 * fuzz_remote_read.c
 *	  Remote read requests from anywhere: refused, or read within their bytes.
 *
 * The first byte says whether the rest is compressed, so that messages are reached without
 * a right compression, and compression without a right message.
 */
#include <stdlib.h>
#include <string.h>

#include "ts_remote_read.h"

#define LIMIT (1 << 20)

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t touched;

static void
touch(TsString string)
{
	for (size_t i = 0; i < string.len; i++)
		touched += (unsigned char) string.data[i];
}

static void
touch_query(const TsReadQuery *query)
{
	touch(query->function);
	for (uint32_t i = 0; i < query->nmatchers; i++)
	{
		if (query->matchers[i].type > TS_MATCH_NOT_REGEX)
			abort();
		touch(query->matchers[i].name);
		touch(query->matchers[i].value);
	}
}

static void
read_message(const void *data, size_t size)
{
	TsReadRequest request;
	TsError err = {0};
	TsErrorCode code = ts_read_open(&request, data, size, &ts_malloc_allocator, &err);
	uint32_t queries = 0;
	bool more = true;

	while (code == TS_OK && more)
	{
		code = ts_read_next(&request, &more, &err);
		if (code == TS_OK && more)
		{
			queries++;
			touch_query(&request.query);
		}
	}
	if (code == TS_OK ? queries != request.nqueries : err.message[0] == '\0')
		abort();
	ts_read_close(&request);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;
	const void *message;
	size_t message_size;
	TsError err;

	if (size == 0)
		return 0;
	copy = malloc(size); /* its end is the sanitizer's */
	memcpy(copy, data + 1, size - 1);
	if (data[0] % 2 == 0)
		read_message(copy, size - 1);
	else if (ts_read_decompress(copy, size - 1, LIMIT, &ts_malloc_allocator, &message,
								&message_size, &err) == TS_OK)
	{
		if (message_size > LIMIT)
			abort();
		read_message(message, message_size);
		free((void *) message);
	}
	free(copy);
	return touched == SIZE_MAX;
}
