/*
 * fuzz_encoding.c
 *	  Accept-Encoding from anywhere: what it takes is known, and does not depend on blanks
 *	  around what is said.
 */
#include <stdlib.h>
#include <string.h>

#include "../../src/serve/encoding.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* With a blank on both sides of each comma and semicolon. */
static size_t
spread(const uint8_t *data, size_t size, char *out)
{
	size_t len = 0;

	for (size_t i = 0; i < size; i++)
	{
		bool separator = data[i] == ',' || data[i] == ';';

		if (separator)
			out[len++] = ' ';
		out[len++] = (char) data[i];
		if (separator)
			out[len++] = '\t';
	}
	return len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TsString header = {(const char *) data, size};
	Encoding encoding = encoding_choose(header);
	char *wide = malloc(size * 3 + 1);
	TsString spread_header = {wide, spread(data, size, wide)};

	if (encoding != ENCODING_IDENTITY && encoding != ENCODING_GZIP &&
		encoding != ENCODING_ZSTD)
		abort();
	if (encoding_choose(spread_header) != encoding)
		abort();
	free(wide);
	return 0;
}
