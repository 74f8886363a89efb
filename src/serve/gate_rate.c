/*
 * gate_rate.c
 *	  What a role may ask for per second: requests, and bytes of bodies.
 *
 * The rates are mytsdb.request_rate and mytsdb.write_rate as a session of the role would
 * have them: as configured, or as ALTER DATABASE and ALTER ROLE ... SET say. No cache of
 * PostgreSQL's holds the latter, nor tells when they change, so they are read every
 * READ_INTERVAL_S seconds for roles that make requests.
 *
 * An allowance holds what may come in one second. A body may be larger than that: what is
 * overdrawn has to be made good before the next.
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_db_role_setting.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "gate_auth.h"
#include "serve_settings.h"

#define READ_INTERVAL_S 5.0
#define MAX_ROLES       10000 /* that are remembered */

typedef struct RoleRates
{
	Oid role; /* hash key */
	double read;
	int request_rate;
	int write_rate; /* kB */
	GateBucket requests;
	GateBucket bytes;
} RoleRates;

static HTAB *roles;

void
gate_rate_start(void)
{
	HASHCTL control = {
		.keysize = sizeof(Oid), .entrysize = sizeof(RoleRates), .hcxt = TopMemoryContext};

	roles = hash_create("rates of roles", 64, &control,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* ---- what is set ---- */

static void
apply_setting(char *text, RoleRates *rates)
{
	char *name;
	char *value;
	int number;

	ParseLongOption(text, &name, &value);
	if (value != NULL && pg_strcasecmp(name, "mytsdb.request_rate") == 0 &&
		parse_int(value, &number, 0, NULL))
		rates->request_rate = number;
	else if (value != NULL && pg_strcasecmp(name, "mytsdb.write_rate") == 0 &&
			 parse_int(value, &number, GUC_UNIT_KB, NULL))
		rates->write_rate = number;
}

/* Applies what is set for a role and a database; either may be 0, for all. */
static void
apply_settings(Relation settings, Oid database, Oid role, RoleRates *rates)
{
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple tuple;
	Datum *texts;
	bool isnull;
	int count;

	ScanKeyInit(&keys[0], Anum_pg_db_role_setting_setdatabase, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(database));
	ScanKeyInit(&keys[1], Anum_pg_db_role_setting_setrole, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(role));
	scan = systable_beginscan(settings, DbRoleSettingDatidRolidIndexId, true, NULL, 2,
							  keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Datum value = heap_getattr(tuple, Anum_pg_db_role_setting_setconfig,
								   RelationGetDescr(settings), &isnull);

		if (isnull)
			continue;
		deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT,
						  &texts, NULL, &count);
		for (int i = 0; i < count; i++)
			apply_setting(TextDatumGetCString(texts[i]), rates);
	}
	systable_endscan(scan);
}

static void
read_rates(RoleRates *rates)
{
	Relation settings = table_open(DbRoleSettingRelationId, AccessShareLock);
	RoleRates now = {.role = rates->role,
					 .request_rate = serve_request_rate,
					 .write_rate = serve_write_rate};

	/* the more special comes last */
	apply_settings(settings, InvalidOid, InvalidOid, &now);
	apply_settings(settings, MyDatabaseId, InvalidOid, &now);
	apply_settings(settings, InvalidOid, rates->role, &now);
	apply_settings(settings, MyDatabaseId, rates->role, &now);
	table_close(settings, AccessShareLock);
	rates->request_rate = now.request_rate;
	rates->write_rate = now.write_rate;
	rates->read = gate_seconds();
}

void
gate_rate_reload(void)
{
	HASH_SEQ_STATUS status;
	RoleRates *rates;

	hash_seq_init(&status, roles);
	while ((rates = hash_seq_search(&status)) != NULL)
		rates->read = 0;
}

/* ---- what is left ---- */

/* Forgets those whose allowances are full again. */
static void
forget_idle(double now)
{
	HASH_SEQ_STATUS status;
	RoleRates *rates;

	hash_seq_init(&status, roles);
	while ((rates = hash_seq_search(&status)) != NULL)
	{
		if (now - rates->requests.at > READ_INTERVAL_S &&
			(rates->bytes.level >= 0 || now - rates->bytes.at > READ_INTERVAL_S))
			(void) hash_search(roles, &rates->role, HASH_REMOVE, NULL);
	}
}

static RoleRates *
find_role(Oid role, double now)
{
	RoleRates *rates;
	bool found;

	if (hash_get_num_entries(roles) >= MAX_ROLES)
		forget_idle(now);
	rates = hash_search(roles, &role, HASH_ENTER, &found);
	if (!found)
		*rates = (RoleRates){.role = role};
	return rates;
}

static bool
take(GateBucket *bucket, double rate, double amount, double now, int *retry_after)
{
	gate_bucket_fill(bucket, rate, rate, now);
	if (bucket->level < 1)
	{
		*retry_after = (int) ceil((1 - bucket->level) / rate);
		return false;
	}
	bucket->level -= amount;
	return true;
}

bool
gate_rate_request(Oid role, int *retry_after)
{
	double now = gate_seconds();
	RoleRates *rates = find_role(role, now);

	if (rates->read == 0 || now - rates->read > READ_INTERVAL_S)
		read_rates(rates);
	return rates->request_rate == 0 ||
		   take(&rates->requests, rates->request_rate, 1, now, retry_after);
}

bool
gate_rate_bytes(Oid role, uint64 bytes, int *retry_after)
{
	RoleRates *rates = hash_search(roles, &role, HASH_FIND, NULL);

	return rates == NULL || rates->write_rate == 0 ||
		   take(&rates->bytes, rates->write_rate * 1024.0, (double) bytes, gate_seconds(),
				retry_after);
}
