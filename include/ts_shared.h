/*
 * ts_shared.h
 *	  What backends share about a storage: a slot per stream in fixed shared memory.
 *
 * A slot is a cache of what can be found out from pages (where a stream ends, ...), with
 * a lock that serialises the stream's writers. Slots are found by key; there is a fixed
 * number of them (mytsdb.shared_streams), and one whose lock is free may be taken for
 * another stream at any time. So a slot is used like this:
 *
 *	slot = ts_shared_lock(&key, mode, &ticket);
 *	if (!slot->ready)		-- nobody knows the state yet
 *	{
 *		ts_shared_unlock(slot);
 *		... find out the state from pages, no lock held ...
 *		slot = ts_shared_lock_again(&key, LW_EXCLUSIVE, ticket, &valid);
 *		if (!valid) ... start over: somebody was faster, or the slot went away;
 *		fill in the state; slot->ready = true;
 *	}
 *
 * Appends happen only through a ready slot and under its lock, and a slot is never taken
 * from its stream while locked; the ticket changes whenever the slot becomes ready or
 * changes hands. So a state found out without the lock is installed only if nothing was
 * appended meanwhile.
 *
 * Locking: each slot's fields are protected by its lock, except atomics. Order: one slot
 * at a time. Under it: no I/O that could be done before, no catalog access, no relation
 * extension, nothing that may raise an error after the first page was changed.
 */
#ifndef TS_SHARED_H
#define TS_SHARED_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "storage/relfilenode.h"

#include "ts_pages.h"

/* Pseudo stream: the slot of the storage as a whole (its numbers). */
#define TS_STREAM_STORAGE 0x1FFFF

typedef struct TsSlotKey
{
	Oid database;
	uint32 stream;
	RelFileNode node;
	uint64 storage;
} TsSlotKey;

/* What maintenance has done for a stream since its slot was made (ts_maintain.h). */
typedef struct TsSlotCounts
{
	TimestampTz since;
	TimestampTz last; /* 0: never */
	uint64 times;
	uint64 amount;
} TsSlotCounts;

typedef struct TsSlot
{
	LWLock lock;
	TsSlotKey key;
	bool ready;    /* the fields below are known */
	uint64 ticket; /* changes when `ready` is set and when the slot changes hands */
	uint64 end;    /* streams: see the module that owns the stream */
	TsRun run;     /* streams: the run that `end` is in, count 0 when not known */
	/* storage: the next number (taken under the shared lock), and the metapage's bound */
	pg_atomic_uint64 next_number;
	uint64 number_bound;
	uint64 aux[4];         /* the owning module's own ... */
	pg_atomic_uint32 most; /* ... and one that is only raised, see ts_shared_raise() */
	TsSlotCounts counts;   /* known even when the slot is not ready */
	uint32 hot_first;      /* streams: generations of hot memory (ts_hot.h) ... */
	uint32 hot_last;
	uint32 hot_count;            /* ... how many there are ... */
	uint32 hot_chunks;           /* ... and what they take */
	uint32 hot_seal_at;          /* when more than that the shard is to be looked at; 0:
								  * not known */
	pg_atomic_uint32 used;       /* for the clock that chooses a slot to take */
	pg_atomic_uint32 wal_writes; /* how often a holder had to write out WAL */
	/* Of waits for the lock since the slot was made: */
	pg_atomic_uint64 waits;
	pg_atomic_uint64 wait_microseconds;
} TsSlot;

extern void ts_slot_key(TsSlotKey *key, const TsTable *table, TsStream stream);

static inline bool
ts_slot_same_key(const TsSlotKey *a, const TsSlotKey *b)
{
	return a->storage == b->storage && a->stream == b->stream &&
		   a->database == b->database && RelFileNodeEquals(a->node, b->node);
}

/* Finds or makes the slot and locks it. With LW_SHARED the slot may be not ready, too. */
extern TsSlot *ts_shared_lock(const TsSlotKey *key, LWLockMode mode, uint64 *ticket);
/* As above; NULL when somebody else has locked it. */
extern TsSlot *ts_shared_try_lock(const TsSlotKey *key, LWLockMode mode, uint64 *ticket);
/* As above; NULL when there is no such slot. */
extern TsSlot *ts_shared_lock_existing(const TsSlotKey *key, LWLockMode mode);
/* As above; *valid says whether the ticket is still the same (and thus !ready). */
extern TsSlot *
ts_shared_lock_again(const TsSlotKey *key, LWLockMode mode, uint64 ticket, bool *valid);
extern void ts_shared_unlock(TsSlot *slot);
/*
 * Raises `most` of a slot to a value, if there is the slot, without waiting for its lock.
 * It begins at 0 when the slot becomes the stream's, and being forgotten leaves it.
 */
extern void ts_shared_raise(const TsSlotKey *key, uint32 value);
extern void ts_slot_raise(TsSlot *slot, uint32 value); /* of a locked one */
/* The holder of the lock has waited for WAL to be written: who waits for him, too. */
extern void ts_shared_wrote_wal(TsSlot *slot);
/* Forgets the state of a slot that is locked exclusively: in any doubt. */
extern void ts_shared_forget(TsSlot *slot);

/*
 * Forgets all slots of a database. One that moves to another tablespace must be forgotten
 * before: when it moves back its files have their old names, and are not what they were.
 * Between that and the move nobody uses the database under the names it is to have.
 */
extern void ts_shared_forget_database(Oid database);

/* ---- waiting for locks ---- */

/*
 * All the engine's LWLocks that others may wait for are acquired by this, which counts
 * and times the acquisitions that do not succeed at once.
 */
extern void ts_lock_timed(LWLock *lock, LWLockMode mode);

/* Who waited, or for what. */
typedef enum TsLockWaiter
{
	TS_WAITER_SESSION,
	TS_WAITER_WAL,         /* a session, for a slot whose holder had to write out WAL
							* meanwhile because its buffers were full */
	TS_WAITER_MAINTENANCE, /* a maintenance worker */
} TsLockWaiter;
#define TS_WAITERS 3

typedef struct TsLockWaits
{
	uint64 waits;
	uint64 microseconds;
} TsLockWaits;

/* Since the server started; found[TS_WAITERS]. */
extern void ts_lock_waits(TsLockWaits *found);
/* Adds what all have waited for a slot since it was made. */
extern void ts_shared_add_waits(const TsSlotKey *key, TsLockWaits *sum);

#endif /* TS_SHARED_H */
