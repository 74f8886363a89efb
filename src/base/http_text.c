/*
 * http_text.c
 *	  Texts of HTTP: words, lists with weights, percent-encoding, the names of statuses.
 */
#include "http_text.h"

#include <strings.h>

#define MOST_SHOWN 80 /* bytes of a header, in messages */

TsErrorCode
http_unknown_header(const char *what, const char *expected, TsString text, TsError *err)
{
	return ts_error_set(err, TS_ERR_INVALID, -1, "%s \"%.*s\" is not supported; %s", what,
						(int) (text.len < MOST_SHOWN ? text.len : MOST_SHOWN), text.data,
						expected);
}

/* ---- words and lists ---- */

bool
http_is_word(TsString word, const char *text)
{
	return word.len == strlen(text) && strncasecmp(word.data, text, word.len) == 0;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

TsString
http_trim(TsString text)
{
	while (text.len > 0 && is_blank(text.data[0]))
		text.data++, text.len--;
	while (text.len > 0 && is_blank(text.data[text.len - 1]))
		text.len--;
	return text;
}

TsString
http_cut(TsString *rest, char mark)
{
	const char *at = rest->len > 0 ? memchr(rest->data, mark, rest->len) : NULL;
	TsString part = *rest;

	if (at == NULL)
		*rest = (TsString){"", 0};
	else
	{
		part.len = (size_t) (at - part.data);
		*rest = (TsString){at + 1, rest->len - part.len - 1};
	}
	return http_trim(part);
}

bool
http_list_has(const char *list, TsString text)
{
	TsString rest = {list, strlen(list)};

	while (rest.len > 0)
	{
		TsString entry = http_cut(&rest, ',');

		if (ts_string_is(entry, "*") || (entry.len > 0 && ts_string_equal(entry, text)))
			return true;
	}
	return false;
}

/* A weight in thousandths, "0.5" or "1"; -1: it is none. */
static int
read_weight(TsString text)
{
	int weight;
	int place = 100;

	if (text.len == 0 || text.len > 5 || (text.data[0] != '0' && text.data[0] != '1'))
		return -1;
	weight = (text.data[0] - '0') * 1000;
	if (text.len > 1 && text.data[1] != '.')
		return -1;
	for (size_t i = 2; i < text.len; i++, place /= 10)
	{
		if (text.data[i] < '0' || text.data[i] > '9')
			return -1;
		weight += (text.data[i] - '0') * place;
	}
	return weight <= 1000 ? weight : -1;
}

/* What an element's parameters say; 1000 if they say nothing of it. */
static int
weight_of(TsString parameters)
{
	while (parameters.len > 0)
	{
		TsString value = http_cut(&parameters, ';');
		TsString name = http_cut(&value, '=');

		if (http_is_word(name, "q"))
			return read_weight(http_trim(value));
	}
	return 1000;
}

int
http_quality(TsString header, const char *name)
{
	int best = -1;

	while (header.len > 0)
	{
		TsString element = http_cut(&header, ',');

		if (http_is_word(http_cut(&element, ';'), name))
		{
			int weight = weight_of(element);

			if (weight > best)
				best = weight;
		}
	}
	return best;
}

/* ---- percent-encoding ---- */

int
http_escaped_byte(const char *at, const char *end)
{
	int high, low;

	if (end - at < 3 || at[0] != '%')
		return -1;
	high = ts_hex_digit(at[1]);
	low = ts_hex_digit(at[2]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

bool
http_percent_decode(TsString text, char *out, size_t *len)
{
	const char *end = text.data + text.len;
	size_t n = 0;

	for (const char *from = text.data; from < end; from++)
	{
		int byte = (unsigned char) *from;

		if (byte == '%')
		{
			byte = http_escaped_byte(from, end);
			from += 2;
		}
		if (byte <= 0)
			return false;
		out[n++] = (char) byte;
	}
	*len = n;
	return ts_utf8_valid_prefix(out, n) == n;
}

/* ---- statuses ---- */

const char *
http_status_text(int status)
{
	switch (status)
	{
		case 200:
			return "OK";
		case 204:
			return "No Content";
		case 400:
			return "Bad Request";
		case 401:
			return "Unauthorized";
		case 403:
			return "Forbidden";
		case 404:
			return "Not Found";
		case 405:
			return "Method Not Allowed";
		case 406:
			return "Not Acceptable";
		case 408:
			return "Request Timeout";
		case 409:
			return "Conflict";
		case 411:
			return "Length Required";
		case 413:
			return "Content Too Large";
		case 414:
			return "URI Too Long";
		case 415:
			return "Unsupported Media Type";
		case 417:
			return "Expectation Failed";
		case 422:
			return "Unprocessable Content";
		case 429:
			return "Too Many Requests";
		case 431:
			return "Request Header Fields Too Large";
		case 499:
			return "Client Closed Request";
		case 500:
			return "Internal Server Error";
		case 501:
			return "Not Implemented";
		case 502:
			return "Bad Gateway";
		case 503:
			return "Service Unavailable";
		case 504:
			return "Gateway Timeout";
		case 505:
			return "HTTP Version Not Supported";
		default:
			return "Unknown";
	}
}

bool
http_status_has_body(int status)
{
	return status >= 200 && status != 204 && status != 304;
}
