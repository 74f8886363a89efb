/*
 * hot_memory.c
 *	  Chunks of hot memory, the generations made of them, and pins.
 *
 * What always holds:
 * - A chunk is free, reserved by one backend, or in the chain of one generation. `used`
 *   counts those that are not free, and those that somebody is about to take. So who has
 *   raised it finds as many free chunks as he has raised it by.
 * - A generation goes, and its chunks are free, when its slot and the last pin have let
 *   go of it; `pins` counts them. Only who holds the slot's lock gets a pin, so none
 *   comes after the slot has let go.
 * - hot_next[] of a chunk in a chain is written once, before a pin can know of the chunk
 *   behind it.
 *
 * Free chunks are taken and given back without a lock, since every append does so. Who
 * takes the first one of their chain has read which one is next; if others have been there
 * meanwhile the count in `free` is another one and what was read does not matter.
 *
 * Order of locks: slot, then that of hot memory.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "portability/instr_time.h"
#include "utils/guc.h"

#include "hot_internal.h"
#include "mytsdb.h"

/* One nap of who waits for memory: a seal that fails wakes nobody. */
#define NAP_MS 20

HotShared *hot_shared = NULL;
HotGeneration *hot_generations = NULL;
uint32 *hot_next = NULL;
char *hot_data = NULL;
uint32 hot_chunks = 0;

static int hot_memory_kb;

/* Chunks this backend has reserved: a chain. */
static uint32 reserved_first = HOT_NONE;
static uint32 reserved = 0;

/* Generations this backend has pinned. */
static uint32 pinned[TS_HOT_RANGES];
static int npinned = 0;

/* ---- the module ---- */

static void
define_settings(void)
{
	DefineCustomIntVariable(
		"mytsdb.hot_memory",
		"Sets how much shared memory keeps the newest rows ready to be read.",
		"0: none; all rows that are not sealed yet are then read from the tables' pages.",
		&hot_memory_kb, 128 * 1024, 0, MAX_KILOBYTES, PGC_POSTMASTER, GUC_UNIT_KB, NULL,
		NULL, NULL);
}

static uint32
chunk_count(void)
{
	return (uint32) (hot_memory_kb / (HOT_CHUNK / 1024));
}

static Size
shmem_size(void)
{
	uint32 chunks = chunk_count();
	Size size = sizeof(HotShared);

	size = add_size(size, mul_size(chunks, sizeof(HotGeneration)));
	size = add_size(size, mul_size(chunks, sizeof(uint32)));
	size = add_size(size, mul_size(chunks, HOT_CHUNK));
	return add_size(size, 3 * PG_CACHE_LINE_SIZE); /* to align the parts */
}

static void
init_shared(HotShared *shared)
{
	MemSet(shared, 0, sizeof(HotShared));
	shared->tranche = LWLockNewTrancheId();
	LWLockInitialize(&shared->lock, shared->tranche);
	pg_atomic_init_u64(&shared->free, HOT_NONE);
	pg_atomic_init_u32(&shared->fresh, 0);
	shared->live = HOT_NONE;
	ConditionVariableInit(&shared->freed);
	pg_atomic_init_u32(&shared->used, 0);
	pg_atomic_init_u32(&shared->generations, 0);
	pg_atomic_init_u32(&shared->seals, 0);
	pg_atomic_init_u64(&shared->hurried, 0);
	pg_atomic_init_u64(&shared->drops, 0);
	pg_atomic_init_u64(&shared->appends, 0);
	pg_atomic_init_u64(&shared->log_only, 0);
	pg_atomic_init_u64(&shared->delays, 0);
	pg_atomic_init_u64(&shared->delay_micros, 0);
	pg_atomic_init_u64(&shared->rows_read, 0);
}

static void
shmem_attach(void *memory, bool found)
{
	char *next = memory;

	hot_chunks = chunk_count();
	hot_shared = memory;
	next += sizeof(HotShared);
	hot_generations = (HotGeneration *) TYPEALIGN(PG_CACHE_LINE_SIZE, next);
	next = (char *) (hot_generations + hot_chunks);
	hot_next = (uint32 *) TYPEALIGN(PG_CACHE_LINE_SIZE, next);
	next = (char *) (hot_next + hot_chunks);
	hot_data = (char *) TYPEALIGN(PG_CACHE_LINE_SIZE, next);
	Assert(hot_data + (Size) hot_chunks * HOT_CHUNK <= (char *) memory + shmem_size());

	if (!found)
		init_shared(hot_shared);
	LWLockRegisterTranche(hot_shared->tranche, "MytsdbHot");
}

const MytsdbModule hot_module = {
	.name = "mytsdb hot memory",
	.define_settings = define_settings,
	.install_hooks = hot_register_callbacks,
	.shmem_size = shmem_size,
	.shmem_attach = shmem_attach,
	.keep_unset = true,
};

bool
ts_hot_enabled(void)
{
	return hot_chunks > 0;
}

/* ---- reservations ---- */

/* What `free` is to be when a chunk is the first one. */
static inline uint64
first_free(uint64 before, uint32 chunk)
{
	return ((before >> 32) + 1) << 32 | chunk;
}

/* A chunk that was in use once, HOT_NONE if there is none. */
static uint32
take_free(void)
{
	uint64 free = pg_atomic_read_u64(&hot_shared->free);

	while ((uint32) free != HOT_NONE)
	{
		uint32 chunk = (uint32) free;
		uint32 next = *(volatile uint32 *) &hot_next[chunk];

		if (pg_atomic_compare_exchange_u64(&hot_shared->free, &free,
										   first_free(free, next)))
			return chunk;
	}
	return HOT_NONE;
}

/* One that was not. */
static uint32
take_fresh(void)
{
	uint32 chunk = pg_atomic_read_u32(&hot_shared->fresh);

	while (chunk < hot_chunks)
	{
		if (pg_atomic_compare_exchange_u32(&hot_shared->fresh, &chunk, chunk + 1))
			return chunk;
	}
	return HOT_NONE;
}

/* Takes chunks into the reservation; false if there are not so many. */
static bool
take_chunks(uint32 count)
{
	uint32 used = pg_atomic_read_u32(&hot_shared->used);

	do
	{
		if (hot_chunks - used < count)
			return false;
	} while (!pg_atomic_compare_exchange_u32(&hot_shared->used, &used, used + count));

	while (count > 0)
	{
		uint32 chunk = take_free();

		if (chunk == HOT_NONE)
			chunk = take_fresh();
		if (chunk == HOT_NONE)
			continue; /* one was given back between the two */
		hot_next[chunk] = reserved_first;
		reserved_first = chunk;
		reserved++;
		count--;
	}
	return true;
}

/* Frees a chain of chunks. */
static void
free_chain(uint32 first, uint32 last, uint32 count)
{
	uint64 free = pg_atomic_read_u64(&hot_shared->free);

	do
		hot_next[last] = (uint32) free;
	while (!pg_atomic_compare_exchange_u64(&hot_shared->free, &free,
										   first_free(free, first)));
	pg_atomic_fetch_sub_u32(&hot_shared->used, count);
}

void
ts_hot_unreserve(void)
{
	uint32 last = reserved_first;

	hot_hurry_if_grown();
	if (reserved == 0)
		return;
	for (uint32 i = 1; i < reserved; i++)
		last = hot_next[last];
	free_chain(reserved_first, last, reserved);
	reserved_first = HOT_NONE;
	reserved = 0;
}

/* Waits for chunks while a seal is running. No lock is held. */
static bool
wait_for_chunks(uint32 count, long *patience)
{
	instr_time start;
	instr_time spent;
	long left = *patience;
	bool taken = false;

	INSTR_TIME_SET_CURRENT(start);
	ConditionVariablePrepareToSleep(&hot_shared->freed);
	while (!taken && left > 0 && pg_atomic_read_u32(&hot_shared->seals) > 0)
	{
		(void) ConditionVariableTimedSleep(&hot_shared->freed, Min(left, NAP_MS),
										   PG_WAIT_EXTENSION);
		taken = take_chunks(count);
		INSTR_TIME_SET_CURRENT(spent);
		INSTR_TIME_SUBTRACT(spent, start);
		left = *patience - (long) INSTR_TIME_GET_MILLISEC(spent);
	}
	ConditionVariableCancelSleep();
	INSTR_TIME_SET_CURRENT(spent);
	INSTR_TIME_SUBTRACT(spent, start);
	pg_atomic_fetch_add_u64(&hot_shared->delays, 1);
	pg_atomic_fetch_add_u64(&hot_shared->delay_micros, INSTR_TIME_GET_MICROSEC(spent));
	*patience = Max(left, 0);
	return taken;
}

bool
ts_hot_reserve(Size bytes, long *patience)
{
	/* at the end of a chunk less than a header may be passed over; the first entry may
	 * begin anywhere in a chunk that is there, or a new one */
	uint64 wanted = bytes / (HOT_CHUNK - sizeof(HotEntry)) + 2;
	uint32 missing;

	if (wanted <= reserved)
		return true;
	if (wanted > hot_chunks)
	{
		pg_atomic_fetch_add_u64(&hot_shared->log_only, 1);
		return false;
	}
	missing = (uint32) wanted - reserved;
	hot_hurry_for(missing);
	if (take_chunks(missing))
		return true;
	if (*patience > 0 && pg_atomic_read_u32(&hot_shared->seals) > 0 &&
		wait_for_chunks(missing, patience))
		return true;
	pg_atomic_fetch_add_u64(&hot_shared->log_only, 1);
	return false;
}

static uint32
use_reserved(void)
{
	uint32 chunk = reserved_first;

	Assert(reserved > 0);
	reserved_first = hot_next[chunk];
	reserved--;
	hot_next[chunk] = HOT_NONE;
	return chunk;
}

/* ---- generations ---- */

HotGeneration *
hot_begin(TsSlot *slot, TsLogPos from)
{
	uint32 id = use_reserved();
	HotGeneration *generation = &hot_generations[id];

	generation->key = slot->key;
	pg_atomic_init_u32(&generation->pins, 1);
	generation->from = generation->to = from;
	generation->length = 0;
	generation->last = id;
	generation->tail = 0;
	generation->chunks = 1;
	generation->next = HOT_NONE;
	generation->closed = false;
	generation->linked = true;

	ts_lock_timed(&hot_shared->lock, LW_EXCLUSIVE);
	generation->live_before = HOT_NONE;
	generation->live_next = hot_shared->live;
	if (hot_shared->live != HOT_NONE)
		hot_generations[hot_shared->live].live_before = id;
	hot_shared->live = id;
	LWLockRelease(&hot_shared->lock);
	pg_atomic_fetch_add_u32(&hot_shared->generations, 1);

	if (slot->hot_count == 0)
		slot->hot_first = id;
	else
		hot_generations[slot->hot_last].next = id;
	slot->hot_last = id;
	slot->hot_count++;
	slot->hot_chunks++;
	return generation;
}

void
hot_extend(TsSlot *slot, HotGeneration *generation)
{
	uint32 chunk = use_reserved();

	hot_next[generation->last] = chunk;
	generation->last = chunk;
	generation->tail = 0;
	generation->chunks++;
	slot->hot_chunks++;
}

/* Lets go of a generation; who does so last frees it. */
static void
release(uint32 id)
{
	HotGeneration *generation = &hot_generations[id];

	if (pg_atomic_sub_fetch_u32(&generation->pins, 1) > 0)
		return;
	ts_lock_timed(&hot_shared->lock, LW_EXCLUSIVE);
	if (generation->live_before != HOT_NONE)
		hot_generations[generation->live_before].live_next = generation->live_next;
	else
		hot_shared->live = generation->live_next;
	if (generation->live_next != HOT_NONE)
		hot_generations[generation->live_next].live_before = generation->live_before;
	LWLockRelease(&hot_shared->lock);
	free_chain(id, generation->last, generation->chunks);
	pg_atomic_fetch_sub_u32(&hot_shared->generations, 1);
	ConditionVariableBroadcast(&hot_shared->freed);
}

void
hot_unlink_first(TsSlot *slot)
{
	uint32 id = slot->hot_first;
	HotGeneration *generation = &hot_generations[id];

	Assert(LWLockHeldByMeInMode(&slot->lock, LW_EXCLUSIVE));
	Assert(slot->hot_count > 0);
	slot->hot_first = generation->next;
	slot->hot_count--;
	Assert(slot->hot_chunks >= generation->chunks);
	slot->hot_chunks -= generation->chunks;
	generation->linked = false;
	pg_atomic_fetch_add_u64(&hot_shared->drops, 1);
	release(id);
}

void
ts_hot_drop(TsSlot *slot)
{
	while (slot->hot_count > 0)
		hot_unlink_first(slot);
	slot->hot_seal_at = 0;
}

/* ---- pins ---- */

int
ts_hot_pin(const TsTable *table, int log, TsLogPos from, TsLogPos to, TsHotRange *ranges)
{
	TsSlot *slot;
	uint32 id;

	Assert(npinned == 0);
	if (hot_chunks == 0 || pg_atomic_read_u32(&hot_shared->generations) == 0 ||
		RecoveryInProgress())
		return 0;
	slot = ts_log_lock_slot(table, log, LW_SHARED);
	if (slot == NULL)
		return 0;
	id = slot->hot_first;
	for (uint32 i = 0; i < slot->hot_count; i++)
	{
		HotGeneration *generation = &hot_generations[id];
		TsHotRange *range = &ranges[npinned];

		if (generation->to > from && generation->from < to)
		{
			range->from = Max(generation->from, from);
			range->to = Min(generation->to, to);
			range->generation = id;
			range->length = generation->length;
			pg_atomic_fetch_add_u32(&generation->pins, 1);
			pinned[npinned++] = id;
		}
		id = generation->next;
	}
	ts_shared_unlock(slot);
	return npinned;
}

void
ts_hot_unpin(void)
{
	while (npinned > 0)
		release(pinned[--npinned]);
}

/* Pins a generation that the slot has let go of, unless all others have, too. */
static bool
pin_unlinked(HotGeneration *generation)
{
	uint32 pins = pg_atomic_read_u32(&generation->pins);

	while (pins > 0)
	{
		if (pg_atomic_compare_exchange_u32(&generation->pins, &pins, pins + 1))
			return true;
	}
	return false;
}

bool
hot_next_unlinked(const TsSlotKey *key, TsHotRange *range)
{
	uint32 before = npinned > 0 ? pinned[0] : HOT_NONE;
	uint32 id;

	Assert(npinned <= 1);
	ts_lock_timed(&hot_shared->lock, LW_SHARED);
	id = before == HOT_NONE ? hot_shared->live : hot_generations[before].live_next;
	while (id != HOT_NONE && (hot_generations[id].linked ||
							  !ts_slot_same_key(&hot_generations[id].key, key) ||
							  !pin_unlinked(&hot_generations[id])))
		id = hot_generations[id].live_next;
	LWLockRelease(&hot_shared->lock);

	ts_hot_unpin();
	if (id == HOT_NONE)
		return false;
	pinned[npinned++] = id;
	*range = (TsHotRange){.from = hot_generations[id].from,
						  .to = hot_generations[id].to,
						  .generation = id,
						  .length = hot_generations[id].length};
	return true;
}

void
hot_let_go(void)
{
	ts_hot_unpin();
	ts_hot_unreserve();
}

/* ---- questions ---- */

uint64
ts_hot_shard_bytes(const TsTable *table, int shard)
{
	uint64 bytes = 0;

	if (hot_chunks == 0 || RecoveryInProgress())
		return 0;
	for (int i = 0; i < TS_SHARD_LOGS; i++)
	{
		TsSlot *slot = ts_log_lock_slot(table, ts_log_of(table, shard, i), LW_SHARED);

		if (slot == NULL)
			continue;
		bytes += (uint64) slot->hot_chunks * HOT_CHUNK;
		ts_shared_unlock(slot);
	}
	return bytes;
}

void
ts_hot_stats(TsHotStats *stats)
{
	stats->size = (uint64) hot_chunks * HOT_CHUNK;
	stats->used = (uint64) pg_atomic_read_u32(&hot_shared->used) * HOT_CHUNK;
	stats->generations = pg_atomic_read_u32(&hot_shared->generations);
	stats->drops = pg_atomic_read_u64(&hot_shared->drops);
	stats->appends = pg_atomic_read_u64(&hot_shared->appends);
	stats->log_only = pg_atomic_read_u64(&hot_shared->log_only);
	stats->delays = pg_atomic_read_u64(&hot_shared->delays);
	stats->delay_micros = pg_atomic_read_u64(&hot_shared->delay_micros);
	stats->rows_read = pg_atomic_read_u64(&hot_shared->rows_read);
}
