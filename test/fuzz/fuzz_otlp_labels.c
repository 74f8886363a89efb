/*
 * fuzz_otlp_labels.c
 *	  Attributes from anywhere, as those of a resource, a scope, a point and an exemplar at
 *	  once, and their keys as names of metrics: refused, or read within their bytes; and what
 *	  comes out is what may come out.
 *
 * The first byte chooses options. The rest is a message whose fields 1 are attributes.
 */
#include <stdlib.h>
#include <string.h>

#include "ts_otlp.h"

#define LIMIT ((size_t) 64 << 20)

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t secret[TS_WRITE_SECRET] = {1};
static const TsString promoted[] = {{"a.b", 3}, {"service.name", 12}, {"", 0}};

static size_t touched;

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
touch(TsString string)
{
	for (size_t i = 0; i < string.len; i++)
		touched += (unsigned char) string.data[i];
}

/* Finds the attributes, as who reads messages does; false: it is no message. */
static bool
find_attributes(TsWire wire, TsOtlpAttributes *attributes)
{
	TsOtlpAttribute attribute;
	TsWire inner;
	uint32_t tag;

	*attributes = (TsOtlpAttributes){
		.within = wire, .tag = WIRE_TAG(1, WIRE_BYTES), .together = true};
	while (wire_more(&wire))
	{
		const uint8_t *from = wire.next;

		if (!wire_tag(&wire, &tag))
			return false;
		if (tag != attributes->tag)
		{
			if (tag >> 3 == 1 || !wire_skip(&wire, tag))
				return false;
			continue;
		}
		if (!wire_message(&wire, &inner) ||
			ts_otlp_check_attribute(inner, &attribute, NULL) == TS_ERR_SYNTAX)
			return false;
		if (attributes->count++ == 0)
			attributes->run.next = from;
		else if (attributes->run.end != from)
			attributes->together = false;
		attributes->run.end = wire.next;
	}
	return true;
}

/* Letters, digits, underscores and, in names of metrics, colons. */
static bool
has_name_characters(TsString text, bool metric)
{
	for (size_t i = 0; i < text.len; i++)
	{
		char c = text.data[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && c != '_' &&
			!(c >= '0' && c <= '9') && !(c == ':' && metric))
			return false;
	}
	return true;
}

static bool
is_escaped(TsString name, bool metric)
{
	return name.len > 0 && !(name.data[0] >= '0' && name.data[0] <= '9') &&
		   has_name_characters(name, metric);
}

static bool
escapes(const TsOtlpOptions *options)
{
	return options->translation <= TS_OTLP_UNDERSCORE_ESCAPING_WITHOUT_SUFFIXES;
}

/* A value, a name and a unit of every attribute. */
static void
try_attribute(const TsOtlpOptions *options, const TsOtlpAttribute *attribute,
			  TsArena *arena)
{
	TsOtlpMetric metric = {
		.name = attribute->key,
		.type = options->scope_labels ? TS_OTLP_GAUGE : TS_OTLP_SUM,
		.monotonic = true,
	};
	TsErrorCode code;
	TsString text;
	TsError err;

	code = ts_otlp_value_text(attribute->value, arena, &text, &err);
	must(code != TS_ERR_SYNTAX && (code == TS_OK || err.code == code));
	if (code == TS_OK)
	{
		must(ts_utf8_valid_prefix(text.data, text.len) == text.len);
		touch(text);
		metric.unit = text;
	}
	if (ts_otlp_unit(options, metric.unit, arena, &text, NULL) == TS_OK)
		must(has_name_characters(text, true));
	if (ts_otlp_metric_name(options, &metric, arena, &text, NULL) == TS_OK)
		must(escapes(options) ? is_escaped(text, true) : text.len > 0);
	if (ts_otlp_label_name(options, attribute->key, arena, &text, NULL) == TS_OK)
		must(escapes(options) ? is_escaped(text, false) : text.len > 0);
}

/* Sorted, no name twice, no value empty; and a set of labels, or refused. */
static void
try_labels(TsErrorCode code, TsOtlpLabels *labels)
{
	uint32_t count;
	size_t size;
	void *payload;

	must(code != TS_ERR_SYNTAX);
	if (code != TS_OK)
		return;
	for (uint32_t i = 0; i < labels->n; i++)
	{
		touch(labels->pairs[i].name);
		touch(labels->pairs[i].value);
		must(labels->pairs[i].value.len > 0);
		must(i == 0 ||
			 ts_string_compare(labels->pairs[i - 1].name, labels->pairs[i].name) < 0);
	}
	if (labels->n == 0)
		return;
	ts_otlp_set_label(labels, "le", (TsString){"1", 1});
	ts_otlp_set_label(labels, "__name__", (TsString){"x", 1});
	count = labels->n;
	if (labels_normalize(labels->pairs, &count, &size, NULL) != TS_OK)
		return;
	payload = malloc(size);
	labels_encode(labels->pairs, count, payload);
	must(labels_check(payload, size, NULL) == TS_OK);
	free(payload);
}

/* Fingerprints are the same wherever the attributes lie. */
static void
try_prints(const TsOtlpAttributes *attributes)
{
	TsFingerprint seed = {3, 4};
	TsOtlpAttributes apart = *attributes;
	TsFingerprint prints[2];

	apart.together = false;
	prints[0] = ts_otlp_attributes_print(attributes, seed, secret);
	prints[1] = ts_otlp_attributes_print(&apart, seed, secret);
	must(!attributes->together || ts_fingerprint_equal(prints[0], prints[1]));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TsOtlpResource resource = {.schema_url = {"", 0}};
	TsOtlpScope scope = {.name = {"n", 1}, .version = {"", 0}, .schema_url = {"u", 1}};
	TsOtlpExemplar exemplar = {.trace_id = {"0123456789abcdef", 16}};
	TsOtlpOptions options = {.promoted = promoted, .npromoted = 3};
	TsOtlpLabelsCache *cache;
	TsOtlpAttributes attributes;
	TsOtlpAttribute attribute;
	TsOtlpAttributeIter iter;
	TsOtlpLabels labels;
	TsErrorCode code;
	TsArena arena;
	TsError err;

	if (size == 0)
		return 0;
	options.translation = (TsOtlpTranslation) (data[0] & 3);
	options.scope_labels = (data[0] & 4) != 0;
	options.promote_all = (data[0] & 8) != 0;
	options.keep_identifying = (data[0] & 16) != 0;
	if (!find_attributes((TsWire){data + 1, data + size}, &attributes))
		return 0;
	resource.attributes = scope.attributes = exemplar.attributes = attributes;

	ts_arena_init(&arena, &ts_malloc_allocator, LIMIT);
	ts_otlp_iterate(&attributes, &iter);
	for (uint32_t i = 0; i < attributes.count; i++)
	{
		must(ts_otlp_next_attribute(&iter, &attribute));
		try_attribute(&options, &attribute, &arena);
	}
	must(!ts_otlp_next_attribute(&iter, &attribute));
	try_prints(&attributes);

	cache = ts_otlp_labels_cache(&ts_malloc_allocator);
	code = ts_otlp_point_labels(&options, cache, &resource, &scope, &attributes, &arena,
								&labels, &err);
	try_labels(code, &labels);
	code = ts_otlp_info_labels(&options, &resource, &arena, &labels, &err);
	try_labels(code, &labels);
	code = ts_otlp_exemplar_labels(&options, &exemplar, &arena, &labels, &err);
	try_labels(code, &labels);
	ts_otlp_labels_cache_free(cache);
	ts_arena_free(&arena);
	return 0;
}
