/*
 * series_make.c
 *	  Making series: the writers' side of the dictionary, and how many series there are.
 *
 * The slot of TS_STREAM_DICTIONARY serialises writers. Its fields hold what the pages say
 * (DictionaryState): `end` is the number of dictionary pages, aux[] the rest. A writer
 *
 *	1. reads the state, and looks its keys up in the pages, without a lock: a key that is
 *	   not found is not among the series that the state counts (`base`);
 *	2. plans which keys go into one WAL record: as many, in order, as fit one dictionary
 *	   page and touch no more buckets than an edit has pages;
 *	3. maps and pins those pages;
 *	4. takes the lock; when the state has moved on so that other pages are wanted, he
 *	   plans anew. A key whose bucket has got an entry with the same hash since (its id is
 *	   not below base) may have been made meanwhile, and is looked up again;
 *	5. changes the pages in one edit and then the slot's fields, which cannot fail.
 *
 * Buckets are split in records of their own, when the state says that it is time; after a
 * crash in between the next writer does it.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "serve_stats.h"
#include "ts_shared.h"
#include "ts_stop.h"

#include "series_internal.h"

typedef struct DictionaryState
{
	uint64 pages;   /* dictionary pages: slot->end */
	uint64 series;  /* aux[0] */
	uint64 buckets; /* aux[1] */
	uint32 first;   /* of the last page, its first id ... */
	uint32 length;  /* ... and the bytes of its content: aux[2], high and low half */
} DictionaryState;

static void
state_from_slot(DictionaryState *state, const TsSlot *slot)
{
	Assert(slot->ready);
	state->pages = slot->end;
	state->series = slot->aux[0];
	state->buckets = slot->aux[1];
	state->first = (uint32) (slot->aux[2] >> 32);
	state->length = (uint32) slot->aux[2];
}

static void
state_to_slot(const DictionaryState *state, TsSlot *slot)
{
	slot->end = state->pages;
	slot->aux[0] = state->series;
	slot->aux[1] = state->buckets;
	slot->aux[2] = (uint64) state->first << 32 | state->length;
}

/* Finds out from pages what there is in the dictionary; not the buckets. */
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
static void
read_state(Relation rel, const TsTable *table, SeriesPages *pages, const TsSlotKey *key,
		   DictionaryState *state)
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
			state_to_slot(state, slot);
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
static TsSlot *
lock_state(Relation rel, const TsTable *table, SeriesPages *pages, const TsSlotKey *key,
		   DictionaryState *state)
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
		read_state(rel, table, pages, key, state);
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
		read_state(rel, table, pages, &key, &state);
	}
	Assert(state.series <= PG_UINT32_MAX);
	return (uint32) state.series;
}

/* ---- buckets ---- */

/* Makes one bucket more: the first one, or by splitting one. */
static void
add_bucket(Relation rel, const TsTable *table, SeriesPages *pages, const TsSlotKey *key,
		   DictionaryState *state)
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

	slot = lock_state(rel, table, pages, key, state);
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
		state_to_slot(state, slot);
		ts_shared_unlock(slot);
		pages->buckets = Max(pages->buckets, state->buckets);
	}
	else
		ts_edit_give_up(edit);
	if (BufferIsValid(buffer))
		ReleaseBuffer(buffer);
	ReleaseBuffer(fresh_buffer);
}

/* ---- new series ---- */

/* The pages of one edit, and the keys it is planned to add. */
typedef struct MakePlan
{
	uint32 keys;       /* the first so many of those given */
	bool fresh;        /* they begin a dictionary page */
	uint64 ordinal;    /* of the dictionary page */
	BlockNumber block; /* its block and buffer ... */
	Buffer buffer;     /* ... */
	Buffer locator;    /* when fresh */
	int nbuckets;
	uint32 buckets[TS_EDIT_PAGES];
	BlockNumber bucket_blocks[TS_EDIT_PAGES];
	Buffer bucket_buffers[TS_EDIT_PAGES];
} MakePlan;

/* Whether a key fits the dictionary page that has so many entries and bytes. */
static bool
key_fits(uint32 count, uint32 length, uint32 key_length)
{
	return count < DICTIONARY_ENTRIES &&
		   length + dictionary_entry_size(key_length) <= TS_PAGE_ROOM;
}

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
	uint32 entries = (uint32) (state->series - state->first);
	uint32 length = state->length;
	int max_buckets = TS_EDIT_PAGES - 1;

	memset(plan, 0, sizeof(*plan));
	plan->fresh = state->pages == 0 || !key_fits(entries, length, wanted[0].length);
	plan->ordinal = state->pages;
	if (plan->fresh)
	{
		entries = 0;
		length = sizeof(DictionaryHeader);
		max_buckets--; /* the locator's page */
	}
	else
		plan->ordinal--;

	for (; plan->keys < count; plan->keys++)
	{
		const SeriesWanted *key = &wanted[plan->keys];
		uint32 bucket = series_bucket(key->hash, state->buckets);
		int i = plan_bucket(plan, bucket);

		if (i == max_buckets || !key_fits(entries, length, key->length))
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
	plan->block = series_make_block(rel, table, pages, SERIES_DICTIONARY, plan->ordinal);
	plan->buffer = ts_pages_pin(rel, plan->block);
	if (plan->fresh)
		plan->locator = ts_pages_pin(rel,
									 series_make_block(rel, table, pages, SERIES_LOCATOR,
													   plan->ordinal / LOCATOR_ENTRIES));
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
	ReleaseBuffer(plan->buffer);
	if (plan->fresh)
		ReleaseBuffer(plan->locator);
	for (int i = 0; i < plan->nbuckets; i++)
		ReleaseBuffer(plan->bucket_buffers[i]);
}

/* Enters a new dictionary page into the locator. */
static void
edit_locator(Relation rel, TsEdit *edit, const MakePlan *plan, uint32 first)
{
	uint32 index = plan->ordinal % LOCATOR_ENTRIES;
	Page page = ts_edit_lock(edit, plan->locator, TS_STREAM_LOCATOR,
							 plan->ordinal / LOCATOR_ENTRIES, index == 0);
	LocatorPage *locator = (LocatorPage *) TsPageData(page);
	BlockNumber block = BufferGetBlockNumber(plan->locator);

	if (index == 0)
	{
		memset(locator, 0, locator_length(0));
		locator->version = SERIES_FORMAT_VERSION;
	}
	else if (series_check_locator(rel, block, page) != index)
		ts_stream_damaged(rel, block, "wrong number of pages in the series locator");
	locator->first[index] = first;
	TsPageSetLength(page, locator_length(index + 1));
}

/* Locks the dictionary page that the plan adds to. */
static Page
edit_dictionary(Relation rel, TsEdit *edit, const MakePlan *plan,
				const DictionaryState *state)
{
	Page page = ts_edit_lock(edit, plan->buffer, TS_STREAM_DICTIONARY, plan->ordinal,
							 plan->fresh);
	DictionaryHeader *header = (DictionaryHeader *) TsPageData(page);

	if (plan->fresh)
	{
		memset(header, 0, sizeof(*header));
		header->version = SERIES_FORMAT_VERSION;
		header->first = (uint32) state->series;
		TsPageSetLength(page, sizeof(*header));
		edit_locator(rel, edit, plan, header->first);
		return page;
	}
	series_check_dictionary(rel, plan->block, page);
	if (header->first != state->first ||
		(uint64) header->first + header->count != state->series ||
		TsPageLength(page) != state->length)
		ts_stream_damaged(rel, plan->block, "series that nobody made");
	return page;
}

static void
add_to_dictionary(Page page, const SeriesWanted *key)
{
	DictionaryHeader *header = (DictionaryHeader *) TsPageData(page);
	uint32 length = TsPageLength(page);
	uint16 size = (uint16) key->length;

	if (header->count % DICTIONARY_GROUP == 0)
		header->groups[header->count / DICTIONARY_GROUP] = (uint16) length;
	memcpy(TsPageData(page) + length, &size, sizeof(size));
	memcpy(TsPageData(page) + length + sizeof(size), key->key, size);
	header->count++;
	TsPageSetLength(page, length + dictionary_entry_size(size));
}

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

static void
bucket_full(Relation rel)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
		 errmsg("cannot add a series to table \"%s\"", RelationGetRelationName(rel)),
		 errdetail("A page of its hash index is full: too many keys have the same "
				   "hash."),
		 errhint("Hashes differ from table to table: copy the rows into a new one.")));
}

static void
out_of_ids(Relation rel)
{
	ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					errmsg("table \"%s\" cannot have more than %u series",
						   RelationGetRelationName(rel), PG_UINT32_MAX),
					errhint("Divide the rows among several tables, for example by "
							"partitioning.")));
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
	Page page = edit_dictionary(rel, edit, plan, state);
	const DictionaryHeader *header = (const DictionaryHeader *) TsPageData(page);
	uint32 done;

	for (done = 0; done < plan->keys; done++)
	{
		const SeriesWanted *key = &wanted[done];
		int i = plan_bucket(plan, series_bucket(key->hash, state->buckets));
		BucketPage *bucket;

		Assert(i < plan->nbuckets);
		if (!key_fits(header->count, TsPageLength(page), key->length))
			break;
		if (!buckets[i])
		{
			buckets[i] = ts_edit_lock(edit, plan->bucket_buffers[i], TS_STREAM_HASH,
									  plan->buckets[i], false);
			series_check_bucket(rel, plan->bucket_blocks[i], plan->buckets[i],
								buckets[i]);
		}
		bucket = (BucketPage *) TsPageData(buckets[i]);
		if (series_hash_bits(key->hash, bucket->level) != plan->buckets[i])
			ts_stream_damaged(rel, plan->bucket_blocks[i],
							  "wrong level of a hash bucket");
		*conflict = !hash_is_new(bucket, key->hash, base);
		if (*conflict)
			break;
		if (bucket->count == BUCKET_ENTRIES)
			bucket_full(rel);
		if (state->series + done >= PG_UINT32_MAX)
			out_of_ids(rel);

		bucket->entries[bucket->count++] = (BucketEntry){
			.hash = key->hash,
			.id = (uint32) (state->series + done),
			.page = (uint32) plan->ordinal,
		};
		TsPageSetLength(buckets[i], bucket_length(bucket->count));
		add_to_dictionary(page, key);
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
	slot = lock_state(rel, table, pages, key, state);
	if (slot)
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
		if (plan.fresh)
		{
			state->pages++;
			state->first = (uint32) state->series;
		}
		state->series += made;
		state->length = length;
		state_to_slot(state, slot);
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
		uint32 missing = 0;
		uint32 done = 0;
		bool conflict = false;
		uint64 base;

		CHECK_FOR_INTERRUPTS();
		read_state(rel, table, pages, &key, &state);
		base = state.series;
		for (uint32 i = 0; i < count; i++)
		{
			if (!series_lookup(rel, table, pages, wanted[i].hash, wanted[i].key,
							   wanted[i].length, wanted[i].id))
				wanted[missing++] = wanted[i];
		}
		while (done < missing && !conflict)
		{
			if (state.series >= state.buckets * BUCKET_LOAD)
				add_bucket(rel, table, pages, &key, &state);
			else
				done += make_some(rel, table, pages, &key, &state, wanted + done,
								  missing - done, base, &conflict);
			CHECK_FOR_INTERRUPTS();
		}
		count = missing - done;
		memmove(wanted, wanted + done, count * sizeof(SeriesWanted));
	}
}
