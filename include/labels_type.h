/*
 * labels_type.h
 *	  The SQL type labels on the server's side: a varlena whose payload is described in
 *	  labels.h.
 *
 * The payload needs no alignment, so values are used with short headers as they lie in
 * a tuple; only compressed or toasted ones are copied.
 */
#ifndef LABELS_TYPE_H
#define LABELS_TYPE_H

#include "postgres.h"

#include "fmgr.h"

#include "labels.h"
#include "ts_selector.h"

typedef struct varlena Labels;

#define LABELS_DATA(l)         VARDATA_ANY(l)
#define LABELS_SIZE(l)         VARSIZE_ANY_EXHDR(l)
#define DatumGetLabelsPP(d)    ((Labels *) PG_DETOAST_DATUM_PACKED(d))
#define PG_GETARG_LABELS_PP(n) DatumGetLabelsPP(PG_GETARG_DATUM(n))
#define PG_RETURN_LABELS_P(l)  PG_RETURN_POINTER(l)

/*
 * Makes a value of pairs, which are normalized in place. Raises an error for what
 * labels_normalize() refuses.
 */
extern Labels *labels_make(LabelsPair *pairs, uint32 count);

/* Whether a type is labels, wherever the extension put it. */
extern bool labels_is_type(Oid type);

/* ---- selectors ---- */

/* The settings and counters that regular expressions go by. */
extern TsRegexLimits labels_regex_limits(void);

/* Since the server started (labels_module.c). */
typedef struct LabelsCounts
{
	uint64 selectors;         /* compiled */
	uint64 selectors_refused; /* had an error */
	uint64 patterns;          /* regular expressions compiled in them */
	uint64 limit_errors;      /* matches that exceeded the limit */
} LabelsCounts;

extern void labels_counts(LabelsCounts *found);
extern void labels_count_selector(const TsSelector *selector);
extern void labels_count_refused_selector(void);
extern void labels_count_limit_error(void);

/*
 * Parses and compiles a selector in a memory context that nothing else uses; its memory,
 * also what lies outside of PostgreSQL's contexts, is freed with the context. Returns
 * NULL and fills *err if the text is no selector, or one that takes too much memory; the
 * context is then to be deleted.
 */
extern TsSelector *labels_compile_selector(const char *text, size_t len,
										   MemoryContext context, TsError *err);
/* The same, but raises an error as the operator ~ does. */
extern const TsSelector *
labels_require_selector(const char *text, size_t len, MemoryContext context);

#endif /* LABELS_TYPE_H */
