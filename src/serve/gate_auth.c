/*
 * gate_auth.c
 *	  Says of each request as which role it runs, and on which tenant's tables; or why it
 *	  does not.
 *
 * Without credentials a request runs as mytsdb.anonymous_role, only while the server
 * listens on loopback alone, and only when it was sent to an address or to localhost: a
 * page from elsewhere whose name its owner lets point to this host gets nothing. Nor does
 * such a request write when a page of another origin has sent it. With credentials it runs
 * as the role of a password (gate_auth_password.c) or of a token (token.c). The role must
 * have CONNECT on the database, and the privilege without which the request could only
 * fail; workers check all privileges again.
 *
 * What the catalogs say is asked for each request, in a transaction of its own, so that
 * what is granted and revoked counts at once; only verified passwords are kept. Such a
 * transaction waits for a lock no longer than LOCK_TIMEOUT_MS, and after an error none is
 * begun for ERROR_PAUSE_S, so that the gate goes on serving what needs none.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "gate_auth.h"
#include "http_text.h"
#include "serve_settings.h"
#include "serve_stats.h"
#include "tenant.h"
#include "token.h"

#define LOCK_TIMEOUT_MS   "100"
#define ERROR_PAUSE_S     1.0
#define READY_S           1.0 /* between looks at the extension */
#define FAILURE_DELAY_MS  500
#define NOT_READY_RETRY_S 5

static bool loopback_only;
static double errors_until;

/* ---- transactions ---- */

/* Calls back in a transaction of its own; false after an error, which is logged. */
static bool
in_transaction(void (*callback)(void *arg), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool done = false;

	if (gate_seconds() < errors_until)
		return false;
	PG_TRY();
	{
		StartTransactionCommand();
		callback(arg);
		CommitTransactionCommand();
		done = true;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		HOLD_INTERRUPTS();
		EmitErrorReport();
		AbortCurrentTransaction();
		FlushErrorState();
		RESUME_INTERRUPTS();
		errors_until = gate_seconds() + ERROR_PAUSE_S;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	return done;
}

/* ---- the extension ---- */

static struct
{
	double looked;
	char why[256]; /* it is not ready; empty: it is */
} extension;

static void
look_at_extension(void *arg)
{
	Relation rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	NameData name;

	namestrcpy(&name, "mytsdb");
	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				NameGetDatum(&name));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (!HeapTupleIsValid(tuple))
		snprintf(extension.why, sizeof(extension.why),
				 "extension mytsdb is not installed in database \"%s\": run CREATE "
				 "EXTENSION mytsdb",
				 get_database_name(MyDatabaseId));
	else
	{
		bool isnull;
		char *version = TextDatumGetCString(heap_getattr(
			tuple, Anum_pg_extension_extversion, RelationGetDescr(rel), &isnull));

		if (strcmp(version, MYTSDB_VERSION) == 0)
			extension.why[0] = '\0';
		else
			snprintf(extension.why, sizeof(extension.why),
					 "extension mytsdb is of version %s in database \"%s\", but the "
					 "library of version " MYTSDB_VERSION
					 ": run ALTER EXTENSION mytsdb UPDATE",
					 version, get_database_name(MyDatabaseId));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	extension.looked = gate_seconds();
}

static bool
extension_is_ready(void)
{
	Assert(IsTransactionState());
	if (extension.looked == 0 || gate_seconds() - extension.looked >= READY_S)
		look_at_extension(NULL);
	return extension.why[0] == '\0';
}

bool
gate_extension_ready(const char **why)
{
	bool asked = true;

	if (extension.looked == 0 || gate_seconds() - extension.looked >= READY_S)
		asked = in_transaction(look_at_extension, NULL);
	*why = asked ? extension.why : "the database's catalogs cannot be read";
	return asked && extension.why[0] == '\0';
}

/* ---- refusals ---- */

static bool
refuse(GateRefusal *refusal, int status, const char *message)
{
	refusal->status = status;
	refusal->message = message;
	return false;
}

static bool
refuse_later(GateRefusal *refusal, int status, int retry_after, const char *message)
{
	refusal->retry_after = Max(retry_after, 1);
	return refuse(refusal, status, message);
}

static bool
refuse_login(const GateRequest *request, GateRefusal *refusal, const char *role,
			 const char *why, const char *message)
{
	gate_failures_note(request, role, why);
	refusal->delay_ms = FAILURE_DELAY_MS;
	refusal->detail = MemoryContextStrdup(request->context, why);
	return refuse(refusal, 401, message);
}

static bool
refuse_throttled(GateRefusal *refusal, int retry_after)
{
	return refuse_later(refusal, 429, retry_after,
						"too many logins from this address have failed");
}

/* ---- who asks ---- */

/*
 * Whether the header Host can only mean this host: it is an address, or localhost. An
 * absent one does not come from a browser.
 */
static bool
host_is_local(TsString host)
{
	size_t len = 0;

	if (host.len == 0 || host.data[0] == '[')
		return true;
	while (len < host.len && host.data[len] != ':')
		len++;
	if (len == strlen("localhost") && pg_strncasecmp(host.data, "localhost", len) == 0)
		return true;
	for (size_t i = 0; i < len; i++)
	{
		if (!(host.data[i] >= '0' && host.data[i] <= '9') && host.data[i] != '.')
			return false;
	}
	return len > 0;
}

static bool
refuse_anonymous(GateRequest *request, GateRefusal *refusal, const char *detail)
{
	refusal->detail = detail;
	return refuse(refusal, 401,
				  "authentication required: send a role's password (Basic) or a token "
				  "(Bearer)");
}

static bool
authorize_anonymous(GateRequest *request, GateRefusal *refusal)
{
	if (serve_anonymous_role[0] == '\0')
		return refuse_anonymous(request, refusal, NULL);
	if (!loopback_only || !request->loopback)
		return refuse_anonymous(
			request, refusal,
			"mytsdb.anonymous_role is for servers that listen on loopback alone.");
	request->role = get_role_oid(serve_anonymous_role, true);
	if (!OidIsValid(request->role))
		return refuse_anonymous(request, refusal,
								"The role of mytsdb.anonymous_role does not exist.");
	if (superuser_arg(request->role))
		return refuse_anonymous(request, refusal,
								"The role of mytsdb.anonymous_role is a superuser.");
	if (!host_is_local(request->host))
		return refuse(refusal, 403,
					  "without credentials this server must be addressed as localhost or "
					  "by its IP address");
	if (serve_routes[request->route].who == SERVE_BY_INGEST && request->origin.len > 0 &&
		!http_list_has(serve_cors_origin, request->origin) &&
		!http_list_has(serve_cors_origin, (TsString){"*", 1}))
		return refuse(refusal, 403,
					  "without credentials only pages of mytsdb.cors_origin may write");
	return true;
}

static bool
authorize_password(GateRequest *request, const Credentials *credentials,
				   GateRefusal *refusal)
{
	const char *why = "";
	int retry_after = 0;

	switch (
		gate_password_verify(request, credentials, &request->role, &retry_after, &why))
	{
		case PASSWORD_RIGHT:
			return true;
		case PASSWORD_WRONG:
			return refuse_login(request, refusal, credentials->role, why,
								"wrong role or password");
		case PASSWORD_LATER:
			serve_count(STAT_AUTH_THROTTLED, 1);
			return refuse_later(refusal, 429, retry_after,
								"too many passwords are being verified");
		case PASSWORD_THROTTLED:
			return refuse_throttled(refusal, retry_after);
	}
	pg_unreachable();
}

/* Who knows a token's secret is never throttled: it cannot be guessed, and costs little. */
static bool
authorize_token(GateRequest *request, const Credentials *credentials,
				GateRefusal *refusal)
{
	const char *why = "";
	int retry_after;

	request->role = token_find_role(credentials, &why);
	if (OidIsValid(request->role) && gate_role_may_log_in(request, request->role, &why))
	{
		token_note_use(credentials->id);
		return true;
	}
	if (gate_failures_throttled(request->client, &retry_after))
		return refuse_throttled(refusal, retry_after);
	return refuse_login(request, refusal, "",
						psprintf("Token %s: %s", credentials->id, why), "invalid token");
}

static bool
authenticate_with(GateRequest *request, const Credentials *credentials,
				  GateRefusal *refusal)
{
	int retry_after;

	if (credentials->kind == CREDENTIALS_NONE)
		return authorize_anonymous(request, refusal);
	if (serve_require_ssl && !request->tls && !request->loopback)
		return refuse(refusal, 403,
					  "passwords and tokens are refused on connections that are not "
					  "encrypted: use https");
	if (credentials->kind == CREDENTIALS_TOKEN && !extension_is_ready())
		return refuse_later(refusal, 503, NOT_READY_RETRY_S, extension.why);
	switch (credentials->kind)
	{
		case CREDENTIALS_PASSWORD:
			return authorize_password(request, credentials, refusal);
		case CREDENTIALS_TOKEN:
			return authorize_token(request, credentials, refusal);
		default:
			if (gate_failures_throttled(request->client, &retry_after))
				return refuse_throttled(refusal, retry_after);
			return refuse_login(request, refusal, "", credentials->why,
								"invalid credentials");
	}
}

static bool
authenticate(GateRequest *request, GateRefusal *refusal)
{
	char *room = palloc(request->authorization.len + 1);
	Credentials credentials;
	const char *name;
	bool known;

	credentials_parse(request->authorization, room, &credentials);
	known = authenticate_with(request, &credentials, refusal);
	explicit_bzero(room, request->authorization.len + 1);
	explicit_bzero(&credentials, sizeof(credentials));
	if (!known)
		return false;
	name = GetUserNameFromId(request->role, true);
	if (name == NULL)
		return refuse(refusal, 401, "this role was dropped");
	request->role_name = MemoryContextStrdup(request->context, name);
	if (pg_database_aclcheck(MyDatabaseId, request->role, ACL_CONNECT) == ACLCHECK_OK)
		return true;
	refusal->detail = "The role has no privilege CONNECT on the database.";
	return refuse(refusal, 403, "this role may not connect to the database");
}

/* ---- what for ---- */

/* The privilege on the table of metrics without which a route cannot do anything. */
static AclMode
privilege_for(ServeRoute route)
{
	switch (route)
	{
		case ROUTE_WRITE:
		case ROUTE_OTLP_METRICS:
		case ROUTE_OTLP_GRPC:
			return ACL_INSERT;
		case ROUTE_READ:
		case ROUTE_QUERY:
		case ROUTE_QUERY_RANGE:
		case ROUTE_SERIES:
		case ROUTE_LABELS:
		case ROUTE_LABEL_VALUES:
		case ROUTE_STATUS_TSDB:
			return ACL_SELECT;
		default:
			return ACL_NO_RIGHTS;
	}
}

/* Not when the table, or its schema, has just gone; that is no error. */
static bool
has_privilege(Oid table, Oid role, AclMode privilege)
{
	Oid schema = get_rel_namespace(table);
	bool missing = false;

	if (!SearchSysCacheExists1(NAMESPACEOID, ObjectIdGetDatum(schema)) ||
		pg_namespace_aclcheck(schema, role, ACL_USAGE) != ACLCHECK_OK)
		return false;
	return privilege == ACL_NO_RIGHTS ||
		   pg_class_aclcheck_ext(table, role, privilege, &missing) == ACLCHECK_OK ||
		   pg_attribute_aclcheck_all(table, role, privilege, ACLMASK_ANY) == ACLCHECK_OK;
}

static bool
refuse_privilege(GateRequest *request, GateRefusal *refusal, AclMode privilege)
{
	const char *schema = get_namespace_name(get_rel_namespace(request->source));
	const char *table = get_rel_name(request->source);
	StringInfoData message;

	if (schema == NULL || table == NULL)
		return refuse(refusal, 404, "there is no such tenant");
	initStringInfo(&message);
	appendStringInfo(&message, "permission denied: role \"%s\" needs USAGE on schema %s",
					 request->role_name, quote_identifier(schema));
	if (privilege != ACL_NO_RIGHTS)
		appendStringInfo(&message, " and %s on table %s",
						 privilege == ACL_INSERT ? "INSERT" : "SELECT",
						 quote_qualified_identifier(schema, table));
	return refuse(refusal, 403, MemoryContextStrdup(request->context, message.data));
}

static bool
find_source(GateRequest *request, GateRefusal *refusal)
{
	AclMode privilege = privilege_for(request->route);

	if (!extension_is_ready())
		return refuse_later(refusal, 503, NOT_READY_RETRY_S, extension.why);
	request->source = tenant_find_metrics(request->tenant);
	if (!OidIsValid(request->source))
		return refuse(refusal, 404, "there is no such tenant");
	if (has_privilege(request->source, request->role, privilege))
		return true;
	return refuse_privilege(request, refusal, privilege);
}

typedef struct Authorization
{
	GateRequest *request;
	GateRefusal *refusal;
	bool granted;
} Authorization;

static void
authorize(void *arg)
{
	Authorization *authorization = arg;
	GateRequest *request = authorization->request;
	GateRefusal *refusal = authorization->refusal;
	int retry_after;

	authorization->granted = false;
	if (!authenticate(request, refusal))
		return;
	if (!gate_rate_request(request->role, &retry_after))
	{
		serve_count(STAT_RATE_LIMITED, 1);
		(void) refuse_later(refusal, 429, retry_after,
							"this role has made too many requests");
		return;
	}
	authorization->granted = serve_routes[request->route].who == SERVE_BY_GATE ||
							 find_source(request, refusal);
}

bool
gate_authorize(GateRequest *request, GateRefusal *refusal)
{
	Authorization authorization = {.request = request, .refusal = refusal};

	*refusal = (GateRefusal){.status = 0};
	request->role = InvalidOid;
	request->role_name = NULL;
	request->source = InvalidOid;
	if (serve_routes[request->route].open)
		return true;
	if (!in_transaction(authorize, &authorization))
		return refuse_later(refusal, 503, 1, "the database's catalogs cannot be read");
	Assert(authorization.granted == (refusal->status == 0));
	return authorization.granted;
}

bool
gate_allow_bytes(GateRequest *request, uint64 bytes, GateRefusal *refusal)
{
	int retry_after;

	*refusal = (GateRefusal){.status = 0};
	if (!OidIsValid(request->role) || gate_rate_bytes(request->role, bytes, &retry_after))
		return true;
	serve_count(STAT_RATE_LIMITED, 1);
	return refuse_later(refusal, 429, retry_after, "this role has sent too many bytes");
}

/* ---- starting ---- */

/* Says what an operator may not expect of the settings. */
static void
report_settings(void)
{
	if (serve_anonymous_role[0] != '\0' && !loopback_only)
		ereport(WARNING,
				(errmsg("mytsdb.anonymous_role is not used"),
				 errdetail("mytsdb.listen_addresses has addresses that are not "
						   "loopback."),
				 errhint("Give those who write and read a password or a token.")));
}

void
gate_auth_start(void)
{
	SetConfigOption("lock_timeout", LOCK_TIMEOUT_MS, PGC_SUSET, PGC_S_OVERRIDE);
	loopback_only = serve_loopback_only();
	gate_failures_start();
	gate_password_start();
	gate_rate_start();
	report_settings();
}

void
gate_auth_reload(void)
{
	gate_rate_reload();
	report_settings();
}
