/*
 * gate_auth_password.c
 *	  Verifies passwords of roles against pg_authid, and remembers right ones.
 *
 * To verify a SCRAM secret takes some 3 ms on purpose, and the gate does nothing else
 * meanwhile. So a right password is known for FRESH_S seconds: what is kept is a keyed
 * hash of role and password, under a key that is this process' own. It is forgotten as
 * soon as the role's row in pg_authid changes; the validity of the password is looked at
 * each time.
 *
 * All others together get VERIFY_SHARE of a processor's time. One that was known and whose
 * role did not change goes first: it is verified anew even while its address is throttled
 * or that time used up, so that nobody's guesses lock out who knows the password.
 *
 * What there is to see from outside, time included, is the same for a wrong password, an
 * unknown role, a role without password, and one that may not log in. A secret that would
 * take too long (its owner may choose the number of iterations) is never verified.
 */
#include "postgres.h"

#include <math.h>
#include <openssl/hmac.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "lib/ilist.h"
#include "libpq/crypt.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "gate_auth.h"

#define FRESH_S         60.0
#define KNOWN_PASSWORDS 1024
#define VERIFY_SHARE    0.2
#define VERIFY_BURST_S  0.2
#define MAX_ITERATIONS  65536 /* some 50 ms */
#define DIGEST_SIZE     32

typedef struct KnownPassword
{
	uint8 digest[DIGEST_SIZE]; /* hash key */
	Oid role;
	uint32 role_hash; /* in the syscache AUTHOID */
	bool changed;     /* the role did: not known any more */
	double verified;
	TimestampTz valid_until;
	dlist_node use; /* the latest used come first */
} KnownPassword;

static HTAB *known_passwords;
static dlist_head uses = DLIST_STATIC_INIT(uses);
static uint8 digest_key[DIGEST_SIZE];
static char *mock_secret;      /* of a password that nobody knows */
static GateBucket verify_time; /* seconds */
static uint64 role_changes;

/* ---- what is known ---- */

static void
role_changed(Datum arg, int cacheid, uint32 hash)
{
	dlist_iter iter;

	role_changes++;
	dlist_foreach(iter, &uses)
	{
		KnownPassword *known = dlist_container(KnownPassword, use, iter.cur);

		known->changed = known->changed || hash == 0 || known->role_hash == hash;
	}
}

void
gate_password_start(void)
{
	HASHCTL control = {.keysize = DIGEST_SIZE,
					   .entrysize = sizeof(KnownPassword),
					   .hcxt = TopMemoryContext};
	uint8 random[DIGEST_SIZE];
	char password[2 * DIGEST_SIZE + 1];

	known_passwords = hash_create("known passwords", 128, &control,
								  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	CacheRegisterSyscacheCallback(AUTHOID, role_changed, (Datum) 0);
	if (!pg_strong_random(digest_key, sizeof(digest_key)) ||
		!pg_strong_random(random, sizeof(random)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg("could not generate random values")));
	(void) hex_encode((const char *) random, sizeof(random), password);
	password[2 * sizeof(random)] = '\0';
	StartTransactionCommand();
	mock_secret = MemoryContextStrdup(
		TopMemoryContext, encrypt_password(PASSWORD_TYPE_SCRAM_SHA_256, "", password));
	CommitTransactionCommand();
}

static void
make_digest(const Credentials *credentials, uint8 *digest)
{
	size_t role = strlen(credentials->role) + 1;
	size_t password = strlen(credentials->password) + 1;
	unsigned int size = DIGEST_SIZE;
	uint8 *text = palloc(role + password);
	bool done;

	memcpy(text, credentials->role, role);
	memcpy(text + role, credentials->password, password);
	done = HMAC(EVP_sha256(), digest_key, sizeof(digest_key), text, role + password,
				digest, &size) != NULL;
	explicit_bzero(text, role + password);
	pfree(text);
	if (!done)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg("could not compute a keyed hash")));
}

static void
forget(KnownPassword *known)
{
	dlist_delete(&known->use);
	(void) hash_search(known_passwords, known->digest, HASH_REMOVE, NULL);
}

/* NULL, or one whose role is as it was when it was verified. */
static KnownPassword *
find_known(const uint8 *digest)
{
	KnownPassword *known = hash_search(known_passwords, digest, HASH_FIND, NULL);

	if (known == NULL)
		return NULL;
	if (known->changed)
	{
		forget(known);
		return NULL;
	}
	dlist_move_head(&uses, &known->use);
	return known;
}

static void
remember(const uint8 *digest, Oid role, TimestampTz valid_until)
{
	KnownPassword *known;
	bool found;

	if (hash_get_num_entries(known_passwords) >= KNOWN_PASSWORDS)
		forget(dlist_tail_element(KnownPassword, use, &uses));
	known = hash_search(known_passwords, digest, HASH_ENTER, &found);
	if (found)
		dlist_delete(&known->use);
	dlist_push_head(&uses, &known->use);
	known->role = role;
	known->role_hash = GetSysCacheHashValue1(AUTHOID, ObjectIdGetDatum(role));
	known->changed = false;
	known->verified = gate_seconds();
	known->valid_until = valid_until;
}

/* ---- roles ---- */

/*
 * The role of a name that may be anything. Not by the syscache, which would keep each name
 * that does not exist for ever.
 */
static Oid
find_role(const char *name)
{
	Relation authid;
	NameData key_name;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	Oid role = InvalidOid;

	if (strlen(name) >= NAMEDATALEN)
		return InvalidOid;
	namestrcpy(&key_name, name);
	authid = table_open(AuthIdRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_authid_rolname, BTEqualStrategyNumber, F_NAMEEQ,
				NameGetDatum(&key_name));
	scan = systable_beginscan(authid, AuthIdRolnameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		role = ((Form_pg_authid) GETSTRUCT(tuple))->oid;
	systable_endscan(scan);
	table_close(authid, AccessShareLock);
	return role;
}

static TimestampTz
valid_until(Oid role)
{
	HeapTuple tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	TimestampTz until = DT_NOEND;
	Datum value;
	bool isnull;

	if (!HeapTupleIsValid(tuple))
		return DT_NOBEGIN;
	value = SysCacheGetAttr(AUTHOID, tuple, Anum_pg_authid_rolvaliduntil, &isnull);
	if (!isnull)
		until = DatumGetTimestampTz(value);
	ReleaseSysCache(tuple);
	return until;
}

bool
gate_role_may_log_in(const GateRequest *request, Oid role, const char **why)
{
	HeapTuple tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	bool login;
	bool super;

	if (!HeapTupleIsValid(tuple))
	{
		*why = "The role does not exist.";
		return false;
	}
	login = ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
	super = ((Form_pg_authid) GETSTRUCT(tuple))->rolsuper;
	ReleaseSysCache(tuple);
	if (!login)
		*why = "The role is not permitted to log in.";
	else if (super && !request->loopback)
		*why = "Superusers may only log in from this host.";
	else
		return true;
	return false;
}

/* ---- verifying ---- */

static void
verify_mock(const char *password)
{
	const char *why;

	(void) plain_crypt_verify("", mock_secret, password, &why);
}

/* SCRAM-SHA-256$ITERATIONS:SALT$... */
static long
secret_iterations(const char *secret)
{
	return strtol(strchr(secret, '$') + 1, NULL, 10);
}

/*
 * Whether a secret is that of a password; takes the time of a SCRAM secret at least.
 */
static bool
verify_secret(const char *role, const char *secret, const char *password,
			  const char **why)
{
	if (get_password_type(secret) != PASSWORD_TYPE_SCRAM_SHA_256)
		verify_mock(password);
	else if (secret_iterations(secret) > MAX_ITERATIONS)
	{
		*why = "The role's secret has too many iterations.";
		verify_mock(password);
		return false;
	}
	return plain_crypt_verify(role, secret, password, why) == STATUS_OK;
}

static double
processor_seconds(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (double) used.tv_sec + (double) used.tv_nsec / 1e9;
}

/* Whether all is right; whatever the answer, the time that it took is paid for. */
static bool
verify(const GateRequest *request, const Credentials *credentials, Oid role,
	   const char **why)
{
	double begin = processor_seconds();
	char *secret = NULL;
	bool right = false;

	if (!OidIsValid(role))
		*why = "The role does not exist.";
	else if (gate_role_may_log_in(request, role, why))
		secret = get_role_password(credentials->role, why);
	if (secret != NULL)
	{
		right = verify_secret(credentials->role, secret, credentials->password, why);
		explicit_bzero(secret, strlen(secret));
	}
	else
		verify_mock(credentials->password);
	verify_time.level -= processor_seconds() - begin;
	return right;
}

PasswordVerdict
gate_password_verify(const GateRequest *request, const Credentials *credentials,
					 Oid *role, int *retry_after, const char **why)
{
	uint8 digest[DIGEST_SIZE];
	KnownPassword *known;
	uint64 changes;

	Assert(IsTransactionState() && credentials->kind == CREDENTIALS_PASSWORD);
	make_digest(credentials, digest);
	known = find_known(digest);
	if (known != NULL && gate_seconds() - known->verified < FRESH_S &&
		known->valid_until > GetCurrentTimestamp() &&
		gate_role_may_log_in(request, known->role, why))
	{
		*role = known->role;
		return PASSWORD_RIGHT;
	}
	if (known == NULL && gate_failures_throttled(request->client, retry_after))
		return PASSWORD_THROTTLED;
	gate_bucket_fill(&verify_time, VERIFY_SHARE, VERIFY_BURST_S, gate_seconds());
	if (known == NULL && verify_time.level <= 0)
	{
		*retry_after = (int) ceil(-verify_time.level / VERIFY_SHARE);
		return PASSWORD_LATER;
	}
	changes = role_changes;
	*role = find_role(credentials->role);
	if (!verify(request, credentials, *role, why) ||
		(changes != role_changes && find_role(credentials->role) != *role))
	{
		if (known != NULL)
			forget(known);
		return PASSWORD_WRONG;
	}
	/* Had the role changed meanwhile, nobody would tell of it again. */
	if (changes == role_changes)
		remember(digest, *role, valid_until(*role));
	return PASSWORD_RIGHT;
}
