/*
 * http_text.c
 *	  Texts of HTTP: percent-encoding, lists with qualities, the names of statuses.
 */
#include "serve_http.h"

bool
http_percent_decode(TsString text, char *out, size_t *len)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++)
	{
		char c = text.data[i];

		if (c == '%')
		{
			int high = i + 2 < text.len ? ts_hex_digit(text.data[i + 1]) : -1;
			int low = high >= 0 ? ts_hex_digit(text.data[i + 2]) : -1;

			if (low < 0)
				return false;
			c = (char) (high << 4 | low);
			i += 2;
		}
		if (c == '\0')
			return false;
		out[n++] = c;
	}
	*len = n;
	return ts_utf8_valid_prefix(out, n) == n;
}

/* ---- lists ---- */

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static TsString
trimmed(TsString text)
{
	while (text.len > 0 && is_blank(text.data[0]))
		text.data++, text.len--;
	while (text.len > 0 && is_blank(text.data[text.len - 1]))
		text.len--;
	return text;
}

/* Cuts what is before the first mark off *text, and the mark; false at the end. */
static bool
next_part(TsString *text, char mark, TsString *part)
{
	const char *at;

	if (text->data == NULL)
		return false;
	at = text->len > 0 ? memchr(text->data, mark, text->len) : NULL;
	*part = *text;
	if (at == NULL)
		*text = (TsString){NULL, 0};
	else
	{
		part->len = (size_t) (at - text->data);
		*text = (TsString){at + 1, text->len - part->len - 1};
	}
	*part = trimmed(*part);
	return true;
}

/* q=0.5 in thousandths; what is malformed is as good as 1. */
static int
quality_of(TsString parameter)
{
	int value = 0;
	int scale = 100;

	if (parameter.len < 3 || lower(parameter.data[0]) != 'q' ||
		parameter.data[1] != '=' || parameter.data[2] != '0')
		return 1000;
	if (parameter.len > 3 && parameter.data[3] != '.')
		return 1000;
	for (size_t i = 4; i < parameter.len; i++, scale /= 10)
	{
		if (parameter.data[i] < '0' || parameter.data[i] > '9')
			return 1000;
		value += (parameter.data[i] - '0') * scale;
	}
	return value;
}

static bool
same_name(TsString a, const char *b)
{
	size_t i = 0;

	while (i < a.len && b[i] != '\0' && lower(a.data[i]) == lower(b[i]))
		i++;
	return i == a.len && b[i] == '\0';
}

int
http_quality(TsString header, const char *name)
{
	int best = -1;
	TsString entry;

	while (next_part(&header, ',', &entry))
	{
		int quality = 1000;
		TsString part;

		if (!next_part(&entry, ';', &part) || !same_name(part, name))
			continue;
		while (next_part(&entry, ';', &part))
		{
			if (part.len > 1 && lower(part.data[0]) == 'q' && part.data[1] == '=')
				quality = quality_of(part);
		}
		if (quality > best)
			best = quality;
	}
	return best;
}

bool
http_list_has(const char *list, TsString text)
{
	TsString rest = {list, strlen(list)};
	TsString entry;

	while (next_part(&rest, ',', &entry))
	{
		if (ts_string_is(entry, "*") || (entry.len > 0 && ts_string_equal(entry, text)))
			return true;
	}
	return false;
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
		case 206:
			return "Partial Content";
		case 304:
			return "Not Modified";
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
