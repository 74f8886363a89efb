/*
 * exec_labels.c
 *	  Sets of labels for operators: made of others, compared, numbered.
 *
 * A set is a payload (labels.h), so equal sets have equal bytes.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "exec_internal.h"

static const uint8 empty_payload[] = {LABELS_FORMAT_VERSION, 0};

const TsString pq_no_labels = {(const char *) empty_payload, sizeof(empty_payload)};

/* What dropping a name drops. */
static const char *const name_labels[] = {TS_METRIC_NAME_LABEL, "__type__", "__unit__"};

static bool
is_among(TsString name, const PqNames *names)
{
	for (int i = 0; names != NULL && i < names->count; i++)
	{
		if (ts_string_equal(name, names->names[i]))
			return true;
	}
	return false;
}

static TsString
copy_payload(TsString labels, MemoryContext context)
{
	char *copy = MemoryContextAlloc(context, labels.len);

	memcpy(copy, labels.data, labels.len);
	return (TsString){copy, labels.len};
}

static size_t
varint_size(size_t n)
{
	return n < 0x80 ? 1 : n < 0x4000 ? 2 : 3;
}

/* Encodes pairs that are in order and right, as they come from a payload. */
static TsString
encode(const LabelsPair *pairs, uint32 count, MemoryContext context)
{
	size_t size = 1 + varint_size(count);
	char *payload;

	for (uint32 i = 0; i < count; i++)
		size += varint_size(pairs[i].name.len) + pairs[i].name.len +
				varint_size(pairs[i].value.len) + pairs[i].value.len;
	payload = MemoryContextAlloc(context, size);
	labels_encode(pairs, count, payload);
	return (TsString){payload, size};
}

/* The labels of which `keep` says so. */
static TsString
filter(TsString labels, bool (*keep)(TsString name, const void *arg), const void *arg,
	   MemoryContext context)
{
	LabelsPair few[64];
	LabelsPair *pairs = few;
	uint32 count = labels_count(labels.data, labels.len);
	uint32 kept = 0;
	LabelsIter iter;
	LabelsPair pair;
	TsString result;

	if (count > lengthof(few))
		pairs = palloc(sizeof(LabelsPair) * count);
	labels_iter_init(&iter, labels.data, labels.len);
	while (labels_iter_next(&iter, &pair))
	{
		if (keep(pair.name, arg))
			pairs[kept++] = pair;
	}
	result = kept == count ? copy_payload(labels, context) : encode(pairs, kept, context);
	if (pairs != few)
		pfree(pairs);
	return result;
}

static bool
keep_named(TsString name, const void *arg)
{
	return is_among(name, arg);
}

TsString
pq_labels_keep(TsString labels, const PqNames *names, MemoryContext context)
{
	return filter(labels, keep_named, names, context);
}

static bool
keep_others(TsString name, const void *arg)
{
	return !is_among(name, arg);
}

static bool
keep_others_unnamed(TsString name, const void *arg)
{
	return !ts_string_is(name, TS_METRIC_NAME_LABEL) && !is_among(name, arg);
}

TsString
pq_labels_remove(TsString labels, const PqNames *names, bool name, MemoryContext context)
{
	return filter(labels, name ? keep_others_unnamed : keep_others, names, context);
}

static bool
keep_unnamed(TsString name, const void *arg)
{
	for (int i = 0; i < (int) lengthof(name_labels); i++)
	{
		if (ts_string_is(name, name_labels[i]))
			return false;
	}
	return true;
}

TsString
pq_labels_drop_name(TsString labels, MemoryContext context)
{
	return filter(labels, keep_unnamed, NULL, context);
}

TsString
pq_labels_set(TsString labels, TsString name, TsString value, MemoryContext context)
{
	uint32 count = labels_count(labels.data, labels.len);
	LabelsPair *pairs = palloc(sizeof(LabelsPair) * (count + 1));
	uint32 n = 0;
	LabelsIter iter;
	LabelsPair pair;
	TsString result;

	labels_iter_init(&iter, labels.data, labels.len);
	while (labels_iter_next(&iter, &pair))
	{
		if (!ts_string_equal(pair.name, name))
			pairs[n++] = pair;
	}
	if (value.len > 0)
		pairs[n++] = (LabelsPair){name, value, -1};
	result = pq_labels_make(pairs, n, context);
	pfree(pairs);
	return result;
}

TsString
pq_labels_make(LabelsPair *pairs, uint32 count, MemoryContext context)
{
	TsError err;
	size_t size;
	char *payload;

	if (labels_normalize(pairs, &count, &size, &err) != TS_OK)
	{
		if (err.code == TS_ERR_LIMIT || err.code == TS_ERR_MEMORY)
			ts_report_limit(&err);
		ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("%s", err.message)));
	}
	payload = MemoryContextAlloc(context, size);
	labels_encode(pairs, count, payload);
	return (TsString){payload, size};
}

TsString
pq_labels_value(TsString labels, const char *name)
{
	TsString value;

	labels_find(labels.data, labels.len, name, strlen(name), &value);
	return value;
}

bool
pq_labels_equal(TsString a, TsString b)
{
	return ts_string_equal(a, b);
}

/* ---- text ---- */

void
pq_append_quoted(StringInfo out, TsString text)
{
	static const char letters[] = "abfnrtv\"\\";
	static const char meanings[] = "\a\b\f\n\r\t\v\"\\";

	appendStringInfoChar(out, '"');
	for (size_t i = 0; i < text.len; i++)
	{
		unsigned char c = (unsigned char) text.data[i];
		const char *meaning = memchr(meanings, c, sizeof(meanings) - 1);

		if (meaning != NULL)
			appendStringInfo(out, "\\%c", letters[meaning - meanings]);
		else if (c < ' ' || c == 0x7f)
			appendStringInfo(out, "\\x%02x", c);
		else
			appendStringInfoCharMacro(out, (char) c);
	}
	appendStringInfoChar(out, '"');
}

char *
pq_quoted(TsString text)
{
	StringInfoData out;

	initStringInfo(&out);
	pq_append_quoted(&out, text);
	return out.data;
}

/* ---- numbers for sets ---- */

typedef struct MapEntry
{
	TsString labels;
	uint64 hash;
} MapEntry;

/* Open addressing; slots hold a number + 1, 0: free. */
struct PqLabelsMap
{
	MemoryContext context;
	MapEntry *entries;
	uint32 count;
	uint32 room;
	uint32 *slots;
	uint32 nslots; /* a power of two, at least twice the entries */
};

#define FIRST_SLOTS 64

PqLabelsMap *
pq_labels_map(MemoryContext context)
{
	PqLabelsMap *map = MemoryContextAlloc(context, sizeof(PqLabelsMap));

	map->context = context;
	map->count = 0;
	map->room = FIRST_SLOTS / 2;
	map->nslots = FIRST_SLOTS;
	map->entries = MemoryContextAlloc(context, sizeof(MapEntry) * map->room);
	map->slots = MemoryContextAllocZero(context, sizeof(uint32) * map->nslots);
	return map;
}

static uint64
hash_of(TsString labels)
{
	return hash_bytes_extended((const unsigned char *) labels.data, (int) labels.len, 0);
}

/* Where these labels are, or the free slot where they would be. */
static uint32
find_slot(const PqLabelsMap *map, TsString labels, uint64 hash)
{
	uint32 at = (uint32) hash & (map->nslots - 1);

	while (map->slots[at] != 0)
	{
		const MapEntry *entry = &map->entries[map->slots[at] - 1];

		if (entry->hash == hash && ts_string_equal(entry->labels, labels))
			break;
		at = (at + 1) & (map->nslots - 1);
	}
	return at;
}

static void
grow(PqLabelsMap *map)
{
	map->room *= 2;
	map->nslots *= 2;
	map->entries = repalloc_huge(map->entries, sizeof(MapEntry) * map->room);
	pfree(map->slots);
	map->slots = MemoryContextAllocExtended(map->context, sizeof(uint32) * map->nslots,
											MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint32 i = 0; i < map->count; i++)
	{
		uint32 at = (uint32) map->entries[i].hash & (map->nslots - 1);

		while (map->slots[at] != 0)
			at = (at + 1) & (map->nslots - 1);
		map->slots[at] = i + 1;
	}
}

uint32
pq_labels_number(PqLabelsMap *map, TsString labels, bool copy, bool *found)
{
	uint64 hash = hash_of(labels);
	uint32 at = find_slot(map, labels, hash);
	MapEntry *entry;

	*found = map->slots[at] != 0;
	if (*found)
		return map->slots[at] - 1;
	if (map->count == map->room)
	{
		grow(map);
		at = find_slot(map, labels, hash);
	}
	entry = &map->entries[map->count];
	entry->labels = copy ? copy_payload(labels, map->context) : labels;
	entry->hash = hash;
	map->slots[at] = ++map->count;
	return map->count - 1;
}

int64
pq_labels_find(const PqLabelsMap *map, TsString labels)
{
	return (int64) map->slots[find_slot(map, labels, hash_of(labels))] - 1;
}

TsString
pq_labels_of(const PqLabelsMap *map, uint32 number)
{
	Assert(number < map->count);
	return map->entries[number].labels;
}

uint32
pq_labels_count(const PqLabelsMap *map)
{
	return map->count;
}
