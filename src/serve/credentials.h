/*
 * credentials.h
 *	  What the header Authorization says, and how a token looks.
 *
 * Pure C.
 */
#ifndef SERVE_CREDENTIALS_H
#define SERVE_CREDENTIALS_H

#include "ts_base.h"

/*
 * A token: mytsdb_ID_SECRET, both in lower-case hexadecimal digits. The id says which one
 * it is and is no secret; the fixed shape lets scanners for leaked secrets find it.
 */
#define TOKEN_PREFIX      "mytsdb_"
#define TOKEN_ID_SIZE     8  /* bytes */
#define TOKEN_SECRET_SIZE 32 /* bytes */
#define TOKEN_ID_LENGTH   (2 * TOKEN_ID_SIZE)
#define TOKEN_LENGTH \
	(sizeof(TOKEN_PREFIX) - 1 + TOKEN_ID_LENGTH + 1 + 2 * TOKEN_SECRET_SIZE)

typedef enum CredentialsKind
{
	CREDENTIALS_NONE,     /* there is no header */
	CREDENTIALS_PASSWORD, /* Basic */
	CREDENTIALS_TOKEN,    /* Bearer */
	CREDENTIALS_BAD       /* cannot be those of anybody */
} CredentialsKind;

typedef struct Credentials
{
	CredentialsKind kind;
	/* of a password: both end with NUL, and neither is empty; the role is UTF-8 */
	const char *role;
	const char *password;
	/* of a token */
	char id[TOKEN_ID_LENGTH + 1];
	uint8_t secret[TOKEN_SECRET_SIZE];
	const char *why; /* bad ones are so: a sentence */
} Credentials;

/* Room has header.len + 1 bytes, which the credentials point into. */
extern void credentials_parse(TsString header, char *room, Credentials *credentials);

/* Writes digits and a NUL. */
extern void token_write_id(const uint8_t *id, char *out);
/* Writes TOKEN_LENGTH bytes and a NUL. */
extern void token_write(const uint8_t *id, const uint8_t *secret, char *out);

#endif /* SERVE_CREDENTIALS_H */
