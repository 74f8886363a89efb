/*
 * call_sort.c
 *	  sort(), sort_desc(), sort_by_label() and sort_by_label_desc().
 *
 * Only a single step has an order. Then all series are read in open, and held; over
 * several steps the functions warn and let series pass, without the histograms that
 * sort() and sort_desc() drop.
 */
#include "postgres.h"

#include "call.h"

typedef struct SortOperator SortOperator;

/* One series that has a value. */
typedef struct SortedSeries
{
	const SortOperator *sort;
	PqSeries series;
	uint32 place; /* in the child's order */
	double value;
	const TsHistogram *histogram;
	TsString *keys; /* values of the labels to sort by */
} SortedSeries;

struct SortOperator
{
	PqOperator op;
	bool by_label;
	bool descending;
	int nkeys;
	SortedSeries *sorted;
	uint32 next;
};

/* ---- natural order ---- */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The end of the run of digits, or of other characters, that begins here. */
static size_t
chunk_end(TsString s, size_t from)
{
	size_t end = from + 1;

	while (end < s.len && is_digit(s.data[end]) == is_digit(s.data[from]))
		end++;
	return end;
}

/* Runs of digits as numbers, however long. */
static int
compare_numbers(TsString a, TsString b)
{
	while (a.len > 0 && *a.data == '0')
		a.data++, a.len--;
	while (b.len > 0 && *b.data == '0')
		b.data++, b.len--;
	if (a.len != b.len)
		return a.len < b.len ? -1 : 1;
	return a.len > 0 ? memcmp(a.data, b.data, a.len) : 0;
}

/*
 * Runs of digits count as numbers, all else as bytes; a string that ends is before those
 * that go on. Strings that differ in leading zeros only are in the order of their bytes.
 */
static int
natural_compare(TsString a, TsString b)
{
	size_t i = 0;
	size_t j = 0;

	while (i < a.len && j < b.len)
	{
		size_t a_end = chunk_end(a, i);
		size_t b_end = chunk_end(b, j);
		bool numbers = is_digit(a.data[i]) && is_digit(b.data[j]);
		TsString a_chunk = {a.data + i, a_end - i};
		TsString b_chunk = {b.data + j, b_end - j};
		int order = numbers ? compare_numbers(a_chunk, b_chunk)
							: ts_string_compare(a_chunk, b_chunk);

		if (order != 0)
			return order;
		i = a_end;
		j = b_end;
	}
	if (i < a.len || j < b.len)
		return i < a.len ? 1 : -1;
	return ts_string_compare(a, b);
}

/* ---- orders of series ---- */

/* By value, NaN last; as they came where values are equal. */
static int
compare_values(const void *left, const void *right)
{
	const SortedSeries *a = left;
	const SortedSeries *b = right;

	if (isnan(a->value) != isnan(b->value))
		return isnan(a->value) ? 1 : -1;
	if (a->value < b->value)
		return a->sort->descending ? 1 : -1;
	if (a->value > b->value)
		return a->sort->descending ? -1 : 1;
	return a->place < b->place ? -1 : a->place > b->place;
}

static int
compare_labels(const void *left, const void *right)
{
	const SortedSeries *a = left;
	const SortedSeries *b = right;
	int sign = a->sort->descending ? -1 : 1;
	int order;

	for (int i = 0; i < a->sort->nkeys; i++)
	{
		order = natural_compare(a->keys[i], b->keys[i]);
		if (order != 0)
			return order < 0 ? -sign : sign;
	}
	order = labels_compare(a->series.labels.data, a->series.labels.len,
						   b->series.labels.data, b->series.labels.len);
	return order < 0 ? -sign : order > 0 ? sign : 0;
}

/* ---- the operator ---- */

static void
find_keys(SortOperator *sort, SortedSeries *series)
{
	series->keys = pq_alloc(&sort->op, sort->nkeys * sizeof(TsString));
	for (int i = 0; i < sort->nkeys; i++)
	{
		TsString name = pq_string(sort->op.node->u.call.args[i + 1]);

		labels_find(series->series.labels.data, series->series.labels.len, name.data,
					name.len, &series->keys[i]);
	}
}

/* Reads the only step of all series. */
static uint32
read_series(SortOperator *sort, PqOperator *child)
{
	PqOperator *op = &sort->op;
	uint32 count = 0;

	sort->sorted = pq_alloc(op, child->nseries * sizeof(SortedSeries));
	for (uint32 i = 0; i < child->nseries; i++)
	{
		SortedSeries *series = &sort->sorted[count];
		const TsHistogram *h;
		PqVector v;

		pq_next(child, &v);
		h = pq_histogram(&v, 0);
		if (!pq_has(&v, 0) || (h != NULL && !sort->by_label))
			continue;
		*series = (SortedSeries){
			.sort = sort, .series = child->series[i], .place = i, .value = v.values[0]};
		if (sort->by_label)
			find_keys(sort, series);
		if (h != NULL)
			series->histogram = call_copy_histogram(op, h, op->context);
		count++;
	}
	return count;
}

static void
sort_open(PqOperator *op)
{
	SortOperator *sort = (SortOperator *) op;
	PqOperator *child = op->children[0];

	pq_open(child);
	if (op->steps.n > 1)
	{
		op->series = child->series;
		op->nseries = child->nseries;
		pq_warn(op->exec, op->node->start,
				"sort is ineffective for range queries since results are always ordered "
				"by labels");
		return;
	}
	op->nseries = read_series(sort, child);
	pq_hold_samples(op->exec, op->nseries);
	qsort(sort->sorted, op->nseries, sizeof(SortedSeries),
		  sort->by_label ? compare_labels : compare_values);
	op->series = pq_alloc(op, op->nseries * sizeof(PqSeries));
	for (uint32 i = 0; i < op->nseries; i++)
		op->series[i] = sort->sorted[i].series;
}

static void
sort_next(PqOperator *op, PqVector *out)
{
	SortOperator *sort = (SortOperator *) op;
	const SortedSeries *series;

	if (op->steps.n > 1)
	{
		pq_next(op->children[0], out);
		if (!sort->by_label)
			call_drop_histograms(out, op->steps.n);
		return;
	}
	series = &sort->sorted[sort->next++];
	pq_vector_init(op, out, 1);
	pq_set(out, 0);
	out->values[0] = series->value;
	if (series->histogram != NULL)
	{
		pq_vector_want_histograms(op, out, 1);
		out->histograms[0] = series->histogram;
	}
}

static void
sort_close(PqOperator *op)
{
	SortOperator *sort = (SortOperator *) op;

	if (sort->sorted != NULL)
		pq_hold_samples(op->exec, -(int64) op->nseries);
	sort->sorted = NULL;
}

static const PqMethods sort_methods = {
	.name = "Sort",
	.open = sort_open,
	.next = sort_next,
	.close = sort_close,
	.explain = call_explain,
};

PqOperator *
call_plan_sort(PqExec *exec, const PqNode *node, const PqSteps *steps,
			   const PqNeeds *needs)
{
	SortOperator *sort = (SortOperator *) pq_operator(exec, sizeof(SortOperator),
													  &sort_methods, node, steps, 1);
	PqFunctionId id = call_id(node);

	sort->by_label = id == PQ_FN_SORT_BY_LABEL || id == PQ_FN_SORT_BY_LABEL_DESC;
	sort->descending = id == PQ_FN_SORT_DESC || id == PQ_FN_SORT_BY_LABEL_DESC;
	sort->nkeys = node->u.call.nargs - 1;
	sort->op.children[0] = pq_plan(exec, node->u.call.args[0], steps,
								   sort->by_label ? NULL : needs);
	return &sort->op;
}
