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

MISSING_OPERATOR(pq_plan_unary)
MISSING_OPERATOR(pq_plan_binary)
MISSING_OPERATOR(pq_plan_aggregate)
