/*
 * histogram_json.c
 *	  histogram to jsonb and back, without loss:
 *
 *	{"schema": 0, "count": 5, "sum": 3.1, "zero_count": 1, "zero_threshold": 0.001,
 *	 "custom_values": [...], "positive": [{"index": 1, "counts": [1, 4]}, ...],
 *	 "negative": [...], "counter_reset_hint": "gauge", "integer": true}
 *
 * What is 0, empty, unknown or false is left out, but for schema, count and sum. Sides are
 * runs of buckets that are there, by the index of the first. Numbers that JSON does not have
 * are strings: "NaN", "+Inf", "-Inf", "-0", and "stale" for the sum of a stale marker.
 */
#include "postgres.h"

#include <math.h>

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "histogram_internal.h"
#include "histogram_type.h"
#include "ts_report.h"

PG_FUNCTION_INFO_V1(mytsdb_histogram_to_jsonb);
PG_FUNCTION_INFO_V1(mytsdb_histogram_from_jsonb);

/* ---- to jsonb ---- */

static void
push_string(JsonbParseState **state, JsonbIteratorToken token, const char *string)
{
	JsonbValue value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, string);
	value.val.string.len = (int) strlen(string);
	pushJsonbValue(state, token, &value);
}

static void
push_number(JsonbParseState **state, JsonbIteratorToken token, double number)
{
	char text[64];
	JsonbValue value;

	*histogram_print_double(text, number) = '\0';
	if (!isfinite(number) || double_bits(number) == double_bits(-0.0))
	{
		push_string(state, token, pstrdup(text));
		return;
	}
	value.type = jbvNumeric;
	value.val.numeric = DatumGetNumeric(
		DirectFunctionCall3(numeric_in, CStringGetDatum(text),
							ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	pushJsonbValue(state, token, &value);
}

static void
push_pair(JsonbParseState **state, const char *key, double number)
{
	push_string(state, WJB_KEY, key);
	push_number(state, WJB_VALUE, number);
}

static void
push_side(JsonbParseState **state, const char *key, const TsHistogram *h, bool negative)
{
	HistogramSide side = histogram_side(h, negative);
	HistogramCursor cursor;
	int64 next = 0;

	if (side.n == 0)
		return;
	push_string(state, WJB_KEY, key);
	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	histogram_cursor_init(&cursor, &side, 0);
	for (uint32 i = 0; histogram_cursor_next(&cursor); i++)
	{
		if (i > 0 && cursor.index != next)
		{
			pushJsonbValue(state, WJB_END_ARRAY, NULL);
			pushJsonbValue(state, WJB_END_OBJECT, NULL);
		}
		if (i == 0 || cursor.index != next)
		{
			pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
			push_pair(state, "index", cursor.index);
			push_string(state, WJB_KEY, "counts");
			pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
		}
		push_number(state, WJB_ELEM, cursor.count);
		next = (int64) cursor.index + 1;
	}
	pushJsonbValue(state, WJB_END_ARRAY, NULL);
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
	pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

Datum
mytsdb_histogram_to_jsonb(PG_FUNCTION_ARGS)
{
	TsHistogram *h = histogram_read(PG_GETARG_DATUM(0));
	JsonbParseState *state = NULL;
	JsonbValue *object;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_pair(&state, "schema", h->schema);
	push_pair(&state, "count", h->count);
	push_pair(&state, "sum", h->sum);
	if (double_bits(h->zero_count) != 0)
		push_pair(&state, "zero_count", h->zero_count);
	if (double_bits(h->zero_threshold) != 0)
		push_pair(&state, "zero_threshold", h->zero_threshold);
	if (ts_histogram_is_custom(h))
	{
		push_string(&state, WJB_KEY, "custom_values");
		pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
		for (uint32 i = 0; i < h->nbounds; i++)
			push_number(&state, WJB_ELEM, h->bounds[i]);
		pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	}
	push_side(&state, "positive", h, false);
	push_side(&state, "negative", h, true);
	if (h->hint != TS_RESET_UNKNOWN)
	{
		push_string(&state, WJB_KEY, "counter_reset_hint");
		push_string(&state, WJB_VALUE, histogram_hint_names[h->hint]);
	}
	if (h->integer)
	{
		JsonbValue value = {.type = jbvBool, .val.boolean = true};

		push_string(&state, WJB_KEY, "integer");
		pushJsonbValue(&state, WJB_VALUE, &value);
	}
	object = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	PG_RETURN_JSONB_P(JsonbValueToJsonb(object));
}

/* ---- from jsonb ---- */

static void refuse(const char *detail) pg_attribute_noreturn();

static void
refuse(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("cannot convert jsonb to histogram"), errdetail("%s", detail)));
}

static bool
is_string(const JsonbValue *value, const char *string)
{
	return value->type == jbvString && (size_t) value->val.string.len == strlen(string) &&
		   memcmp(value->val.string.val, string, strlen(string)) == 0;
}

static double
number_of(const JsonbValue *value)
{
	char *text = NULL;
	double number;

	if (is_string(value, "stale"))
		return bits_double(HISTOGRAM_STALE);
	if (value->type == jbvNumeric)
		text = DatumGetCString(
			DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
	else if (value->type == jbvString)
		text = pnstrdup(value->val.string.val, value->val.string.len);
	if (text == NULL || !histogram_parse_double(text, text + strlen(text), &number))
		refuse("A value that should be a number is none.");
	pfree(text);
	return number;
}

/* A whole number of so many bits. */
static int32
whole_of(const JsonbValue *value)
{
	double number = number_of(value);

	if (number != floor(number) || fabs(number) > HISTOGRAM_MAX_INDEX)
		refuse("A value that should be a whole number is none, or is out of range.");
	return (int32) number;
}

/* Goes over an array; an element that is a container is a binary value. */
static JsonbIterator *
array_of(JsonbValue *value)
{
	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data) ||
		JsonContainerIsScalar(value->val.binary.data))
		refuse("A value that should be an array is none.");
	return JsonbIteratorInit(value->val.binary.data);
}

static bool
next_element(JsonbIterator **iter, JsonbValue *value)
{
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(iter, value, true)) != WJB_DONE)
	{
		if (token == WJB_ELEM)
			return true;
	}
	return false;
}

static JsonbValue *
member(JsonbContainer *object, const char *key)
{
	return getKeyJsonValueFromContainer(object, key, (int) strlen(key), NULL);
}

static uint32
elements_of(JsonbValue *value)
{
	array_of(value);
	return JsonContainerSize(value->val.binary.data);
}

/* The counts of a run of buckets; *index is that of the first. */
static JsonbValue *
counts_of(JsonbValue *run, int32 *index)
{
	JsonbValue *first = NULL;
	JsonbValue *counts = NULL;

	if (run->type == jbvBinary && JsonContainerIsObject(run->val.binary.data))
	{
		first = member(run->val.binary.data, "index");
		counts = member(run->val.binary.data, "counts");
	}
	if (first == NULL || counts == NULL || JsonContainerSize(run->val.binary.data) != 2)
		refuse("Buckets should be objects with \"index\" and \"counts\".");
	*index = whole_of(first);
	return counts;
}

/* How many runs and buckets a side has. */
static void
measure_side(JsonbValue *side, uint32 *nspans, uint32 *nbuckets)
{
	JsonbIterator *iter;
	JsonbValue run;
	int32 index;

	*nspans = *nbuckets = 0;
	if (side == NULL)
		return;
	iter = array_of(side);
	while (next_element(&iter, &run))
	{
		(*nspans)++;
		*nbuckets += elements_of(counts_of(&run, &index));
	}
}

static void
read_side(JsonbValue *side, HistogramRoom *room, int number)
{
	uint32 before = number == 0 ? 0 : room->h->npositive;
	JsonbIterator *runs;
	JsonbValue run;

	if (side == NULL)
		return;
	runs = array_of(side);
	while (next_element(&runs, &run))
	{
		JsonbIterator *counts;
		JsonbValue count;
		int32 index;

		counts = array_of(counts_of(&run, &index));
		if (room->h->npositive + room->h->nnegative > before &&
			index < room->next[number])
			refuse("The buckets of a side should ascend in index.");
		while (next_element(&counts, &count))
			histogram_append(room, number, index++, number_of(&count));
	}
}

static void
refuse_unknown(JsonbContainer *object)
{
	static const char *const known[] = {
		"schema",        "count",    "sum",      "zero_count",         "zero_threshold",
		"custom_values", "positive", "negative", "counter_reset_hint", "integer"};
	JsonbIterator *iter = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue value;

	while ((token = JsonbIteratorNext(&iter, &value, true)) != WJB_DONE)
	{
		size_t i = 0;

		while (token == WJB_KEY && i < lengthof(known) && !is_string(&value, known[i]))
			i++;
		if (i == lengthof(known))
			refuse(psprintf("There is no member \"%.*s\".", value.val.string.len,
							value.val.string.val));
	}
}

static void
read_words(JsonbContainer *object, TsHistogram *h)
{
	JsonbValue *hint = member(object, "counter_reset_hint");
	JsonbValue *integer = member(object, "integer");

	if (hint != NULL)
	{
		size_t i = 0;

		while (i < lengthof(histogram_hint_names) &&
			   !is_string(hint, histogram_hint_names[i]))
			i++;
		if (i == lengthof(histogram_hint_names))
			refuse(
				"The counter reset hint should be unknown, reset, not_reset or gauge.");
		h->hint = (TsResetHint) i;
	}
	if (integer != NULL && integer->type != jbvBool)
		refuse("The value of \"integer\" should be true or false.");
	h->integer = integer != NULL && integer->val.boolean;
}

static double
number_member(JsonbContainer *object, const char *key)
{
	JsonbValue *value = member(object, key);

	return value ? number_of(value) : 0;
}

Datum
mytsdb_histogram_from_jsonb(PG_FUNCTION_ARGS)
{
	JsonbContainer *object = &PG_GETARG_JSONB_P(0)->root;
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);
	JsonbValue *sides[2], *bounds, *schema;
	uint32 nspans[2], nbuckets[2], nbounds;
	HistogramRoom room;
	TsHistogram *h;
	TsError err;

	if (!JsonContainerIsObject(object))
		refuse("It should be an object.");
	refuse_unknown(object);
	sides[0] = member(object, "positive");
	sides[1] = member(object, "negative");
	bounds = member(object, "custom_values");
	schema = member(object, "schema");
	for (int i = 0; i < 2; i++)
		measure_side(sides[i], &nspans[i], &nbuckets[i]);
	nbounds = bounds ? elements_of(bounds) : 0;
	if (!histogram_make_room(&room, &allocator, nspans, nbuckets, nbounds))
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	h = room.h;
	h->schema = schema ? whole_of(schema) : 0;
	h->count = number_member(object, "count");
	h->sum = number_member(object, "sum");
	h->zero_count = number_member(object, "zero_count");
	h->zero_threshold = number_member(object, "zero_threshold");
	read_words(object, h);
	if (bounds)
	{
		JsonbIterator *iter = array_of(bounds);
		JsonbValue bound;

		for (uint32 i = 0; next_element(&iter, &bound); i++)
			room.bounds[i] = number_of(&bound);
	}
	for (int i = 0; i < 2; i++)
		read_side(sides[i], &room, i);
	if (histogram_check_shape(h, &err) != TS_OK)
	{
		if (err.code == TS_ERR_LIMIT)
			ts_report_limit(&err);
		refuse(psprintf("The reason: %s.", err.message));
	}
	PG_RETURN_HISTOGRAM_P(histogram_make(h));
}
