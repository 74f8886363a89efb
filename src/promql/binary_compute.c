/*
 * binary_compute.c
 *	  A binary operator on two rows of values, and what it has to say about them.
 *
 * Floats go through the loops of binary_kernel.c; as soon as a row has a histogram, or the
 * operator is one for histograms, steps are computed one by one.
 */
#include "postgres.h"

#include "binary.h"

void
pq_binary_init(PqBinary *binary, PqOperator *op)
{
	binary->op = op;
	binary->kind = op->node->u.binary.op;
	binary->return_bool = op->node->u.binary.return_bool;
	binary->keep_right = false;
	binary->n = op->steps.n;
	binary->words = PQ_WORDS(op->steps.n);
	binary->row = pq_allocator(&op->row_place);
	binary->holds = NULL;
	binary->notes = NULL;
}

/* ---- one step ---- */

typedef enum ElementResult
{
	ELEMENT_REFUSED, /* the operator does not take these operands */
	ELEMENT_FALSE,
	ELEMENT_TRUE /* also: has a result */
} ElementResult;

typedef struct Element
{
	double value;
	const TsHistogram *histogram; /* NULL: a float */
} Element;

static const TsHistogram *
made(const TsHistogram *h)
{
	if (h == NULL)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	return h;
}

static const TsHistogram *
made_compact(PqBinary *binary, const TsHistogram *h)
{
	return made(ts_histogram_compact(made(h), 0, &binary->row));
}

static ElementResult
refuse(uint8 *note, PqBinaryNote why)
{
	*note = why;
	return ELEMENT_REFUSED;
}

static ElementResult
two_histograms(PqBinary *binary, const TsHistogram *left, const TsHistogram *right,
			   Element *out, uint8 *note)
{
	TsHistogramNotes met = {0};
	const TsHistogram *h;

	switch (binary->kind)
	{
		case PQ_ADD:
			h = ts_histogram_add(left, right, &binary->row, &met);
			break;
		case PQ_SUB:
			h = ts_histogram_sub(left, right, &binary->row, &met);
			break;
		case PQ_EQL:
			out->histogram = left;
			return ts_histogram_equal(left, right) ? ELEMENT_TRUE : ELEMENT_FALSE;
		case PQ_NEQ:
			out->histogram = left;
			return ts_histogram_equal(left, right) ? ELEMENT_FALSE : ELEMENT_TRUE;
		default:
			return refuse(note, PQ_NOTE_HISTOGRAM_HISTOGRAM);
	}
	if (met.incompatible)
		return refuse(note, PQ_NOTE_LAYOUT);
	if (met.reset_hint_collision)
		return refuse(note, PQ_NOTE_COLLISION);
	if (met.bounds_reconciled)
		*note = PQ_NOTE_RECONCILED;
	out->histogram = made_compact(binary, h);
	return ELEMENT_TRUE;
}

static ElementResult
histogram_float(PqBinary *binary, const TsHistogram *left, double right, Element *out,
				uint8 *note)
{
	switch (binary->kind)
	{
		case PQ_MUL:
			out->histogram = made_compact(binary,
										  ts_histogram_mul(left, right, &binary->row));
			return ELEMENT_TRUE;
		case PQ_DIV:
			out->histogram = made_compact(binary,
										  ts_histogram_div(left, right, &binary->row));
			return ELEMENT_TRUE;
		case PQ_TRIM_UPPER:
		case PQ_TRIM_LOWER:
			out->histogram = made(ts_histogram_trim(
				left, right, binary->kind == PQ_TRIM_UPPER, &binary->row));
			return ELEMENT_TRUE;
		default:
			return refuse(note, PQ_NOTE_HISTOGRAM_FLOAT);
	}
}

static ElementResult
two_floats(PqBinary *binary, double left, double right, Element *out, uint8 *note)
{
	uint64 holds;

	if (pq_is_arithmetic(binary->kind))
	{
		pq_kernel_arithmetic(binary->kind, &out->value, &left, &right, 1);
		return ELEMENT_TRUE;
	}
	if (!pq_is_comparison(binary->kind))
		return refuse(note, PQ_NOTE_FLOAT_FLOAT);
	pq_kernel_compare(binary->kind, &holds, &left, &right, 1);
	out->value = left;
	return holds ? ELEMENT_TRUE : ELEMENT_FALSE;
}

static ElementResult
compute_element(PqBinary *binary, const Element *left, const Element *right, Element *out,
				uint8 *note)
{
	ElementResult result;

	out->value = 0;
	out->histogram = NULL;
	if (left->histogram && right->histogram)
		result = two_histograms(binary, left->histogram, right->histogram, out, note);
	else if (left->histogram)
		result = histogram_float(binary, left->histogram, right->value, out, note);
	else if (!right->histogram)
		result = two_floats(binary, left->value, right->value, out, note);
	else if (binary->kind == PQ_MUL)
	{
		out->histogram = made_compact(
			binary, ts_histogram_mul(right->histogram, left->value, &binary->row));
		result = ELEMENT_TRUE;
	}
	else
		result = refuse(note, PQ_NOTE_FLOAT_HISTOGRAM);

	if (binary->keep_right && pq_is_comparison(binary->kind))
		*out = *right;
	if (binary->return_bool)
	{
		out->value = result == ELEMENT_TRUE ? 1 : 0;
		out->histogram = NULL;
	}
	return result;
}

/* ---- rows ---- */

static Element
element_at(const PqVector *v, uint32 i)
{
	Element element = {.value = v->values[i], .histogram = pq_histogram(v, i)};

	return element;
}

static void
compute_elements(PqBinary *binary, const PqVector *left, const PqVector *right,
				 const uint64 *mask, PqVector *out, uint64 *matched)
{
	out->histograms = pq_row_alloc0(binary->op, binary->n * sizeof(TsHistogram *));
	for (uint32 w = 0; w < binary->words; w++)
	{
		uint64 bits = mask[w];
		uint64 taken = 0;
		uint64 kept = 0;

		for (; bits; bits &= bits - 1)
		{
			uint32 j = (uint32) __builtin_ctzll(bits);
			uint32 i = w * 64 + j;
			Element l = element_at(left, i);
			Element r = element_at(right, i);
			Element element;
			uint8 note = PQ_NOTE_NONE;
			ElementResult result = compute_element(binary, &l, &r, &element, &note);

			if (note != PQ_NOTE_NONE)
			{
				if (binary->notes == NULL)
					binary->notes = pq_alloc0(binary->op, binary->n);
				binary->notes[i] = note;
			}
			if (result == ELEMENT_REFUSED)
				continue;
			taken |= UINT64CONST(1) << j;
			if (result == ELEMENT_TRUE || binary->return_bool)
				kept |= UINT64CONST(1) << j;
			out->values[i] = element.value;
			out->histograms[i] = element.histogram;
		}
		matched[w] = taken;
		out->present[w] = kept;
	}
}

static void
compute_comparison(PqBinary *binary, const PqVector *left, const PqVector *right,
				   const uint64 *mask, PqVector *out, uint64 *matched)
{
	const double *kept = binary->keep_right ? right->values : left->values;
	uint64 *holds = binary->holds;

	if (holds == NULL)
		holds = binary->holds = pq_alloc(binary->op, binary->words * sizeof(uint64));
	pq_kernel_compare(binary->kind, holds, left->values, right->values, binary->n);
	for (uint32 w = 0; w < binary->words; w++)
	{
		uint64 bits = mask[w];

		matched[w] = bits;
		out->present[w] = binary->return_bool ? bits : bits & holds[w];
	}
	if (binary->return_bool)
		pq_kernel_bools(out->values, holds, binary->n);
	else if (out->values != kept)
		memcpy(out->values, kept, binary->n * sizeof(double));
}

void
pq_binary_compute(PqBinary *binary, const PqVector *left, const PqVector *right,
				  const uint64 *mask, PqVector *out, uint64 *matched)
{
	Size size = binary->words * sizeof(uint64);

	out->histograms = NULL;
	if (left->histograms || right->histograms ||
		!(pq_is_arithmetic(binary->kind) || pq_is_comparison(binary->kind)))
		compute_elements(binary, left, right, mask, out, matched);
	else if (pq_is_comparison(binary->kind))
		compute_comparison(binary, left, right, mask, out, matched);
	else
	{
		pq_kernel_arithmetic(binary->kind, out->values, left->values, right->values,
							 binary->n);
		memmove(matched, mask, size);
		memmove(out->present, mask, size);
	}
}

/* ---- annotations ---- */

static void
annotate(PqBinary *binary, PqBinaryNote note)
{
	PqExec *exec = binary->op->exec;
	int at = binary->op->node->start;
	const char *symbol = promql_binary_symbol(binary->kind);
	const char *what = binary->kind == PQ_ADD ? "addition" : "subtraction";
	bool left_float = note == PQ_NOTE_FLOAT_FLOAT || note == PQ_NOTE_FLOAT_HISTOGRAM;
	bool right_float = note == PQ_NOTE_FLOAT_FLOAT || note == PQ_NOTE_HISTOGRAM_FLOAT;

	switch (note)
	{
		case PQ_NOTE_NONE:
		case PQ_NOTE_COUNT:
			break;
		case PQ_NOTE_FLOAT_FLOAT:
		case PQ_NOTE_FLOAT_HISTOGRAM:
		case PQ_NOTE_HISTOGRAM_FLOAT:
		case PQ_NOTE_HISTOGRAM_HISTOGRAM:
			pq_info(exec, at,
					"incompatible sample types encountered for binary operator \"%s\": "
					"%s %s %s",
					symbol, left_float ? "float" : "histogram", symbol,
					right_float ? "float" : "histogram");
			break;
		case PQ_NOTE_LAYOUT:
			pq_warn(exec, at,
					"incompatible bucket layout encountered for binary operator %s",
					symbol);
			break;
		case PQ_NOTE_COLLISION:
			pq_warn(exec, at, "conflicting counter resets during histogram %s", what);
			break;
		case PQ_NOTE_RECONCILED:
			pq_info(exec, at, "mismatched custom buckets were reconciled during %s",
					what);
			break;
	}
}

void
pq_binary_annotate(PqBinary *binary)
{
	bool met[PQ_NOTE_COUNT] = {false};

	if (binary->notes == NULL)
		return;
	for (uint32 i = 0; i < binary->n; i++)
		met[binary->notes[i]] = true;
	for (int note = PQ_NOTE_NONE + 1; note < PQ_NOTE_COUNT; note++)
		if (met[note])
			annotate(binary, (PqBinaryNote) note);
	pfree(binary->notes);
	binary->notes = NULL;
}
