/*
 * ddl_options.c
 *	  Options of statements to elements of pg_class.reloptions and back.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "nodes/makefuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "ddl.h"
#include "ts_ddl.h"
#include "ts_pages.h"
#include "ts_table.h"

#define PREFIX TS_OPTION_NAMESPACE "."

DefElem *
ddl_option(const char *name, char *value)
{
	return makeDefElem(pstrdup(name), (Node *) makeString(value), -1);
}

List *
ddl_take_options(List **options)
{
	List *ours = NIL;
	List *others = NIL;
	ListCell *lc;

	foreach (lc, *options)
	{
		DefElem *def = lfirst_node(DefElem, lc);
		const char *name = NULL;
		char *value;

		if (def->defnamespace && strcmp(def->defnamespace, TS_OPTION_NAMESPACE) == 0)
			name = def->defname;
		else if (!def->defnamespace && ts_options_is_ours(def->defname))
			name = def->defname + strlen(PREFIX);
		if (name == NULL)
		{
			others = lappend(others, def);
			continue;
		}
		value = def->arg ? defGetString(def) : pstrdup("true"); /* as the server has it */
		ours = lappend(ours, ddl_option(name, value));
	}
	*options = others;
	return ours;
}

void
ddl_refuse_bare_options(List *others)
{
	ListCell *lc;

	foreach (lc, others)
	{
		DefElem *def = lfirst_node(DefElem, lc);

		if (!def->defnamespace && ts_options_is_name(def->defname))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unrecognized parameter \"%s\"", def->defname),
					 errhint("The option of tables USING mytsdb is called mytsdb.%s.",
							 def->defname)));
	}
}

/* Whether an element "mytsdb.name=value" is of one of these options. */
static bool
element_named(const char *element, List *options)
{
	ListCell *lc;

	if (!ts_options_is_ours(element))
		return false;
	element += strlen(PREFIX);
	foreach (lc, options)
	{
		const char *name = lfirst_node(DefElem, lc)->defname;
		size_t len = strlen(name);

		if (strncmp(element, name, len) == 0 &&
			(element[len] == '=' || element[len] == '\0'))
			return true;
	}
	return false;
}

static Datum
make_array(List *elements)
{
	ArrayBuildState *state = NULL;
	ListCell *lc;

	foreach (lc, elements)
		state = accumArrayResult(state, CStringGetTextDatum(lfirst(lc)), false, TEXTOID,
								 CurrentMemoryContext);
	return state ? makeArrayResult(state, CurrentMemoryContext) : (Datum) 0;
}

static List *
split_array(Datum reloptions)
{
	Datum *elements;
	int count;
	List *list = NIL;

	if (DatumGetPointer(reloptions) == NULL)
		return NIL;
	deconstruct_array(DatumGetArrayTypeP(reloptions), TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, NULL, &count);
	for (int i = 0; i < count; i++)
		list = lappend(list, TextDatumGetCString(elements[i]));
	return list;
}

Datum
ddl_merge_options(Datum reloptions, List *options, bool reset)
{
	List *kept = NIL;
	ListCell *lc;

	foreach (lc, split_array(reloptions))
	{
		if (!element_named(lfirst(lc), options))
			kept = lappend(kept, lfirst(lc));
	}
	if (!reset)
	{
		foreach (lc, options)
		{
			DefElem *def = lfirst_node(DefElem, lc);

			kept = lappend(kept,
						   psprintf(PREFIX "%s=%s", def->defname, defGetString(def)));
		}
	}
	return make_array(kept);
}

static Datum
filter_options(Datum reloptions, bool ours)
{
	List *kept = NIL;
	ListCell *lc;

	foreach (lc, split_array(reloptions))
	{
		if (ts_options_is_ours(lfirst(lc)) == ours)
			kept = lappend(kept, lfirst(lc));
	}
	return make_array(kept);
}

Datum
ddl_strip_options(Datum reloptions)
{
	return filter_options(reloptions, false);
}

Datum
ddl_only_options(Datum reloptions)
{
	return filter_options(reloptions, true);
}

Datum
ddl_concat_options(Datum first, Datum second)
{
	return make_array(list_concat(split_array(first), split_array(second)));
}

Datum
ddl_pick_options(Datum reloptions, List *elements)
{
	List *kept = NIL;
	ListCell *lc;

	foreach (lc, split_array(reloptions))
	{
		if (element_named(lfirst(lc), elements))
			kept = lappend(kept, lfirst(lc));
	}
	return make_array(kept);
}

Datum
ddl_get_reloptions(Oid relid)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Datum reloptions;
	bool isnull;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	reloptions = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_reloptions, &isnull);
	if (!isnull)
		reloptions = PointerGetDatum(DatumGetArrayTypePCopy(reloptions));
	ReleaseSysCache(tuple);
	return isnull ? (Datum) 0 : reloptions;
}

void
ddl_set_reloptions(Oid relid, Datum reloptions)
{
	Relation pg_class = table_open(RelationRelationId, RowExclusiveLock);
	HeapTuple tuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(relid));
	HeapTuple changed;
	Datum values[Natts_pg_class] = {0};
	bool nulls[Natts_pg_class] = {0};
	bool replace[Natts_pg_class] = {0};

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	replace[Anum_pg_class_reloptions - 1] = true;
	values[Anum_pg_class_reloptions - 1] = reloptions;
	nulls[Anum_pg_class_reloptions - 1] = DatumGetPointer(reloptions) == NULL;
	changed = heap_modify_tuple(tuple, RelationGetDescr(pg_class), values, nulls,
								replace);
	CatalogTupleUpdate(pg_class, &changed->t_self, changed);
	InvokeObjectPostAlterHook(RelationRelationId, relid, 0);
	table_close(pg_class, RowExclusiveLock);
	CommandCounterIncrement();
}

char *
ddl_column_names(Oid relid, const AttrNumber *attnums, int count)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < count; i++)
	{
		if (i > 0)
			appendStringInfoChar(&names, ',');
		appendStringInfoString(&names,
							   quote_identifier(get_attname(relid, attnums[i], false)));
	}
	return names.data;
}

/*
 * The table that a rewrite makes its new file for goes by this name while it lasts, and
 * has the options of the table it is to become, but only after its storage was made.
 */
static Oid
rewritten_table(Relation rel)
{
	const char *name = RelationGetRelationName(rel);
	Oid relid;
	int end = 0;

	if (sscanf(name, "pg_temp_%u%n", &relid, &end) != 1 || name[end] != '\0')
		return InvalidOid;
	return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)) ? relid : InvalidOid;
}

int
ts_ddl_shards_for(Relation rel, const RelFileNode *newrnode)
{
	TsOptions options;
	Oid relid = RelationGetRelid(rel);

	if (ddl_creation != NULL && !OidIsValid(ddl_creation->relid) &&
		RelFileNodeEquals(rel->rd_node, *newrnode) &&
		strcmp(ddl_creation->name, RelationGetRelationName(rel)) == 0)
	{
		ts_options_parse(ddl_creation->reloptions, &options);
		return ts_options_shards(&options);
	}
	if (RelFileNodeEquals(rel->rd_node, *newrnode))
	{
		Oid rewritten = rewritten_table(rel);

		if (OidIsValid(rewritten))
			relid = rewritten;
	}
	ts_options_read(relid, &options);
	return ts_options_shards(&options);
}
