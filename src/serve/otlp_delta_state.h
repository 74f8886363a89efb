/*
 * otlp_delta_state.h
 *	  What series with delta temporality have had, in shared memory.
 *
 * There is an entry for each series of a table. One that a transaction *holds* stays, with
 * room for what the transaction is going to put there, until the transaction lets go of it:
 * so that cannot fail when it commits. Whoever holds entries of a table keeps others from
 * doing so by a lock of his own (otlp_delta.c).
 *
 * Entries that are not held are forgotten mytsdb.otlp_delta_expiry after they were let go
 * of: at once when somebody looks for them, and for the room they take when others come, the
 * oldest first. Nothing else makes room.
 */
#ifndef OTLP_DELTA_STATE_H
#define OTLP_DELTA_STATE_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "otlp_delta_point.h"

/* Of the current database. */
typedef struct OtlpStateKey
{
	Oid table;
	TsFingerprint print;
} OtlpStateKey;

/* An entry that is held. */
typedef struct OtlpStateRef
{
	uint32 partition;
	uint32 cell;
} OtlpStateRef;

/* Whether there is any memory for them. */
extern bool otlp_state_enabled(void);
/*
 * Finds or makes the entry, which nobody holds, and holds it. *state is what it has, if it
 * has something (*known); with room for TS_DELTA_MAX_SIZE bytes. False: there is no memory
 * left.
 */
extern bool otlp_state_hold(const OtlpStateKey *key, TimestampTz now, OtlpStateRef *ref,
							TsDeltaState *state, bool *known);
/* Makes room for a state of that size. False: there is no memory left. */
extern bool otlp_state_reserve(OtlpStateRef ref, uint32 size);
/*
 * Lets go of it: with a state, for which there is room, or (NULL) as it was. That counts as
 * a use in any case. Cannot fail.
 */
extern void
otlp_state_release(OtlpStateRef ref, const TsDeltaState *state, TimestampTz now);

#endif /* OTLP_DELTA_STATE_H */
