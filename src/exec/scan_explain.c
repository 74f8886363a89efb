/*
 * scan_explain.c
 *	  What EXPLAIN shows of the custom scan: the conditions it took over, and, with
 *	  ANALYZE, what was read and what was passed over.
 */
#include "postgres.h"

#include "commands/explain.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

#include "sql_scan.h"

static void
show_conditions(CustomScanState *node, const char *label, List *conditions,
				List *ancestors, ExplainState *es)
{
	List *context;
	char *text;

	if (conditions == NIL)
		return;
	context = set_deparse_context_plan(es->deparse_cxt, node->ss.ps.plan, ancestors);
	text = deparse_expression((Node *) make_ands_explicit(conditions), context,
							  list_length(es->rtable) > 1 || es->verbose, false);
	ExplainPropertyText(label, text, es);
}

static void
show_columns(const SqlScan *scan, ExplainState *es)
{
	TupleDesc desc = RelationGetDescr(scan->css.ss.ss_currentRelation);
	List *names = NIL;

	for (int i = 0; i < desc->natts; i++)
	{
		if (scan->wanted[i])
			names = lappend(names, NameStr(TupleDescAttr(desc, i)->attname));
	}
	if (names != NIL)
		ExplainPropertyList("Columns", names, es);
}

static void
show_order(const SqlScan *scan, SqlScanOrder order, ExplainState *es)
{
	TupleDesc desc = RelationGetDescr(scan->css.ss.ss_currentRelation);
	const char *name = NameStr(
		TupleDescAttr(desc, scan->table->time_column - 1)->attname);

	if (order == SQLSCAN_UNORDERED)
		return;
	ExplainPropertyText(
		"Order", order == SQLSCAN_DESCENDING ? psprintf("%s DESC", name) : name, es);
}

/* In text, what belongs together stands on one line. */
static void
show_text(const SqlScan *scan, const SqlScanCounts *counts, ExplainState *es)
{
	const TsScanStats *stats = &counts->stats;
	char *series = psprintf(UINT64_FORMAT " read", stats->series);

	if (counts->segments > 0)
		ExplainPropertyText("Series Index",
							psprintf("%u series in %d segment%s", counts->covered,
									 counts->segments, counts->segments == 1 ? "" : "s"),
							es);
	if (scan->series != NULL)
		series = psprintf("%s, " UINT64_FORMAT " keys looked at", series,
						  counts->looked_at);
	ExplainPropertyText("Series", series, es);
	ExplainPropertyText("Blocks",
						psprintf(UINT64_FORMAT " read, " UINT64_FORMAT " skipped",
								 stats->blocks_read, stats->blocks_skipped),
						es);
	ExplainPropertyText("Chunks",
						psprintf(UINT64_FORMAT " read, " UINT64_FORMAT " skipped",
								 stats->chunks_read, stats->chunks_skipped),
						es);
	ExplainPropertyText("Rows",
						psprintf(UINT64_FORMAT " sealed, " UINT64_FORMAT
											   " from logs, " UINT64_FORMAT " own",
								 stats->rows_sealed, stats->rows_log, stats->rows_own),
						es);
	if (stats->spilled > 0)
		ExplainPropertyUInteger("Log Rows Spilled", "kB", (stats->spilled + 1023) / 1024,
								es);
	if (scan->sorter != NULL && sqlscan_sorter_disk(scan->sorter) > 0)
		ExplainPropertyInteger("Sort Disk", "kB", sqlscan_sorter_disk(scan->sorter), es);
}

static void
show_structured(const SqlScan *scan, const SqlScanCounts *counts, ExplainState *es)
{
	const TsScanStats *stats = &counts->stats;

	ExplainPropertyInteger("Index Segments", NULL, counts->segments, es);
	ExplainPropertyUInteger("Index Series", NULL, counts->covered, es);
	ExplainPropertyUInteger("Series Read", NULL, stats->series, es);
	ExplainPropertyUInteger("Keys Looked At", NULL, counts->looked_at, es);
	ExplainPropertyUInteger("Blocks Read", NULL, stats->blocks_read, es);
	ExplainPropertyUInteger("Blocks Skipped", NULL, stats->blocks_skipped, es);
	ExplainPropertyUInteger("Chunks Read", NULL, stats->chunks_read, es);
	ExplainPropertyUInteger("Chunks Skipped", NULL, stats->chunks_skipped, es);
	ExplainPropertyUInteger("Rows Sealed", NULL, stats->rows_sealed, es);
	ExplainPropertyUInteger("Rows From Logs", NULL, stats->rows_log, es);
	ExplainPropertyUInteger("Rows Own", NULL, stats->rows_own, es);
	ExplainPropertyUInteger("Log Rows Spilled", "kB", (stats->spilled + 1023) / 1024, es);
	ExplainPropertyInteger("Sort Disk", "kB",
						   scan->sorter ? sqlscan_sorter_disk(scan->sorter) : 0, es);
}

/*
 * Whether it is known what was read. A scan that workers ran each for itself, without
 * dividing it, leaves nothing behind in the leader.
 */
static bool
is_known(const SqlScan *scan, const SqlScanCounts *counts)
{
	static const SqlScanCounts none = {0};
	const Instrumentation *instrument = scan->css.ss.ps.instrument;

	return scan->scan != NULL || scan->started || instrument == NULL ||
		   instrument->nloops == 0 || memcmp(counts, &none, sizeof(none)) != 0;
}

void
sqlscan_explain(CustomScanState *node, List *ancestors, ExplainState *es)
{
	const SqlScan *scan = (const SqlScan *) node;
	CustomScan *plan = castNode(CustomScan, node->ss.ps.plan);
	List *series = NIL;

	show_conditions(node, "Time Range", list_nth(plan->custom_exprs, SQLSCAN_TIMES),
					ancestors, es);
	series = list_concat(series, list_nth(plan->custom_exprs, SQLSCAN_KEYS));
	series = list_concat(series, list_nth(plan->custom_exprs, SQLSCAN_WALKED));
	series = list_concat(series, list_nth(plan->custom_exprs, SQLSCAN_JUDGED));
	show_conditions(node, "Series Condition", series, ancestors, es);
	show_order(scan, linitial_int(list_nth(plan->custom_private, SQLSCAN_OUTPUT)), es);
	if (es->verbose)
		show_columns(scan, es);

	if (es->analyze)
	{
		SqlScanCounts counts;

		sqlscan_count_all(scan, &counts);
		if (!is_known(scan, &counts))
			return;
		if (es->format == EXPLAIN_FORMAT_TEXT)
			show_text(scan, &counts, es);
		else
			show_structured(scan, &counts, es);
	}
}
