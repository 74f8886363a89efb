/*
 * ts_otlp.h
 *	  OpenTelemetry's metrics (OTLP): from a request's bytes to series and samples as
 *	  Prometheus has them.
 *
 * Pure C, in layers, each of which knows only those above it in this list:
 *
 *	otlp_json.c		a body of JSON into the bytes of the same message in protobuf, so that all
 *					below has one input
 *	otlp_read.c		the message as it lies there: resources, scopes, metrics, points. Nothing
 *					is unpacked and nothing allocated per point
 *	otlp_value.c	attributes' values as text
 *	otlp_names.c	names of metrics, units and labels, as Prometheus' translation has them
 *	otlp_labels.c	resource, scope and attributes of a point into labels
 *	otlp_bridge.c	points into samples of series: a histogram into its buckets, and so on
 *	otlp_answer.c	what the sender is told, in protobuf or JSON
 *
 * Series are known by a fingerprint of the bytes of what makes them (resource, scope,
 * metric, attributes, and the options), so the labels of a series that was seen before are
 * not made again. Equal fingerprints mean equal labels; the reverse need not be so.
 *
 * Rules: OpenTelemetry's "Prometheus and OpenMetrics Compatibility" specification, and where
 * it leaves a choice, what Prometheus' own OTLP receiver does.
 *
 * Every attribute is looked at when it is first seen (its depth, its text), whether or not
 * it becomes a label. Nesting is bounded by TS_OTLP_MAX_DEPTH. Fields that are not known
 * are passed over.
 *
 * Errors: TS_ERR_SYNTAX for bytes that are no such message (nesting too deep is one),
 * TS_ERR_INVALID for what a message says and may not, TS_ERR_LIMIT, TS_ERR_MEMORY. After
 * TS_ERR_SYNTAX and TS_ERR_MEMORY nothing more can be read.
 */
#ifndef TS_OTLP_H
#define TS_OTLP_H

#include "labels.h"
#include "ts_base.h"
#include "ts_histogram.h"
#include "ts_wire.h"
#include "ts_write.h"

#define TS_OTLP_MAX_DEPTH 64 /* of values within values */

/* ---- options ---- */

/* How names become those of Prometheus; called as Prometheus calls them. */
typedef enum TsOtlpTranslation
{
	TS_OTLP_UNDERSCORE_ESCAPING_WITH_SUFFIXES,
	TS_OTLP_UNDERSCORE_ESCAPING_WITHOUT_SUFFIXES,
	TS_OTLP_NO_UTF8_ESCAPING_WITH_SUFFIXES,
	TS_OTLP_NO_TRANSLATION
} TsOtlpTranslation;

/* What becomes of points with delta temporality. */
typedef enum TsOtlpDelta
{
	TS_OTLP_DELTA_CUMULATIVE, /* each is added to what its series has had before */
	TS_OTLP_DELTA_REFUSE,
	TS_OTLP_DELTA_STORE /* as they are, as gauges */
} TsOtlpDelta;

typedef struct TsOtlpPoint TsOtlpPoint;

typedef struct TsOtlpOptions
{
	TsOtlpTranslation translation;
	TsOtlpDelta delta;
	bool
		custom_histograms; /* explicit bounds: one native histogram, not classic buckets */
	bool min_max;          /* a histogram's min and max are series of their own */
	bool scope_labels;     /* otel_scope_name, _version, _schema_url, and attributes */
	bool keep_identifying; /* target_info has service.* also under their own names */
	bool promote_all;      /* all attributes of the resource are labels of its series */
	const TsString *promoted; /* or these */
	uint32_t npromoted;
	int64_t info_interval; /* ms, at most, between samples of target_info */
	/*
	 * For TS_OTLP_DELTA_CUMULATIVE: makes a point the cumulative one of its series, in
	 * place. The print is made of its labels, without those of parts, and of the metric's
	 * type: so points of one series have the same one, whatever their message has beyond the
	 * labels, in whatever order. TS_ERR_INVALID or TS_ERR_LIMIT: the point is refused.
	 *
	 * Of a number it sets `number` (`integer` is not looked at again); of all of them
	 * `start`. Counts may be changed where they lie: they are the reader's own memory, which
	 * has room for ncounts and no more. Where other buckets are to come out it points
	 * counts, bounds, positive and negative to memory of its own, which lives until the next
	 * call, and sets their numbers, offsets, the scale, and the zero bucket. What comes out
	 * has to be as what came in: one count more than bounds, or none at all; on each side at
	 * most TS_HISTOGRAM_MAX_BUCKETS, whose indexes fit; buckets that add up to the count.
	 *
	 * Not called for points without a recorded value.
	 */
	TsErrorCode (*accumulate)(void *ctx, TsFingerprint print, TsOtlpPoint *point,
							  TsError *err);
	/*
	 * Making it takes time. Who knows it for a point's print in the message finds it, and is
	 * told to keep it else; NULL: nobody does.
	 */
	bool (*find_labels_print)(void *ctx, TsFingerprint print, TsFingerprint *of_labels);
	void (*keep_labels_print)(void *ctx, TsFingerprint print, TsFingerprint of_labels);
	void *accumulate_ctx; /* of all three */
	/* Is told, if it is given, of series whose samples are about to come. */
	void (*expect)(void *ctx, TsFingerprint print);
	void *expect_ctx;
} TsOtlpOptions;

/* ---- JSON (otlp_json.c) ---- */

/*
 * The message of OTLP's JSON mapping, ExportMetricsServiceRequest, in protobuf: *data is
 * memory of the allocator, at most `limit` bytes. Names in lowerCamelCase or as in the
 * .proto files, 64-bit integers as strings or numbers, enums as numbers or names, trace and
 * span ids in hexadecimal, bytes in base64, NaN and Infinity as strings; what is not known is
 * passed over, null is as good as absent. Errors have line and column.
 */
extern TsErrorCode ts_otlp_from_json(const char *text, size_t len, size_t limit,
									 const TsAllocator *allocator, const void **data,
									 size_t *size, TsError *err);

/* ---- attributes (otlp_value.c) ---- */

/*
 * KeyValue messages: those fields of a message that have the tag. `run` is what lies between
 * the first and the last of them, and is nothing else when `together` is set: then its bytes
 * stand for the attributes.
 */
typedef struct TsOtlpAttributes
{
	TsWire within;
	uint32_t tag;
	uint32_t count;
	TsWire run;
	bool together;
} TsOtlpAttributes;

typedef struct TsOtlpAttribute
{
	TsString key;
	TsWire value; /* AnyValue; empty: none */
} TsOtlpAttribute;

/* What is left to be read of them; ts_otlp_next_attribute() returns false at the end. */
typedef struct TsOtlpAttributeIter
{
	TsWire rest;
	uint32_t tag;
} TsOtlpAttributeIter;

extern void
ts_otlp_iterate(const TsOtlpAttributes *attributes, TsOtlpAttributeIter *iter);
/* Of attributes that were checked; ends early if they are damaged after all. */
extern bool ts_otlp_next_attribute(TsOtlpAttributeIter *iter, TsOtlpAttribute *attribute);
/* Reads a KeyValue from elsewhere and checks all of it, as ts_otlp_value_text() does. */
extern TsErrorCode
ts_otlp_check_attribute(TsWire keyvalue, TsOtlpAttribute *attribute, TsError *err);
/*
 * A value as text: strings as they are, numbers and booleans as in JSON, bytes in base64,
 * lists and maps as JSON (OpenTelemetry's rules for values that are no strings). Points into
 * the message or into the arena. Also checks it: TS_ERR_SYNTAX for damage and depth,
 * TS_ERR_INVALID for text that is not UTF-8. TS_ERR_LIMIT: what is no string has a text that
 * no set of labels can hold.
 */
extern TsErrorCode
ts_otlp_value_text(TsWire value, TsArena *arena, TsString *text, TsError *err);
/* A fingerprint of attributes, continued from `seed`; also when they lie scattered. */
extern TsFingerprint ts_otlp_attributes_print(const TsOtlpAttributes *attributes,
											  TsFingerprint seed, const void *secret);

/* ---- the message (otlp_read.c) ---- */

typedef enum TsOtlpType
{
	TS_OTLP_NONE, /* without data, or of a kind that is not known */
	TS_OTLP_GAUGE,
	TS_OTLP_SUM,
	TS_OTLP_HISTOGRAM,
	TS_OTLP_EXPONENTIAL,
	TS_OTLP_SUMMARY
} TsOtlpType;

typedef enum TsOtlpTemporality
{
	TS_OTLP_UNSPECIFIED = 0,
	TS_OTLP_DELTA = 1,
	TS_OTLP_CUMULATIVE = 2
} TsOtlpTemporality;

typedef struct TsOtlpResource
{
	TsOtlpAttributes attributes;
	TsString schema_url;
	TsWire scopes; /* of ResourceMetrics: what is left */
} TsOtlpResource;

typedef struct TsOtlpScope
{
	TsString name;
	TsString version;
	TsString schema_url;
	TsOtlpAttributes attributes;
	TsWire metrics; /* of ScopeMetrics: what is left */
} TsOtlpScope;

typedef struct TsOtlpMetric
{
	TsString name;
	TsString description;
	TsString unit;
	TsOtlpType type;
	TsOtlpTemporality temporality; /* of sums and histograms */
	bool monotonic;                /* of sums */
	uint64_t npoints;
	TsWire points; /* of its data: what is left */
} TsOtlpMetric;

/* One side of an exponential histogram, with absolute counts. */
typedef struct TsOtlpBuckets
{
	int32_t offset;
	double *counts;
	uint32_t ncounts;
} TsOtlpBuckets;

typedef struct TsOtlpQuantile
{
	double quantile;
	double value;
} TsOtlpQuantile;

/* A point of whatever type; times are nanoseconds since 1970, 0: none. */
struct TsOtlpPoint
{
	const TsOtlpMetric *metric;
	TsOtlpAttributes attributes;
	TsWire exemplars; /* those fields of the point's message that are exemplars ... */
	uint32_t exemplar_tag;
	uint32_t nexemplars;
	uint64_t start;
	uint64_t time;
	bool no_recorded_value;
	/* gauges and sums */
	bool has_number;
	bool is_integer;
	int64_t integer;
	double number; /* of an integer, too */
	/* histograms and summaries; counts as floats, exact below 2^53 */
	double count;
	bool has_sum;
	double sum;
	bool has_min;
	double min;
	bool has_max;
	double max;
	double *counts; /* explicit bounds: one more than bounds, or none at all */
	uint32_t ncounts;
	const double *bounds;
	uint32_t nbounds;
	/* exponential */
	int32_t scale;
	double zero_count;
	double zero_threshold;
	TsOtlpBuckets positive;
	TsOtlpBuckets negative;
	/* summaries */
	const TsOtlpQuantile *quantiles;
	uint32_t nquantiles;
};

typedef struct TsOtlpExemplar
{
	TsOtlpAttributes attributes; /* filtered: those that the point does not have */
	uint64_t time;
	double value;
	TsString trace_id; /* bytes */
	TsString span_id;
} TsOtlpExemplar;

typedef struct TsOtlpReader
{
	TsAllocator allocator;
	const uint8_t *start; /* of the message: errors' offsets */
	TsWire message;
	TsOtlpResource resource;
	TsOtlpScope scope;
	TsOtlpMetric metric;
	TsOtlpPoint point;
	TsArray counts[2]; /* double */
	TsArray bounds;    /* double */
	TsArray quantiles; /* TsOtlpQuantile */
	TsArray merged[3]; /* bytes: of a resource, a scope, data that came in parts */
} TsOtlpReader;

/* Also when that fails the reader is to be closed. */
extern TsErrorCode ts_otlp_open(TsOtlpReader *reader, const void *data, size_t size,
								const TsAllocator *allocator, TsError *err);
/* Each goes to the next one within what it is part of; *found is false at the end. */
extern TsErrorCode ts_otlp_next_resource(TsOtlpReader *reader, bool *found, TsError *err);
extern TsErrorCode ts_otlp_next_scope(TsOtlpReader *reader, bool *found, TsError *err);
extern TsErrorCode ts_otlp_next_metric(TsOtlpReader *reader, bool *found, TsError *err);
/*
 * TS_ERR_INVALID, TS_ERR_LIMIT: this point says nonsense, or is too large; the next one may be
 * asked for.
 */
extern TsErrorCode ts_otlp_next_point(TsOtlpReader *reader, bool *found, TsError *err);
/* The next exemplar of the point; those without a value are passed over. */
extern TsErrorCode ts_otlp_next_exemplar(TsOtlpReader *reader, TsOtlpExemplar *exemplar,
										 bool *found, TsError *err);
extern void ts_otlp_close(TsOtlpReader *reader);

/* ---- names (otlp_names.c) ---- */

/*
 * All texts that are returned are in the arena or are the input. TS_ERR_INVALID: there is no
 * such name (it would be empty). NULL memory: TS_ERR_MEMORY.
 */
extern TsErrorCode
ts_otlp_metric_name(const TsOtlpOptions *options, const TsOtlpMetric *metric,
					TsArena *arena, TsString *name, TsError *err);
extern TsErrorCode ts_otlp_label_name(const TsOtlpOptions *options, TsString key,
									  TsArena *arena, TsString *name, TsError *err);
/* The unit as metadata has it, in words; empty when there is none to speak of. */
extern TsErrorCode ts_otlp_unit(const TsOtlpOptions *options, TsString unit,
								TsArena *arena, TsString *name, TsError *err);
/* Its type as the query API calls it: "counter", "gauge", "histogram", ... */
extern const char *
ts_otlp_metric_type(const TsOtlpOptions *options, const TsOtlpMetric *metric);

/* ---- labels (otlp_labels.c) ---- */

/*
 * Pairs in the arena, in the cache or in the message; sorted by name, but not normalized:
 * what a set of labels may not have is found by labels_normalize().
 */
typedef struct TsOtlpLabels
{
	LabelsPair *pairs; /* with room for TS_OTLP_EXTRA_LABELS more */
	uint32_t n;
} TsOtlpLabels;

#define TS_OTLP_EXTRA_LABELS 2 /* __name__, and le or quantile */

/* Sets one of the extra labels; an attribute of that name gives way. */
extern void ts_otlp_set_label(TsOtlpLabels *labels, const char *name, TsString value);

/*
 * Labels of the series of a point, but for the extra ones: job and instance, what is promoted
 * of the resource, the scope's, and the point's attributes; where names are equal after
 * translation, attributes' values are joined by ";" in the order of their keys. Resource and
 * scope may come often with many points: `cache` keeps what was made of them last.
 */
typedef struct TsOtlpLabelsCache TsOtlpLabelsCache;
extern TsOtlpLabelsCache *ts_otlp_labels_cache(const TsAllocator *allocator);
/* Another resource, and so another scope, is at hand; labels that were made are gone. */
extern void ts_otlp_labels_forget(TsOtlpLabelsCache *cache);
/* Another scope of the same resource is. */
extern void ts_otlp_labels_forget_scope(TsOtlpLabelsCache *cache);
extern void ts_otlp_labels_cache_free(TsOtlpLabelsCache *cache);
extern TsErrorCode
ts_otlp_point_labels(const TsOtlpOptions *options, TsOtlpLabelsCache *cache,
					 const TsOtlpResource *resource, const TsOtlpScope *scope,
					 const TsOtlpAttributes *attributes, TsArena *arena,
					 TsOtlpLabels *labels, TsError *err);
/* Those of target_info, its name among them; n == 0: there is none for such a resource. */
extern TsErrorCode
ts_otlp_info_labels(const TsOtlpOptions *options, const TsOtlpResource *resource,
					TsArena *arena, TsOtlpLabels *labels, TsError *err);
/*
 * Those of an exemplar: trace_id, span_id, and attributes, whose keys are not translated and
 * which are left out when all would have more than 128 characters. It may have none.
 */
extern TsErrorCode
ts_otlp_exemplar_labels(const TsOtlpOptions *options, const TsOtlpExemplar *exemplar,
						TsArena *arena, TsOtlpLabels *labels, TsError *err);

/* ---- the bridge (otlp_bridge.c) ---- */

typedef enum TsOtlpKind
{
	TS_OTLP_END,
	/*
	 * Of a metric: print, which stands for its name, and metadata_print. Who does not know
	 * that they belong together asks for ts_otlp_metadata().
	 */
	TS_OTLP_METADATA,
	TS_OTLP_SAMPLE,    /* of a series: print, part, bound, time, start, value */
	TS_OTLP_NATIVE,    /* the same with a histogram */
	TS_OTLP_POINT_END, /* all samples of a point came: its exemplars may be asked for */
	TS_OTLP_REFUSED    /* npoints points, because of `reason` */
} TsOtlpKind;

/* Which of the series of a point a sample is of. */
typedef enum TsOtlpPart
{
	TS_OTLP_PART_VALUE, /* the name as it is: numbers, native histograms */
	TS_OTLP_PART_COUNT,
	TS_OTLP_PART_SUM,
	TS_OTLP_PART_MIN,
	TS_OTLP_PART_MAX,
	TS_OTLP_PART_BUCKET,   /* with le = bound */
	TS_OTLP_PART_QUANTILE, /* with quantile = bound */
	TS_OTLP_PART_INFO      /* target_info */
} TsOtlpPart;

typedef struct TsOtlpItem
{
	TsFingerprint print;
	TsOtlpPart part;
	double bound;
	int64_t time;  /* milliseconds since 1970 */
	int64_t start; /* 0: none */
	double value;
	TsHistogram histogram;
	TsFingerprint metadata_print;
	uint64_t npoints; /* refused */
	TsError reason;
} TsOtlpItem;

/* A message being bridged. Options must stay as they are. */
typedef struct TsOtlpBridge TsOtlpBridge;

/*
 * The secret has TS_WRITE_SECRET bytes. The options are part of all fingerprints: with
 * others a series has other labels. All memory is of the allocator; also when this fails
 * *bridge is to be freed, if it is not NULL.
 */
extern TsErrorCode
ts_otlp_bridge(TsOtlpBridge **bridge, const TsOtlpOptions *options, const void *secret,
			   const void *data, size_t size, const TsAllocator *allocator, TsError *err);
/*
 * What comes next. What an item points to lasts until the next call. TS_ERR_INVALID and
 * TS_ERR_LIMIT do not come from here: they are items of TS_OTLP_REFUSED.
 */
extern TsErrorCode
ts_otlp_next(TsOtlpBridge *bridge, TsOtlpKind *kind, TsOtlpItem *item, TsError *err);
/* Of the item, which was the last. TS_ERR_INVALID: there is no such name. */
extern TsErrorCode ts_otlp_metadata(TsOtlpBridge *bridge, const TsOtlpItem *item,
									TsWriteMetadata *metadata, TsError *err);
/*
 * The labels of the series of the item, which was the last; with its name. They last until
 * the next call of this. TS_ERR_INVALID, TS_ERR_LIMIT: the series cannot be; the rest can.
 */
extern TsErrorCode ts_otlp_series_labels(TsOtlpBridge *bridge, const TsOtlpItem *item,
										 TsOtlpLabels *labels, TsError *err);
/*
 * After TS_OTLP_POINT_END: the next exemplar, its labels, and the series that it is of (a
 * classic bucket, or the point's own); false in *found at the end. TS_ERR_INVALID,
 * TS_ERR_LIMIT: it cannot be; the next one may be asked for. Labels last until then.
 */
typedef struct TsOtlpExemplarItem
{
	TsFingerprint print; /* of its series, as the sample's item had it */
	TsOtlpPart part;
	double bound;
	int64_t time; /* milliseconds; 0: none is given */
	double value;
	TsOtlpLabels labels;
} TsOtlpExemplarItem;
extern TsErrorCode ts_otlp_bridge_exemplar(TsOtlpBridge *bridge, TsOtlpExemplarItem *item,
										   bool *found, TsError *err);
/* Labels of the series of an exemplar. */
extern TsErrorCode
ts_otlp_exemplar_series_labels(TsOtlpBridge *bridge, const TsOtlpExemplarItem *item,
							   TsOtlpLabels *labels, TsError *err);
extern void ts_otlp_bridge_free(TsOtlpBridge *bridge);

/* ---- answers (otlp_answer.c) ---- */

typedef enum TsOtlpFormat
{
	TS_OTLP_PROTOBUF,
	TS_OTLP_JSON
} TsOtlpFormat;

/*
 * What a content type says, its parameters aside; TS_ERR_INVALID when it is neither
 * application/x-protobuf nor application/json.
 */
extern TsErrorCode
ts_otlp_content_type(const char *text, size_t len, TsOtlpFormat *format, TsError *err);
extern const char *ts_otlp_media_type(TsOtlpFormat format);
/* Not compressed, gzip or zstd. */
extern TsErrorCode ts_otlp_content_encoding(const char *text, size_t len,
											TsWriteEncoding *encoding, TsError *err);

/*
 * ExportMetricsServiceResponse: without partial_success when nothing was refused and there
 * is nothing to say. Memory of the allocator; NULL: there is none.
 */
extern void *ts_otlp_response(TsOtlpFormat format, int64_t rejected, TsString message,
							  const TsAllocator *allocator, size_t *size);
/* Statuses of gRPC: those that we give. */
typedef enum TsGrpcCode
{
	GRPC_OK = 0,
	GRPC_CANCELLED = 1,
	GRPC_UNKNOWN = 2,
	GRPC_INVALID_ARGUMENT = 3,
	GRPC_DEADLINE_EXCEEDED = 4,
	GRPC_NOT_FOUND = 5,
	GRPC_PERMISSION_DENIED = 7,
	GRPC_RESOURCE_EXHAUSTED = 8,
	GRPC_UNIMPLEMENTED = 12,
	GRPC_INTERNAL = 13,
	GRPC_UNAVAILABLE = 14,
	GRPC_UNAUTHENTICATED = 16
} TsGrpcCode;

/* google.rpc.Status, with RetryInfo when retry_after (seconds) is above 0. */
extern void *ts_otlp_status(TsOtlpFormat format, int grpc_code, TsString message,
							int retry_after, const TsAllocator *allocator, size_t *size);
/* Code and message of such a Status in protobuf; false: it is none. */
extern bool
ts_otlp_read_status(const void *data, size_t size, int *grpc_code, TsString *message);
/* The status of gRPC that says what a status of HTTP says. */
extern int ts_grpc_code(int http_status);

#endif /* TS_OTLP_H */
