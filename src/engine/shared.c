/*
 * shared.c
 *	  The slots that backends share, one per stream in use.
 *
 * Slots are in sets of WAYS; a key hashes to one set and is in at most one slot of it.
 * Beside the slots each set has an array of tags, bits of the keys' hashes, which fits a
 * cache line: it is searched without a lock, and a slot found by its tag is locked and
 * then looked at again, since it may have changed hands meanwhile. So finding a slot
 * writes nothing that others read but the slot's own lock.
 *
 * Giving a slot to another stream happens under the partition lock of its set, and under
 * the slot's own lock, which must be had at once: a slot somebody has locked is not
 * taken. Keys and tags change under both locks only, so holding either is enough to read
 * them. When all slots of a set are locked one waits for one of them and starts over.
 *
 * Locking order: partition lock, slot lock (conditionally), that of hot memory; nobody
 * waits for a partition lock while he holds a slot.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "portability/instr_time.h"
#include "storage/lwlock.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "mytsdb.h"
#include "ts_hot.h"
#include "ts_maintain.h"
#include "ts_shared.h"

#define WAYS       16
#define PARTITIONS 64
#define TRIES      4  /* of who need not wait for a lock ... */
#define PAUSES     10 /* ... and what lies between them */
#define MAX_USED   3  /* rounds of the clock that a slot in use survives */

/* Slots have cache lines of their own. */
typedef union PaddedSlot
{
	TsSlot slot;
	char padding[TYPEALIGN(PG_CACHE_LINE_SIZE, sizeof(TsSlot))];
} PaddedSlot;

/* Tags of a set's slots; 0: the slot has never been used. */
typedef struct TagSet
{
	pg_atomic_uint32 tags[WAYS];
} TagSet;

typedef struct SlotsShared
{
	int tranche;
	int partition_tranche;
	pg_atomic_uint64 tickets;
	pg_atomic_uint64 waits[TS_WAITERS];
	pg_atomic_uint64 wait_microseconds[TS_WAITERS];
	LWLockPadded partitions[PARTITIONS];
} SlotsShared;

/* In shared memory, one after the other; the same addresses in all processes. */
static SlotsShared *shared = NULL;
static TagSet *tag_sets = NULL;
static PaddedSlot *slots = NULL;

static int shared_streams;

/* ---- the module ---- */

static void
define_settings(void)
{
	DefineCustomIntVariable(
		"mytsdb.shared_streams",
		"Sets how many logs and dictionaries shared memory knows the ends of.",
		"A table in use needs one for each log, of which a shard has from one to eight, "
		"and four more. With fewer, the ends are looked for in the tables' pages again "
		"and again.",
		&shared_streams, 16384, 256, 1024 * 1024, PGC_POSTMASTER, 0, NULL, NULL, NULL);
}

static uint32
set_count(void)
{
	return (uint32) (shared_streams + WAYS - 1) / WAYS;
}

static Size
shmem_size(void)
{
	Size size = TYPEALIGN(PG_CACHE_LINE_SIZE, sizeof(SlotsShared));

	size = add_size(size, mul_size(set_count(), sizeof(TagSet)));
	size = add_size(size, mul_size(set_count() * WAYS, sizeof(PaddedSlot)));
	return add_size(size, 2 * PG_CACHE_LINE_SIZE); /* to align the parts */
}

static uint64
new_ticket(void)
{
	return pg_atomic_fetch_add_u64(&shared->tickets, 1);
}

static void
init_shared(void)
{
	shared->tranche = LWLockNewTrancheId();
	shared->partition_tranche = LWLockNewTrancheId();
	pg_atomic_init_u64(&shared->tickets, 1);
	for (int i = 0; i < TS_WAITERS; i++)
	{
		pg_atomic_init_u64(&shared->waits[i], 0);
		pg_atomic_init_u64(&shared->wait_microseconds[i], 0);
	}
	for (int i = 0; i < PARTITIONS; i++)
		LWLockInitialize(&shared->partitions[i].lock, shared->partition_tranche);
	for (uint32 set = 0; set < set_count(); set++)
	{
		for (int way = 0; way < WAYS; way++)
		{
			TsSlot *slot = &slots[set * WAYS + way].slot;

			pg_atomic_init_u32(&tag_sets[set].tags[way], 0);
			LWLockInitialize(&slot->lock, shared->tranche);
			pg_atomic_init_u64(&slot->next_number, 0);
			pg_atomic_init_u32(&slot->used, 0);
			pg_atomic_init_u32(&slot->most, 0);
			pg_atomic_init_u32(&slot->wal_writes, 0);
			pg_atomic_init_u64(&slot->waits, 0);
			pg_atomic_init_u64(&slot->wait_microseconds, 0);
		}
	}
}

static void
shmem_attach(void *memory, bool found)
{
	char *next = (char *) memory;

	shared = (SlotsShared *) next;
	next += sizeof(SlotsShared);
	tag_sets = (TagSet *) TYPEALIGN(PG_CACHE_LINE_SIZE, next);
	next = (char *) (tag_sets + set_count());
	slots = (PaddedSlot *) TYPEALIGN(PG_CACHE_LINE_SIZE, next);
	Assert((char *) (slots + set_count() * WAYS) <= (char *) memory + shmem_size());

	if (!found)
		init_shared();
	LWLockRegisterTranche(shared->tranche, "MytsdbStream");
	LWLockRegisterTranche(shared->partition_tranche, "MytsdbStreamMapping");
}

const MytsdbModule shared_module = {
	.name = "mytsdb streams",
	.define_settings = define_settings,
	.shmem_size = shmem_size,
	.shmem_attach = shmem_attach,
};

/* ---- keys ---- */

void
ts_slot_key(TsSlotKey *key, const TsTable *table, TsStream stream)
{
	Assert(OidIsValid(MyDatabaseId));
	memset(key, 0, sizeof(TsSlotKey));
	key->database = MyDatabaseId;
	key->stream = stream;
	key->node = table->node;
	key->storage = table->storage;
}

/* The file does not matter: a storage is hardly ever in two. */
static uint64
hash_key(const TsSlotKey *key)
{
	return hash_bytes_extended((const unsigned char *) &key->storage,
							   sizeof(key->storage),
							   (uint64) key->database << 32 | key->stream);
}

/* ---- waiting ---- */

/* Waits for a lock that was not to be had at once; returns microseconds. */
static uint64
wait_for_lock(LWLock *lock, LWLockMode mode)
{
	instr_time start;
	instr_time end;

	INSTR_TIME_SET_CURRENT(start);
	LWLockAcquire(lock, mode);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	return INSTR_TIME_GET_MICROSEC(end);
}

static void
count_wait(TsLockWaiter waiter, uint64 microseconds)
{
	if (ts_maintain_give_way)
		waiter = TS_WAITER_MAINTENANCE;
	pg_atomic_fetch_add_u64(&shared->waits[waiter], 1);
	pg_atomic_fetch_add_u64(&shared->wait_microseconds[waiter], microseconds);
}

void
ts_lock_timed(LWLock *lock, LWLockMode mode)
{
	if (!LWLockConditionalAcquire(lock, mode))
		count_wait(TS_WAITER_SESSION, wait_for_lock(lock, mode));
}

static void
lock_slot(TsSlot *slot, LWLockMode mode)
{
	uint32 wal_writes = pg_atomic_read_u32(&slot->wal_writes);
	uint64 waited;

	if (LWLockConditionalAcquire(&slot->lock, mode))
		return;
	waited = wait_for_lock(&slot->lock, mode);
	pg_atomic_fetch_add_u64(&slot->waits, 1);
	pg_atomic_fetch_add_u64(&slot->wait_microseconds, waited);
	count_wait(pg_atomic_read_u32(&slot->wal_writes) != wal_writes ? TS_WAITER_WAL
																   : TS_WAITER_SESSION,
			   waited);
}

void
ts_shared_wrote_wal(TsSlot *slot)
{
	Assert(LWLockHeldByMeInMode(&slot->lock, LW_EXCLUSIVE));
	pg_atomic_fetch_add_u32(&slot->wal_writes, 1);
}

void
ts_lock_waits(TsLockWaits *found)
{
	for (int i = 0; i < TS_WAITERS; i++)
	{
		found[i].waits = pg_atomic_read_u64(&shared->waits[i]);
		found[i].microseconds = pg_atomic_read_u64(&shared->wait_microseconds[i]);
	}
}

/* Tries for about a microsecond: most who have a slot locked are about to let go of it. */
static bool
try_lock(LWLock *lock, LWLockMode mode)
{
	for (int i = 0; i < TRIES; i++)
	{
		if (LWLockConditionalAcquire(lock, mode))
			return true;
		for (int pause = 0; pause < PAUSES; pause++)
			pg_spin_delay();
	}
	return false;
}

/* ---- finding slots ---- */

/* Where a key can be. */
typedef struct Place
{
	uint32 set;
	uint32 tag;
} Place;

static Place
place_of(const TsSlotKey *key)
{
	uint64 hash = hash_key(key);

	return (Place){.set = (uint32) ((hash >> 32) % set_count()),
				   .tag = (uint32) hash | 1};
}

static TsSlot *
slot_at(const Place *place, int way)
{
	return &slots[place->set * WAYS + way].slot;
}

static LWLock *
partition_of(const Place *place)
{
	return &shared->partitions[place->set % PARTITIONS].lock;
}

static uint32
tag_at(const Place *place, int way)
{
	return pg_atomic_read_u32(&tag_sets[place->set].tags[way]);
}

static void
note_use(TsSlot *slot)
{
	uint32 used = pg_atomic_read_u32(&slot->used);

	/* Racing writers only lose some of the count. */
	if (used < MAX_USED)
		pg_atomic_write_u32(&slot->used, used + 1);
}

/*
 * Finds the slot and locks it; NULL when it seems not to be there. busy NULL: waits;
 * otherwise *busy is set when it may be there, but is locked.
 */
static TsSlot *
lock_existing(const Place *place, const TsSlotKey *key, LWLockMode mode, bool *busy)
{
	for (int way = 0; way < WAYS; way++)
	{
		TsSlot *slot = slot_at(place, way);

		if (tag_at(place, way) != place->tag)
			continue;
		if (busy == NULL)
			lock_slot(slot, mode);
		else if (!try_lock(&slot->lock, mode))
		{
			*busy = true;
			continue;
		}
		if (ts_slot_same_key(&slot->key, key))
		{
			note_use(slot);
			return slot;
		}
		LWLockRelease(&slot->lock);
	}
	return NULL;
}

/*
 * Chooses a slot to take, locked exclusively: one that was never used, or else the least
 * used of those that are not locked. NULL when all are locked. Under the partition lock.
 */
static TsSlot *
lock_victim(const Place *place, int *victim)
{
	bool tried[WAYS] = {false};

	for (int round = 0; round < WAYS; round++)
	{
		int best = -1;
		uint32 best_used = 0;

		for (int way = 0; way < WAYS; way++)
		{
			uint32 used = pg_atomic_read_u32(&slot_at(place, way)->used);

			if (tag_at(place, way) != 0)
				used++;
			if (!tried[way] && (best < 0 || used < best_used))
			{
				best = way;
				best_used = used;
			}
		}
		tried[best] = true;
		if (LWLockConditionalAcquire(&slot_at(place, best)->lock, LW_EXCLUSIVE))
		{
			*victim = best;
			return slot_at(place, best);
		}
	}
	return NULL;
}

/* Slots of the set that are not used any more get nearer to being taken. */
static void
age_set(const Place *place)
{
	for (int way = 0; way < WAYS; way++)
	{
		TsSlot *slot = slot_at(place, way);
		uint32 used = pg_atomic_read_u32(&slot->used);

		if (used > 0)
			pg_atomic_write_u32(&slot->used, used - 1);
	}
}

/* The slot of a key; NULL: there is none. Under the partition lock. */
static TsSlot *
find_slot(const Place *place, const TsSlotKey *key)
{
	for (int way = 0; way < WAYS; way++)
	{
		if (tag_at(place, way) == place->tag &&
			ts_slot_same_key(&slot_at(place, way)->key, key))
			return slot_at(place, way);
	}
	return NULL;
}

/* Sees that the key has a slot (for now), unless all slots of the set are locked. */
static bool
make_slot(const Place *place, const TsSlotKey *key)
{
	LWLock *partition = partition_of(place);
	TsSlot *slot;
	int way;

	ts_lock_timed(partition, LW_EXCLUSIVE);
	if (find_slot(place, key) != NULL)
	{
		LWLockRelease(partition);
		return true;
	}
	slot = lock_victim(place, &way);
	if (slot != NULL)
	{
		age_set(place);
		ts_hot_drop(slot);
		slot->key = *key;
		slot->ready = false;
		slot->ticket = new_ticket();
		slot->end = 0;
		slot->run = (TsRun){0};
		pg_atomic_write_u64(&slot->next_number, 0);
		slot->number_bound = 0;
		memset(slot->aux, 0, sizeof(slot->aux));
		pg_atomic_write_u32(&slot->most, 0);
		slot->counts = (TsSlotCounts){.since = GetCurrentTimestamp()};
		pg_atomic_write_u64(&slot->waits, 0);
		pg_atomic_write_u64(&slot->wait_microseconds, 0);
		pg_atomic_write_u32(&slot->used, 1);
		pg_atomic_write_u32(&tag_sets[place->set].tags[way], place->tag);
		LWLockRelease(&slot->lock);
	}
	LWLockRelease(partition);
	return slot != NULL;
}

TsSlot *
ts_shared_lock(const TsSlotKey *key, LWLockMode mode, uint64 *ticket)
{
	Place place = place_of(key);

	Assert(mode == LW_SHARED || mode == LW_EXCLUSIVE);
	for (;;)
	{
		TsSlot *slot = lock_existing(&place, key, mode, NULL);

		if (slot != NULL)
		{
			*ticket = slot->ticket;
			return slot;
		}
		if (!make_slot(&place, key))
		{
			slot = slot_at(&place, (int) (place.tag >> 1) % WAYS);
			lock_slot(slot, LW_SHARED);
			LWLockRelease(&slot->lock);
		}
		CHECK_FOR_INTERRUPTS();
	}
}

TsSlot *
ts_shared_try_lock(const TsSlotKey *key, LWLockMode mode, uint64 *ticket)
{
	Place place = place_of(key);

	for (;;)
	{
		bool busy = false;
		TsSlot *slot = lock_existing(&place, key, mode, &busy);

		if (slot != NULL)
			*ticket = slot->ticket;
		if (slot != NULL || busy || !make_slot(&place, key))
			return slot;
		CHECK_FOR_INTERRUPTS();
	}
}

TsSlot *
ts_shared_lock_existing(const TsSlotKey *key, LWLockMode mode)
{
	Place place = place_of(key);

	return lock_existing(&place, key, mode, NULL);
}

TsSlot *
ts_shared_lock_again(const TsSlotKey *key, LWLockMode mode, uint64 ticket, bool *valid)
{
	uint64 now;
	TsSlot *slot = ts_shared_lock(key, mode, &now);

	*valid = now == ticket && !slot->ready;
	return slot;
}

void
ts_shared_unlock(TsSlot *slot)
{
	LWLockRelease(&slot->lock);
}

void
ts_slot_raise(TsSlot *slot, uint32 value)
{
	uint32 most = pg_atomic_read_u32(&slot->most);

	while (most < value)
	{
		if (pg_atomic_compare_exchange_u32(&slot->most, &most, value))
			break;
	}
}

/*
 * Finds a slot for the sake of its atomics: it stays what it is while the partition, which
 * is to be released in any case, is locked. NULL: there is none.
 */
static TsSlot *
hold_slot(const TsSlotKey *key, LWLock **partition)
{
	Place place = place_of(key);

	*partition = partition_of(&place);
	ts_lock_timed(*partition, LW_SHARED);
	return find_slot(&place, key);
}

void
ts_shared_raise(const TsSlotKey *key, uint32 value)
{
	LWLock *partition;
	TsSlot *slot = hold_slot(key, &partition);

	if (slot != NULL)
		ts_slot_raise(slot, value);
	LWLockRelease(partition);
}

void
ts_shared_add_waits(const TsSlotKey *key, TsLockWaits *sum)
{
	LWLock *partition;
	TsSlot *slot = hold_slot(key, &partition);

	if (slot != NULL)
	{
		sum->waits += pg_atomic_read_u64(&slot->waits);
		sum->microseconds += pg_atomic_read_u64(&slot->wait_microseconds);
	}
	LWLockRelease(partition);
}

/*
 * The new ticket keeps a state out that somebody found in the pages before they were
 * appended to through this slot.
 */
void
ts_shared_forget(TsSlot *slot)
{
	Assert(LWLockHeldByMeInMode(&slot->lock, LW_EXCLUSIVE));
	slot->ready = false;
	slot->ticket = new_ticket();
	ts_hot_drop(slot);
}

void
ts_shared_forget_database(Oid database)
{
	for (uint32 i = 0; i < set_count() * WAYS; i++)
	{
		TsSlot *slot = &slots[i].slot;

		/* one that gets such a key just now is not of those that matter */
		if (slot->key.database != database)
			continue;
		lock_slot(slot, LW_EXCLUSIVE);
		if (slot->key.database == database)
			ts_shared_forget(slot);
		LWLockRelease(&slot->lock);
	}
}
