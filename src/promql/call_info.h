/*
 * call_info.h
 *	  What the files of info() share.
 *
 *	call_info.c			the operator; labels and values of its series
 *	call_info_select.c	which info series are wanted
 *	call_info_time.c	the time at which they are looked at
 */
#ifndef PROMQL_CALL_INFO_H
#define PROMQL_CALL_INFO_H

#include "call.h"

/* When info() looks at info series: at one time, or so much before each step. */
typedef struct CallReference
{
	bool pinned;
	int64 time;   /* if pinned */
	int64 offset; /* if not */
} CallReference;

#define NO_WINNER    PG_UINT32_MAX       /* no info series has a sample */
#define TIED         (PG_UINT32_MAX - 1) /* two have one of the same time */
#define NOT_A_NUMBER (PG_UINT32_MAX - 2) /* it is a histogram */
#define IS_WINNER(w) ((w) < NOT_A_NUMBER)

/* Info series with the same name and identifying labels. */
typedef struct Family
{
	uint32 *winners; /* series of the info selector, of each step */
	double *times;   /* of the winners' samples; while they are read */
	uint32 ties[2];  /* the last tie, for the message */
} Family;

/* The winners of all families of a group, at some steps. */
typedef struct Combination
{
	uint32 *winners; /* of each family */
} Combination;

typedef struct Group
{
	Family **families;
	int nfamilies;
	Combination *combinations;
	int ncombinations;
	uint16 *of_step; /* NULL: there is but one */
} Group;

/* What becomes of a series where one combination holds. */
typedef enum Fate
{
	FATE_GIVEN,
	FATE_DROPPED,
	FATE_CONFLICT /* two info series disagree about a label */
} Fate;

typedef struct Outcome
{
	Fate fate;
	uint32 output;  /* which of the series made of it */
	TsString label; /* that is in conflict */
} Outcome;

/* A series of the argument. */
typedef struct Base
{
	const Group *group; /* NULL: it is an info series itself, and stays as it is */
	Outcome *outcomes;  /* of each combination */
	uint32 noutputs;
} Base;

typedef struct InfoOperator
{
	PqOperator op;
	CallReference reference;
	TsMatcher *name_matchers; /* compiled */
	int nname_matchers;
	TsMatcher *data_matchers; /* compiled */
	int ndata_matchers;
	bool drops_others; /* a matcher wants a label: without it there is no value */
	PqOperator *info;  /* the selector */
	Family **families;
	Base *bases;
	/* while giving */
	uint32 base;   /* the one read last, plus 1 */
	uint32 output; /* of its series, given */
	PqVector current;
} InfoOperator;

extern CallReference call_info_reference(PqExec *exec, const PqNode *arg);

/* The labels by which info series belong to others. */
extern const PqNames call_identifying;

extern void call_info_plan_matchers(InfoOperator *info, const PqNode *node);
/* A series whose name all matchers match is an info series. */
extern bool call_is_info_series(const InfoOperator *info, TsString labels);
/*
 * The selector of the info series that belong to the argument's; NULL when none of these
 * has an identifying label.
 */
extern const PqNode *call_info_selector(InfoOperator *info);

#endif /* PROMQL_CALL_INFO_H */
