/*
 * histogram_type.h
 *	  The SQL type histogram on the server's side: a varlena whose payload is described in
 *	  src/types/histogram_format.h.
 *
 * The payload needs no alignment, so values are used with short headers as they lie in a
 * tuple; only compressed or toasted ones are copied.
 */
#ifndef HISTOGRAM_TYPE_H
#define HISTOGRAM_TYPE_H

#include "postgres.h"

#include "fmgr.h"

#include "ts_histogram.h"

typedef struct varlena Histogram;

#define HISTOGRAM_DATA(h)         VARDATA_ANY(h)
#define HISTOGRAM_SIZE(h)         VARSIZE_ANY_EXHDR(h)
#define DatumGetHistogramPP(d)    ((Histogram *) PG_DETOAST_DATUM_PACKED(d))
#define PG_GETARG_HISTOGRAM_PP(n) DatumGetHistogramPP(PG_GETARG_DATUM(n))
#define PG_RETURN_HISTOGRAM_P(h)  PG_RETURN_POINTER(h)

/* A value of the type, in the current context. */
extern Histogram *histogram_make(const TsHistogram *h);

/* The value in memory, in the current context. */
extern TsHistogram *histogram_read(Datum value);

/* Whether a type is histogram, wherever the extension put it. */
extern bool histogram_is_type(Oid type);

#endif /* HISTOGRAM_TYPE_H */
