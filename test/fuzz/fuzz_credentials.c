/*
 * fuzz_credentials.c
 *	  The header Authorization from anywhere: read or refused, and what was read holds what
 *	  the server counts on.
 */
#include <stdlib.h>
#include <string.h>

#include "../../src/serve/credentials.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_password(const Credentials *credentials, const char *room, size_t size)
{
	size_t role = strlen(credentials->role);
	size_t password = strlen(credentials->password);

	if (role == 0 || password == 0 || role + password > size ||
		credentials->role != room || credentials->password != room + role + 1 ||
		ts_utf8_valid_prefix(credentials->role, role) != role)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *room = malloc(size + 1);
	Credentials credentials;

	credentials_parse((TsString){(const char *) data, size}, room, &credentials);
	if ((credentials.kind == CREDENTIALS_NONE) != (size == 0) ||
		(credentials.kind == CREDENTIALS_BAD) != (credentials.why != NULL))
		abort();
	if (credentials.kind == CREDENTIALS_PASSWORD)
		check_password(&credentials, room, size);
	if (credentials.kind == CREDENTIALS_TOKEN &&
		strlen(credentials.id) != TOKEN_ID_LENGTH)
		abort();
	free(room);
	return 0;
}
