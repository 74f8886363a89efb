/*
 * binary.h
 *	  What the files of the binary operators (binary_*.c) share.
 */
#ifndef PROMQL_BINARY_H
#define PROMQL_BINARY_H

#include "exec.h"

#include "binary_kernel.h"

/*
 * What an operation ran into at a step. The language annotates, of all pairs of a step,
 * only what the last one met.
 */
typedef enum PqBinaryNote
{
	PQ_NOTE_NONE,
	PQ_NOTE_FLOAT_FLOAT, /* types that the operator does not take */
	PQ_NOTE_FLOAT_HISTOGRAM,
	PQ_NOTE_HISTOGRAM_FLOAT,
	PQ_NOTE_HISTOGRAM_HISTOGRAM,
	PQ_NOTE_LAYOUT,     /* exponential with custom buckets */
	PQ_NOTE_COLLISION,  /* contradicting hints about counter resets */
	PQ_NOTE_RECONCILED, /* custom bounds differed */
	PQ_NOTE_COUNT
} PqBinaryNote;

/*
 * A binary operator at work on rows of steps. Results that are histograms lie in op->row.
 */
typedef struct PqBinary
{
	PqOperator *op;
	PqBinaryOp kind;
	bool return_bool;
	bool keep_right; /* a comparison keeps the right value: scalar < vector */
	uint32 n;        /* steps */
	uint32 words;
	TsAllocator row; /* on op->row */
	uint64 *holds;   /* where a comparison holds; scratch */
	uint8 *notes;    /* the last PqBinaryNote of each step; NULL: none so far */
} PqBinary;

/* ---- binary_compute.c ---- */

extern void pq_binary_init(PqBinary *binary, PqOperator *op);
/*
 * Computes left op right at the steps of mask, where both must have values. matched
 * becomes the steps where the operator took the operands, out->present those that have a
 * result. The caller gives all arrays but out->histograms; out->values may be the
 * values of a side, matched and out->present may be mask.
 */
extern void
pq_binary_compute(PqBinary *binary, const PqVector *left, const PqVector *right,
				  const uint64 *mask, PqVector *out, uint64 *matched);
/* Annotates what was met. To be called once, when all is computed. */
extern void pq_binary_annotate(PqBinary *binary);

/* ---- binary_labels.c ---- */

/* The labels by which series are matched. */
extern TsString
pq_match_group(const PqMatching *matching, TsString labels, MemoryContext context);
/* The labels of a result: of an element of the many side and one of the one side. */
extern TsString pq_match_result(const PqMatching *matching, PqBinaryOp op, TsString many,
								TsString one, MemoryContext context);
/* {a="b", c="d"}, as error messages show labels. */
extern char *pq_labels_text(TsString labels);
/* All that somebody above looks at, and these; NULL: all labels. */
extern const PqNeeds *
pq_needs_more(PqExec *exec, const PqNeeds *needs, const PqNames *names);
extern const PqNeeds *pq_needs_names(PqExec *exec, const PqNames *names);
/* How series are matched, for EXPLAIN. */
extern void pq_explain_matching(const PqMatching *matching, PqExplain *to);

/* ---- kinds of operators ---- */

extern PqOperator *pq_plan_match(PqExec *exec, const PqNode *node, const PqSteps *steps);
extern PqOperator *
pq_plan_set(PqExec *exec, const PqNode *node, const PqSteps *steps, const PqNeeds *needs);

#endif /* PROMQL_BINARY_H */
