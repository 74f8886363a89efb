/*
 * remote_write_metadata.c
 *	  Types, units and help texts of metrics, as remote write sends them.
 *
 * Senders repeat them all the time, so only what has changed is written: rows that need
 * no change are not locked. Rows are written in the order of their names, so that two
 * writers never wait for each other. Whoever may INSERT into the table may have its rows
 * replaced: that is done as the table's owner, who must not run what others made (triggers,
 * operators found by search_path).
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"

#include "remote_write.h"

#define TEXTS 4 /* metric, type, unit, help */

/* Strings are the message's. */
typedef struct MetricEntry
{
	TsString metric; /* the key */
	TsString type;
	TsString unit;
	TsString help;
} MetricEntry;

struct WriteMetadata
{
	HTAB *metrics;
	MemoryContext context;
	Size size; /* of all strings; series may share those of a message */
	Size limit;
};

static uint32
hash_metric(const void *key, Size size)
{
	const TsString *metric = key;

	return DatumGetUInt32(
		hash_any((const unsigned char *) metric->data, (int) metric->len));
}

static int
compare_metrics(const void *a, const void *b, Size size)
{
	return !ts_string_equal(*(const TsString *) a, *(const TsString *) b);
}

WriteMetadata *
write_metadata_begin(Size limit)
{
	WriteMetadata *all = palloc0(sizeof(*all));

	all->context = CurrentMemoryContext;
	all->limit = limit;
	return all;
}

static void
make_table(WriteMetadata *all)
{
	HASHCTL ctl = {
		.keysize = sizeof(TsString),
		.entrysize = sizeof(MetricEntry),
		.hash = hash_metric,
		.match = compare_metrics,
		.hcxt = all->context,
	};

	all->metrics = hash_create("mytsdb metadata", 64, &ctl,
							   HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
}

void
write_metadata_add(WriteMetadata *all, TsString metric, const TsWriteMetadata *metadata)
{
	MetricEntry *entry;
	bool found;

	if (all->metrics == NULL)
		make_table(all);
	entry = hash_search(all->metrics, &metric, HASH_ENTER, &found);
	if (found)
		all->size -= entry->unit.len + entry->help.len;
	else
		all->size += sizeof(MetricEntry) + metric.len;
	entry->type = (TsString){metadata->type, strlen(metadata->type)};
	entry->unit = metadata->unit;
	entry->help = metadata->help;
	all->size += metadata->unit.len + metadata->help.len;
	if (all->size > all->limit)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("metadata of a write request takes more than %zu "
							   "bytes",
							   all->limit)));
}

bool
write_is_metadata(Oid relid)
{
	static const struct
	{
		const char *name;
		Oid type;
	} columns[] = {{"metric", TEXTOID},
				   {"type", TEXTOID},
				   {"unit", TEXTOID},
				   {"help", TEXTOID},
				   {"updated", TIMESTAMPTZOID}};

	if (get_rel_relkind(relid) != RELKIND_RELATION)
		return false;
	for (int i = 0; i < (int) lengthof(columns); i++)
	{
		AttrNumber attnum = get_attnum(relid, columns[i].name);

		if (attnum <= 0 || get_atttype(relid, attnum) != columns[i].type)
			return false;
	}
	return true;
}

int64
write_metadata_count(const WriteMetadata *all)
{
	return all->metrics == NULL ? 0 : hash_get_num_entries(all->metrics);
}

static void
check_privileges(Oid relid)
{
	AclResult result = pg_class_aclcheck(relid, GetUserId(), ACL_INSERT);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, get_relkind_objtype(get_rel_relkind(relid)),
					   get_rel_name(relid));
	if (check_enable_rls(relid, InvalidOid, false) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot write metadata to table \"%s\"", get_rel_name(relid)),
				 errdetail("Row security applies to role \"%s\" there.",
						   GetUserNameFromId(GetUserId(), false))));
}

static Datum
text_datum(TsString string)
{
	return PointerGetDatum(cstring_to_text_with_len(string.data, (int) string.len));
}

static void
make_arrays(const WriteMetadata *all, Datum *arrays)
{
	HASH_SEQ_STATUS status;
	MetricEntry *entry;
	int n = (int) hash_get_num_entries(all->metrics);
	int i = 0;
	Datum *texts[TEXTS];

	for (int t = 0; t < TEXTS; t++)
		texts[t] = palloc(sizeof(Datum) * n);
	hash_seq_init(&status, all->metrics);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		texts[0][i] = text_datum(entry->metric);
		texts[1][i] = text_datum(entry->type);
		texts[2][i] = text_datum(entry->unit);
		texts[3][i++] = text_datum(entry->help);
	}
	for (int t = 0; t < TEXTS; t++)
		arrays[t] = PointerGetDatum(
			construct_array(texts[t], n, TEXTOID, -1, false, TYPALIGN_INT));
}

static void
write_changes(const char *table, Datum *arrays)
{
	Oid types[TEXTS] = {TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID};
	char *sql = psprintf(
		"INSERT INTO %s AS m (metric, type, unit, help, updated) "
		"SELECT u.*, now() "
		"FROM unnest($1, $2, $3, $4) u (metric, type, unit, help) "
		"WHERE NOT EXISTS (SELECT FROM %s o WHERE o.metric = u.metric AND "
		"o.type = u.type AND o.unit = u.unit AND o.help = u.help) "
		"ORDER BY u.metric COLLATE \"C\" "
		"ON CONFLICT (metric) DO UPDATE SET type = excluded.type, unit = excluded.unit, "
		"help = excluded.help, updated = excluded.updated",
		table, table);

	if (SPI_connect() != SPI_OK_CONNECT ||
		SPI_execute_with_args(sql, TEXTS, types, arrays, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not write metadata");
	SPI_finish();
}

void
write_metadata_check(Oid relid)
{
	Relation rel = write_relation_open(relid);

	check_privileges(relid);
	write_refuse_what_fires(rel, true);
	relation_close(rel, NoLock);
}

void
write_metadata_apply(WriteMetadata *all, Oid relid)
{
	Relation rel;
	Datum arrays[TEXTS];
	Oid user;
	int context;
	int level;

	rel = relation_open(relid, NoLock);
	make_arrays(all, arrays);

	/* As the owner, and with names that nobody else can give a meaning to. */
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(rel->rd_rel->relowner, context | SECURITY_LOCAL_USERID_CHANGE |
													  SECURITY_RESTRICTED_OPERATION);
	level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	write_changes(
		quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
								   RelationGetRelationName(rel)),
		arrays);
	AtEOXact_GUC(false, level);
	SetUserIdAndSecContext(user, context);
	relation_close(rel, NoLock);
}
