/*
 * token.c
 *	  Tokens: with one of them a program logs in over HTTP as a role, without its password.
 *
 * mytsdb.token has of a token's secret only the SHA-256. That is enough: the secret is 256
 * random bits, so there is nothing to guess, and a hash that is slow or salted would add
 * nothing.
 *
 * A token is of a role by number and by name, and good only while both are those of one
 * role: so it dies when the role is dropped or renamed, and no later role that gets the
 * number or the name inherits it. The number does not survive a dump: when a row is
 * inserted, as a restore does, a trigger looks it up by name. (Dead tokens are not dumped.)
 *
 * A token is good until it expires, is revoked, or its role may not log in any more; how
 * long the role's password is valid does not matter.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "common/sha2.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include <openssl/sha.h>

#include "serve_catalog.h"
#include "serve_log.h"
#include "token.h"

PG_FUNCTION_INFO_V1(mytsdb_create_token);
PG_FUNCTION_INFO_V1(mytsdb_revoke_token);
PG_FUNCTION_INFO_V1(mytsdb_restore_token);

/* Columns of mytsdb.token. */
enum
{
	TOKEN_ID = 1,
	TOKEN_ROLE,
	TOKEN_ROLE_OID,
	TOKEN_DESCRIPTION,
	TOKEN_HASH,
	TOKEN_CREATED,
	TOKEN_EXPIRES,
	TOKEN_COLUMNS = TOKEN_EXPIRES
};

static void
hash_secret(const uint8 *secret, uint8 *hash)
{
	if (SHA256(secret, TOKEN_SECRET_SIZE, hash) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not compute a hash")));
}

/* ---- the gate's question ---- */

/* Whether a row's number and name are those of one role. */
static Oid
row_role(Relation rel, HeapTuple row)
{
	bool isnull;
	Oid role = DatumGetObjectId(
		heap_getattr(row, TOKEN_ROLE_OID, RelationGetDescr(rel), &isnull));
	Name name = DatumGetName(
		heap_getattr(row, TOKEN_ROLE, RelationGetDescr(rel), &isnull));
	const char *now = GetUserNameFromId(role, true);

	return now != NULL && strcmp(now, NameStr(*name)) == 0 ? role : InvalidOid;
}

static bool
is_expired(Relation rel, HeapTuple row)
{
	bool isnull;
	Datum expires = heap_getattr(row, TOKEN_EXPIRES, RelationGetDescr(rel), &isnull);

	return !isnull && DatumGetTimestampTz(expires) <= GetCurrentTimestamp();
}

static bool
has_hash(Relation rel, HeapTuple row, const uint8 *hash)
{
	bool isnull;
	bytea *stored = DatumGetByteaPP(
		heap_getattr(row, TOKEN_HASH, RelationGetDescr(rel), &isnull));

	return VARSIZE_ANY_EXHDR(stored) == PG_SHA256_DIGEST_LENGTH &&
		   timingsafe_bcmp(VARDATA_ANY(stored), hash, PG_SHA256_DIGEST_LENGTH) == 0;
}

Oid
token_find_role(const Credentials *credentials, const char **why)
{
	Relation rel = serve_catalog_open("token", AccessShareLock);
	HeapTuple row = serve_catalog_find(rel, credentials->id);
	uint8 hash[PG_SHA256_DIGEST_LENGTH];
	Oid role = InvalidOid;

	hash_secret(credentials->secret, hash);
	if (!HeapTupleIsValid(row))
		*why = "There is no such token.";
	else if (!has_hash(rel, row, hash))
		*why = "The token's secret is wrong.";
	else if (is_expired(rel, row))
		*why = "The token has expired.";
	else
	{
		role = row_role(rel, row);
		if (!OidIsValid(role))
			*why = "The token's role was dropped or renamed.";
	}
	table_close(rel, AccessShareLock);
	return role;
}

/* ---- creating and revoking ---- */

/*
 * What somebody else's table makes a role run (remote write runs its constraints, for one)
 * shall not get it a token, which would be good for ever after.
 */
static void
check_unrestricted(const char *function)
{
	if (InSecurityRestrictedOperation())
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("cannot execute %s within security-restricted operation",
							   function)));
}

static void
check_member(Oid role)
{
	if (!is_member_of_role(GetUserId(), role))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("must be member of role \"%s\"",
							   GetUserNameFromId(role, false))));
}

static void
audit(const char *action, const char *id, const char *role)
{
	StringInfoData line;

	log_audit_begin(&line, action);
	log_text(&line, "token", id);
	if (role != NULL)
		log_text(&line, "role", role);
	log_text(&line, "by", GetUserNameFromId(GetUserId(), false));
	log_audit_end(&line);
}

static void
make_random(uint8 *bytes, size_t size)
{
	if (!pg_strong_random(bytes, size))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg("could not generate random values")));
}

static void
insert_row(const char *id, Oid role, const uint8 *secret, Datum description,
		   bool no_description, Datum expires, bool no_expiry)
{
	Relation rel = serve_catalog_open("token", RowExclusiveLock);
	bytea *hash = palloc(VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	Datum values[TOKEN_COLUMNS];
	bool isnull[TOKEN_COLUMNS] = {false};
	NameData name;

	SET_VARSIZE(hash, VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	hash_secret(secret, (uint8 *) VARDATA(hash));
	namestrcpy(&name, GetUserNameFromId(role, false));
	values[TOKEN_ID - 1] = CStringGetTextDatum(id);
	values[TOKEN_ROLE - 1] = NameGetDatum(&name);
	values[TOKEN_ROLE_OID - 1] = ObjectIdGetDatum(role);
	values[TOKEN_DESCRIPTION - 1] = description;
	isnull[TOKEN_DESCRIPTION - 1] = no_description;
	values[TOKEN_HASH - 1] = PointerGetDatum(hash);
	values[TOKEN_CREATED - 1] = TimestampTzGetDatum(
		GetCurrentTransactionStartTimestamp());
	values[TOKEN_EXPIRES - 1] = expires;
	isnull[TOKEN_EXPIRES - 1] = no_expiry;
	CatalogTupleInsert(rel, heap_form_tuple(RelationGetDescr(rel), values, isnull));
	table_close(rel, NoLock);
}

/* mytsdb.create_token(role, description, expires) */
Datum
mytsdb_create_token(PG_FUNCTION_ARGS)
{
	uint8 id[TOKEN_ID_SIZE];
	uint8 secret[TOKEN_SECRET_SIZE];
	char id_text[TOKEN_ID_LENGTH + 1];
	char text[TOKEN_LENGTH + 1];
	Oid role;

	PreventCommandIfReadOnly("mytsdb.create_token()");
	check_unrestricted("mytsdb.create_token()");
	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("role must not be null")));
	role = get_role_oid(NameStr(*PG_GETARG_NAME(0)), false);
	check_member(role);
	if (!PG_ARGISNULL(2) && PG_GETARG_TIMESTAMPTZ(2) <= GetCurrentTimestamp())
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a token cannot expire in the past")));
	make_random(id, sizeof(id));
	make_random(secret, sizeof(secret));
	token_write_id(id, id_text);
	token_write(id, secret, text);
	insert_row(id_text, role, secret, PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1),
			   PG_ARGISNULL(1), PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2),
			   PG_ARGISNULL(2));
	audit("token created", id_text, GetUserNameFromId(role, false));
	PG_RETURN_TEXT_P(cstring_to_text(text));
}

/* mytsdb.revoke_token(id): dead tokens are superusers' to revoke */
Datum
mytsdb_revoke_token(PG_FUNCTION_ARGS)
{
	const char *id = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Relation rel;
	HeapTuple row;
	Oid role;

	PreventCommandIfReadOnly("mytsdb.revoke_token()");
	check_unrestricted("mytsdb.revoke_token()");
	rel = serve_catalog_open("token", RowExclusiveLock);
	row = serve_catalog_find(rel, id);
	role = HeapTupleIsValid(row) ? row_role(rel, row) : InvalidOid;

	/* who may not see a token is told that there is none */
	if (!HeapTupleIsValid(row) ||
		(OidIsValid(role) ? !is_member_of_role(GetUserId(), role) : !superuser()) ||
		!serve_catalog_delete(rel, row))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("token \"%s\" does not exist", id),
						errhint("The view mytsdb.tokens lists your roles' tokens.")));
	table_close(rel, NoLock);
	audit("token revoked", id, NULL);
	PG_RETURN_VOID();
}

/* ---- a dump is restored ---- */

/* Before a row is inserted: its role's number here. */
Datum
mytsdb_restore_token(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc desc;
	bool isnull;
	Datum name;
	Oid role;
	int column = TOKEN_ROLE_OID;
	Datum value;
	bool null = false;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ||
		strcmp(RelationGetRelationName(trigger->tg_relation), "token") != 0 ||
		RelationGetNamespace(trigger->tg_relation) != get_namespace_oid("mytsdb", true))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("restore_token() is a trigger of mytsdb.token")));
	desc = RelationGetDescr(trigger->tg_relation);
	name = heap_getattr(trigger->tg_trigtuple, TOKEN_ROLE, desc, &isnull);
	role = isnull ? InvalidOid : get_role_oid(NameStr(*DatumGetName(name)), true);
	if (!OidIsValid(role))
	{
		ereport(WARNING,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("a token of role \"%s\" is not restored",
						isnull ? "" : NameStr(*DatumGetName(name))),
				 errdetail("The role does not exist."),
				 errhint("Restore roles first, as pg_dumpall --globals-only has them.")));
		return PointerGetDatum(NULL);
	}
	value = ObjectIdGetDatum(role);
	return PointerGetDatum(heap_modify_tuple_by_cols(trigger->tg_trigtuple, desc, 1,
													 &column, &value, &null));
}
