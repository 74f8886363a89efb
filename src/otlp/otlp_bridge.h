/*
 * otlp_bridge.h
 *	  What the parts of the bridge share.
 *
 * The bridge walks a message once, in its order: resources, their scopes, their metrics,
 * their points, and the samples that a point becomes. Where it is, `stage` says; how far
 * within a point, `step`. Numbers are read some ahead of being given, so that their series
 * can be on their way into the cache meanwhile.
 */
#ifndef OTLP_BRIDGE_H
#define OTLP_BRIDGE_H

#include "promql_ast.h"
#include "ts_otlp.h"

/* The value of a sample that says that the series has ended. */
#define OTLP_STALE UINT64_C(0x7FF0000000000002)

/* ---- fingerprints (otlp_bridge_print.c): of where the reader is ---- */

extern TsFingerprint otlp_print_options(const TsOtlpBridge *bridge);
extern TsFingerprint otlp_print_resource(const TsOtlpBridge *bridge);
extern TsFingerprint otlp_print_scope(const TsOtlpBridge *bridge);
/* Of all that the metric's name can be made of. */
extern TsFingerprint otlp_print_name(const TsOtlpBridge *bridge);
/* Of the metric within its scope. */
extern TsFingerprint otlp_print_metric(const TsOtlpBridge *bridge);
extern TsFingerprint otlp_print_metadata(const TsOtlpBridge *bridge);
extern TsFingerprint otlp_print_info_metadata(const TsOtlpBridge *bridge);
extern TsFingerprint otlp_print_point(const TsOtlpBridge *bridge);
/* Of labels, in whatever order, and of the metric's type. */
extern TsFingerprint
otlp_print_labels(const TsOtlpBridge *bridge, const TsOtlpLabels *labels);
/* Of one of the series of the point, or of target_info. */
extern TsFingerprint
otlp_print_part(const TsOtlpBridge *bridge, TsOtlpPart part, double bound);

/* ---- native histograms (otlp_bridge_histogram.c) ---- */

/* Memory of the last one that was made. */
typedef struct OtlpNative
{
	TsAllocator allocator;
	TsSpan *spans[2]; /* with room for as many as there are counts */
	double *counts[2];
	uint32_t room[2];
} OtlpNative;

extern void otlp_native_free(OtlpNative *native);
/* TS_ERR_INVALID: it cannot be one. */
extern TsErrorCode
otlp_native(OtlpNative *native, const TsOtlpPoint *point, TsHistogram *h, TsError *err);

/* ---- labels (otlp_bridge_labels.c) ---- */

typedef enum OtlpLabelsOf
{
	LABELS_OF_NOTHING,
	LABELS_OF_POINT,
	LABELS_OF_RESOURCE /* target_info */
} OtlpLabelsOf;

typedef struct OtlpLabelMaker
{
	TsOtlpLabelsCache *cache;
	TsArena of_metric; /* its name */
	TsArena of_point;
	TsArena of_exemplar;
	bool has_name;
	TsString name; /* of the metric */
	OtlpLabelsOf labels_of;
	TsOtlpLabels labels;
	LabelsPair *pairs; /* what was given out last */
	size_t pairs_room;
	char *text; /* names of a series */
	size_t text_room;
	char bound[PROMQL_FLOAT_SIZE];
} OtlpLabelMaker;

extern bool otlp_labels_init(OtlpLabelMaker *maker, const TsAllocator *allocator);
extern void otlp_labels_free(OtlpLabelMaker *maker);
/* What was made of the metric before does not count any more. */
extern void otlp_forget_metric(OtlpLabelMaker *maker);
/* Those of the point, with the metric's name. */
extern TsErrorCode
otlp_point_labels(TsOtlpBridge *bridge, TsOtlpLabels *labels, TsError *err);
/* Whether there is target_info for the resource. */
extern TsErrorCode otlp_has_info(TsOtlpBridge *bridge, bool *has, TsError *err);

/* ---- samples (otlp_bridge_parts.c) ---- */

/* The next one of a point, or its end. */
extern void otlp_next_part(TsOtlpBridge *bridge, TsOtlpKind *kind, TsOtlpItem *item);
/* target_info of a resource: what begins it, if there is one, and the next of its samples. */
extern TsErrorCode
otlp_begin_info(TsOtlpBridge *bridge, TsOtlpKind *kind, TsOtlpItem *item, TsError *err);
extern void otlp_next_info(TsOtlpBridge *bridge, TsOtlpKind *kind, TsOtlpItem *item);

/* ---- the bridge (otlp_bridge.c) ---- */

typedef enum OtlpStage
{
	AT_RESOURCES, /* the next is ... */
	AT_SCOPES,
	AT_METRICS,
	AT_POINTS,
	AT_PARTS, /* a sample of the point that was read */
	AT_INFO_METADATA,
	AT_INFO, /* of target_info */
	AT_END
} OtlpStage;

/* What of a point with a number counts; the rest of a TsOtlpPoint is not touched by it. */
#define OTLP_NUMBER_SIZE offsetof(TsOtlpPoint, count)

#define OTLP_AHEAD 16

typedef struct OtlpAhead
{
	TsOtlpPoint points[OTLP_AHEAD]; /* OTLP_NUMBER_SIZE bytes of each */
	TsFingerprint prints[OTLP_AHEAD];
	uint32_t n;
	uint32_t next;
	/* how reading went on behind the last of them */
	bool ended;
	TsErrorCode code;
	TsError error;
} OtlpAhead;

/* Samples of target_info between the first and the last ones, in a message. */
#define OTLP_INFO_BETWEEN 65536

/* Samples of target_info that were given, to be not given again: some of them. */
#define OTLP_INFO_GIVEN 256

typedef struct OtlpInfo
{
	uint64_t accepted; /* points of the resource */
	uint64_t first;    /* times, in nanoseconds ... */
	uint64_t last;
	uint64_t next;
	bool done;
	bool has_metadata; /* it was given */
	uint32_t left;     /* between the first and the last ones, of the message */
	uint64_t given[OTLP_INFO_GIVEN];
} OtlpInfo;

struct TsOtlpBridge
{
	TsAllocator allocator;
	const TsOtlpOptions *options;
	uint8_t secret[TS_WRITE_SECRET];
	TsOtlpReader reader;
	OtlpStage stage;
	/* prints of where the reader is; each is made of the one above it */
	TsFingerprint options_print;
	TsFingerprint resource_print;
	TsFingerprint scope_print;
	TsFingerprint name_print; /* of the metric alone */
	TsFingerprint metric_print;
	TsFingerprint point_print;
	bool accumulates; /* points of the metric */
	bool has_metadata;
	/* the point */
	OtlpAhead ahead;
	uint32_t step;
	double cumulated; /* counts of buckets so far */
	TsHistogram histogram;
	OtlpNative native;
	OtlpInfo info;
	OtlpLabelMaker maker;
};

/* Is the point one native histogram? */
static inline bool
otlp_is_native(const TsOtlpBridge *bridge)
{
	const TsOtlpType type = bridge->reader.metric.type;

	return type == TS_OTLP_EXPONENTIAL ||
		   (type == TS_OTLP_HISTOGRAM && bridge->options->custom_histograms);
}

/* Milliseconds since 1970. */
static inline int64_t
otlp_time(uint64_t nanoseconds)
{
	return (int64_t) (nanoseconds / 1000000);
}

#endif /* OTLP_BRIDGE_H */
