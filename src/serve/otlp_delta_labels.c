/*
 * otlp_delta_labels.c
 *	  Which labels points with delta temporality have: from the fingerprint of what the
 *	  message has of a point to that of its labels, so that labels need not be made for each.
 *
 * What is remembered never becomes wrong. When there is too much all of it goes.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "otlp_delta_labels.h"

#define MOST_POINTS (128 * 1024) /* some 10 MB */
#define FIRST_ROOM  256

typedef struct PointEntry
{
	TsFingerprint print;
	TsFingerprint of_labels;
	char status;
} PointEntry;

static inline bool
is_same(TsFingerprint a, TsFingerprint b)
{
	return a.low == b.low && a.high == b.high;
}

/* Keys are hashes already. */
#define SH_PREFIX            points
#define SH_ELEMENT_TYPE      PointEntry
#define SH_KEY_TYPE          TsFingerprint
#define SH_KEY               print
#define SH_HASH_KEY(tb, key) ((uint32) (key).low)
#define SH_EQUAL(tb, a, b)   is_same(a, b)
#define SH_SCOPE             static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static MemoryContext context;
static points_hash *points;

bool
otlp_delta_find_labels(void *ctx, TsFingerprint print, TsFingerprint *of_labels)
{
	const PointEntry *entry = points == NULL ? NULL : points_lookup(points, print);

	if (entry == NULL)
		return false;
	*of_labels = entry->of_labels;
	return true;
}

void
otlp_delta_keep_labels(void *ctx, TsFingerprint print, TsFingerprint of_labels)
{
	bool found;

	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "mytsdb OTLP delta labels",
										ALLOCSET_DEFAULT_SIZES);
	if (points != NULL && points->members >= MOST_POINTS)
	{
		points = NULL;
		MemoryContextReset(context);
	}
	if (points == NULL)
		points = points_create(context, FIRST_ROOM, NULL);
	points_insert(points, print, &found)->of_labels = of_labels;
}
