/*
 * exec_source.c
 *	  The table that a query reads: whether it can be read as samples, and by whom.
 *
 * A source is a table USING mytsdb whose series are by one column of type labels. Its
 * samples are in a column of numbers: the one named `value`, or else the only one; and
 * in a column of type histogram (named `histogram`, or else the only one), if there is any.
 * Start times are in a column `start_time` of type timestamptz, if there is any. Times that
 * have no zone (timestamp, date) are taken as UTC, so that they are the same for everybody
 * and in order.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"

#include "exec_internal.h"
#include "histogram_type.h"
#include "labels_type.h"

#define SOURCE_HINT                                                    \
	"PromQL reads tables USING mytsdb WITH (mytsdb.series_by = 'c'), " \
	"where c is a column of type labels."

/* ---- columns ---- */

static bool
is_number(Oid type)
{
	return type == FLOAT8OID || type == FLOAT4OID || type == INT2OID || type == INT4OID ||
		   type == INT8OID || type == NUMERICOID;
}

static bool
is_timestamptz(Oid type)
{
	return type == TIMESTAMPTZOID;
}

/*
 * The value column of such a type that has this name, or else the only one; 0: there is
 * none, -1: there are several.
 */
static int
find_column(const PqExec *exec, const char *name, bool (*is)(Oid type), bool named)
{
	TupleDesc desc = RelationGetDescr(exec->rel);
	int found = 0;

	for (int i = 0; i < exec->table->natts; i++)
	{
		const TsColumn *column = &exec->table->columns[i];
		bool called = strcmp(NameStr(TupleDescAttr(desc, i)->attname), name) == 0;

		if (column->kind == TS_COLUMN_NONE || column->role != TS_ROLE_VALUE ||
			(named && !called) || !is(column->type))
			continue;
		if (called)
			return i + 1;
		found = found == 0 ? i + 1 : -1;
	}
	return found;
}

static void
refuse_columns(const PqExec *exec, const char *what)
{
	ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
					errmsg("table \"%s\" cannot be read by PromQL",
						   RelationGetRelationName(exec->rel)),
					errdetail("%s", what),
					errhint("Samples are in a column named \"value\", or in the only "
							"column of a numeric type.")));
}

static void
find_columns(PqExec *exec)
{
	int value = find_column(exec, "value", is_number, false);
	int histogram = find_column(exec, "histogram", histogram_is_type, false);

	if (value < 0)
		refuse_columns(exec, "It has several columns of numbers, and none of them is "
							 "named \"value\".");
	if (histogram < 0)
		refuse_columns(exec, "It has several columns of type histogram, and none of them "
							 "is named \"histogram\".");
	if (value == 0 && histogram == 0)
		refuse_columns(exec, "It has no column of numbers.");
	exec->labels_column = exec->table->keys[0];
	exec->value_column = (AttrNumber) value;
	exec->histogram_column = (AttrNumber) histogram;
	exec->start_time_column = (AttrNumber) find_column(exec, "start_time", is_timestamptz,
													   true);
}

/* ---- rights ---- */

void
pq_check_column(Relation rel, AttrNumber column)
{
	Oid relid = RelationGetRelid(rel);

	if (pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK &&
		pg_attribute_aclcheck(relid, column, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, get_relkind_objtype(rel->rd_rel->relkind),
					   RelationGetRelationName(rel));
}

static void
check_rights(const PqExec *exec)
{
	Oid relid = RelationGetRelid(exec->rel);
	const AttrNumber columns[] = {exec->labels_column, exec->table->time_column,
								  exec->value_column, exec->histogram_column,
								  exec->start_time_column};

	for (int i = 0; i < (int) lengthof(columns); i++)
	{
		if (columns[i] != 0)
			pq_check_column(exec->rel, columns[i]);
	}
	if (check_enable_rls(relid, InvalidOid, false) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("PromQL cannot read table \"%s\", whose row security applies to "
						"the current user",
						RelationGetRelationName(exec->rel)),
				 errhint("Give each group of users a table of its own, with privileges "
						 "instead of policies.")));
}

/* ---- the table ---- */

static void
refuse_relation(Relation rel, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("\"%s\" cannot be read by PromQL", RelationGetRelationName(rel)),
			 errdetail("%s", what), errhint(SOURCE_HINT)));
}

void
pq_open_source(PqExec *exec, Oid source)
{
	Relation rel = try_relation_open(source, AccessShareLock);

	if (rel == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("relation with OID %u does not exist", source)));
	switch (rel->rd_rel->relkind)
	{
		case RELKIND_RELATION:
		case RELKIND_MATVIEW:
			break;
		case RELKIND_PARTITIONED_TABLE:
			refuse_relation(rel, "It is a partitioned table; its partitions are tables "
								 "that can be read one by one.");
			break;
		case RELKIND_VIEW:
			refuse_relation(rel, "It is a view.");
			break;
		default:
			refuse_relation(rel, "It is not a table.");
	}
	if (!ts_table_is_ours(rel))
		refuse_relation(rel, "It does not use the access method mytsdb.");
	exec->rel = rel;
	exec->table = ts_table_get(rel);
	if (!exec->table->labels_key)
		refuse_relation(rel, "Its series are not by one column of type labels.");
	find_columns(exec);
	check_rights(exec);
}
