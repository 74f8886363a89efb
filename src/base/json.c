/*
 * json.c
 *	  Strings of JSON.
 */
#include <string.h>

#include "ts_base.h"

int
ts_json_escape(char c, char *out)
{
	static const char digits[] = "0123456789abcdef";
	static const char meanings[] = "\b\f\n\r\t\"\\";
	static const char letters[] = "bfnrt\"\\";
	unsigned char byte = (unsigned char) c;
	const char *meaning;

	if (byte >= 0x20 && byte != '"' && byte != '\\')
		return 0;
	out[0] = '\\';
	meaning = memchr(meanings, byte, sizeof(meanings) - 1);
	if (meaning != NULL)
	{
		out[1] = letters[meaning - meanings];
		return 2;
	}
	memcpy(out + 1, "u00", 3);
	out[4] = digits[byte >> 4];
	out[5] = digits[byte & 15];
	return TS_JSON_ESCAPE_SIZE;
}
