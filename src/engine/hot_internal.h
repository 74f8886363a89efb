/*
 * hot_internal.h
 *	  What the files of hot memory share with each other only.
 *
 * hot_memory.c		chunks, generations, pins
 * hot_append.c		records to entries, entries into generations
 * hot_read.c		entries, and rows out of them
 * hot_pressure.c	when to seal for the sake of memory
 * hot_maintain.c	what sealing, VACUUM and the ends of transactions do to them
 *
 * Memory is chunks of HOT_CHUNK bytes, linked by their numbers. A generation is a chain
 * of chunks, read as one stream of bytes: entries, each a multiple of 8 bytes long. An
 * entry may go on in the next chunk, but not within its header: where a header does not
 * fit the rest of a chunk, the rest is passed over. Since lengths of all parts are
 * multiples of 8, neither does a part's header span chunks.
 *
 * An entry:
 *	HotEntry
 *	series		uint32[nrows], unless all are the same
 *	times		int64[nrows], likewise
 *	numbers		uint64[nrows], with HOT_HAS_NUMBERS
 *	nparts times, by attnum, for each column that is not all null:
 *		HotPart
 *		nulls	bool[nrows], with HOT_PART_NULLS
 *		values	by value: Datum[nrows], or one Datum with HOT_PART_SAME;
 *				by reference: uint32[nrows] places of the values in what follows, or, with
 *				HOT_PART_SAME, none; then the values, each aligned to 8
 * Each of these arrays is filled up to a multiple of 8 bytes.
 */
#ifndef HOT_INTERNAL_H
#define HOT_INTERNAL_H

#include "postgres.h"

#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"

#include "ts_hot.h"

#define HOT_CHUNK 4096
#define HOT_NONE  PG_UINT32_MAX /* no chunk, no generation */

#define HotAlign(length) TYPEALIGN(8, length)

typedef struct HotEntry
{
	uint32 length; /* of the entry, header included */
	uint32 xid;    /* changes only when it is frozen */
	uint32 cid;
	uint16 natts; /* columns that the table had */
	uint16 nrows;
	TsLogPos pos;
	uint64 number; /* of all rows; with HOT_HAS_NUMBERS the lowest */
	int64 time_min;
	int64 time_max;
	uint32 series_min;
	uint32 series_max;
	uint32 flags;
	uint32 nparts;
} HotEntry;

#define HOT_HAS_NUMBERS 0x01

typedef struct HotPart
{
	uint16 column; /* attnum - 1 */
	uint16 flags;
	uint32 length; /* of what follows */
} HotPart;

#define HOT_PART_NULLS 0x01
#define HOT_PART_SAME  0x02

StaticAssertDecl(sizeof(HotEntry) == 64, "headers of entries have no holes");
StaticAssertDecl(sizeof(HotPart) == 8, "headers of parts are as long as the alignment");
StaticAssertDecl(HOT_CHUNK % 8 == 0, "headers of parts do not span chunks");

/* A generation's number is that of its first chunk. */
typedef struct HotGeneration
{
	TsSlotKey key;         /* of the slot it belongs to */
	pg_atomic_uint32 pins; /* the slot's own, too */
	/* Under the slot's lock: */
	TsLogPos from;
	TsLogPos to;
	uint64 length; /* of the stream */
	uint32 last;   /* chunk */
	uint32 tail;   /* bytes of it in use */
	uint32 chunks;
	uint32 next; /* generation of the slot; HOT_NONE: none */
	bool closed; /* gets no more entries */
	bool linked; /* its slot has it */
	/* Under the lock of hot memory: in the list of all. */
	uint32 live_next;
	uint32 live_before;
} HotGeneration;

typedef struct HotShared
{
	LWLock lock; /* of the list of generations; nothing is locked, and nothing allocated,
				  * under it */
	int tranche;
	pg_atomic_uint64 free;  /* the first of the chunks that were in use once (low half),
							 * and how often it has changed (high half) */
	pg_atomic_uint32 fresh; /* chunks from here on were never in use */
	uint32 live;            /* the first generation of all */
	pg_atomic_uint32 used;
	pg_atomic_uint32 generations;
	pg_atomic_uint32 seals;   /* running */
	pg_atomic_uint64 hurried; /* when sealing was hurried last */
	ConditionVariable freed;
	pg_atomic_uint64 drops;
	pg_atomic_uint64 appends;
	pg_atomic_uint64 log_only;
	pg_atomic_uint64 delays;
	pg_atomic_uint64 delay_micros;
	pg_atomic_uint64 rows_read;
} HotShared;

/* ---- hot_memory.c ---- */

extern HotShared *hot_shared;          /* NULL: there is no hot memory */
extern HotGeneration *hot_generations; /* [hot_chunks] */
extern uint32 *hot_next;               /* [hot_chunks]: the next chunk of a chain */
extern char *hot_data;                 /* hot_chunks * HOT_CHUNK */
extern uint32 hot_chunks;

#define hot_chunk_data(chunk) (hot_data + (Size) (chunk) *HOT_CHUNK)

/* Begins a generation of the slot with a reserved chunk. */
extern HotGeneration *hot_begin(TsSlot *slot, TsLogPos from);
/* Adds a reserved chunk to a generation. */
extern void hot_extend(TsSlot *slot, HotGeneration *generation);
/* Takes the slot's first generation from it. */
extern void hot_unlink_first(TsSlot *slot);
/*
 * Pins the next one of the generations that the slot of a key has let go of while others
 * still read them, and unpins the one before; false when there are no more.
 */
extern bool hot_next_unlinked(const TsSlotKey *key, TsHotRange *range);
/* At the end of an aborted (sub)transaction: pins and reservations go. */
extern void hot_let_go(void);

/* ---- hot_pressure.c ---- */

/* Before so many chunks more are reserved: asks for seals if memory is short. */
extern void hot_hurry_for(uint32 chunks);
/* A slot, which is locked, had so many chunks, and has got more. */
extern void hot_note_growth(const TsSlot *slot, uint32 before);
/* With no lock held: asks for seals if a slot has grown too much. */
extern void hot_hurry_if_grown(void);

/* ---- hot_maintain.c ---- */

extern void hot_register_callbacks(void);

/* ---- a place in a generation's stream ---- */

typedef struct HotCursor
{
	uint32 chunk;
	uint32 offset; /* in the chunk; HOT_CHUNK: at the start of the next one */
	uint64 left;   /* bytes of the stream from here on */
} HotCursor;

static inline void
hot_cursor_skip(HotCursor *cursor, uint64 length)
{
	Assert(length <= cursor->left);
	cursor->left -= length;
	while (length > HOT_CHUNK - cursor->offset)
	{
		length -= HOT_CHUNK - cursor->offset;
		cursor->chunk = hot_next[cursor->chunk];
		cursor->offset = 0;
	}
	cursor->offset += (uint32) length;
}

/* The entry at the cursor, which is moved behind its header; NULL at the end. */
static inline HotEntry *
hot_cursor_entry(HotCursor *cursor)
{
	uint32 rest = HOT_CHUNK - cursor->offset;

	if (cursor->left == 0)
		return NULL;
	if (rest < sizeof(HotEntry))
	{
		hot_cursor_skip(cursor, rest);
		cursor->chunk = hot_next[cursor->chunk];
		cursor->offset = 0;
	}
	cursor->offset += sizeof(HotEntry);
	cursor->left -= sizeof(HotEntry);
	return (HotEntry *) (hot_chunk_data(cursor->chunk) + cursor->offset -
						 sizeof(HotEntry));
}

#endif /* HOT_INTERNAL_H */
