/*
 * aggregate_values.c
 *	  count_values: how often each value occurs in each group.
 *
 * Result labels are made of values, so the input is read in open. A result is a group and a
 * value; values that are written the same are the same.
 */
#include "postgres.h"

#include <math.h>

#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/float.h"
#include "utils/memutils.h"

#include "aggregate.h"
#include "binary.h"

/* A float value of a group. */
typedef struct ValueKey
{
	uint32 group;
	uint32 unused;
	uint64 bits;
} ValueKey;

typedef struct ValueEntry
{
	ValueKey key;
	uint32 result;
	char status;
} ValueEntry;

static inline uint32
hash_value(const ValueKey *key)
{
	return hash_combine(murmurhash32((uint32) key->bits ^ key->group),
						murmurhash32((uint32) (key->bits >> 32)));
}

#define SH_PREFIX          values
#define SH_ELEMENT_TYPE    ValueEntry
#define SH_KEY_TYPE        ValueKey
#define SH_KEY             key
#define SH_HASH_KEY(tb, k) hash_value(&(k))
#define SH_EQUAL(tb, a, b) ((a).bits == (b).bits && (a).group == (b).group)
#define SH_SCOPE           static inline
#define SH_DEFINE
#define SH_DECLARE
#include "lib/simplehash.h"

typedef struct CountValues
{
	PqOperator base;
	TsString label;
	bool keep_label; /* unless it is among those of without */
	PqGrouping grouping;
	values_hash *values;
	PqLabelsMap *results; /* numbers of the results' labels */
	double **counts;      /* of each result, at each step; 0 where there is none */
	uint32 room;
	int64 samples; /* held */
} CountValues;

/* A histogram as Go's FloatHistogram.String() writes it. */
static char *
histogram_text(const TsHistogram *h)
{
	StringInfoData out;
	TsBucketIter iter;
	TsBucket bucket;
	char a[PROMQL_FLOAT_SIZE];
	char b[PROMQL_FLOAT_SIZE];
	char c[PROMQL_FLOAT_SIZE];

	initStringInfo(&out);
	promql_write_short_float(h->count, a);
	promql_write_short_float(h->sum, b);
	appendStringInfo(&out, "{count:%s, sum:%s", a, b);
	ts_bucket_iter_init(&iter, h, false);
	while (ts_bucket_iter_next(&iter, &bucket))
	{
		if (bucket.count == 0)
			continue;
		promql_write_short_float(bucket.lower, a);
		promql_write_short_float(bucket.upper, b);
		promql_write_short_float(bucket.count, c);
		appendStringInfo(&out, ", %c%s,%s%c:%s", bucket.lower_inclusive ? '[' : '(', a, b,
						 bucket.upper_inclusive ? ']' : ')', c);
	}
	appendStringInfoChar(&out, '}');
	return out.data;
}

/* ---- results ---- */

static uint32
add_result(CountValues *self, TsString labels)
{
	PqOperator *op = &self->base;
	uint32 n = op->steps.n;
	bool found;
	uint32 number = pq_labels_number(self->results, labels, true, &found);

	if (found)
		return number;
	if (number >= self->room)
	{
		uint32 room = Max(self->room * 2, 64);
		double **counts = pq_alloc(op, room * sizeof(double *));

		if (self->counts)
		{
			memcpy(counts, self->counts, number * sizeof(double *));
			pfree(self->counts);
		}
		self->counts = counts;
		self->room = room;
	}
	pq_hold_samples(op->exec, n);
	self->samples += n;
	self->counts[number] = pq_alloc0(op, n * sizeof(double));
	return number;
}

/* The result of a value, as it is written, in a group. */
static uint32
find_result(CountValues *self, uint32 group, const char *text, size_t length)
{
	TsString value = {.data = text, .len = length};
	TsString labels = pq_labels_of(self->grouping.map, group);

	if (self->keep_label)
		labels = pq_labels_set(labels, self->label, value, self->base.row);
	return add_result(self, labels);
}

static uint32
float_result(CountValues *self, uint32 group, double value)
{
	ValueKey key = {.group = group};
	ValueEntry *entry;
	bool found;

	if (isnan(value))
		value = get_float8_nan();
	memcpy(&key.bits, &value, sizeof(value));
	entry = values_insert(self->values, key, &found);
	if (!found)
	{
		char text[PROMQL_FLOAT_SIZE];
		int length = promql_write_float(value, text);

		entry->result = find_result(self, group, text, (size_t) length);
	}
	return entry->result;
}

static uint32
histogram_result(CountValues *self, uint32 group, const TsHistogram *h)
{
	char *text;
	uint32 result;

	CHECK_FOR_INTERRUPTS();
	text = histogram_text(h);
	result = find_result(self, group, text, strlen(text));
	pfree(text);
	return result;
}

static void
count_series(CountValues *self, uint32 group, const PqVector *v)
{
	uint32 n = self->base.steps.n;
	const TsHistogram *last_histogram = NULL;
	bool known = false;
	double last = 0;
	uint32 result = 0;

	for (uint32 w = 0; w < PQ_WORDS(n); w++)
	{
		for (uint64 bits = v->present[w]; bits; bits &= bits - 1)
		{
			uint32 i = w * 64 + (uint32) __builtin_ctzll(bits);
			const TsHistogram *h = pq_histogram(v, i);

			if (h != NULL)
			{
				if (h != last_histogram)
					result = histogram_result(self, group, h);
				last_histogram = h;
				known = false;
				self->counts[result][i] += 1;
				continue;
			}
			last_histogram = NULL;
			if (!known || memcmp(&last, &v->values[i], sizeof(double)) != 0)
			{
				last = v->values[i];
				known = true;
				result = float_result(self, group, last);
			}
			self->counts[result][i] += 1;
		}
	}
}

/* ---- the operator ---- */

/* Groups do not look at the label that values are written to. */
static void
group_without_label(CountValues *self)
{
	PqOperator *op = &self->base;
	const PqOperator *child = op->children[0];
	const PqNode *node = op->node;
	TsString nothing = {.data = "", .len = 0};
	PqGrouping *grouping = &self->grouping;

	grouping->map = pq_labels_map(op->context);
	grouping->group = pq_alloc(op, child->nseries * sizeof(uint32));
	for (uint32 i = 0; i < child->nseries; i++)
	{
		TsString labels = pq_group_labels(node, child->series[i].labels, op->row);
		bool found;

		labels = pq_labels_set(labels, self->label, nothing, op->row);
		grouping->group[i] = pq_labels_number(grouping->map, labels, true, &found);
		MemoryContextReset(op->row);
	}
	grouping->ngroups = pq_labels_count(grouping->map);
}

static void
check_label(CountValues *self)
{
	const PqNode *node = self->base.node;
	const PqNames *names = &node->u.aggregate.labels;

	self->label = pq_string(node->u.aggregate.param);
	if (self->label.len == 0 || self->label.len > LABELS_MAX_NAME ||
		ts_utf8_valid_prefix(self->label.data, self->label.len) < self->label.len)
		pq_fail(self->base.exec, node->u.aggregate.param->start, ERRCODE_DATA_EXCEPTION,
				"invalid label name \"%.*s\"", (int) self->label.len, self->label.data);
	self->keep_label = true;
	if (!node->u.aggregate.without)
		return;
	if (ts_string_is(self->label, TS_METRIC_NAME_LABEL))
		self->keep_label = false;
	for (int i = 0; i < names->count; i++)
		if (ts_string_equal(self->label, names->names[i]))
			self->keep_label = false;
}

static void
open_count_values(PqOperator *op)
{
	CountValues *self = (CountValues *) op;
	PqOperator *child = op->children[0];

	check_label(self);
	pq_open(child);
	group_without_label(self);
	self->values = values_create(op->context, 256, NULL);
	self->results = pq_labels_map(op->context);
	for (uint32 i = 0; i < child->nseries; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(op->row);
		PqVector v;

		pq_next(child, &v);
		count_series(self, self->grouping.group[i], &v);
		MemoryContextSwitchTo(old);
		MemoryContextReset(op->row);
	}
	op->nseries = pq_labels_count(self->results);
	op->series = pq_alloc0(op, op->nseries * sizeof(PqSeries));
	for (uint32 i = 0; i < op->nseries; i++)
		op->series[i].labels = pq_labels_of(self->results, i);
}

static void
next_count_values(PqOperator *op, PqVector *out)
{
	CountValues *self = (CountValues *) op;
	const double *counts = self->counts[op->given];

	pq_vector_init(op, out, op->steps.n);
	for (uint32 i = 0; i < op->steps.n; i++)
	{
		if (counts[i] == 0)
			continue;
		pq_set(out, i);
		out->values[i] = counts[i];
	}
}

static void
close_count_values(PqOperator *op)
{
	CountValues *self = (CountValues *) op;

	pq_hold_samples(op->exec, -self->samples);
	self->samples = 0;
}

static const PqMethods count_values_methods = {
	.name = "Count Values",
	.open = open_count_values,
	.next = next_count_values,
	.close = close_count_values,
	.explain = pq_explain_grouping,
};

PqOperator *
pq_plan_count_values(PqExec *exec, const PqNode *node, const PqSteps *steps)
{
	return pq_aggregate_operator(exec, sizeof(CountValues), &count_values_methods, node,
								 steps, pq_group_needs(exec, node));
}
