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

/* Segments of the label index that were used, and how many series they cover. */
static int
index_segments(const SqlScan *scan, uint32 *covered)
{
	*covered = 0;
	return scan->series != NULL ? sqlscan_series_segments(scan->series, covered) : 0;
}

/* In text, what belongs together stands on one line. */
static void
show_text(const SqlScan *scan, const TsScanStats *stats, ExplainState *es)
{
	char *series = psprintf(UINT64_FORMAT " read", stats->series);
	uint32 covered;
	int segments = index_segments(scan, &covered);

	if (segments > 0)
		ExplainPropertyText("Series Index",
							psprintf("%u series in %d segment%s", covered, segments,
									 segments == 1 ? "" : "s"),
							es);
	if (scan->series != NULL)
		series = psprintf("%s, " UINT64_FORMAT " keys looked at", series,
						  sqlscan_series_looked_at(scan->series));
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
show_structured(const SqlScan *scan, const TsScanStats *stats, ExplainState *es)
{
	uint32 covered;

	ExplainPropertyInteger("Index Segments", NULL, index_segments(scan, &covered), es);
	ExplainPropertyUInteger("Index Series", NULL, covered, es);
	ExplainPropertyUInteger("Series Read", NULL, stats->series, es);
	ExplainPropertyUInteger("Keys Looked At", NULL,
							scan->series ? sqlscan_series_looked_at(scan->series) : 0,
							es);
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
		static const TsScanStats nothing = {0};
		const TsScanStats *stats = scan->scan ? ts_scan_stats(scan->scan) : &nothing;

		if (es->format == EXPLAIN_FORMAT_TEXT)
			show_text(scan, stats, es);
		else
			show_structured(scan, stats, es);
	}
}
