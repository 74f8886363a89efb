/*
 * labels_json.c
 *	  labels to jsonb and back.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "labels_type.h"

PG_FUNCTION_INFO_V1(mytsdb_labels_to_jsonb);
PG_FUNCTION_INFO_V1(mytsdb_labels_from_jsonb);

static JsonbValue
json_string(TsString string)
{
	JsonbValue value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, string.data);
	value.val.string.len = (int) string.len;
	return value;
}

Datum
mytsdb_labels_to_jsonb(PG_FUNCTION_ARGS)
{
	Labels *labels = PG_GETARG_LABELS_PP(0);
	JsonbParseState *state = NULL;
	JsonbValue *object;
	LabelsIter iter;
	LabelsPair pair;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	labels_iter_init(&iter, LABELS_DATA(labels), LABELS_SIZE(labels));
	while (labels_iter_next(&iter, &pair))
	{
		JsonbValue name = json_string(pair.name);
		JsonbValue value = json_string(pair.value);

		pushJsonbValue(&state, WJB_KEY, &name);
		pushJsonbValue(&state, WJB_VALUE, &value);
	}
	object = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	PG_RETURN_JSONB_P(JsonbValueToJsonb(object));
}

static TsString
json_cstring(const char *s)
{
	TsString string = {s, strlen(s)};

	return string;
}

/* A label's value of a JSON value: strings as they are, other scalars as their text. */
static TsString
label_value(const JsonbValue *value, TsString name)
{
	TsString string = {"", 0};

	switch (value->type)
	{
		case jbvNull:
			return string;
		case jbvString:
			string.data = value->val.string.val;
			string.len = (size_t) value->val.string.len;
			return string;
		case jbvBool:
			return json_cstring(value->val.boolean ? "true" : "false");
		case jbvNumeric:
			return json_cstring(DatumGetCString(
				DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric))));
		default:
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("cannot convert a nested jsonb value to a label"),
							errdetail("The value of \"%.*s\" is an object or an array.",
									  (int) name.len, name.data)));
	}
}

Datum
mytsdb_labels_from_jsonb(PG_FUNCTION_ARGS)
{
	Jsonb *jsonb = PG_GETARG_JSONB_P(0);
	JsonbIterator *iter;
	JsonbIteratorToken token;
	JsonbValue item;
	LabelsPair *pairs;
	uint32 count = 0;

	if (!JB_ROOT_IS_OBJECT(jsonb))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("cannot convert jsonb to labels unless it is an object")));

	pairs = palloc_extended(sizeof(LabelsPair) * ((Size) JB_ROOT_COUNT(jsonb) + 1),
							MCXT_ALLOC_HUGE);
	iter = JsonbIteratorInit(&jsonb->root);
	while ((token = JsonbIteratorNext(&iter, &item, true)) != WJB_DONE)
	{
		LabelsPair *pair = &pairs[count];

		if (token == WJB_KEY)
		{
			pair->name.data = item.val.string.val;
			pair->name.len = (size_t) item.val.string.len;
		}
		else if (token == WJB_VALUE)
		{
			pair->value = label_value(&item, pair->name);
			pair->offset = -1;
			count++;
		}
	}
	PG_RETURN_LABELS_P(labels_make(pairs, count));
}
