/*
 * ts_stop.h
 *	  Named stop points: places in the engine where a test makes a process crash, fail or
 *	  wait. Only where assertions are checked; release builds have none of it.
 *
 * The setting mytsdb.stop_point of a session says what happens at which point:
 *
 *	name=crash		the process ends at once, as by SIGKILL
 *	name=error		an error is raised
 *	name=wait		the process waits while somebody holds pg_advisory_lock(7, 7)
 *	name=crash@3	when the point is reached the third time since the setting was made
 *
 * Where not all of that may be done the macro says so: under an LWLock or the relation
 * extension lock nobody may wait; where a change is in the WAL, but not yet in shared
 * memory, nothing may fail either. What is not allowed does not happen.
 *
 * All names are listed in src/engine/stop.c.
 */
#ifndef TS_STOP_H
#define TS_STOP_H

#include "postgres.h"

#ifdef USE_ASSERT_CHECKING

typedef enum TsStopMost
{
	TS_STOP_CRASH,
	TS_STOP_ERROR,
	TS_STOP_WAIT
} TsStopMost;

/*
 * A fault for a test to find: with the setting mytsdb.skip_abort_check a session takes
 * transactions that were rolled back for committed ones.
 */
extern bool ts_skip_abort_check;

/*
 * Chance, for tests without many writers: with mytsdb.busy_logs = n a session finds every
 * n-th log locked that it tries for its rows.
 */
extern bool ts_log_seems_busy(void);

extern bool ts_stop_armed;
/* At most this may happen here. */
extern void ts_stop_reached(const char *name, TsStopMost most);

#define TS_STOP_UP_TO(name, most)            \
	do                                       \
	{                                        \
		if (unlikely(ts_stop_armed))         \
			ts_stop_reached((name), (most)); \
	} while (0)

#else
#define TS_STOP_UP_TO(name, most) ((void) 0)
#define ts_skip_abort_check       false
#define ts_log_seems_busy()       false
#endif

#define TS_STOP(name)        TS_STOP_UP_TO(name, TS_STOP_WAIT)
#define TS_STOP_LOCKED(name) TS_STOP_UP_TO(name, TS_STOP_ERROR)
#define TS_STOP_LOGGED(name) TS_STOP_UP_TO(name, TS_STOP_CRASH)

#endif /* TS_STOP_H */
