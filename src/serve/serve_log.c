/*
 * serve_log.c
 *	  Lines of the server's log: what they are made of.
 */
#include "postgres.h"

#include "serve_log.h"

static bool
is_plain(TsString value)
{
	for (size_t i = 0; i < value.len; i++)
	{
		unsigned char c = (unsigned char) value.data[i];

		if (c <= ' ' || c >= 0x7F || c == '"' || c == '\\' || c == '=')
			return false;
	}
	return value.len > 0;
}

/* Adds one character, escaped where it must be; returns how many bytes it has. */
static size_t
add_character(StringInfo line, TsString rest)
{
	char escaped[TS_JSON_ESCAPE_SIZE];
	uint32_t code_point;
	int len = ts_utf8_decode(rest.data, rest.len, &code_point);
	int escaped_len = ts_json_escape(rest.data[0], escaped);

	if (len == 0)
	{
		appendStringInfo(line, "\\x%02x", (unsigned char) rest.data[0]);
		return 1;
	}
	if (escaped_len > 0)
		appendBinaryStringInfo(line, escaped, escaped_len);
	/* Other controls, and what some show as the end of a line. */
	else if ((code_point >= 0x7F && code_point < 0xA0) || code_point == 0x2028 ||
			 code_point == 0x2029)
		appendStringInfo(line, "\\u%04x", (unsigned) code_point);
	else
		appendBinaryStringInfo(line, rest.data, len);
	return (size_t) len;
}

void
log_value(StringInfo line, const char *name, TsString value)
{
	bool cut = value.len > LOG_VALUE_SIZE;

	if (cut)
	{
		size_t whole = ts_utf8_valid_prefix(value.data, LOG_VALUE_SIZE);

		/* Not within a character, if there are any. */
		value.len = whole + 4 > LOG_VALUE_SIZE ? whole : LOG_VALUE_SIZE;
	}
	appendStringInfo(line, " %s=", name);
	if (!cut && is_plain(value))
	{
		appendBinaryStringInfo(line, value.data, (int) value.len);
		return;
	}
	appendStringInfoChar(line, '"');
	while (value.len > 0)
	{
		size_t len = add_character(line, value);

		value.data += len;
		value.len -= len;
	}
	appendStringInfoString(line, cut ? "...\"" : "\"");
}

void
log_text(StringInfo line, const char *name, const char *value)
{
	log_value(line, name, (TsString){value, strlen(value)});
}

void
log_number(StringInfo line, const char *name, int64 value)
{
	appendStringInfo(line, " %s=" INT64_FORMAT, name, value);
}

void
log_line(const char *line)
{
	ereport(LOG, (errmsg_internal("%s", line), errhidestmt(true), errhidecontext(true)));
}

void
log_audit_begin(StringInfo line, const char *action)
{
	initStringInfo(line);
	appendStringInfo(line, "mytsdb audit: %s", action);
}

void
log_audit_end(StringInfo line)
{
	log_line(line->data);
	pfree(line->data);
}
