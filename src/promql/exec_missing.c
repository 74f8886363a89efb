/*
 * exec_missing.c
 *	  Stands in for what is still to come, so that the library can be loaded: each of
 *	  these goes when its owner's file is there.
 */
#include "postgres.h"

#include "exec_internal.h"

#define MISSING(type, name, ...)                                                        \
	__attribute__((weak)) type name(__VA_ARGS__)                                        \
	{                                                                                   \
		ereport(ERROR,                                                                  \
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg(#name " is missing"))); \
	}

#define MISSING_OPERATOR(name)                                                          \
	MISSING(PqOperator *, name, PqExec *exec, const PqNode *node, const PqSteps *steps, \
			const PqNeeds *needs)

MISSING_OPERATOR(pq_plan_call)
MISSING_OPERATOR(pq_plan_unary)
MISSING_OPERATOR(pq_plan_binary)
MISSING_OPERATOR(pq_plan_aggregate)
MISSING(void, ts_bucket_iter_init, TsBucketIter *iter, const TsHistogram *h, bool reverse)
MISSING(bool, ts_bucket_iter_next, TsBucketIter *iter, TsBucket *bucket)
MISSING(TsHistogram *, ts_histogram_copy, const TsHistogram *h, const TsAllocator *a)
MISSING(TsHistogram *, ts_histogram_decode, const void *data, size_t size,
		const TsAllocator *a)
MISSING(void, ts_histogram_encode, const TsHistogram *h, void *out)
MISSING(size_t, ts_histogram_encoded_size, const TsHistogram *h)
MISSING(bool, ts_histogram_is_stale, const TsHistogram *h)
MISSING(size_t, ts_histogram_memory, const TsHistogram *h)
MISSING(TsErrorCode, ts_histogram_validate, const TsHistogram *h, TsError *err)
MISSING(TsHistogram *, ts_histogram_with_hint, const TsHistogram *h, TsResetHint hint,
		const TsAllocator *a)
