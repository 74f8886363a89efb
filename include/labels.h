/*
 * labels.h
 *	  A set of labels: its bytes, and its text.
 *
 * Pure C. The payload of a labels value (what follows the varlena header):
 *
 *	u8			format version, LABELS_FORMAT_VERSION
 *	varint		number of labels
 *	per label	varint length of the name, name, varint length of the value, value
 *
 * A varint is LEB128, seven bits a byte, lowest first, in its shortest form. Labels
 * are sorted by the bytes of their names; names are unique; neither names nor values
 * are empty; both are valid UTF-8 without U+0000. A payload is at most
 * LABELS_MAX_SIZE bytes, holds at most LABELS_MAX_COUNT labels, and a name has at most
 * LABELS_MAX_NAME bytes. So one set of labels has exactly one payload, and two sets are
 * equal when their bytes are. Nothing in it needs alignment.
 *
 * Hashes of payloads are stored (hash partitions), and so are payloads: neither may
 * ever change for a format version.
 */
#ifndef LABELS_H
#define LABELS_H

#include "ts_base.h"
#include "ts_selector.h"

#define LABELS_FORMAT_VERSION 1
#define LABELS_MAX_SIZE       65535
#define LABELS_MAX_COUNT      1024
#define LABELS_MAX_NAME       1024

/*
 * One label. The offset tells where in a text it was read, for messages; else -1.
 * Name and value point into a payload, a text or whatever the pair was made of: they
 * live as long as that does.
 */
typedef struct LabelsPair
{
	TsString name;
	TsString value;
	int offset;
} LabelsPair;

/* ---- reading a payload ---- */

typedef struct LabelsIter
{
	const uint8_t *next;
	const uint8_t *end;
	uint32_t left; /* labels not read yet */
} LabelsIter;

/*
 * Reads the labels in order. Meant for payloads that are known to be right; stays
 * within the bytes and ends early if they are not.
 */
extern void labels_iter_init(LabelsIter *iter, const void *data, size_t size);
extern bool labels_iter_next(LabelsIter *iter, LabelsPair *pair);

extern uint32_t labels_count(const void *data, size_t size);

/* Finds a label's value; false (and the empty string) if there is no such label. */
extern bool
labels_find(const void *data, size_t size, const char *name, size_t len, TsString *value);

/* Are these bytes from elsewhere a payload? */
extern TsErrorCode labels_check(const void *data, size_t size, TsError *err);

/*
 * The order of Prometheus: names and values in turn, byte by byte, then the set with
 * fewer labels first.
 */
extern int labels_compare(const void *a, size_t a_size, const void *b, size_t b_size);

/* Is every label of part also in whole, with the same value? */
extern bool
labels_contains(const void *whole, size_t whole_size, const void *part, size_t part_size);

/*
 * Does the selector select these labels? Fails only when a regular expression exceeds
 * its match limit.
 */
extern TsErrorCode labels_match(const void *data, size_t size, const TsSelector *selector,
								bool *matched, TsError *err);

/* Equal sets of labels have equal hashes, since they have equal bytes. */
extern uint64_t labels_hash(const void *data, size_t size, uint64_t seed);

/* ---- making a payload ---- */

/*
 * Brings pairs into the order and shape of a payload: sorts them, drops those with
 * empty values (*count becomes smaller), and refuses empty and repeated names, text
 * that is not UTF-8 or holds U+0000, and whatever exceeds a limit. *size becomes the
 * size of the payload.
 */
extern TsErrorCode
labels_normalize(LabelsPair *pairs, uint32_t *count, size_t *size, TsError *err);

/* Writes the payload of normalized pairs; out has the room that was computed. */
extern void labels_encode(const LabelsPair *pairs, uint32_t count, void *out);

/*
 * The labels of both; where both have a name, the right one's value. pairs has room
 * for the sum of both counts; returns how many were written, in order.
 */
extern uint32_t labels_merge(const void *left, size_t left_size, const void *right,
							 size_t right_size, LabelsPair *pairs);

/* ---- text ---- */

/* What a text says: pairs in its order, not yet normalized. */
typedef struct LabelsText
{
	TsArena arena; /* holds the pairs, and what they point to */
	LabelsPair *pairs;
	uint32_t count;
} LabelsText;

/*
 * Reads name{a="b"}, {__name__="name",a="b"}, {"quoted name","a.b"="c"}, or a JSON
 * object of strings, numbers, booleans and nulls. On failure *parsed holds nothing and
 * *err says what was found where (line and column are set).
 */
extern TsErrorCode
labels_text_parse(const char *text, size_t len, const TsAllocator *allocator,
				  LabelsText *parsed, TsError *err);
extern void labels_text_free(LabelsText *parsed);

/* The size of the text of a payload, and the text itself, without a NUL. */
extern size_t labels_text_size(const void *data, size_t size);
extern void labels_text_write(const void *data, size_t size, char *out);

#endif /* LABELS_H */
