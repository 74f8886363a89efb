/*
 * test_utf8.c
 *	  What of a text is valid UTF-8, wherever it is read in words and wherever byte by byte.
 */
#include <stdlib.h>
#include <string.h>

#include "ts_base.h"
#include "unit.h"

/* One character after another, and nothing else. */
static size_t
slow_prefix(const char *text, size_t len)
{
	size_t i = 0;

	while (i < len)
	{
		uint32_t c;
		int n = ts_utf8_decode(text + i, len - i, &c);

		if (n == 0)
			break;
		i += (size_t) n;
	}
	return i;
}

/* Pieces of all lengths, valid and not, between ASCII of all lengths. */
static void
test_pieces(void)
{
	static const char *const pieces[] = {
		"",     "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
		"\x80", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
		"\xff", "\xe2\x82"};

	unit_group_begin();
	for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++)
	{
		for (size_t before = 0; before < 20; before++)
		{
			for (size_t after = 0; after < 20; after++)
			{
				size_t len = before + strlen(pieces[p]) + after;
				char *text = malloc(len + 1); /* its end is the sanitizer's */

				memset(text, 'a', len);
				memcpy(text + before, pieces[p], strlen(pieces[p]));
				CHECK(ts_utf8_valid_prefix(text, len) == slow_prefix(text, len),
					  "piece %zu, %zu before, %zu after", p, before, after);
				free(text);
			}
		}
	}
	unit_group_end();
}

static void
test_random(void)
{
	unsigned state = 1;

	unit_group_begin();
	for (int round = 0; round < 20000; round++)
	{
		char text[40];

		for (size_t i = 0; i < sizeof(text); i++)
		{
			state = state * 1103515245 + 12345;
			text[i] = (char) (state >> 16 & (state >> 28 ? 0x7f : 0xff));
		}
		CHECK(ts_utf8_valid_prefix(text, sizeof(text)) == slow_prefix(text, sizeof(text)),
			  "round %d", round);
	}
	unit_group_end();
}

int
main(void)
{
	test_pieces();
	test_random();
	CHECK(ts_utf8_valid_prefix("", 0) == 0);
	CHECK(ts_utf8_valid_prefix("\0b", 2) == 2, "U+0000 is UTF-8");
	return unit_finish();
}
