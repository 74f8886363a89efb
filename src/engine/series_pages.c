/*
 * series_pages.c
 *	  Pages of the series dictionary: found by ordinal, copied, and checked against
 *	  series_format.h before anything in them is believed.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/rel.h"

#include "series_internal.h"

static const TsStream stream_numbers[SERIES_STREAMS] = {
	[SERIES_DICTIONARY] = TS_STREAM_DICTIONARY,
	[SERIES_HASH] = TS_STREAM_HASH,
	[SERIES_LOCATOR] = TS_STREAM_LOCATOR,
};

static const char *const stream_names[SERIES_STREAMS] = {
	[SERIES_DICTIONARY] = "series dictionary",
	[SERIES_HASH] = "series hash index",
	[SERIES_LOCATOR] = "series locator",
};

/* ---- finding pages ---- */

static void
read_directory(Relation rel, const TsTable *table, SeriesPages *pages,
			   SeriesStream stream)
{
	TsDirectory *read = ts_pages_directory(rel, table, stream_numbers[stream]);
	Size size = offsetof(TsDirectory, runs) + read->nruns * sizeof(TsRun);
	TsDirectory *kept = MemoryContextAlloc(pages->context, size);

	memcpy(kept, read, size);
	pfree(read);
	if (pages->directories[stream])
		pfree(pages->directories[stream]);
	pages->directories[stream] = kept;
}

/* The block of a page, or InvalidBlockNumber when the directory does not map it. */
static BlockNumber
find_block(Relation rel, const TsTable *table, SeriesPages *pages, SeriesStream stream,
		   uint64 ordinal)
{
	if (pages->directories[stream])
	{
		BlockNumber block = ts_directory_find(pages->directories[stream], ordinal);

		if (block != InvalidBlockNumber)
			return block;
	}
	read_directory(rel, table, pages, stream);
	return ts_directory_find(pages->directories[stream], ordinal);
}

BlockNumber
series_known_block(Relation rel, const TsTable *table, SeriesPages *pages,
				   SeriesStream stream, uint64 ordinal)
{
	BlockNumber block = find_block(rel, table, pages, stream, ordinal);

	if (block == InvalidBlockNumber)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("page " UINT64_FORMAT " of the %s of table \"%s\" is missing",
						ordinal, stream_names[stream], RelationGetRelationName(rel)),
				 errdetail("The directory of the table's pages does not have it.")));
	return block;
}

BlockNumber
series_make_block(Relation rel, const TsTable *table, SeriesPages *pages,
				  SeriesStream stream, uint64 ordinal)
{
	BlockNumber block = find_block(rel, table, pages, stream, ordinal);

	if (block != InvalidBlockNumber)
		return block;
	ts_pages_extend_stream(rel, table, stream_numbers[stream], 0, ordinal + 1);
	return series_known_block(rel, table, pages, stream, ordinal);
}

uint64
series_mapped_end(Relation rel, const TsTable *table, SeriesPages *pages,
				  SeriesStream stream)
{
	read_directory(rel, table, pages, stream);
	return ts_directory_end(pages->directories[stream]);
}

uint64
series_stream_end(Relation rel, const TsTable *table, SeriesPages *pages,
				  SeriesStream stream)
{
	read_directory(rel, table, pages, stream);
	return ts_pages_stream_end(rel, table, stream_numbers[stream],
							   pages->directories[stream], 0);
}

bool
series_any(Relation rel, const TsTable *table, SeriesPages *pages)
{
	PGAlignedBlock copy;
	BlockNumber block = find_block(rel, table, pages, SERIES_DICTIONARY, 0);

	return block != InvalidBlockNumber &&
		   ts_pages_copy(rel, table, block, TS_STREAM_DICTIONARY, 0, (Page) copy.data,
						 true);
}

/* ---- checked copies ---- */

DictionaryHeader *
series_copy_dictionary(Relation rel, const TsTable *table, SeriesPages *pages,
					   uint64 ordinal, Page page, BlockNumber *block)
{
	*block = series_known_block(rel, table, pages, SERIES_DICTIONARY, ordinal);
	ts_pages_copy(rel, table, *block, TS_STREAM_DICTIONARY, ordinal, page, false);
	return series_check_dictionary(rel, *block, page);
}

bool
series_copy_bucket(Relation rel, const TsTable *table, SeriesPages *pages, uint64 ordinal,
				   Page page, bool missing_ok)
{
	BlockNumber block;

	if (missing_ok)
	{
		block = find_block(rel, table, pages, SERIES_HASH, ordinal);
		if (block == InvalidBlockNumber)
			return false;
	}
	else
		block = series_known_block(rel, table, pages, SERIES_HASH, ordinal);
	if (!ts_pages_copy(rel, table, block, TS_STREAM_HASH, ordinal, page, missing_ok))
		return false;
	series_check_bucket(rel, block, ordinal, page);
	return true;
}

bool
series_copy_locator(Relation rel, const TsTable *table, SeriesPages *pages,
					uint64 ordinal, Page page, uint32 *count)
{
	BlockNumber block = find_block(rel, table, pages, SERIES_LOCATOR, ordinal);

	if (block == InvalidBlockNumber ||
		!ts_pages_copy(rel, table, block, TS_STREAM_LOCATOR, ordinal, page, true))
		return false;
	*count = series_check_locator(rel, block, page);
	return true;
}

/* ---- checks ---- */

DictionaryHeader *
series_check_dictionary(Relation rel, BlockNumber block, Page page)
{
	DictionaryHeader *header = (DictionaryHeader *) TsPageData(page);
	uint32 length = TsPageLength(page);

	if (length < sizeof(DictionaryHeader) || length > TS_PAGE_ROOM ||
		header->version != SERIES_FORMAT_VERSION || header->zero != 0)
		ts_stream_damaged(rel, block, "not a page of the series dictionary");
	if (header->count == 0 || header->count > DICTIONARY_ENTRIES ||
		header->first > PG_UINT32_MAX - header->count)
		ts_stream_damaged(rel, block, "wrong number of series");
	return header;
}

BucketPage *
series_check_bucket(Relation rel, BlockNumber block, uint64 ordinal, Page page)
{
	BucketPage *bucket = (BucketPage *) TsPageData(page);
	uint32 length = TsPageLength(page);

	if (length < bucket_length(0) || length > TS_PAGE_ROOM ||
		bucket->version != SERIES_FORMAT_VERSION)
		ts_stream_damaged(rel, block, "not a page of the series hash index");
	if (bucket->level > BUCKET_MAX_LEVEL || ordinal >> bucket->level != 0)
		ts_stream_damaged(rel, block, "wrong level of a hash bucket");
	if (bucket->count > BUCKET_ENTRIES || length != bucket_length(bucket->count))
		ts_stream_damaged(rel, block, "wrong number of entries in a hash bucket");
	return bucket;
}

uint32
series_check_locator(Relation rel, BlockNumber block, Page page)
{
	LocatorPage *locator = (LocatorPage *) TsPageData(page);
	uint32 length = TsPageLength(page);

	if (length <= locator_length(0) || length > sizeof(LocatorPage) ||
		(length - locator_length(0)) % sizeof(uint32) != 0 ||
		locator->version != SERIES_FORMAT_VERSION)
		ts_stream_damaged(rel, block, "not a page of the series locator");
	return (length - locator_length(0)) / sizeof(uint32);
}

const char *
series_page_key(Relation rel, BlockNumber block, Page page, uint32 index, uint32 *length)
{
	const char *data = TsPageData(page);
	const DictionaryHeader *header = (const DictionaryHeader *) data;
	uint32 end = TsPageLength(page);
	uint32 offset;

	Assert(index < header->count);
	offset = header->groups[index / DICTIONARY_GROUP];
	if (offset < sizeof(DictionaryHeader))
		ts_stream_damaged(rel, block, "wrong offset of a series key");
	for (uint32 left = index % DICTIONARY_GROUP;; left--)
	{
		uint16 size;

		if (offset + sizeof(uint16) > end)
			ts_stream_damaged(rel, block, "series keys beyond the end of the page");
		memcpy(&size, data + offset, sizeof(uint16));
		offset += sizeof(uint16);
		if (size > end - offset)
			ts_stream_damaged(rel, block, "series key beyond the end of the page");
		if (left == 0)
		{
			*length = size;
			return data + offset;
		}
		offset += size;
	}
}
