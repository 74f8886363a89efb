/*
 * otlp_labels.c
 *	  Resource, scope and attributes of a point as labels.
 *
 * Pure C. Labels come from groups: the scope; the resource's identity (job, instance); the
 * point's attributes; what is promoted of the resource. Within a group values of attributes
 * whose names are equal after translation are joined. Groups are sorted by name; where two
 * have a name, the one that comes first in the list above has it, as in Prometheus. An empty
 * value is none, but for the scope's name, version and schema: an attribute of such a name
 * does not show even if the scope has none.
 *
 * What a group has is bounded by what a set of labels may have, so the cost of a point is
 * bounded, whatever its resource has.
 */
#include <assert.h>
#include <stdlib.h>

#include "ts_otlp.h"

/* What a group may take: texts, names and joined texts, twice, and what sorts them. */
#define GROUP_MEMORY (1024 * 1024)

/* Characters of names and values of an exemplar (OpenMetrics). */
#define EXEMPLAR_CHARACTERS 128

#define TRACE_ID_BYTES 16
#define SPAN_ID_BYTES  8

static const TsString name_label = {"__name__", 8};
static const TsString job_label = {"job", 3};
static const TsString instance_label = {"instance", 8};
static const TsString no_prefix = {"", 0};

static TsErrorCode
out_of_memory(TsError *err)
{
	return ts_error_set(err, TS_ERR_MEMORY, -1, "out of memory");
}

static void
set_pair(LabelsPair *pair, TsString name, TsString value)
{
	*pair = (LabelsPair){.name = name, .value = value, .offset = -1};
}

/* ---- attributes to a group ---- */

/* Labels sorted by name, each name once. */
typedef struct Group
{
	const LabelsPair *pairs;
	size_t n;
} Group;

/* An attribute that becomes a label, or part of one. */
typedef struct Draft
{
	TsString name;
	TsString key;
	TsString value;
	size_t place; /* among the group's: of equal keys the first comes first */
} Draft;

typedef struct Drafts
{
	const TsOtlpOptions *options; /* NULL: keys are names */
	TsArena *arena;
	Draft *drafts;
	size_t n;
	size_t size; /* of all names and values */
} Drafts;

static TsErrorCode
drafts_begin(Drafts *drafts, const TsOtlpOptions *options, TsArena *arena,
			 const TsOtlpAttributes *attributes, TsError *err)
{
	size_t room = attributes->count < LABELS_MAX_COUNT ? attributes->count
													   : LABELS_MAX_COUNT;

	*drafts = (Drafts){.options = options, .arena = arena};
	drafts->drafts = ts_arena_alloc(arena, room * sizeof(Draft));
	return drafts->drafts == NULL ? out_of_memory(err) : TS_OK;
}

static TsErrorCode
draft_name(const Drafts *drafts, TsString prefix, TsString key, TsString *name,
		   TsError *err)
{
	TsString whole = key;
	char *text;

	if (drafts->options == NULL)
	{
		*name = key;
		return TS_OK;
	}
	if (prefix.len > 0)
	{
		text = ts_arena_alloc(drafts->arena, prefix.len + key.len);
		if (text == NULL)
			return out_of_memory(err);
		memcpy(text, prefix.data, prefix.len);
		if (key.len > 0)
			memcpy(text + prefix.len, key.data, key.len);
		whole = (TsString){text, prefix.len + key.len};
	}
	return ts_otlp_label_name(drafts->options, whole, drafts->arena, name, err);
}

static TsErrorCode
drafts_add(Drafts *drafts, TsString prefix, const TsOtlpAttribute *attribute,
		   TsError *err)
{
	Draft draft = {.key = attribute->key, .place = drafts->n};
	TsErrorCode code;

	if (drafts->n == LABELS_MAX_COUNT)
		return ts_error_set(err, TS_ERR_LIMIT, -1,
							"more than %d attributes would become labels",
							LABELS_MAX_COUNT);
	drafts->size += prefix.len + attribute->key.len;
	if (drafts->size > LABELS_MAX_SIZE)
		return ts_error_set(err, TS_ERR_LIMIT, -1, "attributes have more than %d bytes",
							LABELS_MAX_SIZE);
	code = draft_name(drafts, prefix, attribute->key, &draft.name, err);
	if (code == TS_OK)
		code = ts_otlp_value_text(attribute->value, drafts->arena, &draft.value, err);
	if (code != TS_OK)
		return code;
	drafts->size += draft.value.len;
	if (drafts->size > LABELS_MAX_SIZE)
		return ts_error_set(err, TS_ERR_LIMIT, -1, "attributes have more than %d bytes",
							LABELS_MAX_SIZE);
	/* The name of the metric is its own. */
	if (drafts->options == NULL || !ts_string_equal(draft.name, name_label))
		drafts->drafts[drafts->n++] = draft;
	return TS_OK;
}

static int
compare_drafts(const void *a, const void *b)
{
	const Draft *left = a;
	const Draft *right = b;
	int order = ts_string_compare(left->name, right->name);

	if (order == 0)
		order = ts_string_compare(left->key, right->key);
	return order != 0 ? order
					  : (left->place > right->place) - (left->place < right->place);
}

/* Values of drafts in their order with ";" between them, but not before the first text. */
static TsErrorCode
join_values(TsArena *arena, const Draft *drafts, size_t n, TsString *joined, TsError *err)
{
	size_t size = 0;
	size_t len = 0;
	char *text;

	*joined = drafts[0].value;
	if (n == 1)
		return TS_OK;
	for (size_t i = 0; i < n; i++)
		size += drafts[i].value.len + 1;
	text = ts_arena_alloc(arena, size);
	if (text == NULL)
		return out_of_memory(err);
	for (size_t i = 0; i < n; i++)
	{
		if (len > 0)
			text[len++] = ';';
		if (drafts[i].value.len > 0)
			memcpy(text + len, drafts[i].value.data, drafts[i].value.len);
		len += drafts[i].value.len;
	}
	*joined = (TsString){text, len};
	return TS_OK;
}

static TsErrorCode
drafts_end(Drafts *drafts, Group *group, TsError *err)
{
	LabelsPair *pairs = ts_arena_alloc(drafts->arena, drafts->n * sizeof(LabelsPair));
	size_t next;

	*group = (Group){pairs, 0};
	if (pairs == NULL)
		return out_of_memory(err);
	if (drafts->n > 1)
		qsort(drafts->drafts, drafts->n, sizeof(Draft), compare_drafts);
	for (size_t i = 0; i < drafts->n; i = next)
	{
		const Draft *draft = &drafts->drafts[i];
		TsErrorCode code;
		TsString value;

		for (next = i + 1; next < drafts->n; next++)
			if (!ts_string_equal(drafts->drafts[next].name, draft->name))
				break;
		code = join_values(drafts->arena, draft, next - i, &value, err);
		if (code != TS_OK)
			return code;
		if (value.len > 0)
			set_pair(&pairs[group->n++], draft->name, value);
	}
	return TS_OK;
}

/* ---- groups to labels ---- */

#define MAX_GROUPS 5

/* Of all names in all groups; the first group that has a name says what it is. */
static TsErrorCode
merge_groups(Group *groups, size_t ngroups, TsArena *arena, TsOtlpLabels *labels,
			 TsError *err)
{
	size_t room = TS_OTLP_EXTRA_LABELS;

	assert(ngroups <= MAX_GROUPS);
	for (size_t i = 0; i < ngroups; i++)
		room += groups[i].n;
	*labels = (TsOtlpLabels){.pairs = ts_arena_alloc(arena, room * sizeof(LabelsPair)),
							 .n = 0};
	if (labels->pairs == NULL)
		return out_of_memory(err);
	for (;;)
	{
		const LabelsPair *first = NULL;

		for (size_t i = 0; i < ngroups; i++)
			if (groups[i].n > 0 &&
				(first == NULL ||
				 ts_string_compare(groups[i].pairs->name, first->name) < 0))
				first = groups[i].pairs;
		if (first == NULL)
			return TS_OK;
		for (size_t i = 0; i < ngroups; i++)
			if (groups[i].n > 0 && ts_string_equal(groups[i].pairs->name, first->name))
			{
				groups[i].pairs++;
				groups[i].n--;
			}
		if (first->value.len > 0)
			labels->pairs[labels->n++] = *first;
	}
}

void
ts_otlp_set_label(TsOtlpLabels *labels, const char *name, TsString value)
{
	TsString label = {name, strlen(name)};
	uint32_t i = 0;

	while (i < labels->n && !ts_string_equal(labels->pairs[i].name, label))
		i++;
	set_pair(&labels->pairs[i], label, value);
	if (i == labels->n)
		labels->n++;
}

/* ---- the resource ---- */

/* What identifies a service, and becomes job and instance. */
typedef struct Identity
{
	TsOtlpAttribute name;
	TsOtlpAttribute namespace;
	TsOtlpAttribute instance;
} Identity;

/* Where it is kept, if it is a part of the identity. */
static TsOtlpAttribute *
identity_part(Identity *identity, TsString key)
{
	if (ts_string_is(key, "service.name"))
		return &identity->name;
	if (ts_string_is(key, "service.namespace"))
		return &identity->namespace;
	if (ts_string_is(key, "service.instance.id"))
		return &identity->instance;
	return NULL;
}

/* Of attributes with the same key the first one counts. */
static void
keep_identity(Identity *identity, const TsOtlpAttribute *attribute)
{
	TsOtlpAttribute *part = identity_part(identity, attribute->key);

	if (part != NULL && part->key.len == 0)
		*part = *attribute;
}

/* "namespace/name", or "name". */
static TsErrorCode
job_text(const Identity *identity, TsArena *arena, TsString *job, TsError *err)
{
	TsString namespace;
	TsString name;
	char *text;
	TsErrorCode code;

	code = ts_otlp_value_text(identity->name.value, arena, &name, err);
	if (code == TS_OK)
		code = ts_otlp_value_text(identity->namespace.value, arena, &namespace, err);
	if (code != TS_OK)
		return code;
	*job = name;
	if (namespace.len == 0 || identity->name.key.len == 0)
		return TS_OK;
	if (namespace.len + name.len > LABELS_MAX_SIZE)
		return ts_error_set(err, TS_ERR_LIMIT, -1, "attributes have more than %d bytes",
							LABELS_MAX_SIZE);
	text = ts_arena_alloc(arena, namespace.len + 1 + name.len);
	if (text == NULL)
		return out_of_memory(err);
	memcpy(text, namespace.data, namespace.len);
	text[namespace.len] = '/';
	if (name.len > 0)
		memcpy(text + namespace.len + 1, name.data, name.len);
	*job = (TsString){text, namespace.len + 1 + name.len};
	return TS_OK;
}

/* job and instance, as far as they are known; after another label if there is one. */
static TsErrorCode
identity_group(const Identity *identity, const LabelsPair *before, TsArena *arena,
			   Group *group, TsError *err)
{
	LabelsPair *pairs = ts_arena_alloc(arena, 3 * sizeof(LabelsPair));
	TsString instance;
	TsString job;
	TsErrorCode code;

	*group = (Group){pairs, 0};
	if (pairs == NULL)
		return out_of_memory(err);
	code = job_text(identity, arena, &job, err);
	if (code == TS_OK)
		code = ts_otlp_value_text(identity->instance.value, arena, &instance, err);
	if (code != TS_OK)
		return code;
	if (before != NULL)
		pairs[group->n++] = *before;
	if (instance.len > 0)
		set_pair(&pairs[group->n++], instance_label, instance);
	if (job.len > 0)
		set_pair(&pairs[group->n++], job_label, job);
	return TS_OK;
}

static bool
is_promoted(const TsOtlpOptions *options, TsString key)
{
	for (uint32_t i = 0; i < options->npromoted; i++)
		if (ts_string_equal(options->promoted[i], key))
			return true;
	return options->promote_all;
}

static TsErrorCode
resource_groups(const TsOtlpOptions *options, const TsOtlpResource *resource,
				TsArena *arena, Group *identity_labels, Group *promoted, TsError *err)
{
	Identity identity = {0};
	TsOtlpAttribute attribute;
	TsOtlpAttributeIter iter;
	Drafts drafts;
	TsErrorCode code;

	code = drafts_begin(&drafts, options, arena, &resource->attributes, err);
	ts_otlp_iterate(&resource->attributes, &iter);
	while (code == TS_OK && ts_otlp_next_attribute(&iter, &attribute))
	{
		keep_identity(&identity, &attribute);
		if (is_promoted(options, attribute.key))
			code = drafts_add(&drafts, no_prefix, &attribute, err);
	}
	if (code == TS_OK)
		code = drafts_end(&drafts, promoted, err);
	if (code == TS_OK)
		code = identity_group(&identity, NULL, arena, identity_labels, err);
	return code;
}

TsErrorCode
ts_otlp_info_labels(const TsOtlpOptions *options, const TsOtlpResource *resource,
					TsArena *arena, TsOtlpLabels *labels, TsError *err)
{
	Identity identity = {0};
	bool identified = false;
	bool informs = false; /* of more than the identity */
	TsOtlpAttribute attribute;
	TsOtlpAttributeIter iter;
	Group groups[2];
	LabelsPair name;
	Drafts drafts;
	TsErrorCode code;

	*labels = (TsOtlpLabels){NULL, 0};
	code = drafts_begin(&drafts, options, arena, &resource->attributes, err);
	ts_otlp_iterate(&resource->attributes, &iter);
	while (code == TS_OK && ts_otlp_next_attribute(&iter, &attribute))
	{
		bool identifies = identity_part(&identity, attribute.key) != NULL;

		keep_identity(&identity, &attribute);
		informs = informs || !identifies;
		if (!identifies || options->keep_identifying)
			code = drafts_add(&drafts, no_prefix, &attribute, err);
	}
	if (code != TS_OK || !informs)
		return code;
	set_pair(&name, name_label, (TsString){"target_info", 11});
	code = identity_group(&identity, &name, arena, &groups[0], err);
	if (code == TS_OK)
		code = drafts_end(&drafts, &groups[1], err);
	if (code == TS_OK)
		code = merge_groups(groups, 2, arena, labels, err);
	if (code != TS_OK)
		return code;
	for (uint32_t i = 0; i < labels->n; i++)
		identified = identified || ts_string_equal(labels->pairs[i].name, job_label) ||
					 ts_string_equal(labels->pairs[i].name, instance_label);
	if (!identified)
		labels->n = 0;
	return TS_OK;
}

/* ---- the scope ---- */

/* What the scope has of its own, be it empty, and its attributes. */
static TsErrorCode
scope_groups(const TsOtlpOptions *options, const TsOtlpScope *scope, TsArena *arena,
			 Group *own, Group *others, TsError *err)
{
	static const TsString prefix = {"otel_scope_", 11};
	TsOtlpAttribute attribute;
	TsOtlpAttributeIter iter;
	LabelsPair *pairs;
	Drafts drafts;
	TsErrorCode code;

	*own = *others = (Group){NULL, 0};
	if (!options->scope_labels || scope->name.len == 0)
		return TS_OK;
	pairs = ts_arena_alloc(arena, 3 * sizeof(LabelsPair));
	if (pairs == NULL)
		return out_of_memory(err);
	set_pair(&pairs[0], (TsString){"otel_scope_name", 15}, scope->name);
	set_pair(&pairs[1], (TsString){"otel_scope_schema_url", 21}, scope->schema_url);
	set_pair(&pairs[2], (TsString){"otel_scope_version", 18}, scope->version);
	*own = (Group){pairs, 3};

	code = drafts_begin(&drafts, options, arena, &scope->attributes, err);
	ts_otlp_iterate(&scope->attributes, &iter);
	while (code == TS_OK && ts_otlp_next_attribute(&iter, &attribute))
		code = drafts_add(&drafts, prefix, &attribute, err);
	return code == TS_OK ? drafts_end(&drafts, others, err) : code;
}

/* ---- points ---- */

/* What was made of a resource or a scope, or why nothing was. */
typedef struct Made
{
	TsArena arena;
	bool made;
	TsErrorCode code;
	TsError err;
	Group groups[2];
} Made;

struct TsOtlpLabelsCache
{
	TsAllocator allocator;
	Made resource; /* identity, promoted */
	Made scope;    /* its own, attributes */
};

static void
made_forget(Made *made, const TsAllocator *allocator)
{
	ts_arena_free(&made->arena);
	ts_arena_init(&made->arena, allocator, GROUP_MEMORY);
	made->made = false;
}

TsOtlpLabelsCache *
ts_otlp_labels_cache(const TsAllocator *allocator)
{
	TsOtlpLabelsCache *cache = allocator->alloc(allocator->ctx, sizeof(*cache));

	if (cache == NULL)
		return NULL;
	memset(cache, 0, sizeof(*cache));
	cache->allocator = *allocator;
	ts_otlp_labels_forget(cache);
	return cache;
}

void
ts_otlp_labels_forget_scope(TsOtlpLabelsCache *cache)
{
	made_forget(&cache->scope, &cache->allocator);
}

void
ts_otlp_labels_forget(TsOtlpLabelsCache *cache)
{
	made_forget(&cache->resource, &cache->allocator);
	ts_otlp_labels_forget_scope(cache);
}

void
ts_otlp_labels_cache_free(TsOtlpLabelsCache *cache)
{
	if (cache == NULL)
		return;
	ts_arena_free(&cache->resource.arena);
	ts_arena_free(&cache->scope.arena);
	cache->allocator.free(cache->allocator.ctx, cache);
}

/* A failure is kept, too: it would be the same for every point. */
static TsErrorCode
made_end(Made *made, TsErrorCode code, TsError *err)
{
	made->made = code != TS_ERR_MEMORY;
	made->code = code;
	if (code != TS_OK && err != NULL)
		*err = made->err;
	return code;
}

static TsErrorCode
make_resource(const TsOtlpOptions *options, TsOtlpLabelsCache *cache,
			  const TsOtlpResource *resource, TsError *err)
{
	Made *made = &cache->resource;

	if (!made->made)
		made->code = resource_groups(options, resource, &made->arena, &made->groups[0],
									 &made->groups[1], &made->err);
	return made_end(made, made->code, err);
}

static TsErrorCode
make_scope(const TsOtlpOptions *options, TsOtlpLabelsCache *cache,
		   const TsOtlpScope *scope, TsError *err)
{
	Made *made = &cache->scope;

	if (!made->made)
		made->code = scope_groups(options, scope, &made->arena, &made->groups[0],
								  &made->groups[1], &made->err);
	return made_end(made, made->code, err);
}

TsErrorCode
ts_otlp_point_labels(const TsOtlpOptions *options, TsOtlpLabelsCache *cache,
					 const TsOtlpResource *resource, const TsOtlpScope *scope,
					 const TsOtlpAttributes *attributes, TsArena *arena,
					 TsOtlpLabels *labels, TsError *err)
{
	TsOtlpAttribute attribute;
	TsOtlpAttributeIter iter;
	Group groups[MAX_GROUPS];
	Drafts drafts;
	TsErrorCode code;

	*labels = (TsOtlpLabels){NULL, 0};
	code = make_resource(options, cache, resource, err);
	if (code == TS_OK)
		code = make_scope(options, cache, scope, err);
	if (code == TS_OK)
		code = drafts_begin(&drafts, options, arena, attributes, err);
	ts_otlp_iterate(attributes, &iter);
	while (code == TS_OK && ts_otlp_next_attribute(&iter, &attribute))
		code = drafts_add(&drafts, no_prefix, &attribute, err);
	if (code == TS_OK)
		code = drafts_end(&drafts, &groups[3], err);
	if (code != TS_OK)
		return code;
	groups[0] = cache->scope.groups[0];
	groups[1] = cache->scope.groups[1];
	groups[2] = cache->resource.groups[0];
	groups[4] = cache->resource.groups[1];
	return merge_groups(groups, 5, arena, labels, err);
}

/* ---- exemplars ---- */

static size_t
characters(TsString text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++)
		n += ((unsigned char) text.data[i] & 0xC0) != 0x80;
	return n;
}

/* Adds a label with an identifier in hexadecimal digits; one of zeros only is none. */
static TsErrorCode
add_id(Group *group, LabelsPair *pair, TsString name, TsString id, size_t size,
	   TsArena *arena, TsError *err)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char any = 0;
	char *text;

	if (id.len != size)
		return TS_OK;
	for (size_t i = 0; i < size; i++)
		any |= (unsigned char) id.data[i];
	if (any == 0)
		return TS_OK;
	text = ts_arena_alloc(arena, 2 * size);
	if (text == NULL)
		return out_of_memory(err);
	for (size_t i = 0; i < size; i++)
	{
		text[2 * i] = digits[(unsigned char) id.data[i] >> 4];
		text[2 * i + 1] = digits[(unsigned char) id.data[i] & 15];
	}
	set_pair(pair, name, (TsString){text, 2 * size});
	group->n++;
	return TS_OK;
}

/* Attributes of an exemplar, when there is room for all of them; else none. */
static TsErrorCode
exemplar_attributes(const TsOtlpExemplar *exemplar, size_t used, TsArena *arena,
					Group *group, TsError *err)
{
	TsOtlpAttribute attribute;
	TsOtlpAttributeIter iter;
	Drafts drafts;
	TsErrorCode code;

	*group = (Group){NULL, 0};
	code = drafts_begin(&drafts, NULL, arena, &exemplar->attributes, err);
	ts_otlp_iterate(&exemplar->attributes, &iter);
	while (code == TS_OK && ts_otlp_next_attribute(&iter, &attribute))
	{
		code = drafts_add(&drafts, no_prefix, &attribute, err);
		if (code != TS_OK)
			break;
		used += characters(attribute.key) + characters(drafts.drafts[drafts.n - 1].value);
		if (used > EXEMPLAR_CHARACTERS)
			return TS_OK;
	}
	if (code == TS_ERR_LIMIT)
		return TS_OK;
	return code == TS_OK ? drafts_end(&drafts, group, err) : code;
}

TsErrorCode
ts_otlp_exemplar_labels(const TsOtlpOptions *options, const TsOtlpExemplar *exemplar,
						TsArena *arena, TsOtlpLabels *labels, TsError *err)
{
	LabelsPair ids[2];
	Group groups[2] = {{ids, 0}, {NULL, 0}};
	size_t used = 0;
	TsErrorCode code;

	(void) options;
	*labels = (TsOtlpLabels){NULL, 0};
	code = add_id(&groups[0], &ids[0], (TsString){"span_id", 7}, exemplar->span_id,
				  SPAN_ID_BYTES, arena, err);
	if (code == TS_OK)
		code = add_id(&groups[0], &ids[groups[0].n], (TsString){"trace_id", 8},
					  exemplar->trace_id, TRACE_ID_BYTES, arena, err);
	for (size_t i = 0; i < groups[0].n; i++)
		used += ids[i].name.len + ids[i].value.len;
	if (code == TS_OK)
		code = exemplar_attributes(exemplar, used, arena, &groups[1], err);
	return code == TS_OK ? merge_groups(groups, 2, arena, labels, err) : code;
}
