/*
 * otlp_delta_state.c
 *	  Memory of fixed size for what series with delta temporality have had.
 *
 * It is cut into partitions by the series' fingerprints, each with a lock, cells of one
 * size, a hash table, and a list of its entries from the oldest to the newest. What always
 * holds, but for who has the lock:
 *
 * - A cell is free, was never used (those above `used`), or is part of one entry. The first
 *   cell of an entry has its head, and the beginning of its state; the others follow.
 * - An entry is in the hash table; and in the list, unless it is held. `last` does not get
 *   smaller from one in the list to the next.
 * - An entry that has no state (size 0) is held. One that is not held has the cells that its
 *   state needs, and no more.
 *
 * Cells are numbered from 1. Under a lock there is nothing but this: no allocation, no errors.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/lwlock.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "mytsdb.h"
#include "otlp_delta_state.h"
#include "serve_stats.h"

#define MOST_PARTITIONS 16
#define PARTITION_KB    256 /* at least */
#define NO_CELL         0
#define EXPIRE_AT_ONCE  2 /* entries, with each that is asked for */

#define CELL_SIZE 96
#define TAIL_DATA (CELL_SIZE - 2 * sizeof(uint32))
#define HEAD_DATA (CELL_SIZE - offsetof(Entry, data))

/* The first cell of an entry. */
typedef struct Entry
{
	uint32 next;  /* cell */
	uint32 chain; /* next entry of the bucket */
	uint32 older; /* in the list */
	uint32 newer;
	uint16 size; /* of the state; 0: there is none */
	uint16 ncells;
	bool held;
	Oid database;
	Oid table;
	TsFingerprint print;
	TimestampTz last; /* use */
	char data[FLEXIBLE_ARRAY_MEMBER];
} Entry;

/* A cell that is free, or another one of an entry. */
typedef struct Tail
{
	uint32 next;
	uint32 unused;
	char data[TAIL_DATA];
} Tail;

StaticAssertDecl(sizeof(Tail) == CELL_SIZE, "cells have one size");
StaticAssertDecl(HEAD_DATA >= sizeof(TsDeltaState), "a number needs one cell");
StaticAssertDecl(TS_DELTA_MAX_SIZE <= PG_UINT16_MAX, "sizes fit");

typedef struct Partition
{
	LWLock lock;
	uint32 ncells;
	uint32 used;     /* cells that ever were */
	uint32 free;     /* the first one of a chain */
	uint32 nfree;    /* how many these are */
	uint32 nbuckets; /* a power of two */
	uint32 oldest;
	uint32 newest;
	uint32 *buckets;
	char *cells;
} Partition;

typedef union PaddedPartition
{
	Partition partition;
	char pad[2 * PG_CACHE_LINE_SIZE];
} PaddedPartition;

typedef struct DeltaShared
{
	int tranche;
	PaddedPartition partitions[MOST_PARTITIONS];
} DeltaShared;

static DeltaShared *shared = NULL;

static int memory_kb;
static int expiry; /* seconds */

/* ---- the module ---- */

static bool
check_memory(int *value, void **extra, GucSource source)
{
	if (*value == 0 || *value >= PARTITION_KB)
		return true;
	GUC_check_errdetail("It must be 0, or %d kB at least.", PARTITION_KB);
	return false;
}

static void
define_settings(void)
{
	DefineCustomIntVariable(
		"mytsdb.otlp_delta_memory",
		"Sets the memory for sums of OTLP points with delta temporality.",
		"A counter takes about 100 bytes, a histogram of 16 buckets four times that. When "
		"it is full points of further series are refused. 0: all such points are.",
		&memory_kb, 16 * 1024, 0, MAX_KILOBYTES, PGC_POSTMASTER, GUC_UNIT_KB,
		check_memory, NULL, NULL);
	DefineCustomIntVariable(
		"mytsdb.otlp_delta_expiry",
		"Sets how long after its last point a series' sum of OTLP points with delta "
		"temporality is forgotten.",
		"The next point begins a new sum.", &expiry, 60 * 60, 1, 365 * SECS_PER_DAY,
		PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
}

static uint32
partition_count(void)
{
	return Min(memory_kb / PARTITION_KB, MOST_PARTITIONS);
}

/* Of one partition. */
static uint32
cell_count(void)
{
	Size bytes = (Size) memory_kb * 1024 / partition_count();

	return (uint32) (bytes / (CELL_SIZE + sizeof(uint32)));
}

static uint32
bucket_count(void)
{
	return pg_prevpower2_32(cell_count());
}

static Size
partition_size(void)
{
	return add_size(MAXALIGN(mul_size(bucket_count(), sizeof(uint32))),
					mul_size(cell_count(), CELL_SIZE));
}

static Size
shmem_size(void)
{
	Size size = MAXALIGN(sizeof(DeltaShared));

	if (memory_kb > 0)
		size = add_size(size, mul_size(partition_count(), partition_size()));
	return size;
}

static void
shmem_attach(void *memory, bool found)
{
	char *next = (char *) memory + MAXALIGN(sizeof(DeltaShared));

	shared = memory;
	if (!found)
	{
		memset(shared, 0, sizeof(DeltaShared));
		shared->tranche = LWLockNewTrancheId();
		for (uint32 i = 0; memory_kb > 0 && i < partition_count(); i++)
		{
			Partition *partition = &shared->partitions[i].partition;

			LWLockInitialize(&partition->lock, shared->tranche);
			partition->ncells = cell_count();
			partition->nbuckets = bucket_count();
			partition->buckets = (uint32 *) next;
			partition->cells = next + MAXALIGN(partition->nbuckets * sizeof(uint32));
			memset(partition->buckets, 0, partition->nbuckets * sizeof(uint32));
			next += partition_size();
		}
	}
	LWLockRegisterTranche(shared->tranche, "MytsdbOtlpDelta");
}

const MytsdbModule otlp_delta_module = {
	.name = "mytsdb OTLP deltas",
	.define_settings = define_settings,
	.shmem_size = shmem_size,
	.shmem_attach = shmem_attach,
	.keep_unset = true,
};

bool
otlp_state_enabled(void)
{
	return memory_kb > 0;
}

/* ---- cells ---- */

static void *
cell_at(const Partition *partition, uint32 cell)
{
	Assert(cell != NO_CELL && cell <= partition->ncells);
	return partition->cells + (Size) (cell - 1) * CELL_SIZE;
}

static uint32
cells_for(uint32 size)
{
	if (size <= HEAD_DATA)
		return 1;
	return 1 + (size - HEAD_DATA + TAIL_DATA - 1) / TAIL_DATA;
}

static uint32
cells_left(const Partition *partition)
{
	return partition->nfree + (partition->ncells - partition->used);
}

/* There is one. */
static uint32
take_cell(Partition *partition)
{
	uint32 cell = partition->free;

	serve_count(STAT_OTLP_DELTA_BYTES, CELL_SIZE);
	if (cell == NO_CELL)
		return ++partition->used;
	partition->free = ((Tail *) cell_at(partition, cell))->next;
	partition->nfree--;
	return cell;
}

/* A chain of cells. */
static void
give_cells(Partition *partition, uint32 cell)
{
	while (cell != NO_CELL)
	{
		Tail *tail = cell_at(partition, cell);
		uint32 next = tail->next;

		tail->next = partition->free;
		partition->free = cell;
		partition->nfree++;
		serve_count(STAT_OTLP_DELTA_BYTES, -CELL_SIZE);
		cell = next;
	}
}

/* The last one of the first n cells of an entry: where its chain goes on. */
static uint32 *
chain_after(Partition *partition, Entry *entry, uint32 n)
{
	uint32 *next = &entry->next;

	for (uint32 i = 1; i < n; i++)
		next = &((Tail *) cell_at(partition, *next))->next;
	return next;
}

static void
trim(Partition *partition, Entry *entry)
{
	uint32 n = cells_for(entry->size);
	uint32 *next;

	if (entry->ncells <= n)
		return;
	next = chain_after(partition, entry, n);
	give_cells(partition, *next);
	*next = NO_CELL;
	entry->ncells = (uint16) n;
}

/* Copies a state of the entry's size to it, or from it. */
static void
copy_state(const Partition *partition, Entry *entry, char *state, bool to_entry)
{
	Size left = entry->size;
	Size n = Min(left, HEAD_DATA);
	char *data = entry->data;

	for (uint32 cell = entry->next;; n = Min(left, TAIL_DATA))
	{
		Tail *tail;

		if (to_entry)
			memcpy(data, state, n);
		else
			memcpy(state, data, n);
		state += n;
		left -= n;
		if (left == 0)
			break;
		tail = cell_at(partition, cell);
		data = tail->data;
		cell = tail->next;
	}
}

/* ---- the list ---- */

static void
unlink_entry(Partition *partition, const Entry *entry)
{
	if (entry->older == NO_CELL)
		partition->oldest = entry->newer;
	else
		((Entry *) cell_at(partition, entry->older))->newer = entry->newer;
	if (entry->newer == NO_CELL)
		partition->newest = entry->older;
	else
		((Entry *) cell_at(partition, entry->newer))->older = entry->older;
}

static void
link_newest(Partition *partition, Entry *entry, uint32 cell, TimestampTz now)
{
	entry->older = partition->newest;
	entry->newer = NO_CELL;
	entry->last = now;
	if (partition->newest == NO_CELL)
		partition->oldest = cell;
	else
	{
		Entry *newest = cell_at(partition, partition->newest);

		newest->newer = cell;
		entry->last = Max(now, newest->last);
	}
	partition->newest = cell;
}

/* ---- entries ---- */

static Partition *
partition_of(TsFingerprint print, uint32 *number)
{
	*number = (uint32) (print.high % partition_count());
	return &shared->partitions[*number].partition;
}

static uint32 *
bucket_of(const Partition *partition, Oid database, Oid table, TsFingerprint print)
{
	uint32 hash = hash_combine((uint32) print.low, murmurhash32(database ^ table));

	return &partition->buckets[hash & (partition->nbuckets - 1)];
}

static uint32
find(const Partition *partition, const OtlpStateKey *key)
{
	uint32 cell = *bucket_of(partition, MyDatabaseId, key->table, key->print);

	while (cell != NO_CELL)
	{
		const Entry *entry = cell_at(partition, cell);

		if (ts_fingerprint_equal(entry->print, key->print) &&
			entry->table == key->table && entry->database == MyDatabaseId)
			break;
		cell = entry->chain;
	}
	return cell;
}

/* One that is not in the list. */
static void
remove_entry(Partition *partition, const Entry *entry, uint32 cell)
{
	uint32 *link = bucket_of(partition, entry->database, entry->table, entry->print);

	while (*link != cell)
		link = &((Entry *) cell_at(partition, *link))->chain;
	*link = entry->chain;
	give_cells(partition, cell);
	serve_count(STAT_OTLP_DELTA_SERIES, -1);
}

static bool
is_expired(const Entry *entry, TimestampTz now)
{
	return now - entry->last >= expiry * USECS_PER_SEC;
}

/* Forgets the oldest one if its time has come. */
static bool
expire(Partition *partition, TimestampTz now)
{
	uint32 cell = partition->oldest;
	const Entry *entry;

	if (cell == NO_CELL)
		return false;
	entry = cell_at(partition, cell);
	if (!is_expired(entry, now))
		return false;
	unlink_entry(partition, entry);
	remove_entry(partition, entry, cell);
	serve_count(STAT_OTLP_DELTA_EXPIRED, 1);
	return true;
}

static bool
make_room(Partition *partition, uint32 ncells, TimestampTz now)
{
	while (cells_left(partition) < ncells)
	{
		if (!expire(partition, now))
			return false;
	}
	return true;
}

static uint32
make_entry(Partition *partition, const OtlpStateKey *key)
{
	uint32 cell = take_cell(partition);
	Entry *entry = cell_at(partition, cell);
	uint32 *bucket = bucket_of(partition, MyDatabaseId, key->table, key->print);

	*entry = (Entry){.next = NO_CELL,
					 .chain = *bucket,
					 .ncells = 1,
					 .database = MyDatabaseId,
					 .table = key->table,
					 .print = key->print};
	*bucket = cell;
	serve_count(STAT_OTLP_DELTA_SERIES, 1);
	return cell;
}

/* ---- holding ---- */

bool
otlp_state_hold(const OtlpStateKey *key, TimestampTz now, OtlpStateRef *ref,
				TsDeltaState *state, bool *known)
{
	Partition *partition = partition_of(key->print, &ref->partition);
	Entry *entry;

	LWLockAcquire(&partition->lock, LW_EXCLUSIVE);
	for (int i = 0; i < EXPIRE_AT_ONCE && expire(partition, now); i++)
		;
	ref->cell = find(partition, key);
	if (ref->cell != NO_CELL)
	{
		entry = cell_at(partition, ref->cell);
		Assert(!entry->held && entry->size > 0);
		unlink_entry(partition, entry);
		if (is_expired(entry, now))
		{
			entry->size = 0;
			serve_count(STAT_OTLP_DELTA_EXPIRED, 1);
		}
	}
	else if (make_room(partition, 1, now))
	{
		ref->cell = make_entry(partition, key);
		entry = cell_at(partition, ref->cell);
	}
	else
	{
		LWLockRelease(&partition->lock);
		return false;
	}
	entry->held = true;
	*known = entry->size > 0;
	if (*known)
		copy_state(partition, entry, (char *) state, false);
	LWLockRelease(&partition->lock);
	return true;
}

bool
otlp_state_reserve(OtlpStateRef ref, uint32 size)
{
	Partition *partition = &shared->partitions[ref.partition].partition;
	uint32 ncells = cells_for(size);
	TimestampTz now = GetCurrentTimestamp();
	Entry *entry;
	bool done;

	Assert(size <= TS_DELTA_MAX_SIZE);
	LWLockAcquire(&partition->lock, LW_EXCLUSIVE);
	entry = cell_at(partition, ref.cell);
	Assert(entry->held);
	done = entry->ncells >= ncells || make_room(partition, ncells - entry->ncells, now);
	if (done && entry->ncells < ncells)
	{
		uint32 *next = chain_after(partition, entry, entry->ncells);

		for (; entry->ncells < ncells; entry->ncells++)
		{
			*next = take_cell(partition);
			next = &((Tail *) cell_at(partition, *next))->next;
		}
		*next = NO_CELL;
	}
	LWLockRelease(&partition->lock);
	return done;
}

void
otlp_state_release(OtlpStateRef ref, const TsDeltaState *state, TimestampTz now)
{
	Partition *partition = &shared->partitions[ref.partition].partition;
	Entry *entry;

	LWLockAcquire(&partition->lock, LW_EXCLUSIVE);
	entry = cell_at(partition, ref.cell);
	Assert(entry->held);
	entry->held = false;
	if (state != NULL)
	{
		Assert(cells_for(state->size) <= entry->ncells);
		entry->size = (uint16) state->size;
		copy_state(partition, entry, (char *) unconstify(TsDeltaState *, state), true);
	}
	if (entry->size > 0)
	{
		trim(partition, entry);
		link_newest(partition, entry, ref.cell, now);
	}
	else
		remove_entry(partition, entry, ref.cell);
	LWLockRelease(&partition->lock);
}
