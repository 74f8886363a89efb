/*
 * index_build.c
 *	  Makes a segment of the label index from the keys in the dictionary.
 *
 * Each pair of name and value is kept once, with the ids that have it, until memory is
 * used up or the range ends; then all are sorted and written. A series is never in two
 * segments.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "index_internal.h"
#include "labels_type.h"
#include "ts_maintain.h"
#include "ts_series.h"

/* Keys between two looks at memory and waiters. */
#define KEYS_AT_ONCE 64

typedef struct PairKey
{
	TsString name;
	TsString value;
} PairKey;

typedef struct Pair
{
	PairKey key;
	uint32 *ids; /* NULL while there is one */
	uint32 first;
	uint32 count;
	uint32 room;
	uint32 hash;
	char status;
} Pair;

static uint32
hash_pair(PairKey key)
{
	uint32 name = hash_bytes((const unsigned char *) key.name.data, (int) key.name.len);

	return hash_combine(
		name, hash_bytes((const unsigned char *) key.value.data, (int) key.value.len));
}

#define SH_PREFIX            pairs
#define SH_ELEMENT_TYPE      Pair
#define SH_KEY_TYPE          PairKey
#define SH_KEY               key
#define SH_HASH_KEY(tb, key) hash_pair(key)
#define SH_EQUAL(tb, a, b) \
	(ts_string_equal((a).name, (b).name) && ts_string_equal((a).value, (b).value))
#define SH_SCOPE static inline
#define SH_STORE_HASH
#define SH_GET_HASH(tb, pair) (pair)->hash
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

typedef struct Build
{
	MemoryContext context; /* of the pairs */
	pairs_hash *pairs;
	uint32 null_series;
} Build;

static TsString
copy_string(MemoryContext context, TsString string)
{
	char *data = MemoryContextAlloc(context, string.len);

	memcpy(data, string.data, string.len);
	return (TsString){data, string.len};
}

static void
add_pair(Build *build, const LabelsPair *label, uint32 id)
{
	PairKey key = {label->name, label->value};
	bool found;
	Pair *pair = pairs_insert(build->pairs, key, &found);

	if (!found)
	{
		pair->key.name = copy_string(build->context, key.name);
		pair->key.value = copy_string(build->context, key.value);
		pair->ids = NULL;
		pair->first = id;
		pair->count = 1;
		pair->room = 0;
		return;
	}
	if (pair->count >= pair->room)
	{
		uint32 room = Max(pair->room * 2, 4);

		if (pair->ids == NULL)
		{
			pair->ids = MemoryContextAlloc(build->context, sizeof(uint32) * room);
			pair->ids[0] = pair->first;
		}
		else
			pair->ids = repalloc_huge(pair->ids, sizeof(uint32) * room);
		pair->room = room;
	}
	pair->ids[pair->count++] = id;
}

/* Reads the keys of ids from `from` on; returns where it stopped. */
static uint32
collect(Build *build, Relation rel, const TsTable *table, uint32 from, uint32 to,
		Size memory)
{
	int column = table->keys[0] - 1;
	TsSeriesReader *reader = ts_series_open(rel, table);
	Datum *values = palloc0(sizeof(Datum) * table->natts);
	bool *isnull = palloc0(sizeof(bool) * table->natts);
	MemoryContext key_context = AllocSetContextCreate(
		CurrentMemoryContext, "mytsdb key for index", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(key_context);
	uint32 id;

	for (id = from; id < to; id++)
	{
		Labels *labels;
		LabelsIter iter;
		LabelsPair label;

		if (id > from && (id - from) % KEYS_AT_ONCE == 0)
		{
			CHECK_FOR_INTERRUPTS();
			ts_maintain_check_waiters(rel);
			if (MemoryContextMemAllocated(build->context, true) >= memory)
				break;
		}
		MemoryContextReset(key_context);
		ts_series_read(reader, id, values, isnull);
		if (isnull[column])
		{
			build->null_series = id;
			continue;
		}
		labels = DatumGetLabelsPP(values[column]);
		labels_iter_init(&iter, LABELS_DATA(labels), LABELS_SIZE(labels));
		while (labels_iter_next(&iter, &label))
			add_pair(build, &label, id);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(key_context);
	ts_series_close(reader);
	return id;
}

static int
compare_pairs(const void *a, const void *b)
{
	const PairKey *x = &(*(const Pair *const *) a)->key;
	const PairKey *y = &(*(const Pair *const *) b)->key;
	int order = index_compare_strings(x->name, y->name);

	return order != 0 ? order : index_compare_strings(x->value, y->value);
}

static Pair **
sort_pairs(Build *build)
{
	Pair **sorted = MemoryContextAllocHuge(
		build->context, sizeof(Pair *) * Max(build->pairs->members, 1));
	pairs_iterator iterator;
	Pair *pair;
	Size n = 0;

	pairs_start_iterate(build->pairs, &iterator);
	while ((pair = pairs_iterate(build->pairs, &iterator)) != NULL)
		sorted[n++] = pair;
	Assert(n == build->pairs->members);
	qsort(sorted, n, sizeof(Pair *), compare_pairs);
	return sorted;
}

static void
write_pairs(Build *build, IndexWriter *writer)
{
	Pair **sorted = sort_pairs(build);

	for (uint32 i = 0; i < build->pairs->members; i++)
	{
		const Pair *pair = sorted[i];

		CHECK_FOR_INTERRUPTS();
		if (i == 0 || !ts_string_equal(sorted[i - 1]->key.name, pair->key.name))
			index_writer_name(writer, pair->key.name);
		index_writer_value_ids(writer, pair->key.value,
							   pair->ids != NULL ? pair->ids : &pair->first, pair->count);
	}
}

void
index_build_segment(Relation rel, const TsTable *table, uint32 from, uint32 to,
					Size memory)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "mytsdb index build", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	Build build = {.null_series = INDEX_NO_SERIES};
	IndexWriter *writer;

	Assert(table->labels_key && from < to);
	build.context = AllocSetContextCreate(context, "mytsdb index pairs",
										  ALLOCSET_DEFAULT_SIZES);
	build.pairs = pairs_create(build.context, 256, NULL);
	/* the rest is for the hash table's growth and for what is written */
	to = collect(&build, rel, table, from, to, memory / 4);
	writer = index_writer_create(from, to, build.null_series);
	write_pairs(&build, writer);
	MemoryContextDelete(build.context);
	index_writer_finish(writer, rel, table);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}
