/*
 * series_reader.c
 *	  Id to key: the locator says which dictionary page has an id.
 *
 * A reader keeps copies of one dictionary page and one locator page, so that ids in order
 * cost a copy per page. A copy may be older than the series asked for, in which case
 * it is read again, once.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/rel.h"

#include "series_internal.h"

struct TsSeriesReader
{
	Relation rel;
	const TsTable *table;
	MemoryContext context;
	SeriesPages pages;
	BlockNumber block;      /* of the dictionary page, when there is one */
	uint64 locator_ordinal; /* of the locator page ... */
	uint32 locator_count;   /* ... and its entries; 0: none read */
	PGAlignedBlock dictionary;
	PGAlignedBlock locator;
};

static const DictionaryHeader *
reader_header(const TsSeriesReader *reader)
{
	return (const DictionaryHeader *) TsPageData((Page) reader->dictionary.data);
}

static const LocatorPage *
reader_locator(const TsSeriesReader *reader)
{
	return (const LocatorPage *) TsPageData((Page) reader->locator.data);
}

TsSeriesReader *
ts_series_open(Relation rel, const TsTable *table)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "mytsdb series reader", ALLOCSET_SMALL_SIZES);
	TsSeriesReader *reader = MemoryContextAllocZero(context, sizeof(TsSeriesReader));

	reader->rel = rel;
	reader->table = table;
	reader->context = context;
	reader->pages.context = context;
	reader->block = InvalidBlockNumber;
	return reader;
}

void
ts_series_close(TsSeriesReader *reader)
{
	MemoryContextDelete(reader->context);
}

static bool
page_has(const TsSeriesReader *reader, uint32 id)
{
	const DictionaryHeader *header = reader_header(reader);

	return reader->block != InvalidBlockNumber && id >= header->first &&
		   id - header->first < header->count;
}

static void
raise_unknown(const TsSeriesReader *reader, uint32 id)
{
	ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
					errmsg("series %u is not in the dictionary of table \"%s\"", id,
						   RelationGetRelationName(reader->rel))));
}

/* Reads a locator page; false when there is none. */
static bool
read_locator(TsSeriesReader *reader, uint64 ordinal)
{
	reader->locator_count = 0;
	reader->locator_ordinal = ordinal;
	return series_copy_locator(reader->rel, reader->table, &reader->pages, ordinal,
							   (Page) reader->locator.data, &reader->locator_count);
}

/* Reads the last locator page whose first entry is not beyond the id. */
static void
seek_locator(TsSeriesReader *reader, uint32 id)
{
	uint64 low = 0; /* this one begins with the id or before */
	uint64 high;    /* this one is not there or begins beyond */

	if (!read_locator(reader, 0))
		raise_unknown(reader, id);
	high = series_mapped_end(reader->rel, reader->table, &reader->pages, SERIES_LOCATOR);
	while (high - low > 1)
	{
		uint64 middle = low + (high - low) / 2;

		if (read_locator(reader, middle) && reader_locator(reader)->first[0] <= id)
			low = middle;
		else
			high = middle;
	}
	if (reader->locator_ordinal != low)
		read_locator(reader, low);
	if (reader->locator_count == 0)
		raise_unknown(reader, id);
}

/* Reads the dictionary page that has the id, as far as the locator's copy knows. */
static void
read_dictionary(TsSeriesReader *reader, uint32 id)
{
	const uint32 *first = reader_locator(reader)->first;
	uint32 low = 0;
	uint32 high = reader->locator_count;
	BlockNumber block;

	while (high - low > 1)
	{
		uint32 middle = low + (high - low) / 2;

		if (first[middle] <= id)
			low = middle;
		else
			high = middle;
	}
	reader->block = InvalidBlockNumber; /* if copying fails */
	series_copy_dictionary(reader->rel, reader->table, &reader->pages,
						   reader->locator_ordinal * LOCATOR_ENTRIES + low,
						   (Page) reader->dictionary.data, &block);
	reader->block = block;
}

const char *
ts_series_key(TsSeriesReader *reader, uint32 id, Size *length)
{
	const char *key;
	uint32 key_length;

	if (!page_has(reader, id))
	{
		/* The copy of the locator may be of other pages, or too old. */
		if (reader->locator_count > 0 && reader_locator(reader)->first[0] <= id)
			read_dictionary(reader, id);
		if (!page_has(reader, id))
		{
			seek_locator(reader, id);
			read_dictionary(reader, id);
		}
		if (!page_has(reader, id))
			raise_unknown(reader, id);
	}
	key = series_page_key(reader->rel, reader->block, (Page) reader->dictionary.data,
						  id - reader_header(reader)->first, &key_length);
	*length = key_length;
	return key;
}

void
ts_series_read(TsSeriesReader *reader, uint32 id, Datum *values, bool *isnull)
{
	Size length;
	const char *key = ts_series_key(reader, id, &length);

	if (!ts_series_decode_key(reader->table, key, length, values, isnull))
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("key of series %u of table \"%s\" is damaged", id,
							   RelationGetRelationName(reader->rel))));
}
