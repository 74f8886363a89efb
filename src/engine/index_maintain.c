/*
 * index_maintain.c
 *	  When the label index gets a new segment, and when segments become one.
 *
 * The tail is indexed when looking at its keys begins to cost. Segments are merged from
 * the newest backwards while the next older one is not much larger than all the newer
 * ones together; so a series is written again some times the logarithm of how many there
 * are, and as many segments remain (more, where memory does not allow a larger one).
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "index_internal.h"
#include "ts_series.h"

/* Series of the tail that are worth a segment, and segments that are worth merging. */
#define WORTH_BUILDING 4096
#define WORTH_MERGING  4

static Size
memory_budget(void)
{
	return Min((Size) maintenance_work_mem * 1024, INDEX_MAX_MEMORY);
}

/* How many of the newest segments to merge; 0: none. */
static int
worth_merging(const TsIndexSegment *segments, int count, bool all)
{
	Size room = memory_budget() / 3; /* for the sections, and twice when put together */
	Size length = 0;
	uint64 series = 0;
	int take = 0;

	while (take < Min(count, INDEX_MAX_INPUTS))
	{
		const TsIndexSegment *older = &segments[count - 1 - take];
		uint64 more = older->to - older->from;

		if (length + older->length > room || (!all && take > 0 && more > series * 2))
			break;
		length += older->length;
		series += more;
		take++;
	}
	return take >= (all ? 2 : WORTH_MERGING) ? take : 0;
}

bool
ts_index_maintain(Relation rel, const TsTable *table, bool all)
{
	Snapshot snapshot;
	TsIndexSegment *segments;
	int count;
	uint32 covered;
	uint32 series;
	bool build;
	int take = 0;

	if (!table->labels_key || IsBinaryUpgrade)
		return false;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	segments = ts_catalog_segments(table->storage, snapshot, &count);
	covered = count > 0 ? segments[count - 1].to : 0;
	series = ts_series_count(rel, table);
	if (covered > series)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("label index of table \"%s\" covers %u series, of which there "
						"are %u",
						RelationGetRelationName(rel), covered, series)));
	build = series - covered >= (all ? 1 : WORTH_BUILDING);
	if (build)
		index_build_segment(rel, table, covered, series, memory_budget());
	else
	{
		take = worth_merging(segments, count, all);
		if (take > 0)
			index_merge_segments(rel, table, segments + count - take, take);
	}
	UnregisterSnapshot(snapshot);
	pfree(segments);
	return build || take > 0;
}
