/*
 * histogram_layouts.h
 *	  The layouts of a column of histograms, and all buckets that any of them has.
 */
#ifndef HISTOGRAM_LAYOUTS_H
#define HISTOGRAM_LAYOUTS_H

#include "histogram_columns_format.h"
#include "histogram_internal.h"

typedef struct HistogramLayouts
{
	uint32_t n;
	HistogramRoom rooms[HISTOGRAM_COLUMNS_LAYOUTS]; /* counts are work space */
	/* Of each layout: the columns of its buckets, positive ones first. */
	uint32_t *columns[HISTOGRAM_COLUMNS_LAYOUTS];
	uint32_t ncolumns;
} HistogramLayouts;

static inline uint32_t
histogram_buckets_of(const TsHistogram *h)
{
	return h->npositive + h->nnegative;
}

/*
 * Adds a layout, in memory of the arena. TS_ERR_INVALID: it is none. TS_ERR_LIMIT: there are
 * too many layouts or buckets.
 */
extern TsErrorCode histogram_layouts_add(HistogramLayouts *layouts, TsArena *arena,
										 const HistogramSplit *split);
/* Finds the columns when all layouts are there. Errors as above. */
extern TsErrorCode histogram_layouts_join(HistogramLayouts *layouts, TsArena *arena);

#endif /* HISTOGRAM_LAYOUTS_H */
