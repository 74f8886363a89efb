/*
 * base64.c
 *	  Base64 (RFC 4648).
 */
#include "ts_base.h"

/* -1: it is none. The alphabet for URLs has other marks for the last two. */
static int
digit_of(char c, bool url)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || (url && c == '-'))
		return 62;
	return c == '/' || (url && c == '_') ? 63 : -1;
}

size_t
ts_base64_decode(const char *text, size_t len, bool url, void *out)
{
	uint8_t *next = out;
	uint32_t bits = 0;
	int nbits = 0;

	for (int i = 0; i < 2 && len % 4 == (i == 0 ? 0 : 3) && len > 0; i++)
		len -= text[len - 1] == '=';
	if (len % 4 == 1)
		return SIZE_MAX;
	for (size_t i = 0; i < len; i++)
	{
		int digit = digit_of(text[i], url);

		if (digit < 0)
			return SIZE_MAX;
		bits = bits << 6 | (uint32_t) digit;
		nbits += 6;
		if (nbits >= 8)
		{
			nbits -= 8;
			*next++ = (uint8_t) (bits >> nbits);
		}
	}
	if ((bits & ((1u << nbits) - 1)) != 0)
		return SIZE_MAX;
	return (size_t) (next - (uint8_t *) out);
}
