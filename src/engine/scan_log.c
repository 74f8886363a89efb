/*
 * scan_log.c
 *	  The log's rows that a scan sees: loaded, filtered, sorted.
 *
 * All visible rows from the covered positions to the ends that the scan has fixed are
 * decoded before the first batch, since the log is in no order of time or series. What
 * exceeds work_mem goes to disk in sorted runs (scan_spill.c); then nothing stays in
 * memory.
 *
 * A rescan uses what is loaded if it asks for no more. A scan that starts over with ever
 * other series or times (the inner side of a nested loop) loads all there is the second
 * time, if it fits into memory, and need not load again.
 *
 * A scan that is divided loads what its unit asks for: one shard's rows, or all.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "ts_hot.h"
#include "ts_series.h"
#include "ts_stop.h"

#include "scan_internal.h"

/* ---- what is loaded already ---- */

/* Whether all the series that the spec asks for are among the loaded ones. */
static bool
has_series(const ScanLog *log, const TsScanSpec *spec)
{
	uint32 at = 0;

	if (log->all)
		return true;
	if (spec->series == NULL)
		return false;
	for (uint32 i = 0; i < spec->nseries; i++)
	{
		while (at < log->nseries && log->series[at] < spec->series[i])
			at++;
		if (at == log->nseries || log->series[at] != spec->series[i])
			return false;
	}
	return true;
}

static bool
same_series(const ScanLog *log, const TsScanSpec *spec)
{
	if (log->all || spec->series == NULL)
		return log->all && spec->series == NULL;
	return log->nseries == spec->nseries &&
		   memcmp(log->series, spec->series, sizeof(uint32) * log->nseries) == 0;
}

/*
 * Rows on disk are all read, and in the order of the groups they were sorted for, so they
 * serve only the very same spec.
 */
static bool
is_loaded(const TsScan *scan)
{
	const ScanLog *log = &scan->log;
	const TsScanSpec *spec = &scan->spec;

	if (log->context == NULL)
		return false;
	for (int i = 0; i < scan->table->natts; i++)
	{
		if (scan->wanted[i] && !log->wanted[i])
			return false;
	}
	if (log->spill != NULL)
		return log->time_min == spec->time_min && log->time_max == spec->time_max &&
			   log->newest_first == spec->newest_first &&
			   log->by_series == spec->by_series &&
			   memcmp(log->wanted, scan->wanted, scan->table->natts) == 0 &&
			   same_series(log, spec);
	return log->time_min <= spec->time_min && log->time_max >= spec->time_max &&
		   has_series(log, spec);
}

void
ts_scan_free_log(TsScan *scan)
{
	ScanLog *log = &scan->log;

	if (log->context == NULL)
		return;
	if (log->spill != NULL)
		ts_spill_free(log->spill);
	log->spill = NULL;
	MemoryContextDelete(log->context);
	log->context = NULL;
	log->rows = NULL;
	log->order = NULL;
	log->n = 0;
}

/* ---- loading ---- */

/* TsRowFilter's question. */
static bool
is_wanted(void *arg, uint32 series)
{
	const TsScanSpec *spec = arg;
	uint32 at = ts_scan_find_wanted(spec, 0, series);

	return at < spec->nseries && spec->series[at] == series;
}

/* Notes the times of rows added from `from` on. */
static void
note_times(ScanLog *log, uint32 from)
{
	const int64 *times = log->rows->times;

	for (uint32 i = from; i < log->rows->n; i++)
	{
		log->row_min = Min(log->row_min, times[i]);
		log->row_max = Max(log->row_max, times[i]);
	}
	log->n += log->rows->n - from;
}

/* Moves the rows in memory to disk. */
static void
spill(TsScan *scan)
{
	ScanLog *log = &scan->log;

	if (log->spill == NULL)
		log->spill = ts_spill_create(log->context, scan);
	ts_spill_write(log->spill, scan, log->rows);
	ts_rows_clear(log->rows);
	TS_STOP("scan-log-spilled");
}

/* What is being loaded of one log. */
typedef struct LogLoad
{
	TsScan *scan;
	int log;
	const TsRowFilter *filter;
	bool may_spill;
	TsVisibleCache cache;
} LogLoad;

static bool
is_visible(LogLoad *load, const TsLogRecord *record)
{
	CHECK_FOR_INTERRUPTS();
	return ts_visible(load->scan->rel, record->xid, record->cid, load->scan->snapshot,
					  &load->cache);
}

/*
 * Rows were added from `before` on. Returns false when they do not fit and may not go to
 * disk.
 */
static bool
added_rows(LogLoad *load, uint32 before)
{
	ScanLog *log = &load->scan->log;

	if (log->rows->n == before)
		return true;
	note_times(log, before);
	if (log->rows->bytes <= (Size) work_mem * 1024)
		return true;
	if (load->may_spill)
		spill(load->scan);
	return load->may_spill;
}

/* Loads what is between two positions from pages. */
static bool
load_pages(LogLoad *load, TsLogPos from, TsLogPos to)
{
	TsRows *rows = load->scan->log.rows;
	TsLogReader *reader;
	TsLogRecord record;
	bool fits = true;

	if (from >= to)
		return true;
	reader = ts_log_open(load->scan->rel, load->scan->table, load->log, from, to);
	while (fits && ts_log_next(reader, &record))
	{
		uint32 before = rows->n;

		if (!is_visible(load, &record))
			continue;
		ts_log_decode(reader, &record, load->filter, rows);
		fits = added_rows(load, before);
	}
	ts_log_close(reader);
	return fits;
}

/* Loads what hot memory has. */
static bool
load_hot(LogLoad *load, TsHotReader *reader, const TsHotRange *range)
{
	TsRows *rows = load->scan->log.rows;
	TsLogRecord record;
	bool fits = true;

	ts_hot_start(reader, range);
	while (fits && ts_hot_next(reader, &record))
	{
		uint32 before = rows->n;

		if (!is_visible(load, &record))
			continue;
		ts_hot_decode(reader, load->filter, rows);
		fits = added_rows(load, before);
	}
	return fits;
}

/*
 * Loads one log's rows, in the order of their positions: from hot memory what is there,
 * from pages the rest. Returns false when they do not fit and may not go to disk.
 */
static bool
load_one(TsScan *scan, int log, const TsRowFilter *filter, bool may_spill)
{
	LogLoad load = {.scan = scan, .log = log, .filter = filter, .may_spill = may_spill};
	TsHotRange ranges[TS_HOT_RANGES];
	TsLogPos pos = scan->covered[log];
	TsLogPos end = scan->ends[log];
	bool fits = true;
	int count;

	if (pos >= end)
		return true;
	count = ts_hot_pin(scan->table, log, pos, end, ranges);
	if (count > 0)
	{
		TsHotReader *reader = ts_hot_open(scan->rel, scan->table);

		TS_STOP("scan-hot-pinned");
		for (int i = 0; fits && i < count; i++)
		{
			fits = load_pages(&load, pos, ranges[i].from) &&
				   load_hot(&load, reader, &ranges[i]);
			pos = ranges[i].to;
		}
		ts_hot_close(reader);
		ts_hot_unpin();
	}
	return fits && load_pages(&load, pos, end);
}

/* Shards that may have rows of wanted series. */
static bool *
wanted_shards(const TsScan *scan)
{
	bool all = scan->log.all;
	const TsScanSpec *spec = &scan->spec;
	bool *wanted = palloc(sizeof(bool) * scan->table->shards);

	memset(wanted, all, sizeof(bool) * scan->table->shards);
	if (!all)
	{
		for (uint32 i = 0; i < spec->nseries; i++)
			wanted[ts_series_shard(scan->table, spec->series[i])] = true;
	}
	for (int shard = 0; shard < scan->table->shards && scan->unit.shard >= 0; shard++)
		wanted[shard] &= shard == scan->unit.shard;
	return wanted;
}

/* Remembers what is being loaded: what the spec asks for, or all series and times. */
static void
begin_load(TsScan *scan, bool everything)
{
	ScanLog *log = &scan->log;
	const TsScanSpec *spec = &scan->spec;
	bool all = everything || spec->series == NULL;

	log->loads++;
	log->context = AllocSetContextCreate(scan->context, "mytsdb scan: log",
										 ALLOCSET_DEFAULT_SIZES);
	log->time_min = everything ? PG_INT64_MIN : spec->time_min;
	log->time_max = everything ? PG_INT64_MAX : spec->time_max;
	log->newest_first = spec->newest_first;
	log->by_series = spec->by_series;
	log->all = all;
	log->nseries = all ? 0 : spec->nseries;
	log->series = NULL;
	if (!all)
	{
		log->series = MemoryContextAllocHuge(log->context,
											 sizeof(uint32) * Max(spec->nseries, 1));
		memcpy(log->series, spec->series, sizeof(uint32) * spec->nseries);
	}
	log->wanted = MemoryContextAlloc(log->context, Max(scan->table->natts, 1));
	memcpy(log->wanted, scan->wanted, scan->table->natts);
	log->n = 0;
	log->row_min = PG_INT64_MAX;
	log->row_max = PG_INT64_MIN;
	log->rows = ts_rows_create(log->context, scan->table, scan->table->natts, true);
}

/* False when the rows do not fit into memory and may not go to disk. */
static bool
load(TsScan *scan, bool everything, bool may_spill)
{
	ScanLog *log = &scan->log;
	TsRowFilter filter = {.arg = &scan->spec, .wanted = scan->wanted};
	MemoryContext old;
	bool *shards;
	bool fits = true;

	begin_load(scan, everything);
	filter.time_min = log->time_min;
	filter.time_max = log->time_max;
	if (!log->all)
	{
		filter.series = is_wanted;
		filter.series_min = log->nseries > 0 ? log->series[0] : PG_UINT32_MAX;
		filter.series_max = log->nseries > 0 ? log->series[log->nseries - 1] : 0;
	}
	old = MemoryContextSwitchTo(log->context);
	shards = wanted_shards(scan);
	for (int l = 0; fits && l < ts_log_count(scan->table); l++)
	{
		if (shards[ts_log_shard(scan->table, l)])
			fits = load_one(scan, l, &filter, may_spill);
	}
	if (fits && log->spill != NULL)
	{
		if (log->rows->n > 0)
			spill(scan);
		ts_rows_free(log->rows);
		log->rows = NULL;
		scan->stats.spilled += ts_spill_bytes(log->spill);
	}
	else if (fits)
		log->order = ts_rows_order(log->rows, true);
	MemoryContextSwitchTo(old);
	if (!fits)
		ts_scan_free_log(scan);
	return fits;
}

void
ts_scan_load_log(TsScan *scan)
{
	ScanLog *log = &scan->log;

	if (!scan->visible)
		return;
	if (scan->spec.share != NULL)
	{
		ts_scan_free_log(scan);
		load(scan, false, true);
	}
	else if (!is_loaded(scan))
	{
		bool loaded = false;

		ts_scan_free_log(scan);
		if (log->loads > 0 && !log->too_large)
		{
			loaded = load(scan, true, false);
			log->too_large = !loaded;
		}
		if (!loaded)
			load(scan, false, true);
	}
	if (log->spill != NULL)
		ts_spill_start(log->spill);
}
