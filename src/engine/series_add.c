/*
 * series_add.c
 *	  What is added to pages of the dictionary in an edit: keys, with the locator's entry of
 *	  a page that begins, and entries of buckets.
 */
#include "postgres.h"

#include "utils/rel.h"

#include "series_internal.h"

/* ---- keys ---- */

bool
series_key_fits(uint32 count, uint32 length, uint32 key_length)
{
	return count < DICTIONARY_ENTRIES &&
		   length + dictionary_entry_size(key_length) <= TS_PAGE_ROOM;
}

void
series_plan_place(const DictionaryState *state, uint32 key_length, SeriesPlace *place,
				  uint32 *entries, uint32 *length)
{
	*entries = (uint32) (state->series - state->first);
	*length = state->length;
	place->fresh = state->pages == 0 || !series_key_fits(*entries, *length, key_length);
	place->ordinal = state->pages;
	if (place->fresh)
	{
		*entries = 0;
		*length = sizeof(DictionaryHeader);
	}
	else
		place->ordinal--;
}

void
series_pin_place(Relation rel, const TsTable *table, SeriesPages *pages,
				 SeriesPlace *place)
{
	place->block = series_make_block(rel, table, pages, SERIES_DICTIONARY,
									 place->ordinal);
	place->buffer = ts_pages_pin(rel, place->block);
	if (place->fresh)
		place->locator = ts_pages_pin(
			rel, series_make_block(rel, table, pages, SERIES_LOCATOR,
								   place->ordinal / LOCATOR_ENTRIES));
}

void
series_unpin_place(SeriesPlace *place)
{
	ReleaseBuffer(place->buffer);
	if (place->fresh)
		ReleaseBuffer(place->locator);
}

/* Enters a new dictionary page into the locator. */
static void
edit_locator(Relation rel, TsEdit *edit, const SeriesPlace *place, uint32 first)
{
	uint32 index = place->ordinal % LOCATOR_ENTRIES;
	Page page = ts_edit_lock(edit, place->locator, TS_STREAM_LOCATOR,
							 place->ordinal / LOCATOR_ENTRIES, index == 0);
	LocatorPage *locator = (LocatorPage *) TsPageData(page);
	BlockNumber block = BufferGetBlockNumber(place->locator);

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

Page
series_edit_place(Relation rel, TsEdit *edit, const SeriesPlace *place,
				  const DictionaryState *state)
{
	Page page = ts_edit_lock(edit, place->buffer, TS_STREAM_DICTIONARY, place->ordinal,
							 place->fresh);
	DictionaryHeader *header = (DictionaryHeader *) TsPageData(page);

	if (place->fresh)
	{
		memset(header, 0, sizeof(*header));
		header->version = SERIES_FORMAT_VERSION;
		header->first = (uint32) state->series;
		TsPageSetLength(page, sizeof(*header));
		edit_locator(rel, edit, place, header->first);
		return page;
	}
	series_check_dictionary(rel, place->block, page);
	if (header->first != state->first ||
		(uint64) header->first + header->count != state->series ||
		TsPageLength(page) != state->length)
		ts_stream_damaged(rel, place->block, "series that nobody made");
	return page;
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

void
series_put_key(Relation rel, Page page, const SeriesWanted *key)
{
	DictionaryHeader *header = (DictionaryHeader *) TsPageData(page);
	uint32 length = TsPageLength(page);
	uint16 size = (uint16) key->length;

	if ((uint64) header->first + header->count >= PG_UINT32_MAX)
		out_of_ids(rel);
	if (header->count % DICTIONARY_GROUP == 0)
		header->groups[header->count / DICTIONARY_GROUP] = (uint16) length;
	memcpy(TsPageData(page) + length, &size, sizeof(size));
	memcpy(TsPageData(page) + length + sizeof(size), key->key, size);
	header->count++;
	TsPageSetLength(page, length + dictionary_entry_size(size));
}

void
series_count_keys(DictionaryState *state, const SeriesPlace *place, uint32 count,
				  uint32 length)
{
	if (place->fresh)
	{
		state->pages++;
		state->first = (uint32) state->series;
	}
	state->series += count;
	state->length = length;
}

/* ---- entries ---- */

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

void
series_put_entry(Relation rel, BlockNumber block, uint32 number, Page page,
				 const BucketEntry *entry)
{
	BucketPage *bucket = (BucketPage *) TsPageData(page);

	if (series_hash_bits(entry->hash, bucket->level) != number)
		ts_stream_damaged(rel, block, "wrong level of a hash bucket");
	if (bucket->count == BUCKET_ENTRIES)
		bucket_full(rel);
	bucket->entries[bucket->count++] = *entry;
	TsPageSetLength(page, bucket_length(bucket->count));
}
