/*
 * scan_clause.c
 *	  Which conditions the custom scan takes over (sql_scan.h says in which ways).
 *
 * A condition that decides what is looked at is evaluated before all others. So it is
 * taken over only if no condition of a lower security level has to come first, or if it
 * leaks nothing. Volatile conditions and those with subplans stay filters on rows.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/stratnum.h"
#include "catalog/pg_language_d.h"
#include "catalog/pg_opfamily_d.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/restrictinfo.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "labels_type.h"
#include "sql_scan.h"

static const Node *
strip(const Node *node)
{
	while (node != NULL && IsA(node, RelabelType))
		node = (const Node *) ((const RelabelType *) node)->arg;
	return node;
}

bool
sqlscan_is_column(const Node *node, Index relid, AttrNumber attnum)
{
	const Var *var = (const Var *) strip(node);

	return var != NULL && IsA(var, Var) && var->varno == (int) relid &&
		   var->varattno == attnum && var->varlevelsup == 0;
}

static bool
is_free_of(PlannerInfo *root, Node *node, Index relid)
{
	return !bms_is_member((int) relid, pull_varnos(root, node));
}

/* The condition with a column on the left side, if it is on either; else NULL. */
static OpExpr *
column_on_left(PlannerInfo *root, Index relid, AttrNumber attnum, Expr *clause)
{
	OpExpr *op = (OpExpr *) clause;
	OpExpr *commuted;
	Oid commutator;

	if (!IsA(clause, OpExpr) || list_length(op->args) != 2)
		return NULL;
	if (sqlscan_is_column(linitial(op->args), relid, attnum))
		return is_free_of(root, lsecond(op->args), relid) ? op : NULL;
	if (!sqlscan_is_column(lsecond(op->args), relid, attnum) ||
		!is_free_of(root, linitial(op->args), relid))
		return NULL;

	commutator = get_commutator(op->opno);
	if (!OidIsValid(commutator))
		return NULL;
	commuted = makeNode(OpExpr);
	*commuted = *op;
	commuted->opno = commutator;
	commuted->opfuncid = InvalidOid;
	set_opfuncid(commuted);
	commuted->args = list_make2(lsecond(op->args), linitial(op->args));
	return commuted;
}

/* ---- time ---- */

/*
 * Whether a bound of this type says exactly which times of the column it lets through.
 * It does not where the column's values would have to be put into a time zone.
 */
static bool
is_exact_bound(Oid time_type, Oid type)
{
	switch (time_type)
	{
		case TIMESTAMPTZOID:
			return type == TIMESTAMPTZOID || type == TIMESTAMPOID || type == DATEOID;
		case TIMESTAMPOID:
		case DATEOID:
			return type == TIMESTAMPOID || type == DATEOID;
	}
	return false;
}

OpExpr *
sqlscan_time_clause(PlannerInfo *root, Index relid, const TsTable *table, Expr *clause)
{
	OpExpr *op = column_on_left(root, relid, table->time_column, clause);
	TypeCacheEntry *type;
	Oid left;
	Oid right;

	if (op == NULL)
		return NULL;
	type = lookup_type_cache(table->time_type, TYPECACHE_BTREE_OPFAMILY);
	if (get_op_opfamily_strategy(op->opno, type->btree_opf) == 0)
		return NULL;
	op_input_types(op->opno, &left, &right);
	return left == table->time_type && is_exact_bound(left, right) ? op : NULL;
}

/* ---- series ---- */

/* Whether the only columns of the relation in a condition are of the key. */
static bool
is_series_clause(Index relid, const TsTable *table, Expr *clause)
{
	Bitmapset *attrs = NULL;
	int attr = -1;

	pull_varattnos((Node *) clause, relid, &attrs);
	if (bms_is_empty(attrs))
		return false;
	while ((attr = bms_next_member(attrs, attr)) >= 0)
	{
		int attnum = attr + FirstLowInvalidHeapAttributeNumber;

		if (attnum <= 0 || table->columns[attnum - 1].role != TS_ROLE_KEY)
			return false;
	}
	return true;
}

bool
sqlscan_is_c_function(Oid function, const char *symbol)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	bool same = false;

	if (!HeapTupleIsValid(tuple))
		return false;
	/* only a superuser can make a function in C */
	if (((Form_pg_proc) GETSTRUCT(tuple))->prolang == ClanguageId)
	{
		bool isnull;
		Datum source = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull);
		char *name = TextDatumGetCString(source);

		same = strcmp(name, symbol) == 0;
		pfree(name);
	}
	ReleaseSysCache(tuple);
	return same;
}

/* Whether a function is one of the labels type's, which fail only for bad selectors. */
static bool
is_labels_function(Oid function)
{
	static const char *const symbols[] = {
		"mytsdb_labels_matches",  "mytsdb_labels_not_matches", "mytsdb_labels_get",
		"mytsdb_labels_contains", "mytsdb_labels_contained",   "mytsdb_labels_exists"};

	for (int i = 0; i < (int) lengthof(symbols); i++)
	{
		if (sqlscan_is_c_function(function, symbols[i]))
			return true;
	}
	return false;
}

/* Whether a function looks for a pattern, which is its second argument. */
static bool
is_matching(Oid function)
{
	switch (function)
	{
		case F_TEXTLIKE:
		case F_TEXTNLIKE:
		case F_TEXTICLIKE:
		case F_TEXTICNLIKE:
		case F_TEXTREGEXEQ:
		case F_TEXTREGEXNE:
		case F_TEXTICREGEXEQ:
		case F_TEXTICREGEXNE:
			return true;
	}
	return is_labels_function(function);
}

/*
 * Whether a call may fail for some value of a column. A pattern that is wrong does not
 * count, unless it comes from a column itself.
 */
static bool
call_may_fail(Oid function, List *args)
{
	if (get_func_leakproof(function))
		return false;
	return !is_matching(function) || contain_var_clause(lsecond(args));
}

/* Whether an operator compares two values of one built-in order. */
static bool
is_comparison(Oid opno)
{
	List *interpretations = get_op_btree_interpretation(opno);
	bool found = interpretations != NIL && opno < FirstNormalObjectId;

	list_free_deep(interpretations);
	return found;
}

static bool
may_fail_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_OpExpr:
		case T_DistinctExpr:
			set_opfuncid((OpExpr *) node);
			if (!is_comparison(((OpExpr *) node)->opno) &&
				call_may_fail(((OpExpr *) node)->opfuncid, ((OpExpr *) node)->args))
				return true;
			break;
		case T_ScalarArrayOpExpr:
			set_sa_opfuncid((ScalarArrayOpExpr *) node);
			if (!is_comparison(((ScalarArrayOpExpr *) node)->opno) &&
				call_may_fail(((ScalarArrayOpExpr *) node)->opfuncid,
							  ((ScalarArrayOpExpr *) node)->args))
				return true;
			break;
		case T_FuncExpr:
			if (call_may_fail(((FuncExpr *) node)->funcid, ((FuncExpr *) node)->args))
				return true;
			break;
		case T_Var:
		case T_Const:
		case T_Param:
		case T_RelabelType:
		case T_BoolExpr:
		case T_NullTest:
		case T_BooleanTest:
		case T_CaseExpr:
		case T_CaseWhen:
		case T_CoalesceExpr:
		case T_ArrayExpr:
		case T_List:
			break;
		default:
			return true;
	}
	return expression_tree_walker(node, may_fail_walker, context);
}

/*
 * Whether an operator is the equality of a key column's type, and finds exactly the
 * values that look the same. Integers of different width are compared by value, and
 * converted before they are looked up.
 */
static bool
is_image_equality(const TsColumn *column, Oid opno, Oid collation)
{
	TypeCacheEntry *type = lookup_type_cache(column->type, TYPECACHE_BTREE_OPFAMILY);
	Oid left;
	Oid right;
	Oid proc;

	if (!OidIsValid(type->btree_opf) ||
		get_op_opfamily_strategy(opno, type->btree_opf) != BTEqualStrategyNumber)
		return false;
	op_input_types(opno, &left, &right);
	if (left != type->btree_opintype)
		return false;
	if (type->btree_opf == INTEGER_BTREE_FAM_OID)
		return true;
	if (left != right)
		return false;
	if (labels_is_type(column->type))
		return true;
	proc = get_opfamily_proc(type->btree_opf, left, left, BTEQUALIMAGE_PROC);
	return OidIsValid(proc) &&
		   DatumGetBool(OidFunctionCall1Coll(proc, collation, ObjectIdGetDatum(left)));
}

/* What a condition says a key column is equal to; false when it says nothing like it. */
static bool
match_key(PlannerInfo *root, Index relid, const TsTable *table, AttrNumber attnum,
		  Expr *clause, Expr **value, SqlScanKeyKind *kind)
{
	const TsColumn *column = &table->columns[attnum - 1];

	if (IsA(clause, NullTest))
	{
		NullTest *test = (NullTest *) clause;

		if (test->nulltesttype != IS_NULL || test->argisrow ||
			!sqlscan_is_column((Node *) test->arg, relid, attnum))
			return false;
		*value = (Expr *) makeNullConst(column->type, -1, InvalidOid);
		*kind = SQLSCAN_KEY_NULL;
		return true;
	}
	if (IsA(clause, ScalarArrayOpExpr))
	{
		ScalarArrayOpExpr *any = (ScalarArrayOpExpr *) clause;

		if (!any->useOr || !sqlscan_is_column(linitial(any->args), relid, attnum) ||
			!is_free_of(root, lsecond(any->args), relid) ||
			!is_image_equality(column, any->opno, any->inputcollid))
			return false;
		*value = lsecond(any->args);
		*kind = SQLSCAN_KEY_ANY;
		return true;
	}
	else
	{
		OpExpr *op = column_on_left(root, relid, attnum, clause);

		if (op == NULL || !is_image_equality(column, op->opno, op->inputcollid))
			return false;
		*value = lsecond(op->args);
		*kind = SQLSCAN_KEY_EQUAL;
		return true;
	}
}

/* Finds an equality for every key column; false when one has none. */
static bool
match_keys(PlannerInfo *root, Index relid, const TsTable *table, List *clauses,
		   List **keys, List **values, List **kinds)
{
	*keys = *values = *kinds = NIL;
	for (int i = 0; i < table->nkeys; i++)
	{
		bool found = false;
		ListCell *lc;

		foreach (lc, clauses)
		{
			Expr *clause = lfirst(lc);
			Expr *value;
			SqlScanKeyKind kind;

			found = match_key(root, relid, table, table->keys[i], clause, &value, &kind);
			if (found)
			{
				*keys = lappend(*keys, clause);
				*values = lappend(*values, value);
				*kinds = lappend_int(*kinds, kind);
				break;
			}
		}
		if (!found)
		{
			*keys = *values = *kinds = NIL;
			return false;
		}
	}
	return table->nkeys > 0;
}

void
sqlscan_divide_series(PlannerInfo *root, Index relid, const TsTable *table, List *clauses,
					  List **keys, List **values, List **kinds, List **walked,
					  List **judged)
{
	ListCell *lc;

	*walked = *judged = NIL;
	(void) match_keys(root, relid, table, clauses, keys, values, kinds);
	foreach (lc, clauses)
	{
		Node *clause = lfirst(lc);

		if (list_member_ptr(*keys, clause))
			continue;
		if (may_fail_walker(clause, NULL))
			*judged = lappend(*judged, clause);
		else
			*walked = lappend(*walked, clause);
	}
}

/* ---- all of them ---- */

static bool
may_take_over(RelOptInfo *rel, RestrictInfo *rinfo)
{
	return !rinfo->pseudoconstant && restriction_is_securely_promotable(rinfo, rel) &&
		   !contain_volatile_functions((Node *) rinfo) &&
		   !contain_subplans((Node *) rinfo->clause);
}

void
sqlscan_sort_clauses(PlannerInfo *root, RelOptInfo *rel, const TsTable *table,
					 List *rinfos, SqlScanClauses *clauses)
{
	ListCell *lc;

	memset(clauses, 0, sizeof(*clauses));
	foreach (lc, rinfos)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);

		if (!may_take_over(rel, rinfo))
			clauses->filters = lappend(clauses->filters, rinfo);
		else if (sqlscan_time_clause(root, rel->relid, table, rinfo->clause) != NULL)
			clauses->times = lappend(clauses->times, rinfo);
		else if (is_series_clause(rel->relid, table, rinfo->clause))
			clauses->series = lappend(clauses->series, rinfo);
		else
			clauses->filters = lappend(clauses->filters, rinfo);
	}
}
