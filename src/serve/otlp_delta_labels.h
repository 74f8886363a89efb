/*
 * otlp_delta_labels.h
 *	  What a process remembers of points: TsOtlpOptions.find_labels_print and
 *	  keep_labels_print, whose ctx does not matter.
 */
#ifndef OTLP_DELTA_LABELS_H
#define OTLP_DELTA_LABELS_H

#include "postgres.h"

#include "ts_base.h"

extern bool
otlp_delta_find_labels(void *ctx, TsFingerprint print, TsFingerprint *of_labels);
extern void
otlp_delta_keep_labels(void *ctx, TsFingerprint print, TsFingerprint of_labels);

#endif /* OTLP_DELTA_LABELS_H */
