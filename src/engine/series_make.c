/*
 * series_make.c
 *	  Making series, a few at a time: series_batch.c makes many.
 *
 * A writer
 *
 *	1. reads the state, and looks its keys up in the pages, without a lock: a key that is
 *	   not found is not among the series that the state counts (`base`);
 *	2. plans which keys go into one WAL record: as many, in order, as fit one dictionary
 *	   page and touch no more buckets than an edit has pages;
 *	3. maps and pins those pages;
 *	4. takes the lock; when the state has moved on so that other pages are wanted, he
 *	   plans anew. A key whose bucket has got an entry with the same hash since (its id is
 *	   not below base) may have been made meanwhile, and is looked up again; so are all
 *	   when there are series without entries, since a batch is being made;
 *	5. changes the pages in one edit and then the slot's fields, which cannot fail.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/rel.h"

#include "serve_stats.h"
#include "ts_shared.h"
#include "ts_stop.h"

#include "series_internal.h"

/* So many are made as a batch. */
#define BATCH_FROM 16

/* ---- planning ---- */

/* The pages of one edit, and the keys it is planned to add. */
typedef struct MakePlan
{
	uint32 keys; /* the first so many of those given */
	SeriesPlace place;
	int nbuckets;
	uint32 buckets[TS_EDIT_PAGES];
	BlockNumber bucket_blocks[TS_EDIT_PAGES];
	Buffer bucket_buffers[TS_EDIT_PAGES];
} MakePlan;

static int
plan_bucket(const MakePlan *plan, uint32 bucket)
{
	int i = 0;

	while (i < plan->nbuckets && plan->buckets[i] != bucket)
		i++;
	return i;
}

/* Chooses the keys and the pages of the next edit. Takes at least one key. */
static void
make_plan(const DictionaryState *state, const SeriesWanted *wanted, uint32 count,
		  MakePlan *plan)
{
	int max_buckets = TS_EDIT_PAGES - 1;
	uint32 entries;
	uint32 length;

	memset(plan, 0, sizeof(*plan));
	series_plan_place(state, wanted[0].length, &plan->place, &entries, &length);
	if (plan->place.fresh)
		max_buckets--; /* the locator's page */
	for (; plan->keys < count; plan->keys++)
	{
		const SeriesWanted *key = &wanted[plan->keys];
		uint32 bucket = series_bucket(key->hash, state->buckets);
		int i = plan_bucket(plan, bucket);

		if (i == max_buckets || !series_key_fits(entries, length, key->length))
			break;
		if (i == plan->nbuckets)
			plan->buckets[plan->nbuckets++] = bucket;
		entries++;
		length += dictionary_entry_size(key->length);
	}
	Assert(plan->keys > 0);
}

static void
pin_plan(Relation rel, const TsTable *table, SeriesPages *pages, MakePlan *plan)
{
	series_pin_place(rel, table, pages, &plan->place);
	for (int i = 0; i < plan->nbuckets; i++)
	{
		plan->bucket_blocks[i] = series_known_block(rel, table, pages, SERIES_HASH,
													plan->buckets[i]);
		plan->bucket_buffers[i] = ts_pages_pin(rel, plan->bucket_blocks[i]);
	}
}

static void
unpin_plan(MakePlan *plan)
{
	series_unpin_place(&plan->place);
	for (int i = 0; i < plan->nbuckets; i++)
		ReleaseBuffer(plan->bucket_buffers[i]);
}

/* ---- making ---- */

/* Whether a series with this hash was made since there were `base` of them. */
static bool
hash_is_new(const BucketPage *bucket, uint32 hash, uint64 base)
{
	for (uint32 i = bucket->count; i > 0; i--)
	{
		const BucketEntry *entry = &bucket->entries[i - 1];

		if (entry->hash == hash && entry->id >= base)
			return false;
	}
	return true;
}

/*
 * Adds the planned keys to the pages, under the slot's lock, up to the first that does
 * not fit any more or may have been made since; returns how many were added, and whether
 * the next one may have been made.
 */
static uint32
edit_plan(Relation rel, TsEdit *edit, const MakePlan *plan, const DictionaryState *state,
		  const SeriesWanted *wanted, uint64 base, bool *conflict, uint32 *length)
{
	Page buckets[TS_EDIT_PAGES] = {NULL};
	Page page = series_edit_place(rel, edit, &plan->place, state);
	const DictionaryHeader *header = (const DictionaryHeader *) TsPageData(page);
	uint32 done;

	for (done = 0; done < plan->keys; done++)
	{
		const SeriesWanted *key = &wanted[done];
		int i = plan_bucket(plan, series_bucket(key->hash, state->buckets));
		const BucketEntry entry = {.hash = key->hash,
								   .id = (uint32) (state->series + done),
								   .page = (uint32) plan->place.ordinal};

		Assert(i < plan->nbuckets);
		if (!series_key_fits(header->count, TsPageLength(page), key->length))
			break;
		if (!buckets[i])
		{
			buckets[i] = ts_edit_lock(edit, plan->bucket_buffers[i], TS_STREAM_HASH,
									  plan->buckets[i], false);
			series_check_bucket(rel, plan->bucket_blocks[i], plan->buckets[i],
								buckets[i]);
		}
		*conflict = !hash_is_new((const BucketPage *) TsPageData(buckets[i]), key->hash,
								 base);
		if (*conflict)
			break;
		series_put_key(rel, page, key);
		series_put_entry(rel, plan->bucket_blocks[i], plan->buckets[i], buckets[i],
						 &entry);
	}
	*length = TsPageLength(page);
	return done;
}

/*
 * Makes series of the first few keys in one WAL record; returns of how many. None, when
 * somebody else was faster to change the state, or when the first one may have been made.
 */
static uint32
make_some(Relation rel, const TsTable *table, SeriesPages *pages, const TsSlotKey *key,
		  DictionaryState *state, SeriesWanted *wanted, uint32 count, uint64 base,
		  bool *conflict)
{
	MakePlan plan;
	TsEdit *edit;
	TsSlot *slot;
	uint32 length;
	uint32 made = 0;

	*conflict = false;
	make_plan(state, wanted, count, &plan);
	pin_plan(rel, table, pages, &plan);
	edit = ts_edit_start(rel, table);
	slot = series_lock_state(rel, table, pages, key, state);
	if (slot && state->hashed < state->series)
		*conflict = true;
	else if (slot)
		made = edit_plan(rel, edit, &plan, state, wanted, base, conflict, &length);
	if (made == 0)
		ts_edit_give_up(edit);
	else
	{
		TS_STOP_LOCKED("series-before-wal");
		ts_edit_finish(edit);
		TS_STOP_LOGGED("series-after-wal");
		for (uint32 i = 0; i < made; i++)
			*wanted[i].id = (uint32) (state->series + i);
		series_count_keys(state, &plan.place, made, length);
		state->hashed = state->series;
		series_state_to_slot(state, slot);
	}
	if (slot)
		ts_shared_unlock(slot);
	unpin_plan(&plan);
	serve_count(STAT_NEW_SERIES, made);
	return made;
}

void
series_find_or_make(Relation rel, const TsTable *table, SeriesPages *pages,
					SeriesWanted *wanted, uint32 count)
{
	DictionaryState state;
	TsSlotKey key;

	ts_slot_key(&key, table, TS_STREAM_DICTIONARY);
	for (uint32 i = 0; i < count; i++)
	{
		if (wanted[i].length > TS_MAX_KEY_SIZE)
			elog(ERROR, "series key of %u bytes", wanted[i].length);
	}
	serve_count(STAT_SERIES_CACHE_MISSES, count);
	while (count > 0)
	{
		uint32 missing;
		uint32 done = 0;
		bool conflict = false;
		uint64 base;

		CHECK_FOR_INTERRUPTS();
		series_read_state(rel, table, pages, &key, &state);
		if (state.hashed < state.series)
		{
			series_finish_batch(rel, table, pages, &key);
			continue;
		}
		base = state.series;
		missing = series_lookup_many(rel, table, pages, wanted, count);
		if (missing >= BATCH_FROM)
		{
			series_make_batch(rel, table, pages, &key, wanted, missing, base);
			return;
		}
		while (done < missing && !conflict)
		{
			if (state.series >= state.buckets * BUCKET_LOAD)
				series_add_bucket(rel, table, pages, &key, &state);
			else
				done += make_some(rel, table, pages, &key, &state, wanted + done,
								  missing - done, base, &conflict);
			CHECK_FOR_INTERRUPTS();
		}
		count = missing - done;
		memmove(wanted, wanted + done, count * sizeof(SeriesWanted));
	}
}
