/*
 * series_prints.c
 *	  Fingerprints of series that the backend has met, and their ids.
 *
 * A fingerprint takes 16 bytes, and asking for one is a single probe, so who writes to
 * many series (remote write) touches one line of memory for each. What a table says never
 * becomes wrong, as that of keys (series_cache.c), in whose map it is. When there is no room
 * for more, those that are there stay, unless they turn out to be of little use.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "series_internal.h"

#define MIN_SLOTS 64
#define MAX_SLOTS (1 << 30)
#define NO_SERIES PG_UINT32_MAX

static const void *secret = NULL; /* in shared memory */

void
series_attach_secret(void *memory, bool found)
{
	if (!found && !pg_strong_random(memory, TS_FINGERPRINT_SECRET))
		ereport(FATAL, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg("could not generate random numbers")));
	secret = memory;
}

const void *
ts_series_secret(void)
{
	return secret;
}

static inline uint32
first_slot(const SeriesPrints *prints, TsFingerprint print)
{
	return (uint32) print.low & (prints->nslots - 1);
}

void
ts_series_prefetch(const TsTable *table, TsFingerprint print)
{
	const SeriesPrints *prints = series_map_prints(series_map(table));

	if (prints->nslots > 0)
		__builtin_prefetch(&prints->slots[first_slot(prints, print)]);
}

static const PrintSlot *
find(const SeriesPrints *prints, TsFingerprint print)
{
	if (prints->nslots == 0)
		return NULL;
	for (uint32 i = first_slot(prints, print);; i = (i + 1) & (prints->nslots - 1))
	{
		const PrintSlot *slot = &prints->slots[i];

		if (slot->id == NO_SERIES)
			return NULL;
		if (slot->low == print.low && slot->high == (uint32) print.high)
			return slot;
	}
}

bool
ts_series_known(const TsTable *table, TsFingerprint print, uint32 *id)
{
	SeriesPrints *prints = series_map_prints(series_map(table));
	const PrintSlot *slot = find(prints, print);

	if (slot == NULL)
		return false;
	*id = slot->id;
	prints->found++;
	series_hits++;
	return true;
}

static void
insert(SeriesPrints *prints, PrintSlot slot)
{
	uint32 i = (uint32) slot.low & (prints->nslots - 1);

	while (prints->slots[i].id != NO_SERIES)
		i = (i + 1) & (prints->nslots - 1);
	prints->slots[i] = slot;
}

static void
grow(SeriesPrints *prints)
{
	PrintSlot *old = prints->slots;
	uint32 nold = prints->nslots;
	uint32 nslots = Max(nold * 2, MIN_SLOTS);
	PrintSlot *slots = MemoryContextAllocHuge(prints->context,
											  nslots * sizeof(PrintSlot));

	memset(slots, 0xFF, nslots * sizeof(PrintSlot));
	prints->slots = slots;
	prints->nslots = nslots;
	for (uint32 i = 0; i < nold; i++)
	{
		if (old[i].id != NO_SERIES)
			insert(prints, old[i]);
	}
	if (old != NULL)
		pfree(old);
}

static void
forget(SeriesPrints *prints)
{
	MemoryContextReset(prints->context);
	prints->slots = NULL;
	prints->nslots = 0;
	prints->n = 0;
}

/*
 * They are full and lack one. Judged after as many of these as there are, they go when
 * less than every fourth question was one for what is here.
 */
static bool
is_of_little_use(SeriesPrints *prints)
{
	bool little;

	if (++prints->rejected < prints->n)
		return false;
	little = prints->found < prints->rejected / 3;
	prints->found = 0;
	prints->rejected = 0;
	return little;
}

void
ts_series_remember(const TsTable *table, TsFingerprint print, uint32 id)
{
	SeriesMap *map = series_map(table);
	SeriesPrints *prints = series_map_prints(map);

	Assert(id != NO_SERIES);
	if (find(prints, print) != NULL)
		return;
	if ((uint64) prints->n * 4 >= (uint64) prints->nslots * 3)
	{
		/* what there is goes when there is twice as much */
		Size more = Max((Size) prints->nslots, MIN_SLOTS) * sizeof(PrintSlot);

		if (prints->nslots >= MAX_SLOTS ||
			(!series_map_reserve(map, more) && prints->n > 0))
		{
			if (!is_of_little_use(prints))
				return;
			forget(prints);
		}
		grow(prints);
	}
	insert(prints, (PrintSlot){print.low, (uint32) print.high, id});
	prints->n++;
}
