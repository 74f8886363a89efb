/*
 * utf8.c
 *	  Strict UTF-8: no overlong forms, no surrogates, nothing beyond U+10FFFF.
 */
#include <string.h>

#include "ts_base.h"

int
ts_utf8_decode(const char *text, size_t len, uint32_t *code_point)
{
	const unsigned char *s = (const unsigned char *) text;
	uint32_t c;
	int more;
	uint32_t smallest;

	if (len == 0)
		return 0;
	c = s[0];
	if (c < 0x80)
	{
		*code_point = c;
		return 1;
	}

	if ((c & 0xE0) == 0xC0)
	{
		more = 1;
		smallest = 0x80;
		c &= 0x1F;
	}
	else if ((c & 0xF0) == 0xE0)
	{
		more = 2;
		smallest = 0x800;
		c &= 0x0F;
	}
	else if ((c & 0xF8) == 0xF0)
	{
		more = 3;
		smallest = 0x10000;
		c &= 0x07;
	}
	else
		return 0;

	if (len < (size_t) more + 1)
		return 0;
	for (int i = 1; i <= more; i++)
	{
		if ((s[i] & 0xC0) != 0x80)
			return 0;
		c = (c << 6) | (s[i] & 0x3F);
	}
	if (c < smallest || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
		return 0;
	*code_point = c;
	return more + 1;
}

int
ts_utf8_encode(uint32_t code_point, char *out)
{
	if (code_point < 0x80)
	{
		out[0] = (char) code_point;
		return 1;
	}
	if (code_point < 0x800)
	{
		out[0] = (char) (0xC0 | (code_point >> 6));
		out[1] = (char) (0x80 | (code_point & 0x3F));
		return 2;
	}
	if (code_point >= 0xD800 && code_point <= 0xDFFF)
		return 0;
	if (code_point < 0x10000)
	{
		out[0] = (char) (0xE0 | (code_point >> 12));
		out[1] = (char) (0x80 | ((code_point >> 6) & 0x3F));
		out[2] = (char) (0x80 | (code_point & 0x3F));
		return 3;
	}
	if (code_point > 0x10FFFF)
		return 0;
	out[0] = (char) (0xF0 | (code_point >> 18));
	out[1] = (char) (0x80 | ((code_point >> 12) & 0x3F));
	out[2] = (char) (0x80 | ((code_point >> 6) & 0x3F));
	out[3] = (char) (0x80 | (code_point & 0x3F));
	return 4;
}

static bool
ascii_word(const char *text)
{
	uint64_t word;

	memcpy(&word, text, sizeof(word));
	return (word & UINT64_C(0x8080808080808080)) == 0;
}

/* How many bytes from the start are ASCII, or a few less: whole words, the last maybe twice. */
static size_t
ascii_words(const char *text, size_t len)
{
	size_t i = 0;

	if (len < sizeof(uint64_t))
		return 0;
	for (; len - i >= sizeof(uint64_t); i += sizeof(uint64_t))
		if (!ascii_word(text + i))
			return i;
	return ascii_word(text + len - sizeof(uint64_t)) ? len : i;
}

size_t
ts_utf8_valid_prefix(const char *text, size_t len)
{
	size_t i = 0;

	while (i < len)
	{
		uint32_t c;
		int n;

		i += ascii_words(text + i, len - i);
		while (i < len && (unsigned char) text[i] < 0x80)
			i++;
		if (i == len)
			break;
		n = ts_utf8_decode(text + i, len - i, &c);
		if (n == 0)
			break;
		i += (size_t) n;
	}
	return i;
}
