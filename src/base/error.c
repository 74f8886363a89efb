/*
 * error.c
 *	  Error reports of the pure C modules.
 */
#include <stdio.h>
#include <string.h>

#include "ts_base.h"

TsErrorCode
ts_error_set(TsError *err, TsErrorCode code, int offset, const char *fmt, ...)
{
	if (err != NULL)
	{
		va_list args;

		err->code = code;
		err->offset = offset;
		err->line = 0;
		err->column = 0;
		va_start(args, fmt);
		vsnprintf(err->message, sizeof(err->message), fmt, args);
		va_end(args);

		/* A message cut in the middle of a character would not be UTF-8. */
		err->message[ts_utf8_valid_prefix(err->message, strlen(err->message))] = '\0';
	}
	return code;
}

void
ts_error_locate(TsError *err, const char *text, size_t len)
{
	size_t line_start = 0;

	err->line = 0;
	err->column = 0;
	if (err->offset < 0 || (size_t) err->offset > len)
		return;

	err->line = 1;
	for (size_t i = 0; i < (size_t) err->offset; i++)
	{
		if (text[i] == '\n')
		{
			err->line++;
			line_start = i + 1;
		}
	}
	err->column = err->offset - (int) line_start + 1;
}
