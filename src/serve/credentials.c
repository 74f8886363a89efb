/*
 * credentials.c
 *	  What the header Authorization says: Basic (RFC 7617) or Bearer (RFC 6750).
 *
 * It is foreign bytes: whatever is not exactly of one of the two forms is bad, and what is
 * handed on has no NUL, no empty part and no role's name that is not UTF-8.
 */
#include "credentials.h"

#include <strings.h>

/* ---- Basic ---- */

static bool
is_role_name(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		if ((unsigned char) name[i] < ' ' || name[i] == 0x7F)
			return false;
	}
	return len > 0 && ts_utf8_valid_prefix(name, len) == len;
}

static const char *
parse_basic(TsString text, char *room, Credentials *credentials)
{
	const size_t size = ts_base64_decode(text.data, text.len, false, room);
	char *colon;

	if (size == SIZE_MAX)
		return "The header is not base64.";
	room[size] = '\0';
	if (strlen(room) != size)
		return "The header has a NUL.";
	colon = memchr(room, ':', size);
	if (colon == NULL)
		return "There is no colon between role and password.";
	*colon = '\0';
	if (!is_role_name(room, (size_t) (colon - room)))
		return "This can be the name of no role.";
	credentials->role = room;
	credentials->password = colon + 1;
	if (credentials->password[0] == '\0')
		return "The password is empty.";
	credentials->kind = CREDENTIALS_PASSWORD;
	return NULL;
}

/* ---- Bearer ---- */

static const char hex_digits[] = "0123456789abcdef";

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
read_hex(const char *text, uint8_t *out, size_t size)
{
	for (size_t i = 0; i < size; i++)
	{
		int high = hex_digit(text[2 * i]);
		int low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t) (high << 4 | low);
	}
	return true;
}

static char *
write_hex(const uint8_t *bytes, size_t size, char *out)
{
	for (size_t i = 0; i < size; i++)
	{
		*out++ = hex_digits[bytes[i] >> 4];
		*out++ = hex_digits[bytes[i] & 15];
	}
	*out = '\0';
	return out;
}

static const char *
parse_bearer(TsString text, Credentials *credentials)
{
	const size_t prefix = sizeof(TOKEN_PREFIX) - 1;
	uint8_t id[TOKEN_ID_SIZE];

	if (text.len != TOKEN_LENGTH || memcmp(text.data, TOKEN_PREFIX, prefix) != 0 ||
		!read_hex(text.data + prefix, id, TOKEN_ID_SIZE) ||
		text.data[prefix + TOKEN_ID_LENGTH] != '_' ||
		!read_hex(text.data + prefix + TOKEN_ID_LENGTH + 1, credentials->secret,
				  TOKEN_SECRET_SIZE))
		return "This is no token of mytsdb.";
	token_write_id(id, credentials->id);
	credentials->kind = CREDENTIALS_TOKEN;
	return NULL;
}

void
token_write_id(const uint8_t *id, char *out)
{
	(void) write_hex(id, TOKEN_ID_SIZE, out);
}

void
token_write(const uint8_t *id, const uint8_t *secret, char *out)
{
	memcpy(out, TOKEN_PREFIX, sizeof(TOKEN_PREFIX) - 1);
	out = write_hex(id, TOKEN_ID_SIZE, out + sizeof(TOKEN_PREFIX) - 1);
	*out++ = '_';
	(void) write_hex(secret, TOKEN_SECRET_SIZE, out);
}

/* ---- the header ---- */

/* Takes a scheme and the spaces after it from the front. */
static bool
take_scheme(TsString *header, const char *scheme)
{
	size_t len = strlen(scheme);

	if (header->len <= len || strncasecmp(header->data, scheme, len) != 0 ||
		header->data[len] != ' ')
		return false;
	while (len < header->len && header->data[len] == ' ')
		len++;
	header->data += len;
	header->len -= len;
	while (header->len > 0 && header->data[header->len - 1] == ' ')
		header->len--;
	return true;
}

void
credentials_parse(TsString header, char *room, Credentials *credentials)
{
	*credentials = (Credentials){.kind = CREDENTIALS_BAD};
	if (header.len == 0)
		credentials->kind = CREDENTIALS_NONE;
	else if (take_scheme(&header, "Basic"))
		credentials->why = parse_basic(header, room, credentials);
	else if (take_scheme(&header, "Bearer"))
		credentials->why = parse_bearer(header, credentials);
	else
		credentials->why = "The header is neither Basic nor Bearer.";
}
