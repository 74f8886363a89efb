/*
 * fuzz_labels.c
 *	  Labels from anywhere, as text, as JSON and as bytes: read or refused, and what
 *	  was read is written and read back as the same.
 */
#include <stdlib.h>
#include <string.h>

#include "labels.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads a text; the caller frees *payload. False if it is refused. */
static bool
read_text(const char *text, size_t len, uint8_t **payload, size_t *size)
{
	LabelsText parsed;
	TsError err;

	*payload = NULL;
	if (labels_text_parse(text, len, &ts_malloc_allocator, &parsed, &err) != TS_OK)
	{
		if (err.message[0] == '\0' || (err.code == TS_ERR_SYNTAX && err.line < 1))
			abort();
		return false;
	}
	if (labels_normalize(parsed.pairs, &parsed.count, size, &err) == TS_OK)
	{
		*payload = malloc(*size);
		labels_encode(parsed.pairs, parsed.count, *payload);
	}
	labels_text_free(&parsed);
	return *payload != NULL;
}

/* What must hold of every payload: it is canonical, and its text reads back. */
static void
check_payload(const uint8_t *payload, size_t size)
{
	size_t text_size = labels_text_size(payload, size);
	char *text = malloc(text_size);
	uint8_t *again;
	size_t again_size;
	LabelsIter iter;
	LabelsPair pair;
	TsString value;

	if (labels_check(payload, size, NULL) != TS_OK)
		abort();
	labels_text_write(payload, size, text);
	if (!read_text(text, text_size, &again, &again_size))
		abort();
	if (again_size != size || memcmp(again, payload, size) != 0)
		abort();
	if (labels_compare(payload, size, again, again_size) != 0 ||
		!labels_contains(payload, size, again, again_size) ||
		labels_hash(payload, size, 1) != labels_hash(again, again_size, 1))
		abort();
	labels_iter_init(&iter, payload, size);
	while (labels_iter_next(&iter, &pair))
	{
		if (!labels_find(payload, size, pair.name.data, pair.name.len, &value) ||
			value.data != pair.value.data)
			abort();
	}
	free(again);
	free(text);
}

/* Readers stay within bytes that nobody has checked. */
static void
read_unchecked(const uint8_t *data, size_t size)
{
	LabelsIter iter;
	LabelsPair pair;
	TsString value;
	size_t sum = 0;

	labels_iter_init(&iter, data, size);
	while (labels_iter_next(&iter, &pair))
	{
		for (size_t i = 0; i < pair.name.len; i++)
			sum += (unsigned char) pair.name.data[i];
		for (size_t i = 0; i < pair.value.len; i++)
			sum += (unsigned char) pair.value.data[i];
	}
	if (sum == SIZE_MAX)
		abort();
	labels_find(data, size, "a", 1, &value);
	labels_compare(data, size, data, size / 2);
	labels_contains(data, size, data, size / 2);
	labels_text_size(data, size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size > 0 ? size : 1); /* its end is the sanitizer's */
	uint8_t *payload;
	size_t payload_size;

	if (size > 0)
		memcpy(copy, data, size);
	if (labels_check(copy, size, NULL) == TS_OK)
		check_payload(copy, size);
	else
		read_unchecked(copy, size);
	if (read_text((const char *) copy, size, &payload, &payload_size))
	{
		check_payload(payload, payload_size);
		free(payload);
	}
	free(copy);
	return 0;
}
