/*
 * range.h
 *	  What the files of the functions of range vectors share.
 *
 *	range.c				planning, and one series after the other
 *	range_floats.c		functions of floats that ignore histograms
 *	range_any.c			functions of all samples, whatever their kind
 *	range_rate.c		rate, increase, delta, irate, idelta
 *	range_growth.c		the former of histograms
 *	range_sums.c		sum_over_time, avg_over_time
 *	range_absent.c		absent_over_time
 *	range_notes.c		annotations
 *	range_kernels*.c	what is computed of floats (pure C)
 *
 * A series' samples are looked at as floats and histograms apart, each with its windows,
 * since most functions want only one kind. Nearly always all samples are of one kind;
 * then nothing is copied.
 */
#ifndef PROMQL_RANGE_H
#define PROMQL_RANGE_H

#include "postgres.h"

#include "exec.h"
#include "range_kernels.h"

StaticAssertDecl(RANGE_UNIX_EPOCH == PQ_UNIX_EPOCH, "one epoch");
StaticAssertDecl(RANGE_NO_START == PQ_NO_START, "one mark of unknown start times");

typedef struct RangeCall RangeCall;

/* Gives the values of one series. */
typedef void RangeCompute(RangeCall *call, PqVector *out);

typedef struct RangeKind
{
	RangeCompute *compute;
	RangeKernel *kernel; /* of floats; NULL: compute knows */
	bool keeps_name;
	bool start_times; /* are looked at */
	bool anchored;    /* may be used with this modifier */
	bool smoothed;
} RangeKind;

/* Annotations: what can be said once of a series. range_notes.c */
typedef enum RangeNote
{
	RANGE_MIXED,           /* floats and histograms */
	RANGE_IGNORED,         /* histograms beside floats */
	RANGE_INCOMPATIBLE,    /* exponential and custom buckets */
	RANGE_NOT_COUNTER,     /* a gauge histogram */
	RANGE_NOT_GAUGE,       /* a counter histogram */
	RANGE_RECONCILED_ADD,  /* custom bounds */
	RANGE_RECONCILED_SUB,  /* custom bounds */
	RANGE_RECONCILED_SUM,  /* custom bounds */
	RANGE_COLLISION,       /* of reset hints */
	RANGE_OVERLAP,         /* of start times */
	RANGE_MAYBE_NO_COUNTER /* by its name */
} RangeNote;

/* Memory that grows and is used again; in op->context. */
typedef struct RangeRoom
{
	void *data;
	Size size;
} RangeRoom;

/* The histograms of one series. */
typedef struct RangeHistograms
{
	uint32 n;
	const int64 *times;
	const TsHistogram *const *histograms;
	const int64 *starts; /* as of floats */
} RangeHistograms;

struct RangeCall
{
	PqOperator op; /* children: the range vector, then scalar arguments in order */
	const RangeKind *function;
	int position; /* of annotations */
	const double *scalars[2];

	/* the series that is being computed */
	uint32 series;
	uint32 said; /* bits of RangeNote */
	PqSamples samples;
	RangeWindows windows; /* of samples */
	RangeSamples floats;
	RangeWindows float_windows;
	RangeHistograms histograms;
	RangeWindows histogram_windows;
	RangeScratch scratch; /* for floats */

	RangeRoom room[4];
	TsAllocator results; /* on op->row */
	TsAllocator between; /* for histograms on the way; emptied after each window */
	MemoryContext between_context;
	PqPlace between_place;
};

#define pq_range_count(w, i) ((w)->end[i] - (w)->first[i])
/* Does the window hold both kinds? */
#define pq_range_is_mixed(call, i)                      \
	(pq_range_count(&(call)->float_windows, (i)) > 0 && \
	 pq_range_count(&(call)->histogram_windows, (i)) > 0)

extern RangeCompute pq_range_compute_floats;
extern RangeCompute pq_range_compute_quantile;
extern RangeCompute pq_range_compute_predict;
extern RangeCompute pq_range_compute_smooth;
extern RangeCompute pq_range_compute_count;
extern RangeCompute pq_range_compute_present;
extern RangeCompute pq_range_compute_first;
extern RangeCompute pq_range_compute_last;
extern RangeCompute pq_range_compute_ts_of_first;
extern RangeCompute pq_range_compute_ts_of_last;
extern RangeCompute pq_range_compute_changes;
extern RangeCompute pq_range_compute_resets;
extern RangeCompute pq_range_compute_rate;
extern RangeCompute pq_range_compute_increase;
extern RangeCompute pq_range_compute_delta;
extern RangeCompute pq_range_compute_irate;
extern RangeCompute pq_range_compute_idelta;
extern RangeCompute pq_range_compute_sum;
extern RangeCompute pq_range_compute_avg;

/* Room for that many bytes, whose contents are not kept. */
extern void *pq_range_room(RangeCall *call, RangeRoom *room, Size size);

/* The float kernel's values, but none where a window also holds histograms: a warning. */
extern void pq_range_floats_alone(RangeCall *call, RangeKernel *kernel, PqVector *out);
/* Of windows that hold histograms alone. range_growth.c */
extern void
pq_range_histogram_rates(RangeCall *call, PqVector *out, bool counter, bool per_second);
/* A window's value is this histogram. */
extern void
pq_range_give_histogram(RangeCall *call, PqVector *out, uint32 i, const TsHistogram *h);
/* Never NULL: an error without memory. */
extern TsHistogram *pq_range_made(RangeCall *call, TsHistogram *h);

extern void pq_range_note(RangeCall *call, RangeNote note);
extern void pq_range_note_quantile(RangeCall *call, double q);

/* Fails unless the function may be used with the modifier: most would see samples outside
 * of the range. */
extern void
pq_range_check_extend(PqExec *exec, const PqFunction *function, PqExtend extend);

extern PqOperator *
pq_range_plan_absent(PqExec *exec, const PqNode *node, const PqSteps *steps);

#endif /* PROMQL_RANGE_H */
