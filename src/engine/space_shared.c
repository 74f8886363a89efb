/*
 * space_shared.c
 *	  What backends share about free space: lists of free pages, and reservations.
 *
 * A free list has the longest extents of free pages of one storage. There is a fixed
 * number of lists, found by hashing the storage's key into a small set; a storage that
 * finds none free takes the one that was not used for longest. Losing a list is harmless,
 * so nothing here is ever waited for.
 *
 * Reservations keep pages of a running transaction that nothing on disk names yet: each
 * backend has an array of extents, which it alone changes, and empties when its top
 * transaction ends. They are named by database and storage id only, so that they hold
 * also for the copy of the file that SET TABLESPACE makes. When an array is full,
 * extents of a storage are joined, with what is between them; when that is not possible
 * either, one entry stands for all pages of the database. That keeps more pages than
 * needed until the transaction ends, and never fewer.
 *
 * Locking: one LWLock protects all of it. It is held for some array operations at most,
 * once per block or run of pages; no other lock is taken under it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/backendid.h"
#include "storage/lwlock.h"

#include "mytsdb.h"
#include "pages_internal.h"

#define LIST_SETS            128
#define LIST_WAYS            8
#define BACKEND_RESERVATIONS 128

typedef struct FreeList
{
	TsSlotKey key;    /* storage 0: the list is nobody's */
	uint64 last_used; /* by the clock that ticks with every use */
	uint64 token;     /* of who detached the list; 0 when it is attached */
	int count;        /* 0 while detached */
	TsExtent extents[TS_FREE_LIST_EXTENTS];
} FreeList;

typedef struct Reservation
{
	uint64 storage; /* 0: all of the database */
	Oid database;
	TsExtent extent;
} Reservation;

typedef struct BackendReservations
{
	int count;
	Reservation items[BACKEND_RESERVATIONS];
} BackendReservations;

typedef struct SpaceShared
{
	LWLock lock;
	int tranche;
	uint64 clock;      /* for last_used */
	uint64 last_token; /* tokens given out */
	FreeList lists[LIST_SETS * LIST_WAYS];
	BackendReservations backends[FLEXIBLE_ARRAY_MEMBER]; /* MaxBackends */
} SpaceShared;

static SpaceShared *space = NULL;

/* Whether this backend's array may have something in it. */
static bool have_reservations = false;

/* ---- the module ---- */

static Size
shmem_size(void)
{
	return add_size(offsetof(SpaceShared, backends),
					mul_size(MaxBackends, sizeof(BackendReservations)));
}

static void
shmem_attach(void *memory, bool found)
{
	space = memory;
	if (!found)
	{
		space->tranche = LWLockNewTrancheId();
		LWLockInitialize(&space->lock, space->tranche);
	}
	LWLockRegisterTranche(space->tranche, "MytsdbSpace");
}

const MytsdbModule pages_module = {
	.name = "mytsdb space",
	.shmem_size = shmem_size,
	.shmem_attach = shmem_attach,
};

/* ---- free lists ---- */

/* The set of lists that a key may be in. */
static FreeList *
set_of(const TsSlotKey *key)
{
	uint64 hash = hash_bytes_extended((const unsigned char *) &key->storage,
									  sizeof(key->storage), key->database);

	return &space->lists[(hash % LIST_SETS) * LIST_WAYS];
}

/* Finds a storage's list; the lock is held. */
static FreeList *
find_list(const TsSlotKey *key)
{
	FreeList *set = set_of(key);

	Assert(LWLockHeldByMe(&space->lock));
	Assert(key->storage != 0);
	for (int i = 0; i < LIST_WAYS; i++)
	{
		if (ts_slot_same_key(&set[i].key, key))
			return &set[i];
	}
	return NULL;
}

/* Finds or makes a storage's list; the lock is held exclusively. */
static FreeList *
make_list(const TsSlotKey *key)
{
	FreeList *list = find_list(key);
	FreeList *set = set_of(key);

	if (list != NULL)
		return list;
	list = &set[0];
	for (int i = 1; i < LIST_WAYS; i++)
	{
		if (set[i].last_used < list->last_used)
			list = &set[i];
	}
	list->key = *key;
	list->token = 0;
	list->count = 0;
	return list;
}

/* The shortest extent of at least `most` pages, or else the longest of at least `least`. */
static int
choose_extent(const FreeList *list, uint32 least, uint32 most)
{
	int best = -1;

	for (int i = 0; i < list->count; i++)
	{
		uint32 count = list->extents[i].count;
		uint32 chosen = best < 0 ? 0 : list->extents[best].count;

		if (count < least)
			continue;
		if (chosen >= most ? count >= most && count < chosen : count > chosen)
			best = i;
	}
	return best;
}

bool
ts_free_list_take(const TsSlotKey *key, uint32 least, uint32 most, TsExtent *extent)
{
	FreeList *list;
	int chosen = -1;

	LWLockAcquire(&space->lock, LW_EXCLUSIVE);
	list = find_list(key);
	if (list != NULL)
	{
		list->last_used = ++space->clock;
		chosen = choose_extent(list, least, most);
	}
	if (chosen >= 0)
	{
		TsExtent *from = &list->extents[chosen];

		extent->first = from->first;
		extent->count = Min(from->count, most);
		from->first += extent->count;
		from->count -= extent->count;
		if (from->count == 0)
			*from = list->extents[--list->count];
	}
	LWLockRelease(&space->lock);
	return chosen >= 0;
}

/* Who detached one of the lists finds that it is another's, as if it had been taken. */
void
ts_free_lists_forget(Oid database)
{
	LWLockAcquire(&space->lock, LW_EXCLUSIVE);
	for (int i = 0; i < LIST_SETS * LIST_WAYS; i++)
	{
		FreeList *list = &space->lists[i];

		if (list->key.database != database)
			continue;
		MemSet(&list->key, 0, sizeof(list->key));
		list->last_used = 0;
		list->token = 0;
		list->count = 0;
	}
	LWLockRelease(&space->lock);
}

uint64
ts_free_list_pages(const TsSlotKey *key)
{
	const FreeList *list;
	uint64 pages = 0;

	LWLockAcquire(&space->lock, LW_SHARED);
	list = find_list(key);
	for (int i = 0; list != NULL && i < list->count; i++)
		pages += list->extents[i].count;
	LWLockRelease(&space->lock);
	return pages;
}

uint64
ts_free_list_detach(const TsSlotKey *key, TsExtent *extents, int *count)
{
	FreeList *list;
	uint64 token;

	LWLockAcquire(&space->lock, LW_EXCLUSIVE);
	list = make_list(key);
	*count = list->count;
	memcpy(extents, list->extents, sizeof(TsExtent) * list->count);
	token = ++space->last_token;
	list->last_used = ++space->clock;
	list->token = token;
	list->count = 0;
	LWLockRelease(&space->lock);
	return token;
}

void
ts_free_list_attach(const TsSlotKey *key, uint64 token, const TsExtent *extents,
					int count)
{
	FreeList *list;

	Assert(token != 0 && count <= TS_FREE_LIST_EXTENTS);
	LWLockAcquire(&space->lock, LW_EXCLUSIVE);
	list = find_list(key);
	if (list != NULL && list->token == token)
	{
		if (count > 0)
			memcpy(list->extents, extents, sizeof(TsExtent) * count);
		list->count = count;
		list->token = 0;
	}
	LWLockRelease(&space->lock);
}

/* ---- reservations ---- */

static void
release_reservations(XactEvent event, void *arg)
{
	if (!have_reservations)
		return;
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE && event != XACT_EVENT_PARALLEL_COMMIT &&
		event != XACT_EVENT_PARALLEL_ABORT)
		return;

	LWLockAcquire(&space->lock, LW_EXCLUSIVE);
	space->backends[MyBackendId - 1].count = 0;
	LWLockRelease(&space->lock);
	have_reservations = false;
}

/* Pages between two extents; 0 when they touch or overlap. */
static uint32
distance(const TsExtent *a, const TsExtent *b)
{
	if (a->first > b->first)
		return distance(b, a);
	return b->first > a->first + a->count ? b->first - (a->first + a->count) : 0;
}

/* Makes `a` cover both. */
static void
join_extents(TsExtent *a, const TsExtent *b)
{
	BlockNumber end = Max(a->first + a->count, b->first + b->count);

	a->first = Min(a->first, b->first);
	a->count = end - a->first;
}

/* The storage's reservation that is nearest to an extent; -1 when there is none. */
static int
nearest(const BackendReservations *mine, uint64 storage, const TsExtent *extent, int from)
{
	int best = -1;

	for (int i = from; i < mine->count; i++)
	{
		if (mine->items[i].storage == storage &&
			(best < 0 || distance(&mine->items[i].extent, extent) <
							 distance(&mine->items[best].extent, extent)))
			best = i;
	}
	return best;
}

/* Joins the two reservations of one storage that are closest, or else all there are. */
static void
make_room(BackendReservations *mine)
{
	int best = -1;
	int best_other = -1;
	uint32 best_distance = 0;

	for (int i = 0; i < mine->count; i++)
	{
		const Reservation *item = &mine->items[i];
		int other = nearest(mine, item->storage, &item->extent, i + 1);
		uint32 apart;

		if (other < 0)
			continue;
		apart = distance(&item->extent, &mine->items[other].extent);
		if (best < 0 || apart < best_distance)
		{
			best = i;
			best_other = other;
			best_distance = apart;
		}
	}
	if (best >= 0)
	{
		join_extents(&mine->items[best].extent, &mine->items[best_other].extent);
		mine->items[best_other] = mine->items[--mine->count];
	}
	else
	{
		mine->items[0].storage = 0;
		mine->items[0].extent = (TsExtent){0, InvalidBlockNumber};
		mine->count = 1;
	}
}

static void
add_reservation(BackendReservations *mine, uint64 storage, const TsExtent *extent)
{
	int near;

	if (mine->count == 1 && mine->items[0].storage == 0)
		return; /* all is reserved already */

	near = nearest(mine, storage, extent, 0);
	if (near >= 0 && (mine->count == BACKEND_RESERVATIONS ||
					  distance(&mine->items[near].extent, extent) == 0))
	{
		join_extents(&mine->items[near].extent, extent);
		return;
	}
	if (mine->count == BACKEND_RESERVATIONS)
	{
		make_room(mine);
		if (mine->items[0].storage == 0)
			return;
	}
	mine->items[mine->count++] = (Reservation){
		.storage = storage, .database = MyDatabaseId, .extent = *extent};
}

void
ts_space_reserve(uint64 storage, BlockNumber first, uint32 count)
{
	static bool registered = false;
	TsExtent extent = {first, count};

	Assert(storage != 0 && IsTransactionState());
	Assert(MyBackendId >= 1 && MyBackendId <= MaxBackends);
	if (!registered)
	{
		RegisterXactCallback(release_reservations, NULL);
		registered = true;
	}

	have_reservations = true;
	LWLockAcquire(&space->lock, LW_EXCLUSIVE);
	add_reservation(&space->backends[MyBackendId - 1], storage, &extent);
	LWLockRelease(&space->lock);
}

TsExtent *
ts_space_reserved(uint64 storage, int *count)
{
	TsExtent *extents = palloc(sizeof(TsExtent) * MaxBackends * BACKEND_RESERVATIONS);

	*count = 0;
	LWLockAcquire(&space->lock, LW_SHARED);
	for (int backend = 0; backend < MaxBackends; backend++)
	{
		const BackendReservations *theirs = &space->backends[backend];

		for (int i = 0; i < theirs->count; i++)
		{
			const Reservation *item = &theirs->items[i];

			if (item->database == MyDatabaseId &&
				(item->storage == storage || item->storage == 0))
				extents[(*count)++] = item->extent;
		}
	}
	LWLockRelease(&space->lock);
	return extents;
}
