/*
 * binary_match.h
 *	  Matching of two vectors: what its plan (binary_match.c) and its work (binary_join.c)
 *	  share.
 *
 * The *one* side is the right one, or with group_right the left one; the other is the *many*
 * side, also in one-to-one matching. Series with the same matching labels are a group. At a
 * step at most one series of the one side of a group may have a value, so the one side is
 * held as one row per group; the many side is streamed.
 *
 * A result is a distinct set of labels. What a series of the many side contributes to is
 * known beforehand, since labels are: to one result, whoever it meets, unless labels are
 * included from the one side; then to one per partner (and one without, if that
 * is filled). A result with a single contributor that contributes to nothing else is
 * *streamed*: it is given when its contributor is read. The others are *held* until the
 * many side is read. Streamed ones come first in the list.
 */
#ifndef PROMQL_BINARY_MATCH_H
#define PROMQL_BINARY_MATCH_H

#include "binary.h"

#define PQ_NOBODY PG_UINT32_MAX

/* The labels that a contribution leads to. */
typedef struct PqMatchVariant
{
	uint32 partner; /* series of the one side; PQ_NOBODY: a fill value, or any */
	uint32 result;
} PqMatchVariant;

/* Values of the one side without a partner, if those are filled. */
typedef struct PqMatchFill
{
	uint32 group;
	uint32 partner; /* PQ_NOBODY: all of the group */
	uint32 result;
} PqMatchFill;

typedef struct PqMatchGroup
{
	uint32 ones; /* series of the one side */
	uint32 manys;
	uint32 first_one; /* in PqMatch.ones */
	PqVector one;     /* their values; without arrays as long as there are none */
	uint32 *which;    /* if ones > 1: whose value it is, at each step */
	uint64 *matched;  /* steps where an element of the many side found a partner */
} PqMatchGroup;

typedef struct PqMatchResult
{
	TsString labels;
	uint32 contributors; /* series of the many side */
	uint32 many;         /* the first one */
	uint32 group;        /* whose contributors these are */
	uint32 position;     /* in op->series */
	bool filled; /* contributed to by values that lack a partner on the many side */
	bool held;
	bool mixed;     /* contributors of several groups */
	PqVector value; /* what is held; without arrays as long as there is nothing */
	uint64 *seen;   /* steps where contributors met a partner, filtered away or not */
} PqMatchResult;

typedef struct PqMatch
{
	PqOperator base;
	PqBinary binary;
	const PqMatching *matching;
	bool swapped;   /* the one side is the left one */
	bool ambiguous; /* some group has several series on the one side */
	PqOperator *many;
	PqOperator *one;
	uint32 words;
	PqMatchGroup *groups;
	uint32 ngroups;
	uint32 *many_group; /* of each series */
	uint32 *one_group;
	uint32 *ones;          /* series of the one side by group */
	uint32 *first_variant; /* of each many series; one more for the end */
	PqMatchVariant *variants;
	uint32 nvariants;
	PqMatchFill *fills;
	uint32 nfills;
	PqMatchResult *results;
	uint32 nresults;
	uint32 nstreamed;
	uint32 *held_at; /* results by position, from nstreamed on */
	/* at work */
	bool loaded;
	uint32 next_many;
	bool drained;
	int64 samples;     /* held */
	uint64 *duplicate; /* steps where the one side of a group has several values */
	uint32 duplicate_first;
	uint32 duplicate_second;
	PqVector partner; /* the one side with fill values; scratch */
	PqVector filler;  /* a fill value for the many side at all steps; scratch */
	PqVector work;    /* scratch */
	uint64 *mask;
	uint64 *matched;
} PqMatch;

/* binary_join.c */
extern void pq_match_next(PqOperator *op, PqVector *out);
extern void pq_match_close(PqOperator *op);
/* Reads the sides of an operator without results, for the errors in them. */
extern void pq_match_check(PqMatch *self);

#endif /* PROMQL_BINARY_MATCH_H */
