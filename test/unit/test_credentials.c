/*
 * test_credentials.c
 *	  The header Authorization: what is read of it, and what is refused.
 */
#include <stdlib.h>
#include <string.h>

#include "../../src/serve/credentials.h"
#include "unit.h"

/* Parses in memory of the right size, so that sanitizers see what is read and written. */
static Credentials
parse(const char *header, char **room)
{
	size_t len = strlen(header);
	char *copy = malloc(len + 1);
	Credentials credentials;

	memcpy(copy, header, len);
	*room = malloc(len + 1);
	credentials_parse((TsString){copy, len}, *room, &credentials);
	free(copy);
	return credentials;
}

static void
check_password(const char *header, const char *role, const char *password)
{
	char *room;
	Credentials credentials = parse(header, &room);

	CHECK(credentials.kind == CREDENTIALS_PASSWORD &&
			  strcmp(credentials.role, role) == 0 &&
			  strcmp(credentials.password, password) == 0,
		  "%s", header);
	free(room);
}

static void
check_bad(const char *header, const char *why)
{
	char *room;
	Credentials credentials = parse(header, &room);

	CHECK(credentials.kind == CREDENTIALS_BAD && strcmp(credentials.why, why) == 0,
		  "%s: %s", header, credentials.why != NULL ? credentials.why : "not bad");
	free(room);
}

static void
test_basic(void)
{
	/* the example of RFC 7617, its schemes' case, spaces, its other padding */
	check_password("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame");
	check_password("basic QWxhZGRpbjpvcGVuIHNlc2FtZQ", "Aladdin", "open sesame");
	check_password("BASIC   QWxhZGRpbjpvcGVuIHNlc2FtZQ==  ", "Aladdin", "open sesame");
	check_password("Basic dGVzdDoxMjPCow==", "test", "123\xc2\xa3");
	check_password("Basic YTpi", "a", "b");
	check_password("Basic YTpiYw==", "a", "bc");
	check_password("Basic YTpiY2Q=", "a", "bcd");
	check_password("Basic YTpiOmM=", "a", "b:c");
	check_password("Basic w6Q6/w==", "\xc3\xa4", "\xff");
}

static void
test_bad_basic(void)
{
	check_bad("Basic YTp=", "The header is not base64.");
	check_bad("Basic Y", "The header is not base64.");
	check_bad("Basic YTpiYw=", "The header is not base64.");
	check_bad("Basic YTpiYx==", "The header is not base64.");
	check_bad("Basic YTpi YTpi", "The header is not base64.");
	check_bad("Basic YTpi====", "The header is not base64.");
	check_bad("Basic Y-pi", "The header is not base64.");
	check_bad("Basic ====", "The header is not base64.");
	check_bad("Basic YQA6Yg==", "The header has a NUL.");
	check_bad("Basic YTpiAA==", "The header has a NUL.");
	check_bad("Basic YWI=", "There is no colon between role and password.");
	check_bad("Basic Og==", "This can be the name of no role.");
	check_bad("Basic OmI=", "This can be the name of no role.");
	check_bad("Basic YQo6Yg==", "This can be the name of no role.");
	check_bad("Basic YX86Yg==", "This can be the name of no role.");
	check_bad("Basic /zpi", "This can be the name of no role.");
	check_bad("Basic YTo=", "The password is empty.");
}

static void
test_tokens(void)
{
	uint8_t id[TOKEN_ID_SIZE];
	uint8_t secret[TOKEN_SECRET_SIZE];
	char header[8 + TOKEN_LENGTH + 2] = "Bearer ";
	char *token = header + 7;
	char *room;
	Credentials credentials;

	for (int i = 0; i < TOKEN_ID_SIZE; i++)
		id[i] = (uint8_t) (0xF0 + i);
	for (int i = 0; i < TOKEN_SECRET_SIZE; i++)
		secret[i] = (uint8_t) (7 * i);
	token_write(id, secret, token);
	CHECK(strlen(token) == TOKEN_LENGTH, "%s", token);
	credentials = parse(header, &room);
	CHECK(credentials.kind == CREDENTIALS_TOKEN, "%s", header);
	CHECK(strcmp(credentials.id, "f0f1f2f3f4f5f6f7") == 0, "%s", credentials.id);
	CHECK(memcmp(credentials.secret, secret, sizeof(secret)) == 0, "%s", header);
	free(room);

	strcat(header, "0");
	check_bad(header, "This is no token of mytsdb.");
	header[strlen(header) - 2] = '\0';
	check_bad(header, "This is no token of mytsdb.");
	unit_group_begin();
	for (size_t i = 0; i < TOKEN_LENGTH; i++)
	{
		token_write(id, secret, token);
		token[i] = 'F';
		check_bad(header, "This is no token of mytsdb.");
	}
	unit_group_end();
	check_bad(
		"Bearer eyJhbGciOiJIUzI1NiJ9.e30.ZRrHA1JJJW8opsbCGfG_HACGpVUMN_a9IV7pAx_Zmeo",
		"This is no token of mytsdb.");
}

static void
test_others(void)
{
	char *room;
	Credentials credentials = parse("", &room);

	CHECK(credentials.kind == CREDENTIALS_NONE, "empty");
	free(room);
	check_bad(" ", "The header is neither Basic nor Bearer.");
	check_bad("Basic", "The header is neither Basic nor Bearer.");
	check_bad("Basi", "The header is neither Basic nor Bearer.");
	check_bad("Basic\tYTpi", "The header is neither Basic nor Bearer.");
	check_bad("Digest username=\"a\"", "The header is neither Basic nor Bearer.");
	check_bad("Basic ", "There is no colon between role and password.");
	check_bad("Bearer ", "This is no token of mytsdb.");
}

int
main(void)
{
	test_basic();
	test_bad_basic();
	test_tokens();
	test_others();
	return unit_finish();
}
