/*
 * column_stats.h
 *	  Minimum, maximum and sum of the values of a piece that are not null.
 *
 * Each fills in all of *stats but nulls. n is at least 1.
 */
#ifndef COLUMN_STATS_H
#define COLUMN_STATS_H

#include "ts_column.h"

/* For float8 and, with narrow set, float4 columns, whose values were widened. */
extern void
column_stats_floats(const double *values, uint32 n, bool narrow, TsColumnStats *stats);
extern void column_stats_ints(const int64 *values, uint32 n, TsColumnStats *stats);

#endif /* COLUMN_STATS_H */
