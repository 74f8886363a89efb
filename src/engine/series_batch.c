/*
 * series_batch.c
 *	  Making many series: their keys first, then their entries in buckets.
 *
 * Hashes scatter, so an edit of a few pages can add few series to dictionary and buckets at
 * once. A batch adds keys alone, a page's worth in a WAL record, and then entries, sorted
 * by buckets. In between its series are in the dictionary and cannot be found by their
 * keys. That is good as long as
 *
 * - nobody else makes series meanwhile: a batch holds a heavyweight lock, and who makes
 *	 single series, without that lock, sees in the state that there are some without
 *	 entries (`hashed` < `series`), and waits for the lock;
 * - nobody has rows of such series: their ids are given when the batch is complete;
 * - a batch that was not completed, because of an error or a crash, is completed by the
 *	 next one who wants to make series. The state tells how far the entries go; when it is
 *	 not known, the last SERIES_BATCH series are looked at.
 *
 * Between looking keys up and adding the first one single series may be made; then all is
 * looked up again.
 */
#include "postgres.h"

#include "catalog/pg_am.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/rel.h"

#include "serve_stats.h"
#include "ts_maintain.h"
#include "ts_stop.h"

#include "series_internal.h"

typedef struct Batch
{
	Relation rel;
	const TsTable *table;
	SeriesPages *pages;
	const TsSlotKey *key;
	DictionaryState state;
	BucketEntry *entries; /* of the series that are in the dictionary now */
	uint32 nentries;
} Batch;

static void
lock_tag(const TsTable *table, LOCKTAG *tag)
{
	SET_LOCKTAG_OBJECT(*tag, MyDatabaseId, AccessMethodRelationId, table->relid,
					   TS_SERIES_LOCK_SUB_ID);
}

static void
read_state(Batch *batch)
{
	series_read_state(batch->rel, batch->table, batch->pages, batch->key, &batch->state);
}

static TsSlot *
lock_state(Batch *batch)
{
	return series_lock_state(batch->rel, batch->table, batch->pages, batch->key,
							 &batch->state);
}

/* ---- keys ---- */

/* How many of the keys go to one place. */
static uint32
plan_keys(const DictionaryState *state, const SeriesWanted *wanted, uint32 count,
		  SeriesPlace *place)
{
	uint32 entries;
	uint32 length;
	uint32 keys = 0;

	series_plan_place(state, wanted[0].length, place, &entries, &length);
	while (keys < count && series_key_fits(entries + keys, length, wanted[keys].length))
		length += dictionary_entry_size(wanted[keys++].length);
	Assert(keys > 0);
	return keys;
}

/* Adds keys, which get the ids from `first` on; none when the state is another one. */
static uint32
add_keys(Batch *batch, const SeriesWanted *wanted, uint32 count, uint64 first)
{
	DictionaryState *state = &batch->state;
	SeriesPlace place;
	uint32 keys = plan_keys(state, wanted, count, &place);
	TsEdit *edit;
	TsSlot *slot;

	series_pin_place(batch->rel, batch->table, batch->pages, &place);
	edit = ts_edit_start(batch->rel, batch->table);
	slot = lock_state(batch);
	if (slot == NULL || state->series != first)
	{
		keys = 0;
		ts_edit_give_up(edit);
	}
	else
	{
		Page page = series_edit_place(batch->rel, edit, &place, state);

		for (uint32 i = 0; i < keys; i++)
			series_put_key(batch->rel, page, &wanted[i]);
		series_count_keys(state, &place, keys, TsPageLength(page));
		ts_edit_finish(edit);
		TS_STOP_LOGGED("batch-keys-logged");
		series_state_to_slot(state, slot);
	}
	if (slot != NULL)
		ts_shared_unlock(slot);
	series_unpin_place(&place);
	for (uint32 i = 0; i < keys; i++)
		batch->entries[batch->nentries++] = (BucketEntry){
			.hash = wanted[i].hash,
			.id = (uint32) (first + i),
			.page = (uint32) place.ordinal,
		};
	return keys;
}

/* Adds all keys, or, when somebody else was faster to make a series, none: false. */
static bool
add_all_keys(Batch *batch, const SeriesWanted *wanted, uint32 count)
{
	DictionaryState *state = &batch->state;
	const uint64 base = state->series;
	uint32 done = 0;

	while (done < count)
	{
		CHECK_FOR_INTERRUPTS();
		if (state->series != base + done)
		{
			if (done > 0)
				elog(ERROR, "series were made in the middle of a batch");
			return false;
		}
		if (state->series >= state->buckets * BUCKET_LOAD)
			series_add_bucket(batch->rel, batch->table, batch->pages, batch->key, state);
		else
			done += add_keys(batch, wanted + done, count - done, base + done);
	}
	return true;
}

/* ---- entries ---- */

static int
compare_entries(const void *a, const void *b, void *arg)
{
	const uint64 buckets = *(const uint64 *) arg;
	uint32 one = series_bucket(((const BucketEntry *) a)->hash, buckets);
	uint32 other = series_bucket(((const BucketEntry *) b)->hash, buckets);

	return one < other ? -1 : one > other;
}

/* Buckets of an edit, and up to where their entries go. */
typedef struct EntryPlan
{
	int nbuckets;
	uint32 buckets[TS_EDIT_PAGES];
	uint32 ends[TS_EDIT_PAGES];
	BlockNumber blocks[TS_EDIT_PAGES];
	Buffer buffers[TS_EDIT_PAGES];
} EntryPlan;

static void
plan_entries(Batch *batch, const BucketEntry *entries, uint32 count, EntryPlan *plan)
{
	plan->nbuckets = 0;
	for (uint32 i = 0; i < count; i++)
	{
		uint32 bucket = series_bucket(entries[i].hash, batch->state.buckets);
		int n = plan->nbuckets;

		if (n == 0 || plan->buckets[n - 1] != bucket)
		{
			if (n == TS_EDIT_PAGES)
				break;
			plan->buckets[n] = bucket;
			plan->blocks[n] = series_known_block(batch->rel, batch->table, batch->pages,
												 SERIES_HASH, bucket);
			plan->buffers[n] = ts_pages_pin(batch->rel, plan->blocks[n]);
			n = ++plan->nbuckets;
		}
		plan->ends[n - 1] = i + 1;
	}
}

static void
edit_buckets(Batch *batch, TsEdit *edit, const BucketEntry *entries,
			 const EntryPlan *plan)
{
	uint32 i = 0;

	for (int n = 0; n < plan->nbuckets; n++)
	{
		Page page = ts_edit_lock(edit, plan->buffers[n], TS_STREAM_HASH, plan->buckets[n],
								 false);

		series_check_bucket(batch->rel, plan->blocks[n], plan->buckets[n], page);
		for (; i < plan->ends[n]; i++)
			series_put_entry(batch->rel, plan->blocks[n], plan->buckets[n], page,
							 &entries[i]);
	}
}

/* Adds entries that are sorted to their first few buckets; none when there are others. */
static uint32
add_entries(Batch *batch, const BucketEntry *entries, uint32 count)
{
	EntryPlan plan;
	TsEdit *edit;
	TsSlot *slot;

	plan_entries(batch, entries, count, &plan);
	edit = ts_edit_start(batch->rel, batch->table);
	slot = lock_state(batch);
	if (slot != NULL)
	{
		edit_buckets(batch, edit, entries, &plan);
		ts_edit_finish(edit);
		TS_STOP_LOGGED("batch-entries-logged");
		ts_shared_unlock(slot);
	}
	else
		ts_edit_give_up(edit);
	for (int n = 0; n < plan.nbuckets; n++)
		ReleaseBuffer(plan.buffers[n]);
	return slot != NULL ? plan.ends[plan.nbuckets - 1] : 0;
}

/* Adds the batch's entries; then all series can be found. */
static void
add_all_entries(Batch *batch)
{
	BucketEntry *entries = batch->entries;
	uint32 left = batch->nentries;
	TsSlot *slot;

	while (left > 0)
	{
		uint32 done = 1;

		qsort_arg(entries, left, sizeof(BucketEntry), compare_entries,
				  &batch->state.buckets);
		for (; left > 0 && done > 0; left -= done, entries += done)
		{
			CHECK_FOR_INTERRUPTS();
			done = add_entries(batch, entries, left);
		}
	}
	while ((slot = lock_state(batch)) == NULL)
		CHECK_FOR_INTERRUPTS();
	batch->state.hashed = batch->state.series;
	series_state_to_slot(&batch->state, slot);
	ts_shared_unlock(slot);
	batch->nentries = 0;
}

/* ---- what is left of another batch ---- */

/* The entries of a dictionary page's series, from an id on. */
static void
collect_entries(Batch *batch, uint64 ordinal, uint64 from, uint64 *first)
{
	PGAlignedBlock copy;
	Page page = (Page) copy.data;
	BlockNumber block;
	const DictionaryHeader *header = series_copy_dictionary(
		batch->rel, batch->table, batch->pages, ordinal, page, &block);

	*first = header->first;
	for (uint32 i = 0; i < header->count; i++)
	{
		uint32 length;
		const char *key;

		if ((uint64) header->first + i < from)
			continue;
		if (batch->nentries == SERIES_BATCH)
			elog(ERROR, "more series without entries than a batch has");
		key = series_page_key(batch->rel, block, page, i, &length);
		batch->entries[batch->nentries++] = (BucketEntry){
			.hash = (uint32) series_hash_key(batch->table, key, length),
			.id = header->first + i,
			.page = (uint32) ordinal,
		};
	}
}

/* Sees to it that all series have entries. The lock is held. */
static void
complete(Batch *batch)
{
	const uint64 from = batch->state.hashed;
	uint64 ordinal = batch->state.pages;
	uint64 first = batch->state.series;

	Assert(batch->nentries == 0);
	while (first > from)
	{
		Assert(ordinal > 0);
		collect_entries(batch, --ordinal, from, &first);
	}
	batch->nentries = series_lookup_entries(batch->rel, batch->table, batch->pages,
											batch->entries, batch->nentries);
	add_all_entries(batch);
}

/* ---- batches ---- */

static void
begin(Batch *batch, Relation rel, const TsTable *table, SeriesPages *pages,
	  const TsSlotKey *key)
{
	LOCKTAG tag;

	memset(batch, 0, sizeof(*batch));
	batch->rel = rel;
	batch->table = table;
	batch->pages = pages;
	batch->key = key;
	batch->entries = palloc(SERIES_BATCH * sizeof(BucketEntry));
	lock_tag(table, &tag);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	read_state(batch);
	if (batch->state.hashed < batch->state.series)
		complete(batch);
}

static void
end(Batch *batch)
{
	LOCKTAG tag;

	lock_tag(batch->table, &tag);
	LockRelease(&tag, ExclusiveLock, false);
	pfree(batch->entries);
}

void
series_finish_batch(Relation rel, const TsTable *table, SeriesPages *pages,
					const TsSlotKey *key)
{
	Batch batch;

	begin(&batch, rel, table, pages, key);
	end(&batch);
}

/* ---- the same key twice ---- */

static int
compare_wanted(const void *a, const void *b)
{
	const SeriesWanted *one = *(const SeriesWanted *const *) a;
	const SeriesWanted *other = *(const SeriesWanted *const *) b;

	if (one->hash != other->hash)
		return one->hash < other->hash ? -1 : 1;
	if (one->length != other->length)
		return one->length < other->length ? -1 : 1;
	if (memcmp(one->key, other->key, one->length) != 0)
		return memcmp(one->key, other->key, one->length);
	return one < other ? -1 : one > other;
}

static bool
is_same_key(const SeriesWanted *one, const SeriesWanted *other)
{
	return one->hash == other->hash && one->length == other->length &&
		   memcmp(one->key, other->key, one->length) == 0;
}

/*
 * Where keys that are wanted again get their ids from: twins[i] is the place of the id of
 * the first that is the same, or NULL.
 */
static uint32 **
find_twins(const SeriesWanted *wanted, uint32 count)
{
	const SeriesWanted **sorted = palloc(count * sizeof(*sorted));
	uint32 **twins = palloc0(count * sizeof(*twins));
	const SeriesWanted *first;

	for (uint32 i = 0; i < count; i++)
		sorted[i] = &wanted[i];
	qsort(sorted, count, sizeof(*sorted), compare_wanted);
	first = sorted[0];
	for (uint32 i = 1; i < count; i++)
	{
		if (is_same_key(first, sorted[i]))
			twins[sorted[i] - wanted] = first->id;
		else
			first = sorted[i];
	}
	pfree(sorted);
	return twins;
}

/*
 * Makes at most a batch of keys that all differ, and were not there when there were `base`
 * series.
 */
static void
make_different(Relation rel, const TsTable *table, SeriesPages *pages,
			   const TsSlotKey *key, SeriesWanted *wanted, uint32 count, uint64 base)
{
	Batch batch;
	bool made = false;

	begin(&batch, rel, table, pages, key);
	while (!made)
	{
		read_state(&batch);
		if (batch.state.series != base)
			count = series_lookup_many(rel, table, pages, wanted, count);
		base = batch.state.series;
		made = count == 0 || add_all_keys(&batch, wanted, count);
	}
	for (uint32 i = 0; i < count; i++)
		*wanted[i].id = batch.entries[i].id;
	TS_STOP("batch-keys-added");
	add_all_entries(&batch);
	end(&batch);
	serve_count(STAT_NEW_SERIES, count);
}

void
series_make_batch(Relation rel, const TsTable *table, SeriesPages *pages,
				  const TsSlotKey *key, SeriesWanted *wanted, uint32 count, uint64 base)
{
	uint32 **twins = find_twins(wanted, count);
	SeriesWanted *different = palloc(count * sizeof(SeriesWanted));
	uint32 n = 0;

	for (uint32 i = 0; i < count; i++)
	{
		if (twins[i] == NULL)
			different[n++] = wanted[i];
	}
	for (uint32 from = 0; from < n; from += SERIES_BATCH)
		make_different(rel, table, pages, key, different + from,
					   Min(n - from, SERIES_BATCH), base);
	for (uint32 i = 0; i < count; i++)
	{
		if (twins[i] != NULL)
			*wanted[i].id = *twins[i];
	}
	pfree(different);
	pfree(twins);
}
