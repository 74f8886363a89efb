/*
 * labels_selfuncs.c
 *	  How many rows the planner should expect from the operators on labels.
 *
 * Where a column has statistics, the operator itself is tried on its most common
 * values and on its histogram, as a sample of the column. Only where there are none,
 * or too few, is the estimate one of shape: each label that a selector or a label set
 * demands makes the rows fewer, whatever its name.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/primnodes.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/selfuncs.h"

#include "labels_type.h"

PG_FUNCTION_INFO_V1(mytsdb_labels_matchsel);
PG_FUNCTION_INFO_V1(mytsdb_labels_nmatchsel);
PG_FUNCTION_INFO_V1(mytsdb_labels_nmatchjoinsel);
PG_FUNCTION_INFO_V1(mytsdb_labels_containsel);
PG_FUNCTION_INFO_V1(mytsdb_labels_containedsel);
PG_FUNCTION_INFO_V1(mytsdb_labels_existsel);

/* Shares of the rows, without statistics. */
#define ONE_VALUE_SEL 0.01 /* a label has one given value */
#define PATTERN_SEL   0.1  /* a label matches a regular expression */
#define PREFIX_SEL    0.05 /* one that begins with literal text */
#define PRESENT_SEL   0.5  /* a label is there at all */
#define UNKNOWN_SEL   0.01 /* the right side is not known, as matchingjoinsel has it */
#define SMALLEST_SEL  1e-6

/* What a call of an estimator is about: column op constant, or the other way round. */
typedef struct Operand
{
	Datum value;
	Oid type;
	bool column_left;
} Operand;

/* The constant that a column is compared with; false if there is none, or a NULL. */
static bool
constant_operand(FunctionCallInfo fcinfo, Operand *operand)
{
	PlannerInfo *root = (PlannerInfo *) PG_GETARG_POINTER(0);
	List *args = (List *) PG_GETARG_POINTER(2);
	int relation = PG_GETARG_INT32(3);
	VariableStatData column;
	Node *other;
	bool found;

	if (!get_restriction_variable(root, args, relation, &column, &other,
								  &operand->column_left))
		return false;
	found = IsA(other, Const) && !((Const *) other)->constisnull;
	if (found)
	{
		operand->value = ((Const *) other)->constvalue;
		operand->type = ((Const *) other)->consttype;
	}
	ReleaseVariableStats(column);
	return found;
}

/* The estimate from statistics, or from a share if there are none to go by. */
static Datum
restriction_selectivity(FunctionCallInfo fcinfo, double without_statistics)
{
	PG_RETURN_FLOAT8(generic_restriction_selectivity(
		(PlannerInfo *) PG_GETARG_POINTER(0), PG_GETARG_OID(1), PG_GET_COLLATION(),
		(List *) PG_GETARG_POINTER(2), PG_GETARG_INT32(3), without_statistics));
}

/* ---- ~ and !~ ---- */

/* The share of rows that one matcher lets pass if it is not negated. */
static double
positive_selectivity(const TsMatcher *matcher)
{
	const TsString *literals;
	size_t count;
	bool empty;

	if (matcher->regex == NULL)
		return matcher->value.len == 0 ? 1.0 - PRESENT_SEL : ONE_VALUE_SEL;

	/* The empty string among others stands for the rows without the label. */
	empty = ts_regex_matches_empty(matcher->regex);
	count = ts_regex_literals(matcher->regex, &literals);
	if (count > 0)
		return Min(ONE_VALUE_SEL * count, PRESENT_SEL) +
			   (empty ? 1.0 - PRESENT_SEL : 0.0);
	if (empty)
		return 1.0 - PATTERN_SEL;
	if (ts_regex_prefix(matcher->regex).len > 0)
		return PREFIX_SEL;
	return PATTERN_SEL;
}

static double
shape_selectivity(const TsSelector *selector)
{
	double selectivity = 1.0;

	for (uint32 i = 0; i < selector->nmatchers; i++)
	{
		const TsMatcher *matcher = &selector->matchers[i];
		double positive = positive_selectivity(matcher);

		if (matcher->type == TS_MATCH_EQUAL || matcher->type == TS_MATCH_REGEX)
			selectivity *= positive;
		else
			selectivity *= 1.0 - positive;
	}
	return Max(selectivity, SMALLEST_SEL);
}

/*
 * The share of rows that a selector matches by its shape. *usable tells whether the
 * operator may be tried on statistics. Not with a selector that has an error, be it the
 * constant or one of a column of selectors: to report that is the executor's business,
 * if it ever comes to that.
 */
static double
selector_selectivity(FunctionCallInfo fcinfo, bool *usable)
{
	double selectivity = UNKNOWN_SEL;
	MemoryContext context;
	TsSelector *selector;
	Operand operand;
	text *right;
	TsError err;

	*usable = true;
	if (!constant_operand(fcinfo, &operand))
		return selectivity;
	*usable = operand.column_left && operand.type == TEXTOID;
	if (!*usable)
		return selectivity;
	context = AllocSetContextCreate(CurrentMemoryContext, "PromQL selector estimate",
									ALLOCSET_SMALL_SIZES);
	right = DatumGetTextPP(operand.value);
	selector = labels_compile_selector(VARDATA_ANY(right), VARSIZE_ANY_EXHDR(right),
									   context, &err);
	*usable = selector != NULL;
	if (selector != NULL)
		selectivity = shape_selectivity(selector);
	MemoryContextDelete(context);
	return selectivity;
}

Datum
mytsdb_labels_matchsel(PG_FUNCTION_ARGS)
{
	bool usable;
	double selectivity = selector_selectivity(fcinfo, &usable);

	if (!usable)
		PG_RETURN_FLOAT8(UNKNOWN_SEL);
	return restriction_selectivity(fcinfo, selectivity);
}

Datum
mytsdb_labels_nmatchsel(PG_FUNCTION_ARGS)
{
	bool usable;
	double selectivity = selector_selectivity(fcinfo, &usable);

	if (!usable)
		PG_RETURN_FLOAT8(1.0 - UNKNOWN_SEL);
	return restriction_selectivity(fcinfo, 1.0 - selectivity);
}

/* The complement of matchingjoinsel, which is the estimate for ~. */
Datum
mytsdb_labels_nmatchjoinsel(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(1.0 - UNKNOWN_SEL);
}

/* ---- @>, <@, ?, ?&, ?| ---- */

/* Does the operator ask whether its left side contains its right one, or the reverse? */
static Datum
containment_selectivity(FunctionCallInfo fcinfo, bool left_is_whole)
{
	double selectivity = UNKNOWN_SEL;
	Operand operand;

	if (constant_operand(fcinfo, &operand) && operand.column_left == left_is_whole)
	{
		Labels *part = DatumGetLabelsPP(operand.value);
		uint32 count = labels_count(LABELS_DATA(part), LABELS_SIZE(part));

		selectivity = 1.0;
		while (count-- > 0 && selectivity > SMALLEST_SEL)
			selectivity *= ONE_VALUE_SEL;
		selectivity = Max(selectivity, SMALLEST_SEL);
	}
	return restriction_selectivity(fcinfo, selectivity);
}

Datum
mytsdb_labels_containsel(PG_FUNCTION_ARGS)
{
	return containment_selectivity(fcinfo, true);
}

Datum
mytsdb_labels_containedsel(PG_FUNCTION_ARGS)
{
	return containment_selectivity(fcinfo, false);
}

Datum
mytsdb_labels_existsel(PG_FUNCTION_ARGS)
{
	return restriction_selectivity(fcinfo, PRESENT_SEL);
}
