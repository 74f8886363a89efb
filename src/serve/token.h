/*
 * token.h
 *	  Tokens, as the gate looks them up.
 */
#ifndef SERVE_TOKEN_H
#define SERVE_TOKEN_H

#include "postgres.h"

#include "credentials.h"

/*
 * The role of a token that is good; InvalidOid, and why for the log, when it is not. Asks
 * the table each time, so that what is revoked is revoked at once, on standbys as well.
 */
extern Oid token_find_role(const Credentials *credentials, const char **why);
/* Notes that a token is used now (token_use.c). */
extern void token_note_use(const char *id);

#endif /* SERVE_TOKEN_H */
