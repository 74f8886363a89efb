/*
 * otlp_delta.c
 *	  Points with delta temporality, within transactions.
 *
 * A transaction that adds points of a table has the table's delta lock until its end, so
 * what it has read of a series is not changed by others, and what it is going to publish is
 * the state as a whole. Each series is held in shared memory (otlp_delta_state.h) from its
 * first point on. A state is
 *
 * - `pending` while it is of a request that was not applied. If that never happens, the next
 *   request begins where the transaction was;
 * - a *change* of the subtransaction that the request was applied in. A series has a stack
 *   of them, at most one for each level of subtransactions; the first one is there as soon as
 *   the series is held, and has what was found in shared memory;
 * - published by the commit's callback, which cannot fail: all room was made before, and
 *   locks are still held.
 *
 * All changes are in one list, those of inner subtransactions behind those of outer ones.
 * When a subtransaction aborts, the series that it was the first to hold are let go of,
 * before the lock is.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_am.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "otlp.h"
#include "otlp_delta_labels.h"
#include "otlp_delta_state.h"
#include "serve_stats.h"
#include "ts_maintain.h"

#define FIRST_ROOM 256

/*
 * A sum is at the latest of its points' times. With one that is far in the future it would
 * stay there.
 */
#define MOST_AHEAD_US USECS_PER_DAY

typedef struct Series Series;

/* Room for a state. */
typedef struct Image
{
	TsDeltaState *state;
	uint32 room;
	int64 points; /* that were added since the state before */
} Image;

typedef struct Change
{
	dlist_node in_changes;
	Series *series;
	struct Change *below; /* of an outer subtransaction */
	SubTransactionId subid;
	bool known;   /* there is a state */
	bool applied; /* it is not that of shared memory */
	Image image;
} Change;

/* A series that the transaction holds. */
struct Series
{
	OtlpStateKey key;
	OtlpStateRef ref;
	uint32 reserved; /* bytes that are sure to have room */
	Change *top;
	uint64 request; /* which `pending` is of */
	Image pending;
};

typedef struct SeriesSlot
{
	OtlpStateKey key;
	Series *series;
	char status;
} SeriesSlot;

static inline bool
is_same(OtlpStateKey a, OtlpStateKey b)
{
	return ts_fingerprint_equal(a.print, b.print) && a.table == b.table;
}

/* Prints are hashes already. */
#define SH_PREFIX            held
#define SH_ELEMENT_TYPE      SeriesSlot
#define SH_KEY_TYPE          OtlpStateKey
#define SH_KEY               key
#define SH_HASH_KEY(tb, key) ((uint32) (key).print.low)
#define SH_EQUAL(tb, a, b)   is_same(a, b)
#define SH_SCOPE             static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* A request. */
struct OtlpDeltas
{
	MemoryContext context;
	Oid table;
	uint64 number; /* 0: no point came */
	uint64 epoch;
	TimestampTz now;
	Series **series; /* that have something pending */
	uint32 n;
	uint32 room;
	/* of one point */
	TsDeltaState *state;
	double *counts;
};

/* Of the transaction; NULL: it has none. */
static MemoryContext context;
static held_hash *held;
static dlist_head changes;

static uint64 requests; /* the number of the last one */
static uint64 epoch;    /* raised when what requests begin with changes */

/* ---- the transaction's changes ---- */

static void
free_image(Image *image)
{
	if (image->state != NULL)
		pfree(image->state);
	*image = (Image){0};
}

static void
pop(Change *change)
{
	Series *series = change->series;

	Assert(series->top == change);
	dlist_delete(&change->in_changes);
	series->top = change->below;
	if (series->top == NULL)
	{
		otlp_state_release(series->ref, NULL, GetCurrentTimestamp());
		held_delete(held, series->key);
		free_image(&series->pending);
		pfree(series);
	}
	free_image(&change->image);
	pfree(change);
	epoch++;
}

/* Makes it the parent's. */
static void
hand_over(Change *change, SubTransactionId parent)
{
	Change *below = change->below;

	change->subid = parent;
	if (below == NULL || below->subid != parent)
		return;
	Assert(change->applied); /* only the first one of a series may be as it was found */
	change->image.points += below->image.points;
	free_image(&below->image);
	below->image = change->image;
	below->known = below->applied = true;
	change->series->top = below;
	dlist_delete(&change->in_changes);
	pfree(change);
}

static void
on_subtransaction(SubXactEvent event, SubTransactionId subid, SubTransactionId parent,
				  void *arg)
{
	dlist_node *node;

	if (context == NULL ||
		(event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB))
		return;
	node = changes.head.prev;
	while (node != &changes.head)
	{
		Change *change = dlist_container(Change, in_changes, node);

		node = node->prev;
		Assert(change->subid <= subid);
		if (change->subid < subid)
			break;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			hand_over(change, parent);
		else
			pop(change);
	}
}

/* Lets go of all series; publishes what was applied, or not. */
static void
end_transaction(bool publish)
{
	TimestampTz now = GetCurrentTimestamp();
	int64 points = 0;
	dlist_iter iter;

	dlist_foreach(iter, &changes)
	{
		const Change *change = dlist_container(Change, in_changes, iter.cur);
		bool applied = publish && change->applied;

		Assert(!publish || change->below == NULL);
		if (change->below != NULL)
			continue;
		otlp_state_release(change->series->ref, applied ? change->image.state : NULL,
						   now);
		if (applied)
			points += change->image.points;
	}
	if (points > 0)
		serve_count(STAT_OTLP_DELTA_POINTS, points);
	epoch++;
	context = NULL;
	held = NULL;
}

static void
refuse_prepare(void)
{
	dlist_iter iter;

	dlist_foreach(iter, &changes)
	{
		if (dlist_container(Change, in_changes, iter.cur)->applied)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot PREPARE a transaction that has written OTLP points "
							"with delta temporality"),
					 errhint("Use COMMIT, or write points with cumulative "
							 "temporality.")));
	}
}

static void
on_transaction(XactEvent event, void *arg)
{
	if (context == NULL)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_PREPARE:
			refuse_prepare();
			break;
		case XACT_EVENT_COMMIT:
			end_transaction(true);
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			end_transaction(false);
			break;
		default:
			break;
	}
}

static void
begin_transaction(void)
{
	static bool registered = false;
	MemoryContext new;

	if (!registered)
	{
		RegisterXactCallback(on_transaction, NULL);
		RegisterSubXactCallback(on_subtransaction, NULL);
		registered = true;
	}
	dlist_init(&changes);
	new = AllocSetContextCreate(TopTransactionContext, "mytsdb OTLP deltas",
								ALLOCSET_DEFAULT_SIZES);
	held = held_create(new, FIRST_ROOM, NULL);
	context = new;
}

static void
make_room(Image *image, uint32 size)
{
	if (image->room >= size)
		return;
	if (image->state != NULL)
		pfree(image->state);
	image->state = NULL; /* until there is more */
	image->room = 0;
	image->state = MemoryContextAlloc(context, size);
	image->room = size;
}

static Change *
push(Series *series)
{
	Change *change = MemoryContextAllocZero(context, sizeof(Change));

	change->series = series;
	change->below = series->top;
	change->subid = GetCurrentSubTransactionId();
	return change;
}

static void
link_change(Change *change)
{
	change->series->top = change;
	dlist_push_tail(&changes, &change->in_changes);
}

/*
 * The series of a point, held. NULL: there is no room for it in shared memory. From the
 * moment it is held nothing fails until all know of it.
 */
static Series *
hold(OtlpDeltas *deltas, const OtlpStateKey *key)
{
	bool found;
	SeriesSlot *slot = held_insert(held, *key, &found);
	Series *series;
	Change *change;

	if (found && slot->series != NULL)
		return slot->series;
	slot->series = NULL; /* as long as it is not complete */
	series = MemoryContextAllocZero(context, sizeof(Series));
	series->key = *key;
	change = push(series);
	make_room(&change->image, sizeof(TsDeltaState));
	if (!otlp_state_hold(key, deltas->now, &series->ref, deltas->state, &change->known))
	{
		held_delete(held, *key);
		free_image(&change->image);
		pfree(change);
		pfree(series);
		return NULL;
	}
	slot->series = series;
	link_change(change);
	if (change->known)
	{
		make_room(&change->image, deltas->state->size);
		memcpy(change->image.state, deltas->state, deltas->state->size);
		series->reserved = deltas->state->size;
	}
	return series;
}

/* ---- a request ---- */

OtlpDeltas *
otlp_deltas_begin(Oid target)
{
	OtlpDeltas *deltas = palloc0(sizeof(OtlpDeltas));

	deltas->context = CurrentMemoryContext;
	deltas->table = target;
	return deltas;
}

/* Others' points of the table wait until the end of the transaction. */
static void
lock_table(Oid table)
{
	LOCKTAG tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, AccessMethodRelationId, table,
					   TS_DELTA_LOCK_SUB_ID);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

static void
first_point(OtlpDeltas *deltas)
{
	if (IsInParallelMode())
		ereport(ERROR, (errcode(ERRCODE_INVALID_TRANSACTION_STATE),
						errmsg("cannot write OTLP points during a parallel operation")));
	lock_table(deltas->table);
	if (context == NULL)
		begin_transaction();
	deltas->state = MemoryContextAlloc(deltas->context, TS_DELTA_MAX_SIZE);
	deltas->counts = MemoryContextAlloc(deltas->context,
										TS_DELTA_MAX_COUNTS * sizeof(double));
	deltas->room = FIRST_ROOM;
	deltas->series = MemoryContextAlloc(deltas->context, deltas->room * sizeof(Series *));
	deltas->now = GetCurrentTimestamp();
	deltas->epoch = epoch;
	deltas->number = ++requests;
}

/* What a request began with is still so. */
static void
check_epoch(const OtlpDeltas *deltas)
{
	if (deltas->epoch != epoch)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("OTLP points with delta temporality were written while a "
							   "request that has such points was being written")));
}

/* The state of a series as the request sees it; NULL: it has none. */
static const TsDeltaState *
current_state(const OtlpDeltas *deltas, const Series *series)
{
	if (series->request == deltas->number)
		return series->pending.state;
	return series->top->known ? series->top->image.state : NULL;
}

static bool
reserve(Series *series, uint32 size)
{
	if (series->reserved >= size)
		return true;
	if (!otlp_state_reserve(series->ref, size))
		return false;
	series->reserved = size;
	return true;
}

/* Makes deltas->state what is pending of the series. */
static void
keep(OtlpDeltas *deltas, Series *series)
{
	if (series->request != deltas->number)
	{
		if (deltas->n == deltas->room)
		{
			deltas->room *= 2;
			deltas->series = repalloc_huge(deltas->series,
										   deltas->room * sizeof(Series *));
		}
		make_room(&series->pending, deltas->state->size);
		deltas->series[deltas->n++] = series;
		series->pending.points = 0;
		series->request = deltas->number;
	}
	else
		make_room(&series->pending, deltas->state->size);
	memcpy(series->pending.state, deltas->state, deltas->state->size);
	series->pending.points++;
}

static bool
is_ahead(const OtlpDeltas *deltas, const TsOtlpPoint *point)
{
	const uint64 unix_us = (uint64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) *
						   USECS_PER_DAY;

	return point->time / 1000 > (uint64) deltas->now + unix_us + MOST_AHEAD_US;
}

static TsErrorCode
add(OtlpDeltas *deltas, TsFingerprint print, TsOtlpPoint *point, TsError *err)
{
	OtlpStateKey key = {.table = deltas->table, .print = print};
	Series *series = hold(deltas, &key);
	TsErrorCode code;

	if (series != NULL)
	{
		code = ts_delta_add(current_state(deltas, series), point, deltas->state, err);
		if (code != TS_OK)
			return code;
	}
	if (series == NULL || !reserve(series, deltas->state->size))
		return ts_error_set(
			err, TS_ERR_LIMIT, -1,
			"there is no memory left for sums of points with delta "
			"temporality; mytsdb.otlp_delta_memory sets how much there is");
	keep(deltas, series);
	ts_delta_give(deltas->state, point, deltas->counts);
	return TS_OK;
}

static TsErrorCode
accumulate(void *ctx, TsFingerprint print, TsOtlpPoint *point, TsError *err)
{
	OtlpDeltas *deltas = ctx;
	TsErrorCode code;

	if (!otlp_state_enabled())
		code = ts_error_set(err, TS_ERR_INVALID, -1,
							"points with delta temporality are not added up, since "
							"mytsdb.otlp_delta_memory is 0; send cumulative ones");
	else
	{
		if (deltas->number == 0)
			first_point(deltas);
		check_epoch(deltas);
		code = is_ahead(deltas, point)
				   ? ts_error_set(err, TS_ERR_INVALID, -1,
								  "a point with delta temporality is of more than a day "
								  "ahead of the server's time")
				   : add(deltas, print, point, err);
	}
	if (code != TS_OK)
		serve_count(STAT_OTLP_DELTA_REFUSED, 1);
	return code;
}

void
otlp_deltas_use(OtlpDeltas *deltas, TsOtlpOptions *options)
{
	options->accumulate = accumulate;
	options->find_labels_print = otlp_delta_find_labels;
	options->keep_labels_print = otlp_delta_keep_labels;
	options->accumulate_ctx = deltas;
}

void
otlp_deltas_apply(const OtlpDeltas *deltas)
{
	if (deltas->number == 0)
		return;
	check_epoch(deltas);
	for (uint32 i = 0; i < deltas->n; i++)
	{
		Series *series = deltas->series[i];
		Image pending = series->pending;
		Change *change = series->top;

		Assert(series->request == deltas->number);
		if (change->subid != GetCurrentSubTransactionId())
		{
			change = push(series);
			link_change(change);
		}
		series->pending = change->image;
		pending.points += change->image.points;
		change->image = pending;
		change->known = change->applied = true;
		series->request = 0;
	}
	epoch++;
}
