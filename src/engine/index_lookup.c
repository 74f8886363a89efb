/*
 * index_lookup.c
 *	  Finds series by their labels: conditions on sets of ids, segment by segment.
 *
 * A matcher is answered by the union of the posting lists of some values of its label: if
 * it does not match the empty string, of those that match, and the union's ids are kept;
 * if it does, so that series without the label match, of those that do not match, and the
 * union's ids go. A regular expression is tried once for each value in a segment, or not
 * at all, where it is known what it matches.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "index_internal.h"

/* Slots of bitmaps. */
enum
{
	SLOT_SET,      /* the series that remain */
	SLOT_SELECTED, /* those of them that the matchers so far have selected */
	SLOT_UNION,    /* of posting lists */
	SLOT_POSTING
};

struct TsIndex
{
	MemoryContext context;
	IndexBitmaps *bitmaps;
	IndexReader *readers; /* one a segment */
	int count;
	uint32 covered;
	uint64 all; /* the series there are */
};

/* ---- opening ---- */

TsIndex *
ts_index_open(Relation rel, const TsTable *table, Snapshot snapshot)
{
	MemoryContext context;
	MemoryContext caller;
	TsIndexSegment *segments;
	TsIndex *index;
	roaring_bitmap_t *set;

	Assert(table->labels_key);
	context = AllocSetContextCreate(CurrentMemoryContext, "mytsdb label index",
									ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	index = palloc0(sizeof(TsIndex));
	index->context = context;
	segments = ts_catalog_segments(table->storage, snapshot, &index->count);
	if (index->count == 0)
	{
		MemoryContextSwitchTo(caller);
		MemoryContextDelete(context);
		return NULL;
	}
	index->covered = segments[index->count - 1].to;
	index->bitmaps = index_bitmaps_create(context);
	set = index_bitmaps_put(index->bitmaps, SLOT_SET,
							roaring_bitmap_from_range(0, index->covered, 1));
	index->readers = palloc(sizeof(IndexReader) * index->count);
	for (int i = 0; i < index->count; i++)
	{
		index_reader_open(&index->readers[i], rel, table, &segments[i]);
		if (index->readers[i].header.null_series != INDEX_NO_SERIES)
			roaring_bitmap_remove(set, index->readers[i].header.null_series);
	}
	index->all = roaring_bitmap_get_cardinality(set);
	MemoryContextSwitchTo(caller);
	return index;
}

uint32
ts_index_covered(const TsIndex *index)
{
	return index->covered;
}

int
ts_index_segments(const TsIndex *index)
{
	return index->count;
}

uint64
ts_index_count(const TsIndex *index)
{
	return roaring_bitmap_get_cardinality(index->bitmaps->slots[SLOT_SET]);
}

void
ts_index_ids(const TsIndex *index, uint32 *ids)
{
	roaring_bitmap_to_uint32_array(index->bitmaps->slots[SLOT_SET], ids);
}

void
ts_index_close(TsIndex *index)
{
	MemoryContextDelete(index->context);
}

/* ---- unions of posting lists ---- */

static roaring_bitmap_t *
begin_union(TsIndex *index)
{
	return index_bitmaps_put(index->bitmaps, SLOT_UNION, roaring_bitmap_create());
}

static void
add_list(TsIndex *index, IndexReader *reader, const IndexValue *value)
{
	index_reader_add(reader, value, index->bitmaps->slots[SLOT_UNION], index->bitmaps,
					 SLOT_POSTING);
}

/* Adds the series of a segment that have a label with this value, or, if it is empty, with
 * any. */
static void
add_value(TsIndex *index, IndexReader *reader, const IndexName *name, TsString string)
{
	IndexValue value;

	if (string.len == 0)
		add_list(index, reader, &name->name);
	else if (index_reader_find_value(reader, name, string, &value))
		add_list(index, reader, &value);
}

/* ---- conditions on one label ---- */

static void
keep_union(TsIndex *index)
{
	roaring_bitmap_and_inplace(index->bitmaps->slots[SLOT_SET],
							   index->bitmaps->slots[SLOT_UNION]);
	index_bitmaps_clear(index->bitmaps, SLOT_UNION);
}

void
ts_index_keep_values(TsIndex *index, TsString name, const TsString *values, int nvalues)
{
	MemoryContext caller = MemoryContextSwitchTo(index->context);

	begin_union(index);
	for (int i = 0; i < index->count; i++)
	{
		IndexReader *reader = &index->readers[i];
		IndexName entry;

		if (!index_reader_find_name(reader, name, &entry))
			continue;
		for (int k = 0; k < nvalues; k++)
		{
			CHECK_FOR_INTERRUPTS();
			/* no label has an empty value */
			if (values[k].len > 0)
				add_value(index, reader, &entry, values[k]);
		}
	}
	keep_union(index);
	MemoryContextSwitchTo(caller);
}

void
ts_index_keep_named(TsIndex *index, TsString name)
{
	MemoryContext caller = MemoryContextSwitchTo(index->context);

	begin_union(index);
	for (int i = 0; i < index->count; i++)
	{
		IndexName entry;

		if (index_reader_find_name(&index->readers[i], name, &entry))
			add_list(index, &index->readers[i], &entry.name);
	}
	keep_union(index);
	MemoryContextSwitchTo(caller);
}

void
ts_index_keep_ids(TsIndex *index, const uint32 *ids, uint32 count)
{
	index_bitmaps_put(index->bitmaps, SLOT_UNION, roaring_bitmap_of_ptr(count, ids));
	keep_union(index);
}

/* ---- what labels a set has ---- */

/* Whether series of the set are in a posting list. */
static bool
has_series(TsIndex *index, IndexReader *reader, const IndexValue *value)
{
	if (ts_index_count(index) == index->all)
		return true;
	begin_union(index);
	add_list(index, reader, value);
	return roaring_bitmap_intersect(index->bitmaps->slots[SLOT_SET],
									index->bitmaps->slots[SLOT_UNION]);
}

void
ts_index_names(TsIndex *index, TsIndexTell tell, void *arg)
{
	MemoryContext caller = MemoryContextSwitchTo(index->context);

	for (int i = 0; i < index->count; i++)
	{
		IndexReader *reader = &index->readers[i];

		for (uint32 k = 0; k < reader->header.names; k++)
		{
			IndexName name;

			CHECK_FOR_INTERRUPTS();
			index_reader_name(reader, k, &name);
			if (has_series(index, reader, &name.name))
				tell(arg, index_reader_string(reader, &name.name));
		}
	}
	index_bitmaps_clear(index->bitmaps, SLOT_UNION);
	MemoryContextSwitchTo(caller);
}

/* Calls `visit` with the values of a name in each part of the index. */
static void
visit_values(TsIndex *index, TsString name,
			 void (*visit)(TsIndex *index, IndexReader *reader, const IndexValue *value,
						   void *arg),
			 void *arg)
{
	MemoryContext caller = MemoryContextSwitchTo(index->context);

	for (int i = 0; i < index->count; i++)
	{
		IndexReader *reader = &index->readers[i];
		IndexName entry;

		if (!index_reader_find_name(reader, name, &entry))
			continue;
		for (uint32 k = 0; k < entry.values; k++)
		{
			IndexValue value;

			CHECK_FOR_INTERRUPTS();
			index_reader_value(reader, entry.first_value + k, &value);
			visit(index, reader, &value, arg);
		}
	}
	MemoryContextSwitchTo(caller);
}

typedef struct Telling
{
	TsIndexTell tell;
	TsIndexCount count;
	void *arg;
} Telling;

static void
tell_if_any(TsIndex *index, IndexReader *reader, const IndexValue *value, void *arg)
{
	const Telling *telling = arg;

	if (has_series(index, reader, value))
		telling->tell(telling->arg, index_reader_string(reader, value));
}

static void
tell_count(TsIndex *index, IndexReader *reader, const IndexValue *value, void *arg)
{
	const Telling *telling = arg;

	telling->count(telling->arg, index_reader_string(reader, value), value->count);
}

void
ts_index_values(TsIndex *index, TsString name, TsIndexTell tell, void *arg)
{
	Telling telling = {.tell = tell, .arg = arg};

	visit_values(index, name, tell_if_any, &telling);
	index_bitmaps_clear(index->bitmaps, SLOT_UNION);
}

void
ts_index_count_values(TsIndex *index, TsString name, TsIndexCount tell, void *arg)
{
	Telling telling = {.count = tell, .arg = arg};

	visit_values(index, name, tell_count, &telling);
}

/* ---- matchers ---- */

static bool
has_prefix(TsString string, TsString prefix)
{
	return prefix.len == 0 || (string.len >= prefix.len &&
							   memcmp(string.data, prefix.data, prefix.len) == 0);
}

/*
 * Adds the series with values that a pattern matches, where it does not match the empty
 * string: so no values but those that have its prefix are tried. False when a limit was
 * exceeded.
 */
static bool
add_matching(TsIndex *index, IndexReader *reader, const IndexName *name,
			 const TsRegex *regex)
{
	uint32 end = name->first_value + name->values;
	TsString prefix = ts_regex_prefix(regex);

	for (uint32 i = index_reader_seek_value(reader, name, prefix); i < end; i++)
	{
		IndexValue value;
		TsString string;
		TsError err;
		bool matched;

		CHECK_FOR_INTERRUPTS();
		index_reader_value(reader, i, &value);
		string = index_reader_string(reader, &value);
		if (!has_prefix(string, prefix))
			break;
		if (ts_regex_match(regex, string.data, string.len, &matched, &err) != TS_OK)
			return false;
		if (matched)
			add_list(index, reader, &value);
	}
	return true;
}

/*
 * Adds the series with values that a pattern does not match, where it matches the empty
 * string.
 */
static bool
add_not_matching(TsIndex *index, IndexReader *reader, const IndexName *name,
				 const TsRegex *regex)
{
	for (uint32 i = 0; i < name->values; i++)
	{
		IndexValue value;
		TsString string;
		TsError err;
		bool matched;

		CHECK_FOR_INTERRUPTS();
		index_reader_value(reader, name->first_value + i, &value);
		string = index_reader_string(reader, &value);
		if (ts_regex_match(regex, string.data, string.len, &matched, &err) != TS_OK)
			return false;
		if (!matched)
			add_list(index, reader, &value);
	}
	return true;
}

static bool
add_regex(TsIndex *index, IndexReader *reader, const IndexName *name,
		  const TsRegex *regex)
{
	const TsString *literals;
	size_t nliterals;

	if (ts_regex_matches_empty(regex))
		return add_not_matching(index, reader, name, regex);
	nliterals = ts_regex_literals(regex, &literals);
	for (size_t i = 0; i < nliterals; i++)
		add_value(index, reader, name, literals[i]);
	return nliterals > 0 || add_matching(index, reader, name, regex);
}

/* Applies a matcher to the series selected so far; false when a limit was exceeded. */
static bool
apply_matcher(TsIndex *index, const TsMatcher *matcher)
{
	roaring_bitmap_t *selected = index->bitmaps->slots[SLOT_SELECTED];
	roaring_bitmap_t *set = begin_union(index);

	for (int i = 0; i < index->count; i++)
	{
		IndexReader *reader = &index->readers[i];
		IndexName name;

		if (!index_reader_find_name(reader, matcher->name, &name))
			continue;
		if (matcher->regex == NULL)
			add_value(index, reader, &name, matcher->value);
		else if (!add_regex(index, reader, &name, matcher->regex))
			return false;
	}
	if (matcher->matches_empty)
		roaring_bitmap_andnot_inplace(selected, set);
	else
		roaring_bitmap_and_inplace(selected, set);
	return true;
}

/* As above, for the matchers with or without a pattern. */
static bool
apply_matchers(TsIndex *index, const TsSelector *selector, bool patterns)
{
	for (uint32 i = 0; i < selector->nmatchers; i++)
	{
		const TsMatcher *matcher = &selector->matchers[i];

		if ((matcher->regex != NULL) != patterns)
			continue;
		if (roaring_bitmap_is_empty(index->bitmaps->slots[SLOT_SELECTED]))
			break;
		if (!apply_matcher(index, matcher))
			return false;
	}
	return true;
}

bool
ts_index_keep_selected(TsIndex *index, const TsSelector *selector, bool negated)
{
	MemoryContext caller = MemoryContextSwitchTo(index->context);
	roaring_bitmap_t *set = index->bitmaps->slots[SLOT_SET];
	roaring_bitmap_t *selected = index_bitmaps_put(index->bitmaps, SLOT_SELECTED,
												   roaring_bitmap_copy(set));
	bool known = apply_matchers(index, selector, false) &&
				 apply_matchers(index, selector, true);

	if (known && negated)
		roaring_bitmap_andnot_inplace(set, selected);
	else if (known)
		roaring_bitmap_and_inplace(set, selected);
	index_bitmaps_clear(index->bitmaps, SLOT_SELECTED);
	index_bitmaps_clear(index->bitmaps, SLOT_UNION);
	MemoryContextSwitchTo(caller);
	return known;
}
