/*
 * series_state.c
 *	  What writers of the dictionary share: how much there is of it, and its buckets.
 *
 * The slot of TS_STREAM_DICTIONARY serialises writers. Its fields hold what the pages say
 * (DictionaryState): `end` is the number of dictionary pages, aux[] the rest. Buckets are
 * split in records of their own, when the state says that it is time; after a crash in
 * between the next writer does it.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "utils/rel.h"

#include "ts_shared.h"
#include "ts_stop.h"

#include "series_internal.h"

static void
state_from_slot(DictionaryState *state, const TsSlot *slot)
{
	Assert(slot->ready);
	state->pages = slot->end;
	state->series = slot->aux[0];
	state->buckets = slot->aux[1];
	state->first = (uint32) (slot->aux[2] >> 32);
	state->length = (uint32) slot->aux[2];
	state->hashed = slot->aux[3];
}

void
series_state_to_slot(const DictionaryState *state, TsSlot *slot)
{
	slot->end = state->pages;
	slot->aux[0] = state->series;
	slot->aux[1] = state->buckets;
	slot->aux[2] = (uint64) state->first << 32 | state->length;
	slot->aux[3] = state->hashed;
}

/*
 * Finds out from pages what there is in the dictionary; not the buckets. The series of one
 * batch may be missing there.
 */
static void
read_dictionary_end(Relation rel, const TsTable *table, SeriesPages *pages,
					DictionaryState *state)
{
	PGAlignedBlock copy;
	Page page = (Page) copy.data;
	const DictionaryHeader *header;
	BlockNumber block;

	memset(state, 0, sizeof(*state));
	state->pages = series_stream_end(rel, table, pages, SERIES_DICTIONARY);
	if (state->pages == 0)
		return;
	header = series_copy_dictionary(rel, table, pages, state->pages - 1, page, &block);
	state->first = header->first;
	state->series = (uint64) header->first + header->count;
	state->length = TsPageLength(page);
	if (state->series > SERIES_BATCH)
		state->hashed = state->series - SERIES_BATCH;
}

/*
 * A damaged page can make a stream look shorter than it is, and what comes next would be
 * written over what is there. But series and buckets must fit together: a bucket is added
 * when there are BUCKET_LOAD series for each, and between two such moments come the
 * series of one dictionary page at most.
 */
static void
check_state(Relation rel, const DictionaryState *state)
{
	uint64 most = state->buckets * BUCKET_LOAD + DICTIONARY_ENTRIES;
	uint64 least = state->buckets > 0 ? (state->buckets - 1) * BUCKET_LOAD : 0;

	if (state->series < least || state->series > most ||
		(state->series > 0 && state->buckets == 0))
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("the series dictionary of table \"%s\" is damaged",
							   RelationGetRelationName(rel)),
						errdetail("There are " UINT64_FORMAT " series in " UINT64_FORMAT
								  " pages, but " UINT64_FORMAT " hash buckets.",
								  state->series, state->pages, state->buckets),
						errhint("Restore the table from a backup.")));
}

/* Reads the state as it is now. On a primary only. */
void
series_read_state(Relation rel, const TsTable *table, SeriesPages *pages,
				  const TsSlotKey *key, DictionaryState *state)
{
	Assert(!RecoveryInProgress());
	for (;;)
	{
		uint64 ticket;
		bool valid;
		TsSlot *slot = ts_shared_lock(key, LW_SHARED, &ticket);

		if (slot->ready)
		{
			state_from_slot(state, slot);
			ts_shared_unlock(slot);
			break;
		}
		ts_shared_unlock(slot);
		read_dictionary_end(rel, table, pages, state);
		state->buckets = series_stream_end(rel, table, pages, SERIES_HASH);
		slot = ts_shared_lock_again(key, LW_EXCLUSIVE, ticket, &valid);
		if (valid)
		{
			check_state(rel, state);
			series_state_to_slot(state, slot);
			slot->ready = true;
		}
		ts_shared_unlock(slot);
		if (valid)
			break;
		CHECK_FOR_INTERRUPTS();
	}
	pages->buckets = Max(pages->buckets, state->buckets);
}

/*
 * Locks the slot to write. NULL, and the new state, when pages or buckets were added
 * since the state was read.
 */
TsSlot *
series_lock_state(Relation rel, const TsTable *table, SeriesPages *pages,
				  const TsSlotKey *key, DictionaryState *state)
{
	uint64 ticket;
	TsSlot *slot = ts_shared_lock(key, LW_EXCLUSIVE, &ticket);

	if (slot->ready)
	{
		uint64 had_pages = state->pages;
		uint64 had_buckets = state->buckets;

		state_from_slot(state, slot);
		if (state->pages == had_pages && state->buckets == had_buckets)
			return slot;
		ts_shared_unlock(slot);
		pages->buckets = Max(pages->buckets, state->buckets);
	}
	else
	{
		ts_shared_unlock(slot);
		series_read_state(rel, table, pages, key, state);
	}
	return NULL;
}

uint32
ts_series_count(Relation rel, const TsTable *table)
{
	SeriesPages *pages = series_map_pages(series_map(table));
	DictionaryState state;

	/* On a standby nobody would keep a slot's fields up to date. */
	if (RecoveryInProgress())
		read_dictionary_end(rel, table, pages, &state);
	else
	{
		TsSlotKey key;

		ts_slot_key(&key, table, TS_STREAM_DICTIONARY);
		series_read_state(rel, table, pages, &key, &state);
	}
	Assert(state.series <= PG_UINT32_MAX);
	return (uint32) state.series;
}

/* ---- buckets ---- */

/* Makes one bucket more: the first one, or by splitting one. */
void
series_add_bucket(Relation rel, const TsTable *table, SeriesPages *pages,
				  const TsSlotKey *key, DictionaryState *state)
{
	uint64 number = state->buckets;
	uint32 old = 0;
	int level = 0;
	BlockNumber block = InvalidBlockNumber;
	Buffer buffer = InvalidBuffer;
	Buffer fresh_buffer;
	TsEdit *edit;
	TsSlot *slot;

	if (number > 0)
	{
		old = series_next_split(number, &level);
		block = series_known_block(rel, table, pages, SERIES_HASH, old);
		buffer = ts_pages_pin(rel, block);
	}
	fresh_buffer = ts_pages_pin(
		rel, series_make_block(rel, table, pages, SERIES_HASH, number));
	edit = ts_edit_start(rel, table);

	slot = series_lock_state(rel, table, pages, key, state);
	if (slot)
	{
		if (number == 0)
			series_init_bucket(ts_edit_lock(edit, fresh_buffer, TS_STREAM_HASH, 0, true),
							   0);
		else
		{
			Page from = ts_edit_lock(edit, buffer, TS_STREAM_HASH, old, false);

			if (series_check_bucket(rel, block, old, from)->level != level)
				ts_stream_damaged(rel, block, "wrong level of a hash bucket");
			series_split_bucket(
				from, ts_edit_lock(edit, fresh_buffer, TS_STREAM_HASH, number, true),
				level);
		}
		TS_STOP_LOCKED("split-before-wal");
		ts_edit_finish(edit);
		TS_STOP_LOGGED("split-after-wal");
		state->buckets++;
		series_state_to_slot(state, slot);
		ts_shared_unlock(slot);
		pages->buckets = Max(pages->buckets, state->buckets);
	}
	else
		ts_edit_give_up(edit);
	if (BufferIsValid(buffer))
		ReleaseBuffer(buffer);
	ReleaseBuffer(fresh_buffer);
}
