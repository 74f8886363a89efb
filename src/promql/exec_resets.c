/*
 * exec_resets.c
 *	  Hints of counter resets in native histograms, as PromQL sees them.
 *
 * A selector gives hints as Prometheus' storage does: a histogram that was sent with the hint
 * of a reset says nothing, since nobody knows what lies between it and the one before; who
 * wants to know compares the two.
 *
 * Where only counts and sums are looked at, that is below histogram_count(), histogram_sum()
 * and histogram_avg() without anything between or above that needs buckets, a selector
 * compares neighbours itself, while it has their buckets, says what it found as a hint, and
 * leaves the buckets out. That is cheaper, and part of the language: hints that contradict
 * each other make warnings.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/hsearch.h"

#include "exec_internal.h"

typedef struct Search
{
	PqExec *exec;
	bool counts;  /* somebody above looks at counts and sums */
	bool buckets; /* somebody above looks at buckets */
} Search;

static void
look_above(Search *search, const PqNode *node)
{
	switch (node->kind)
	{
		case PQ_SUBQUERY:
			search->buckets = true;
			break;
		case PQ_BINARY:
			search->buckets |= node->u.binary.op == PQ_TRIM_UPPER ||
							   node->u.binary.op == PQ_TRIM_LOWER;
			break;
		case PQ_CALL:
			switch (node->u.call.function->id)
			{
				case PQ_FN_HISTOGRAM_COUNT:
				case PQ_FN_HISTOGRAM_SUM:
				case PQ_FN_HISTOGRAM_AVG:
					search->counts = true;
					break;
				case PQ_FN_HISTOGRAM_QUANTILE:
				case PQ_FN_HISTOGRAM_QUANTILES:
				case PQ_FN_HISTOGRAM_FRACTION:
					search->buckets = true;
					break;
				default:
					break;
			}
			break;
		default:
			break;
	}
}

static void
search_below(const PqNode *node, void *arg)
{
	Search search = *(const Search *) arg;
	PqExec *exec = search.exec;

	check_stack_depth();
	if (search.buckets)
		return;
	if (search.counts)
	{
		if (exec->counts_only == NULL)
		{
			HASHCTL info = {.keysize = sizeof(PqNode *),
							.entrysize = sizeof(PqNode *),
							.hcxt = exec->context};

			exec->counts_only = hash_create("PromQL nodes that give counts", 32, &info,
											HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		}
		hash_search(exec->counts_only, &node, HASH_ENTER, NULL);
	}
	look_above(&search, node);
	pq_for_children(node, search_below, &search);
}

void
pq_resets_plan(PqExec *exec)
{
	Search search = {.exec = exec};

	if (exec->histogram_column != 0)
		search_below(exec->root, &search);
}

bool
pq_counts_only(const PqExec *exec, const PqNode *node)
{
	return exec->counts_only != NULL &&
		   hash_search(exec->counts_only, &node, HASH_FIND, NULL) != NULL;
}

int64
pq_first_neighbour(const PqOperator *op, int64 time_min)
{
	return pq_counts_only(op->exec, op->node) ? pq_time_sub(time_min, op->exec->lookback)
											  : time_min;
}

const TsHistogram *
pq_resets_next(PqResets *resets, PqOperator *op, Datum value)
{
	TsHistogram *h = pq_read_histogram(op, value);
	TsHistogram *counts;

	if (ts_histogram_is_stale(h))
		return h;
	if (h->hint == TS_RESET_YES)
		h->hint = TS_RESET_UNKNOWN;
	if (!resets->counts_only)
		return h;
	counts = MemoryContextAllocZero(op->row, sizeof(TsHistogram));
	counts->schema = h->schema; /* whether two go together shows as ever */
	counts->bounds = h->bounds;
	counts->nbounds = h->nbounds;
	counts->hint = h->hint;
	counts->count = h->count;
	counts->sum = h->sum;
	if (h->hint == TS_RESET_UNKNOWN && resets->last != NULL)
		counts->hint = ts_histogram_is_reset(h, resets->last) ? TS_RESET_YES
															  : TS_RESET_NO;
	resets->last = h;
	return counts;
}
