/*
 * scan_index.c
 *	  Which series a scan reads, found by the label index: conditions on a key of labels
 *	  that ask for names and values.
 *
 * The index answers, for the series that it covers,
 *
 *	l ~ selector, l !~ selector, l @> labels, l ? name,
 *	l ->> name = value, l ->> name = ANY (values)
 *
 * where what l is compared with has no columns, and exactly as the operators do. Other
 * conditions are left to be evaluated for the series it finds, and so are all of them
 * where it cannot tell: a pattern exceeded its limit for some value, which may be one that
 * evaluation never comes to.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "labels_type.h"
#include "serve_stats.h"
#include "sql_scan.h"
#include "ts_index.h"

typedef enum ConditionKind
{
	SELECTED,     /* l ~ right */
	NOT_SELECTED, /* l !~ right */
	CONTAINS,     /* l @> right */
	NAMED,        /* l ? right */
	VALUE,        /* l ->> name = right */
	ANY_VALUE     /* l ->> name = ANY (right) */
} ConditionKind;

typedef struct Condition
{
	ConditionKind kind;
	ExprState *name; /* of VALUE, ANY_VALUE */
	ExprState *right;
} Condition;

struct SqlScanIndex
{
	Relation rel;
	const TsTable *table;
	Snapshot snapshot;
	Condition *conditions;
	int count;
	ExprState *all;  /* all conditions, these and others */
	ExprState *rest; /* the others; NULL: there are none */
	int segments;    /* that were used last, and their series */
	uint32 covered;
};

/* ---- which conditions ---- */

static Node *
strip(Node *node)
{
	while (node != NULL && IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return node;
}

static bool
is_key(Node *node, Index relid, const TsTable *table)
{
	return sqlscan_is_column(node, relid, table->keys[0]);
}

/* The arguments of `l ->> name`, or NIL. */
static List *
match_get(Node *node, Index relid, const TsTable *table)
{
	Oid function = InvalidOid;
	List *args = NIL;

	node = strip(node);
	if (IsA(node, OpExpr))
	{
		function = ((OpExpr *) node)->opfuncid;
		args = ((OpExpr *) node)->args;
	}
	else if (IsA(node, FuncExpr))
	{
		function = ((FuncExpr *) node)->funcid;
		args = ((FuncExpr *) node)->args;
	}
	if (list_length(args) != 2 || !is_key(linitial(args), relid, table) ||
		contain_var_clause(lsecond(args)))
		return NIL;
	return sqlscan_is_c_function(function, "mytsdb_labels_get") ? args : NIL;
}

static bool
match_operator(OpExpr *op, Index relid, const TsTable *table, ConditionKind *kind)
{
	static const char *const symbols[] = {[SELECTED] = "mytsdb_labels_matches",
										  [NOT_SELECTED] = "mytsdb_labels_not_matches",
										  [CONTAINS] = "mytsdb_labels_contains",
										  [NAMED] = "mytsdb_labels_exists"};

	if (!is_key(linitial(op->args), relid, table) ||
		contain_var_clause(lsecond(op->args)))
		return false;
	for (int i = 0; i < (int) lengthof(symbols); i++)
	{
		if (sqlscan_is_c_function(op->opfuncid, symbols[i]))
		{
			*kind = (ConditionKind) i;
			return true;
		}
	}
	return false;
}

/* Whether an equality of texts is one of their bytes. */
static bool
is_text_equality(Oid function, Oid collation)
{
	return function == F_TEXTEQ && OidIsValid(collation) &&
		   get_collation_isdeterministic(collation);
}

/* Whether the index answers a condition; and how it reads then. */
static bool
match_condition(Node *clause, Index relid, const TsTable *table, ConditionKind *kind,
				Node **name, Node **right)
{
	List *args;
	List *get = NIL;

	*name = NULL;
	if (IsA(clause, OpExpr) && list_length(((OpExpr *) clause)->args) == 2)
	{
		OpExpr *op = (OpExpr *) clause;

		args = op->args;
		*right = lsecond(args);
		if (match_operator(op, relid, table, kind))
			return true;
		if (!is_text_equality(op->opfuncid, op->inputcollid))
			return false;
		*kind = VALUE;
		get = match_get(linitial(args), relid, table);
		if (get == NIL)
		{
			get = match_get(lsecond(args), relid, table);
			*right = linitial(args);
		}
	}
	else if (IsA(clause, ScalarArrayOpExpr))
	{
		ScalarArrayOpExpr *any = (ScalarArrayOpExpr *) clause;

		if (!any->useOr || !is_text_equality(any->opfuncid, any->inputcollid))
			return false;
		*kind = ANY_VALUE;
		get = match_get(linitial(any->args), relid, table);
		*right = lsecond(any->args);
	}
	if (get == NIL || contain_var_clause(*right))
		return false;
	*name = lsecond(get);
	return true;
}

SqlScanIndex *
sqlscan_index_create(Relation rel, const TsTable *table, Index relid, List *walked,
					 PlanState *parent)
{
	SqlScanIndex *index;
	List *rest = NIL;
	ListCell *lc;

	if (!table->labels_key || walked == NIL)
		return NULL;
	index = palloc0(sizeof(SqlScanIndex));
	index->rel = rel;
	index->table = table;
	index->snapshot = parent->state->es_snapshot;
	index->conditions = palloc(sizeof(Condition) * list_length(walked));
	foreach (lc, walked)
	{
		Condition *condition = &index->conditions[index->count];
		Node *name;
		Node *right;

		if (!match_condition(lfirst(lc), relid, table, &condition->kind, &name, &right))
		{
			rest = lappend(rest, lfirst(lc));
			continue;
		}
		condition->name = ExecInitExpr((Expr *) name, parent);
		condition->right = ExecInitExpr((Expr *) right, parent);
		index->count++;
	}
	if (index->count == 0)
	{
		pfree(index->conditions);
		pfree(index);
		return NULL;
	}
	index->all = ExecInitQual(walked, parent);
	index->rest = ExecInitQual(rest, parent);
	return index;
}

/* ---- conditions on the index ---- */

static TsString
text_string(Datum value)
{
	text *t = DatumGetTextPP(value);

	return (TsString){VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t)};
}

static bool
keep_selected(TsIndex *found, Datum right, bool negated)
{
	TsString selector = text_string(right);
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "PromQL selector for index", ALLOCSET_SMALL_SIZES);
	bool known = ts_index_keep_selected(
		found, labels_require_selector(selector.data, selector.len, context), negated);

	MemoryContextDelete(context);
	return known;
}

static void
keep_containing(TsIndex *found, Datum right)
{
	Labels *labels = DatumGetLabelsPP(right);
	LabelsIter iter;
	LabelsPair pair;

	labels_iter_init(&iter, LABELS_DATA(labels), LABELS_SIZE(labels));
	while (ts_index_count(found) > 0 && labels_iter_next(&iter, &pair))
		ts_index_keep_values(found, pair.name, &pair.value, 1);
}

static void
keep_any(TsIndex *found, TsString name, Datum right)
{
	Datum *elements;
	bool *nulls;
	int n;
	int nvalues = 0;
	TsString *values;

	deconstruct_array(DatumGetArrayTypeP(right), TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &n);
	values = palloc(sizeof(TsString) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		if (!nulls[i])
			values[nvalues++] = text_string(elements[i]);
	}
	ts_index_keep_values(found, name, values, nvalues);
}

/* Applies a condition; false when the index cannot tell. */
static bool
apply(TsIndex *found, const Condition *condition, ExprContext *econtext)
{
	bool isnull;
	Datum right = ExecEvalExpr(condition->right, econtext, &isnull);
	TsString name = {NULL, 0};
	TsString value;

	if (!isnull && condition->name != NULL)
	{
		Datum text = ExecEvalExpr(condition->name, econtext, &isnull);

		if (!isnull)
			name = text_string(text);
	}
	if (isnull)
	{
		ts_index_keep_values(found, name, NULL, 0);
		return true;
	}
	switch (condition->kind)
	{
		case SELECTED:
			return keep_selected(found, right, false);
		case NOT_SELECTED:
			return keep_selected(found, right, true);
		case CONTAINS:
			keep_containing(found, right);
			return true;
		case NAMED:
			ts_index_keep_named(found, text_string(right));
			return true;
		case VALUE:
			value = text_string(right);
			ts_index_keep_values(found, name, &value, 1);
			return true;
		case ANY_VALUE:
			keep_any(found, name, right);
			return true;
	}
	pg_unreachable();
}

bool
sqlscan_index_find(SqlScanIndex *index, ExprContext *econtext, MemoryContext context,
				   SqlScanFound *found)
{
	MemoryContext work = AllocSetContextCreate(context, "mytsdb conditions of index",
											   ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(work);
	TsIndex *set;
	instr_time start;

	INSTR_TIME_SET_CURRENT(start);
	set = ts_index_open(index->rel, index->table, index->snapshot);
	index->segments = 0;
	index->covered = 0;
	if (set != NULL)
	{
		index->segments = ts_index_segments(set);
		index->covered = ts_index_covered(set);
		found->covered = index->covered;
		found->unanswered = index->rest;
		for (int i = 0; i < index->count; i++)
		{
			if (!apply(set, &index->conditions[i], econtext))
				found->unanswered = index->all;
		}
		found->nids = (uint32) ts_index_count(set);
		found->ids = MemoryContextAllocHuge(context,
											sizeof(uint32) * Max(found->nids, 64));
		ts_index_ids(set, found->ids);
		ts_index_close(set);
		serve_count(STAT_INDEX_SEARCHES, 1);
		serve_count_since(STAT_INDEX_SEARCH_US, start);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(work);
	return index->segments > 0;
}

int
sqlscan_index_segments(const SqlScanIndex *index, uint32 *covered)
{
	*covered = index->covered;
	return index->segments;
}
