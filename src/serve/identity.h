/*
 * identity.h
 *	  Running as a request's role, in a process that is a superuser's.
 */
#ifndef SERVE_IDENTITY_H
#define SERVE_IDENTITY_H

#include "postgres.h"

typedef struct ServeIdentity
{
	Oid user;
	int context;
	int level; /* of settings */
} ServeIdentity;

/*
 * Becomes a role, in a transaction. After an error the end of the transaction, or of the
 * subtransaction, undoes it.
 */
extern void serve_become(Oid role, ServeIdentity *before);
extern void serve_return(const ServeIdentity *before);

#endif /* SERVE_IDENTITY_H */
