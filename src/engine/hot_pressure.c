/*
 * hot_pressure.c
 *	  When shards are to be sealed for the sake of memory.
 *
 * There are two reasons. Memory as a whole is short; then those shards are sealed that
 * have much of it. Or a shard has more than its series are worth: a table may have
 * TABLE_BYTES in any case, and for each series that has rows here SERIES_BYTES, or room
 * for SERIES_ROWS if its rows are wide. So memory follows the number of active series,
 * however much there is of it, and blocks get enough rows of a series to be worth it.
 *
 * Maintenance counts the series when it looks at a shard, and leaves in the slots of its
 * logs how much each may have until the shard is to be looked at again. An append that
 * comes to have more asks for maintenance, and again when there is a quarter more, since a
 * transaction may have held the seal up.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "hot_internal.h"
#include "ts_series.h"
#include "ts_workers.h"

#define TABLE_BYTES  (32 * 1024 * 1024)
#define SERIES_BYTES 400
#define SERIES_ROWS  16
/* What a log may have that nobody has looked at yet. */
#define UNSEEN_BYTES (4 * 1024 * 1024)

/* Memory is short when this share of all chunks is in use. */
#define PRESSED(used) ((uint64) (used) *4 > (uint64) hot_chunks * 3)
/* Nobody asks for seals twice in this time. */
#define HURRY_MS 200

/* Bits of a census at most: with more series than that, it counts only some of them. */
#define CENSUS_BITS (1024 * 1024)

/* An append of this backend found that its log has too much. */
static bool grown = false;

/* ---- asking for seals ---- */

/* Unless somebody just has. */
static void
hurry(void)
{
	uint64 now = (uint64) GetCurrentTimestamp();
	uint64 last = pg_atomic_read_u64(&hot_shared->hurried);

	if (now - last >= HURRY_MS * UINT64CONST(1000) &&
		pg_atomic_compare_exchange_u64(&hot_shared->hurried, &last, now))
		ts_workers_wake();
}

void
hot_hurry_for(uint32 chunks)
{
	if (PRESSED(pg_atomic_read_u32(&hot_shared->used) + chunks))
		hurry();
}

void
hot_hurry_if_grown(void)
{
	if (grown)
		hurry();
	grown = false;
}

void
hot_note_growth(const TsSlot *slot, uint32 before)
{
	uint32 limit = slot->hot_seal_at > 0 ? slot->hot_seal_at : UNSEEN_BYTES / HOT_CHUNK;
	uint32 step = Max(limit / 4, 1);

	if (slot->hot_chunks > limit &&
		(before <= limit || slot->hot_chunks / step != before / step))
		grown = true;
}

bool
ts_hot_pressed(void)
{
	return hot_chunks > 0 && PRESSED(pg_atomic_read_u32(&hot_shared->used));
}

/* ---- counting series ---- */

/* What a shard has here. */
typedef struct Census
{
	uint32 shards; /* of the table */
	int skip;      /* one in 2^skip series is counted */
	uint64 *bits;  /* one for each of them ... */
	uint32 words;  /* ... in so many */
	uint64 series;
	uint64 rows;
	uint64 bytes;
} Census;

static void
count_series(Census *census, uint32 series)
{
	uint32 index = series / census->shards; /* ids of a shard have equal distances */
	uint64 bit;

	if ((index & ((1u << census->skip) - 1)) != 0)
		return;
	index >>= census->skip;
	if (index / 64 >= census->words)
		return; /* came after the highest one was looked for */
	bit = UINT64CONST(1) << (index % 64);
	if ((census->bits[index / 64] & bit) == 0)
	{
		census->bits[index / 64] |= bit;
		census->series += UINT64CONST(1) << census->skip;
	}
}

/* Counts the series of an entry; the cursor is behind its header. */
static void
count_entry(Census *census, const HotEntry *entry, HotCursor cursor)
{
	uint32 left = entry->nrows;

	census->rows += entry->nrows;
	census->bytes += entry->length;
	if (entry->series_min == entry->series_max)
	{
		count_series(census, entry->series_min);
		return;
	}
	while (left > 0)
	{
		const uint32 *series;
		uint32 part;

		if (cursor.offset == HOT_CHUNK)
		{
			cursor.chunk = hot_next[cursor.chunk];
			cursor.offset = 0;
		}
		series = (const uint32 *) (hot_chunk_data(cursor.chunk) + cursor.offset);
		part = Min(left, (HOT_CHUNK - cursor.offset) / sizeof(uint32));
		for (uint32 k = 0; k < part; k++)
			count_series(census, series[k]);
		hot_cursor_skip(&cursor, part * sizeof(uint32));
		left -= part;
	}
}

/* The highest series of all entries of a range, or at least `highest`. */
static uint32
highest_series(const TsHotRange *range, uint32 highest)
{
	HotCursor cursor = {.chunk = range->generation, .left = range->length};
	const HotEntry *entry;

	while ((entry = hot_cursor_entry(&cursor)) != NULL)
	{
		highest = Max(highest, entry->series_max);
		hot_cursor_skip(&cursor, entry->length - sizeof(HotEntry));
	}
	return highest;
}

static void
count_range(Census *census, const TsHotRange *range)
{
	HotCursor cursor = {.chunk = range->generation, .left = range->length};
	const HotEntry *entry;

	while ((entry = hot_cursor_entry(&cursor)) != NULL)
	{
		count_entry(census, entry, cursor);
		hot_cursor_skip(&cursor, entry->length - sizeof(HotEntry));
	}
}

static void
take_census(const TsTable *table, int shard, Census *census)
{
	TsHotRange ranges[TS_HOT_RANGES];
	uint32 highest = 0;

	*census = (Census){.shards = (uint32) table->shards};
	for (int i = 0; i < TS_SHARD_LOGS; i++)
	{
		int count = ts_hot_pin(table, ts_log_of(table, shard, i), 0, PG_UINT64_MAX,
							   ranges);

		for (int r = 0; r < count; r++)
			highest = highest_series(&ranges[r], highest);
		ts_hot_unpin();
	}
	highest /= census->shards;
	while (highest >> census->skip >= CENSUS_BITS)
		census->skip++;
	census->words = (highest >> census->skip) / 64 + 1;
	census->bits = palloc0(census->words * sizeof(uint64));

	for (int i = 0; i < TS_SHARD_LOGS; i++)
	{
		int count = ts_hot_pin(table, ts_log_of(table, shard, i), 0, PG_UINT64_MAX,
							   ranges);

		for (int r = 0; r < count; r++)
		{
			CHECK_FOR_INTERRUPTS();
			count_range(census, &ranges[r]);
		}
		ts_hot_unpin();
	}
	pfree(census->bits);
}

/* ---- what a shard may have ---- */

/* Each of the shard's logs may have a part of the rest more than it has. */
static void
leave_limit(const TsTable *table, int shard, uint32 rest)
{
	for (int i = 0; i < TS_SHARD_LOGS; i++)
	{
		TsSlot *slot = ts_log_lock_slot(table, ts_log_of(table, shard, i), LW_EXCLUSIVE);

		if (slot == NULL)
			continue;
		/* most of what comes goes to the first log */
		slot->hot_seal_at = Max(slot->hot_chunks + (i == 0 ? rest : rest / TS_SHARD_LOGS),
								1);
		ts_shared_unlock(slot);
	}
}

/* Chunks that a shard may have which has so many. */
static uint32
find_limit(const TsTable *table, int shard, uint32 chunks)
{
	uint64 bytes = TABLE_BYTES / (uint32) table->shards;
	uint32 limit;

	if ((uint64) chunks * HOT_CHUNK > bytes)
	{
		Census census;

		take_census(table, shard, &census);
		bytes = Max(bytes, census.series * SERIES_BYTES);
		if (census.rows > 0)
			bytes = Max(bytes,
						census.series * SERIES_ROWS * (census.bytes / census.rows));
	}
	limit = (uint32) Min(bytes / HOT_CHUNK, hot_chunks);
	leave_limit(table, shard, limit > chunks ? limit - chunks : 0);
	return limit;
}

/* When memory is short: those that have half of what they would all have on the average. */
bool
ts_hot_wants_seal(const TsTable *table, int shard)
{
	uint64 bytes;

	if (hot_chunks == 0)
		return false;
	bytes = ts_hot_shard_bytes(table, shard);
	if (bytes == 0)
		return false;
	if (ts_hot_pressed() &&
		bytes * 2 * pg_atomic_read_u32(&hot_shared->generations) >=
			(uint64) pg_atomic_read_u32(&hot_shared->used) * HOT_CHUNK)
		return true;
	return bytes / HOT_CHUNK > find_limit(table, shard, (uint32) (bytes / HOT_CHUNK));
}
