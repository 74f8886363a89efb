/*
 * labels.c
 *	  The bytes of a set of labels: reading, checking, comparing, making them.
 *
 * Pure C; the format is described in labels.h. Readers trust that a payload was
 * checked when it came in, but never step out of it, whatever it holds.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "labels.h"

/* The longest varint a payload needs: lengths are below 2^16. */
#define MAX_VARINT 3

/* ---- varints ---- */

static size_t
varint_size(size_t value)
{
	return value < 0x80 ? 1 : value < 0x4000 ? 2 : MAX_VARINT;
}

static uint8_t *
varint_write(uint8_t *out, size_t value)
{
	assert(value < 1 << 21);
	while (value >= 0x80)
	{
		*out++ = (uint8_t) (value | 0x80);
		value >>= 7;
	}
	*out++ = (uint8_t) value;
	return out;
}

/* Returns the bytes read, 0 if there is no varint in its shortest form. */
static size_t
varint_read(const uint8_t *data, size_t left, uint32_t *value)
{
	*value = 0;
	for (size_t i = 0; i < MAX_VARINT && i < left; i++)
	{
		*value |= (uint32_t) (data[i] & 0x7F) << (7 * i);
		if (data[i] < 0x80)
			return i > 0 && data[i] == 0 ? 0 : i + 1;
	}
	return 0;
}

/* ---- reading ---- */

void
labels_iter_init(LabelsIter *iter, const void *data, size_t size)
{
	const uint8_t *bytes = data;
	size_t n = size > 1 ? varint_read(bytes + 1, size - 1, &iter->left) : 0;

	if (n == 0)
		iter->left = 0;
	iter->next = bytes + (n == 0 ? size : 1 + n);
	iter->end = bytes + size;
}

/* Reads a length and as many bytes. */
static bool
iter_string(LabelsIter *iter, TsString *string)
{
	uint32_t len;
	size_t n = varint_read(iter->next, (size_t) (iter->end - iter->next), &len);

	if (n == 0 || len > (size_t) (iter->end - iter->next) - n)
		return false;
	string->data = (const char *) iter->next + n;
	string->len = len;
	iter->next += n + len;
	return true;
}

bool
labels_iter_next(LabelsIter *iter, LabelsPair *pair)
{
	if (iter->left == 0)
		return false;
	iter->left--;
	pair->offset = -1;
	return iter_string(iter, &pair->name) && iter_string(iter, &pair->value);
}

uint32_t
labels_count(const void *data, size_t size)
{
	LabelsIter iter;

	labels_iter_init(&iter, data, size);
	return iter.left;
}

bool
labels_find(const void *data, size_t size, const char *name, size_t len, TsString *value)
{
	TsString wanted = {name, len};
	LabelsIter iter;
	LabelsPair pair;

	labels_iter_init(&iter, data, size);
	while (labels_iter_next(&iter, &pair))
	{
		int order = ts_string_compare(pair.name, wanted);

		if (order == 0)
		{
			*value = pair.value;
			return true;
		}
		if (order > 0)
			break;
	}
	value->data = "";
	value->len = 0;
	return false;
}

int
labels_compare(const void *a, size_t a_size, const void *b, size_t b_size)
{
	LabelsIter a_iter, b_iter;
	LabelsPair a_pair, b_pair;

	labels_iter_init(&a_iter, a, a_size);
	labels_iter_init(&b_iter, b, b_size);
	for (;;)
	{
		bool a_more = labels_iter_next(&a_iter, &a_pair);
		bool b_more = labels_iter_next(&b_iter, &b_pair);
		int order;

		if (!a_more || !b_more)
			return (int) a_more - (int) b_more;
		order = ts_string_compare(a_pair.name, b_pair.name);
		if (order == 0)
			order = ts_string_compare(a_pair.value, b_pair.value);
		if (order != 0)
			return order;
	}
}

bool
labels_contains(const void *whole, size_t whole_size, const void *part, size_t part_size)
{
	LabelsIter whole_iter, part_iter;
	LabelsPair have, want;

	labels_iter_init(&whole_iter, whole, whole_size);
	labels_iter_init(&part_iter, part, part_size);
	while (labels_iter_next(&part_iter, &want))
	{
		int order;

		/* Both are sorted, so what was passed over cannot be wanted any more. */
		do
		{
			if (!labels_iter_next(&whole_iter, &have))
				return false;
			order = ts_string_compare(have.name, want.name);
		} while (order < 0);
		if (order > 0 || ts_string_compare(have.value, want.value) != 0)
			return false;
	}
	return true;
}

TsErrorCode
labels_match(const void *data, size_t size, const TsSelector *selector, bool *matched,
			 TsError *err)
{
	/* First what is cheap: most sets of labels are ruled out by an equality. */
	for (int with_regex = 0; with_regex <= 1; with_regex++)
	{
		for (uint32_t i = 0; i < selector->nmatchers; i++)
		{
			const TsMatcher *matcher = &selector->matchers[i];
			TsErrorCode code;
			TsString value;

			if ((matcher->regex != NULL) != with_regex)
				continue;
			if (with_regex && selector->check_interrupts != NULL)
				selector->check_interrupts();
			labels_find(data, size, matcher->name.data, matcher->name.len, &value);
			code = ts_matcher_test(matcher, value.data, value.len, matched, err);
			if (code != TS_OK || !*matched)
				return code;
		}
	}
	*matched = true;
	return TS_OK;
}

uint64_t
labels_hash(const void *data, size_t size, uint64_t seed)
{
	return XXH3_64bits_withSeed(data, size, seed);
}

/* ---- checking ---- */

/* Refuses text that no label may hold; what is "name" or "value". */
static TsErrorCode
check_string(TsString string, const char *what, int offset, TsError *err)
{
	if (ts_utf8_valid_prefix(string.data, string.len) < string.len)
		return ts_error_set(err, TS_ERR_INVALID, offset, "label %s is not valid UTF-8",
							what);
	if (string.len > 0 && memchr(string.data, '\0', string.len) != NULL)
		return ts_error_set(err, TS_ERR_INVALID, offset,
							"label %s contains the character U+0000", what);
	return TS_OK;
}

static TsErrorCode
check_name(TsString name, int offset, TsError *err)
{
	if (name.len == 0)
		return ts_error_set(err, TS_ERR_INVALID, offset, "label name must not be empty");
	if (name.len > LABELS_MAX_NAME)
		return ts_error_set(err, TS_ERR_LIMIT, offset,
							"a label name has %zu bytes, the most allowed is %d",
							name.len, LABELS_MAX_NAME);
	return check_string(name, "name", offset, err);
}

static TsErrorCode
check_count(size_t count, TsError *err)
{
	if (count > LABELS_MAX_COUNT)
		return ts_error_set(err, TS_ERR_LIMIT, -1,
							"there are %zu labels, the most allowed is %d", count,
							LABELS_MAX_COUNT);
	return TS_OK;
}

static TsErrorCode
check_size(size_t size, TsError *err)
{
	if (size > LABELS_MAX_SIZE)
		return ts_error_set(err, TS_ERR_LIMIT, -1,
							"the labels take %zu bytes together, the most allowed is %d",
							size, LABELS_MAX_SIZE);
	return TS_OK;
}

TsErrorCode
labels_check(const void *data, size_t size, TsError *err)
{
	const uint8_t *bytes = data;
	TsString before = {NULL, 0};
	LabelsIter iter;
	LabelsPair pair;
	uint32_t count;

	if (check_size(size, err) != TS_OK)
		return TS_ERR_LIMIT;
	if (size < 1)
		return ts_error_set(err, TS_ERR_INVALID, 0, "there are no bytes");
	if (bytes[0] != LABELS_FORMAT_VERSION)
		return ts_error_set(err, TS_ERR_INVALID, 0,
							"unknown format version %d, known is %d", bytes[0],
							LABELS_FORMAT_VERSION);
	if (size < 2 || varint_read(bytes + 1, size - 1, &count) == 0)
		return ts_error_set(err, TS_ERR_INVALID, 1, "malformed number of labels");
	if (check_count(count, err) != TS_OK)
		return TS_ERR_LIMIT;

	labels_iter_init(&iter, data, size);
	while (iter.left > 0)
	{
		int offset = (int) (iter.next - bytes);
		TsErrorCode code;

		if (!labels_iter_next(&iter, &pair))
			return ts_error_set(err, TS_ERR_INVALID, offset,
								"malformed or missing label");
		code = check_name(pair.name, offset, err);
		if (code == TS_OK)
			code = check_string(pair.value, "value", offset, err);
		if (code != TS_OK)
			return code;
		if (pair.value.len == 0)
			return ts_error_set(err, TS_ERR_INVALID, offset, "empty label value");
		if (before.data != NULL && ts_string_compare(before, pair.name) >= 0)
			return ts_error_set(err, TS_ERR_INVALID, offset,
								"label names are not in order, or repeated");
		before = pair.name;
	}
	if (iter.next != iter.end)
		return ts_error_set(err, TS_ERR_INVALID, (int) (iter.next - bytes),
							"bytes after the last label");
	return TS_OK;
}

/* ---- making ---- */

/* Sorts by name; what was written first stays first among equals. */
static int
compare_pairs(const void *a, const void *b)
{
	const LabelsPair *left = a;
	const LabelsPair *right = b;
	int order = ts_string_compare(left->name, right->name);

	return order != 0 ? order
					  : (left->offset > right->offset) - (left->offset < right->offset);
}

/* Sorts pairs, most of which arrive in order. */
static void
sort_pairs(LabelsPair *pairs, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++)
	{
		if (compare_pairs(&pairs[i - 1], &pairs[i]) > 0)
		{
			qsort(pairs, count, sizeof(*pairs), compare_pairs);
			return;
		}
	}
}

/* The bytes that a payload of these pairs takes. */
static size_t
encoded_size(const LabelsPair *pairs, uint32_t count)
{
	size_t size = 1 + varint_size(count);

	for (uint32_t i = 0; i < count; i++)
	{
		size += varint_size(pairs[i].name.len) + pairs[i].name.len;
		size += varint_size(pairs[i].value.len) + pairs[i].value.len;
	}
	return size;
}

TsErrorCode
labels_normalize(LabelsPair *pairs, uint32_t *count, size_t *size, TsError *err)
{
	uint32_t kept = 0;

	sort_pairs(pairs, *count);
	for (uint32_t i = 0; i < *count; i++)
	{
		TsErrorCode code = check_name(pairs[i].name, pairs[i].offset, err);

		if (code == TS_OK)
			code = check_string(pairs[i].value, "value", pairs[i].offset, err);
		if (code != TS_OK)
			return code;
		/* A name given twice is a mistake, even where one of the values is empty. */
		if (i > 0 && ts_string_compare(pairs[i - 1].name, pairs[i].name) == 0)
			return ts_error_set(err, TS_ERR_INVALID, pairs[i].offset,
								"label name \"%.*s\" appears more than once",
								(int) pairs[i].name.len, pairs[i].name.data);
	}
	for (uint32_t i = 0; i < *count; i++)
	{
		if (pairs[i].value.len > 0)
			pairs[kept++] = pairs[i];
	}
	*count = kept;
	*size = encoded_size(pairs, kept);
	if (check_count(kept, err) != TS_OK)
		return TS_ERR_LIMIT;
	return check_size(*size, err);
}

static uint8_t *
write_string(uint8_t *out, TsString string)
{
	out = varint_write(out, string.len);
	memcpy(out, string.data, string.len);
	return out + string.len;
}

void
labels_encode(const LabelsPair *pairs, uint32_t count, void *out)
{
	uint8_t *next = out;

	*next++ = LABELS_FORMAT_VERSION;
	next = varint_write(next, count);
	for (uint32_t i = 0; i < count; i++)
	{
		next = write_string(next, pairs[i].name);
		next = write_string(next, pairs[i].value);
	}
	assert((size_t) (next - (uint8_t *) out) == encoded_size(pairs, count));
}

uint32_t
labels_merge(const void *left, size_t left_size, const void *right, size_t right_size,
			 LabelsPair *pairs)
{
	LabelsIter left_iter, right_iter;
	LabelsPair from_left, from_right;
	bool left_more, right_more;
	uint32_t count = 0;

	labels_iter_init(&left_iter, left, left_size);
	labels_iter_init(&right_iter, right, right_size);
	left_more = labels_iter_next(&left_iter, &from_left);
	right_more = labels_iter_next(&right_iter, &from_right);
	while (left_more || right_more)
	{
		int order = !left_more    ? 1
					: !right_more ? -1
								  : ts_string_compare(from_left.name, from_right.name);

		pairs[count++] = order < 0 ? from_left : from_right;
		if (order <= 0)
			left_more = labels_iter_next(&left_iter, &from_left);
		if (order >= 0)
			right_more = labels_iter_next(&right_iter, &from_right);
	}
	return count;
}
