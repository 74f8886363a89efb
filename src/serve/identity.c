/*
 * identity.c
 *	  Running as a request's role, in a process that is a superuser's.
 *
 * Defaults and constraints of a table that is written are its owner's code, and that may be
 * anybody. So it must not change who it runs as; it must not leave anything for later, when
 * the process is itself again (triggers that are put off to the commit, temporary tables);
 * and what it sets must not stay for the next request.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "identity.h"

void
serve_become(Oid role, ServeIdentity *before)
{
	Assert(IsTransactionState() && OidIsValid(role));
	GetUserIdAndSecContext(&before->user, &before->context);
	SetUserIdAndSecContext(role, before->context | SECURITY_LOCAL_USERID_CHANGE |
									 SECURITY_RESTRICTED_OPERATION);
	before->level = NewGUCNestLevel();
}

void
serve_return(const ServeIdentity *before)
{
	AtEOXact_GUC(false, before->level);
	SetUserIdAndSecContext(before->user, before->context);
}
