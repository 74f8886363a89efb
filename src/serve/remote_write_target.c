/*
 * remote_write_target.c
 *	  What remote write must know of a table USING mytsdb before it writes there.
 *
 * Rows go straight to the private buffer, past the executor. So what the executor would
 * do for an INSERT is done by us: privileges here, defaults, generated columns and
 * constraints where rows are applied; or the table is refused (row security, triggers,
 * rules). A table that has nothing of the kind, as the metrics store, is *plain*: it costs
 * nothing of it, and rows need not come with the labels of a series that is known.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/sysattr.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "pgstat.h"
#include "rewrite/prs2lock.h"
#include "rewrite/rewriteDefine.h"
#include "rewrite/rewriteHandler.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"

#include "histogram_type.h"
#include "labels_type.h"
#include "remote_write.h"
#include "ts_buffer.h"
#include "ts_series.h"
#include "ts_table.h"

typedef struct ColumnSpec
{
	const char *name;
	bool (*is_type)(Oid type);
	const char *type; /* for messages */
	bool samples;     /* rows of samples have it */
	bool exemplars;
	bool required;
	bool always; /* never NULL */
} ColumnSpec;

static bool
is_timestamptz(Oid type)
{
	return type == TIMESTAMPTZOID;
}

static bool
is_float8(Oid type)
{
	return type == FLOAT8OID;
}

static const ColumnSpec specs[WRITE_COLUMNS] = {
	[WRITE_LABELS] = {"labels", labels_is_type, "labels", true, true, true, true},
	[WRITE_TIME] = {"time", is_timestamptz, "timestamp with time zone", true, true, true,
					true},
	[WRITE_VALUE] = {"value", is_float8, "double precision", true, true, true, false},
	[WRITE_HISTOGRAM] = {"histogram", histogram_is_type, "histogram", true, false, false,
						 false},
	[WRITE_START_TIME] = {"start_time", is_timestamptz, "timestamp with time zone", true,
						  false, false, false},
	[WRITE_EXEMPLAR] = {"exemplar", labels_is_type, "labels", false, true, true, true},
	[WRITE_RECEIVED] = {"received", is_timestamptz, "timestamp with time zone", false,
						true, false, true},
};

/* ---- the table's columns ---- */

/* Opens a relation, by a number that may be anybody's, and keeps it locked. */
Relation
write_relation_open(Oid relid)
{
	Relation rel = try_relation_open(relid, RowExclusiveLock);

	if (rel == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("relation with OID %u does not exist", relid)));
	return rel;
}

static void refuse_column(Relation rel, const ColumnSpec *spec, const char *why)
	pg_attribute_noreturn();

static void
refuse_column(Relation rel, const ColumnSpec *spec, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("cannot write to table \"%s\" by remote write or OTLP",
					RelationGetRelationName(rel)),
			 errdetail("Column \"%s\" %s.", spec->name, why),
			 errhint("The table needs columns labels labels, time timestamptz and value "
					 "float8, and may have histogram histogram and start_time "
					 "timestamptz.")));
}

static AttrNumber
find_column(Relation rel, const ColumnSpec *spec)
{
	AttrNumber attnum = get_attnum(RelationGetRelid(rel), spec->name);
	Form_pg_attribute att;

	if (attnum <= 0)
	{
		if (spec->required)
			refuse_column(rel, spec, "does not exist");
		return InvalidAttrNumber;
	}
	att = TupleDescAttr(RelationGetDescr(rel), attnum - 1);
	if (!spec->is_type(att->atttypid))
		refuse_column(rel, spec, psprintf("is not of type %s", spec->type));
	if (att->attgenerated)
		refuse_column(rel, spec, "is generated");
	return attnum;
}

static void
find_columns(Relation rel, bool exemplars, WriteTarget *target)
{
	for (int i = 0; i < WRITE_COLUMNS; i++)
	{
		bool wanted = exemplars ? specs[i].exemplars : specs[i].samples;

		target->attnums[i] = wanted ? find_column(rel, &specs[i]) : InvalidAttrNumber;
	}
}

bool
write_is_exemplars(Oid relid)
{
	Relation rel = relation_open(relid, AccessShareLock);
	bool is = rel->rd_rel->relkind == RELKIND_RELATION && ts_table_is_ours(rel);

	for (int i = 0; is && i < WRITE_COLUMNS; i++)
	{
		AttrNumber attnum = get_attnum(relid, specs[i].name);

		if (specs[i].exemplars && specs[i].required)
			is = attnum > 0 && specs[i].is_type(get_atttype(relid, attnum));
	}
	relation_close(rel, AccessShareLock);
	return is;
}

/* ---- what may not be passed by ---- */

/*
 * Of updates, foreign keys that refer to the table do not matter: keys are not changed.
 */
static const char *
why_fires(const Trigger *trigger, bool updates)
{
	if (trigger->tgenabled == TRIGGER_DISABLED)
		return NULL;
	if (TRIGGER_FOR_INSERT(trigger->tgtype))
		return trigger->tgisinternal ? "a foreign key" : "a trigger on INSERT";
	if (updates && TRIGGER_FOR_UPDATE(trigger->tgtype) && !trigger->tgisinternal)
		return "a trigger on UPDATE";
	return NULL;
}

void
write_refuse_what_fires(Relation rel, bool updates)
{
	const char *what = NULL;

	for (int i = 0;
		 what == NULL && rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
		what = why_fires(&rel->trigdesc->triggers[i], updates);
	for (int i = 0; rel->rd_rules != NULL && i < rel->rd_rules->numLocks; i++)
	{
		const RewriteRule *rule = rel->rd_rules->rules[i];

		if (rule->enabled == RULE_DISABLED)
			continue;
		if (rule->event == CMD_INSERT)
			what = "a rule on INSERT";
		else if (updates && rule->event == CMD_UPDATE)
			what = "a rule on UPDATE";
	}
	if (what != NULL)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("cannot write to table \"%s\" by remote write or OTLP",
							   RelationGetRelationName(rel)),
						errdetail("It has %s, which such writes do not run.", what),
						errhint("Write to a table without, or use INSERT.")));
}

static void
refuse_row_security(Relation rel)
{
	if (check_enable_rls(RelationGetRelid(rel), InvalidOid, false) == RLS_ENABLED)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("cannot write to table \"%s\" by remote write or OTLP",
							   RelationGetRelationName(rel)),
						errdetail("Row security applies to role \"%s\" there.",
								  GetUserNameFromId(GetUserId(), false)),
						errhint("Write as a role with BYPASSRLS, or use INSERT.")));
}

RangeTblEntry *
write_target_entry(const WriteTarget *target)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);

	rte->rtekind = RTE_RELATION;
	rte->relid = target->relid;
	rte->relkind = RELKIND_RELATION;
	rte->rellockmode = RowExclusiveLock;
	rte->requiredPerms = ACL_INSERT;
	for (int i = 0; i < WRITE_COLUMNS; i++)
	{
		if (target->attnums[i] != InvalidAttrNumber)
			rte->insertedCols = bms_add_member(rte->insertedCols,
											   target->attnums[i] -
												   FirstLowInvalidHeapAttributeNumber);
	}
	return rte;
}

/* ---- is it plain? ---- */

int
write_column_of(const WriteTarget *target, AttrNumber attnum)
{
	for (int i = 0; i < WRITE_COLUMNS; i++)
	{
		if (target->attnums[i] == attnum)
			return i;
	}
	return -1;
}

Expr *
write_column_default(Relation rel, Form_pg_attribute att)
{
	Expr *expr = NULL;

	if (att->attgenerated)
		return NULL;
	if (att->attidentity || att->atthasdef || get_typdefault(att->atttypid) != NULL)
		expr = (Expr *) build_column_default(rel, att->attnum);
	if (expr == NULL && get_typtype(att->atttypid) == TYPTYPE_DOMAIN)
		expr = (Expr *) coerce_to_domain(
			(Node *) makeNullConst(getBaseType(att->atttypid), -1, att->attcollation),
			InvalidOid, -1, att->atttypid, COERCION_IMPLICIT, COERCE_IMPLICIT_CAST, -1,
			false);
	return expr;
}

/* Whether rows need more than to be written. */
static bool
needs_executor(Relation rel, const WriteTarget *target)
{
	TupleDesc desc = RelationGetDescr(rel);
	const TupleConstr *constr = desc->constr;

	if (rel->rd_rel->relispartition ||
		(constr != NULL && (constr->num_check > 0 || constr->has_generated_stored)))
		return true;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		int column = write_column_of(target, att->attnum);

		if (att->attisdropped)
			continue;
		if (att->attnotnull && (column < 0 || !specs[column].always))
			return true;
		if (column < 0 && write_column_default(rel, att) != NULL)
			return true;
	}
	return false;
}

Relation
write_target_open(Oid relid, bool exemplars, WriteTarget *target)
{
	Relation rel = write_relation_open(relid);

	if (rel->rd_rel->relkind != RELKIND_RELATION || !ts_table_is_ours(rel))
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("cannot write to relation \"%s\" by remote write or OTLP",
							   RelationGetRelationName(rel)),
						errdetail("It is not a table USING mytsdb.")));
	target->relid = relid;
	target->plain = NULL;
	find_columns(rel, exemplars, target);
	ExecCheckRTPerms(list_make1(write_target_entry(target)), true);
	refuse_row_security(rel);
	write_refuse_what_fires(rel, false);
	if (!needs_executor(rel, target))
	{
		TsTable *table = ts_table_get(rel);

		if (table->labels_key && table->keys[0] == target->attnums[WRITE_LABELS] &&
			table->time_column == target->attnums[WRITE_TIME])
			target->plain = table;
	}
	return rel;
}
