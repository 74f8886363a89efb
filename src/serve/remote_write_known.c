/*
 * remote_write_known.c
 *	  What a process has lately written of series' metadata.
 *
 * Senders of 2.0 say with each series what its metric is, in every request. That costs
 * little when it is known to be written: one probe. What others do to the table meanwhile is
 * not noticed, so everything is forgotten after a while; and when there is too much.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "remote_write.h"

#define FORGET_AFTER_MS (5 * 60 * 1000)
#define MOST_KNOWN      (512 * 1024)
#define MOST_NEW        8192 /* of a request */
#define FIRST_ROOM      256

typedef struct KnownEntry
{
	TsFingerprint series; /* of a table */
	TsFingerprint metadata;
	char status;
} KnownEntry;

/* Keys are hashes already. */
#define SH_PREFIX            known
#define SH_ELEMENT_TYPE      KnownEntry
#define SH_KEY_TYPE          TsFingerprint
#define SH_KEY               series
#define SH_HASH_KEY(tb, key) ((uint32) (key).low)
#define SH_EQUAL(tb, a, b)   is_same(a, b)
#define SH_SCOPE             static inline
#define SH_DECLARE
#define SH_DEFINE

static inline bool
is_same(TsFingerprint a, TsFingerprint b)
{
	return a.low == b.low && a.high == b.high;
}

#include "lib/simplehash.h"

static MemoryContext context;
static known_hash *known;
static TimestampTz since;

static void
forget(void)
{
	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "mytsdb known metadata",
										ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(context);
	known = known_create(context, FIRST_ROOM, NULL);
	since = GetCurrentTimestamp();
}

/* Other tables have the same series. */
static TsFingerprint
of_table(TsFingerprint series, Oid table)
{
	series.high ^= (uint64) table << 32 | table;
	return series;
}

bool
write_known_metadata(Oid table, const WriteSaid *said)
{
	const KnownEntry *entry = NULL;

	if (known != NULL)
		entry = known_lookup(known, of_table(said->series, table));
	return entry != NULL && is_same(entry->metadata, said->metadata);
}

void
write_add_known(WriteKnown *new, Oid table, const WriteSaid *said)
{
	if (new->n == MOST_NEW)
		return;
	if (new->n == new->room)
	{
		new->room = Max(new->room * 2, FIRST_ROOM);
		if (new->said == NULL)
			new->said = palloc(new->room * sizeof(WriteSaid));
		else
			new->said = repalloc_huge(new->said, new->room * sizeof(WriteSaid));
	}
	new->said[new->n++] = (WriteSaid){of_table(said->series, table), said->metadata};
}

void
write_remember_metadata(const WriteKnown *new)
{
	if (known == NULL || known->members > MOST_KNOWN ||
		TimestampDifferenceExceeds(since, GetCurrentTimestamp(), FORGET_AFTER_MS))
		forget();
	for (uint32 i = 0; i < new->n &&i < MOST_KNOWN; i++)
	{
		bool found;
		KnownEntry *entry = known_insert(known, new->said[i].series, &found);

		entry->metadata = new->said[i].metadata;
	}
}
