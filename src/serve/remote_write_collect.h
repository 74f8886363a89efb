/*
 * remote_write_collect.h
 *	  What collects a request: the same for all protocols that write.
 *
 * A parser says which series is at hand, and then what there is of it. Series are known by
 * their fingerprints; only when one is not, or when something is to be said of it, the
 * parser is asked for its labels. Whatever is not allowed comes to accept or refuse here, so
 * all say it in the same way.
 */
#ifndef REMOTE_WRITE_COLLECT_H
#define REMOTE_WRITE_COLLECT_H

#include "postgres.h"

#include "remote_write.h"

typedef struct WriteCollector WriteCollector;

struct WriteCollector
{
	WriteRequest *request;
	const char *what; /* that is sent, for messages: "remote write request" */
	/* The labels of the series at hand; they last until the next call. */
	TsErrorCode (*read_labels)(WriteCollector *collector, LabelsPair **pairs,
							   uint32 *npairs, TsError *err);
	Oid schema;          /* the target's: exemplars and metadata are beside it */
	uint64 nseries;      /* that came so far; 0: they are not counted */
	bool has_series;     /* one is at hand, and ... */
	bool series_known;   /* ... it is known by its fingerprint, so its labels are right */
	bool labels_encoded; /* `labels` are those of the series */
	TsFingerprint print;
	struct varlena *labels;
	Size labels_room;
	struct varlena *exemplar; /* labels of the last exemplar */
	Size exemplar_room;
	bool no_exemplars; /* there is no table for them */
};

/* Of a collector that has its request, its name and its method. Opens the target. */
extern void write_collect_begin(WriteCollector *collector);
/* All is there. */
extern void write_collect_end(WriteCollector *collector);

/* ---- what is wrong ---- */

/* Something is not allowed, and is an error or refused; `what` counts how much is lost. */
extern void write_refuse(WriteCollector *collector, int64 *what, int64 n, int sqlstate,
						 const char *message, const char *hint);
/* The same if the code is not TS_OK; then false. Damage and lack of memory are errors. */
extern bool write_accept_slowly(WriteCollector *collector, TsErrorCode code,
								const TsError *err, int64 *what, int64 n);
static inline bool
write_accept(WriteCollector *collector, TsErrorCode code, const TsError *err, int64 *what,
			 int64 n)
{
	return likely(code == TS_OK) || write_accept_slowly(collector, code, err, what, n);
}
/* An error unless the code is TS_OK. */
extern void write_check(WriteCollector *collector, TsErrorCode code, const TsError *err);

/* ---- times ---- */

/* Milliseconds since 1970 that are times of ours: the first, and the first beyond. */
#define WRITE_EPOCH_MS \
	((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) (SECS_PER_DAY * 1000))
#define WRITE_FIRST_MS (MIN_TIMESTAMP / 1000 + WRITE_EPOCH_MS)
#define WRITE_END_MS   (END_TIMESTAMP / 1000 + WRITE_EPOCH_MS)

extern void write_refuse_time(WriteCollector *collector, int64 milliseconds, int64 *what);

/* Milliseconds since 1970 to ours; false, and refused, when that is no time. */
static inline bool
write_accept_time(WriteCollector *collector, int64 milliseconds, int64 *what,
				  TimestampTz *time)
{
	if (likely(milliseconds >= WRITE_FIRST_MS && milliseconds < WRITE_END_MS))
	{
		*time = (milliseconds - WRITE_EPOCH_MS) * 1000;
		return true;
	}
	write_refuse_time(collector, milliseconds, what);
	return false;
}

/* ---- series ---- */

/* No longer the series that was at hand. */
static inline void
write_no_series(WriteCollector *collector)
{
	collector->has_series = false;
	collector->series_known = false;
	collector->labels_encoded = false;
}
/*
 * What follows is of the series of this fingerprint. Only when it is not known its labels
 * are looked at; TS_ERR_INVALID, TS_ERR_LIMIT: there can be no such series.
 */
extern TsErrorCode
write_set_series(WriteCollector *collector, TsFingerprint print, TsError *err);

/* ---- of the series at hand; times are milliseconds since 1970 ---- */

/*
 * The series at hand is another one, which was accepted before: exemplars need no more.
 */
static inline void
write_at_series(WriteCollector *collector, TsFingerprint print)
{
	write_no_series(collector);
	collector->has_series = true;
	collector->series_known = true;
	collector->print = print;
}

/* A start time of 0: none is known. False: it was refused. */
extern bool
write_put_sample(WriteCollector *collector, int64 time, int64 start, double value);
extern bool write_put_histogram(WriteCollector *collector, int64 time, int64 start,
								const TsHistogram *histogram);
/* A time of 0: none is given. The labels need not be normalized. */
extern void write_put_exemplar(WriteCollector *collector, int64 time, double value,
							   LabelsPair *pairs, uint32 npairs);
/* Whether there is a table for exemplars. */
extern bool write_wants_exemplars(WriteCollector *collector);

#endif /* REMOTE_WRITE_COLLECT_H */
