/*
 * labels_op.c
 *	  The operators and functions that look into labels or make new ones of old.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "labels_type.h"

PG_FUNCTION_INFO_V1(mytsdb_labels_get);
PG_FUNCTION_INFO_V1(mytsdb_labels_exists);
PG_FUNCTION_INFO_V1(mytsdb_labels_exists_all);
PG_FUNCTION_INFO_V1(mytsdb_labels_exists_any);
PG_FUNCTION_INFO_V1(mytsdb_labels_contains);
PG_FUNCTION_INFO_V1(mytsdb_labels_contained);
PG_FUNCTION_INFO_V1(mytsdb_labels_concat);
PG_FUNCTION_INFO_V1(mytsdb_labels_delete);
PG_FUNCTION_INFO_V1(mytsdb_labels_delete_array);
PG_FUNCTION_INFO_V1(mytsdb_labels_from_arrays);
PG_FUNCTION_INFO_V1(mytsdb_label_names);
PG_FUNCTION_INFO_V1(mytsdb_metric_name);

/* ---- arguments and results ---- */

static TsString
text_string(const text *t)
{
	TsString string = {VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t)};

	return string;
}

static text *
string_text(TsString string)
{
	return cstring_to_text_with_len(string.data, (int) string.len);
}

/* The texts of an array; the data of a NULL is NULL. */
static TsString *
array_strings(ArrayType *array, int *count)
{
	Datum *values;
	bool *nulls;
	TsString *strings;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, count);
	strings = palloc0(sizeof(TsString) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		if (!nulls[i])
			strings[i] = text_string(DatumGetTextPP(values[i]));
	}
	return strings;
}

static bool
has_label(const Labels *labels, TsString name, TsString *value)
{
	return labels_find(LABELS_DATA(labels), LABELS_SIZE(labels), name.data, name.len,
					   value);
}

/* ---- looking ---- */

Datum
mytsdb_labels_get(PG_FUNCTION_ARGS)
{
	Labels *labels = PG_GETARG_LABELS_PP(0);
	TsString value;

	if (!has_label(labels, text_string(PG_GETARG_TEXT_PP(1)), &value))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(string_text(value));
}

Datum
mytsdb_metric_name(PG_FUNCTION_ARGS)
{
	TsString name = {TS_METRIC_NAME_LABEL, strlen(TS_METRIC_NAME_LABEL)};
	TsString value;

	if (!has_label(PG_GETARG_LABELS_PP(0), name, &value))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(string_text(value));
}

Datum
mytsdb_label_names(PG_FUNCTION_ARGS)
{
	Labels *labels = PG_GETARG_LABELS_PP(0);
	uint32 count = labels_count(LABELS_DATA(labels), LABELS_SIZE(labels));
	Datum *names = palloc(sizeof(Datum) * Max(count, 1));
	LabelsIter iter;
	LabelsPair pair;
	int n = 0;

	labels_iter_init(&iter, LABELS_DATA(labels), LABELS_SIZE(labels));
	while (labels_iter_next(&iter, &pair))
		names[n++] = PointerGetDatum(string_text(pair.name));
	PG_RETURN_ARRAYTYPE_P(construct_array(names, n, TEXTOID, -1, false, TYPALIGN_INT));
}

Datum
mytsdb_labels_exists(PG_FUNCTION_ARGS)
{
	TsString value;

	PG_RETURN_BOOL(
		has_label(PG_GETARG_LABELS_PP(0), text_string(PG_GETARG_TEXT_PP(1)), &value));
}

/* Are all (or any) of the names there? NULLs in the array count as not written. */
static bool
exists_among(FunctionCallInfo fcinfo, bool all)
{
	Labels *labels = PG_GETARG_LABELS_PP(0);
	int count;
	TsString *names = array_strings(PG_GETARG_ARRAYTYPE_P(1), &count);
	TsString value;

	for (int i = 0; i < count; i++)
	{
		if (names[i].data != NULL && has_label(labels, names[i], &value) != all)
			return !all;
	}
	return all;
}

Datum
mytsdb_labels_exists_all(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(exists_among(fcinfo, true));
}

Datum
mytsdb_labels_exists_any(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(exists_among(fcinfo, false));
}

Datum
mytsdb_labels_contains(PG_FUNCTION_ARGS)
{
	Labels *whole = PG_GETARG_LABELS_PP(0);
	Labels *part = PG_GETARG_LABELS_PP(1);

	PG_RETURN_BOOL(labels_contains(LABELS_DATA(whole), LABELS_SIZE(whole),
								   LABELS_DATA(part), LABELS_SIZE(part)));
}

Datum
mytsdb_labels_contained(PG_FUNCTION_ARGS)
{
	Labels *part = PG_GETARG_LABELS_PP(0);
	Labels *whole = PG_GETARG_LABELS_PP(1);

	PG_RETURN_BOOL(labels_contains(LABELS_DATA(whole), LABELS_SIZE(whole),
								   LABELS_DATA(part), LABELS_SIZE(part)));
}

/* ---- making ---- */

Datum
mytsdb_labels_concat(PG_FUNCTION_ARGS)
{
	Labels *left = PG_GETARG_LABELS_PP(0);
	Labels *right = PG_GETARG_LABELS_PP(1);
	uint32 room = labels_count(LABELS_DATA(left), LABELS_SIZE(left)) +
				  labels_count(LABELS_DATA(right), LABELS_SIZE(right));
	LabelsPair *pairs = palloc(sizeof(LabelsPair) * Max(room, 1));
	uint32 count = labels_merge(LABELS_DATA(left), LABELS_SIZE(left), LABELS_DATA(right),
								LABELS_SIZE(right), pairs);

	Assert(count <= room);
	PG_RETURN_LABELS_P(labels_make(pairs, count));
}

/* The labels without those of some names. */
static Labels *
without_names(const Labels *labels, const TsString *names, int nnames)
{
	uint32 room = labels_count(LABELS_DATA(labels), LABELS_SIZE(labels));
	LabelsPair *pairs = palloc(sizeof(LabelsPair) * (room + 1));
	LabelsIter iter;
	uint32 count = 0;

	labels_iter_init(&iter, LABELS_DATA(labels), LABELS_SIZE(labels));
	while (labels_iter_next(&iter, &pairs[count]))
	{
		bool keep = true;

		for (int i = 0; keep && i < nnames; i++)
			keep = names[i].data == NULL || names[i].len != pairs[count].name.len ||
				   memcmp(names[i].data, pairs[count].name.data, names[i].len) != 0;
		if (keep)
			count++;
	}
	return labels_make(pairs, count);
}

Datum
mytsdb_labels_delete(PG_FUNCTION_ARGS)
{
	TsString name = text_string(PG_GETARG_TEXT_PP(1));

	PG_RETURN_LABELS_P(without_names(PG_GETARG_LABELS_PP(0), &name, 1));
}

Datum
mytsdb_labels_delete_array(PG_FUNCTION_ARGS)
{
	int count;
	TsString *names = array_strings(PG_GETARG_ARRAYTYPE_P(1), &count);

	PG_RETURN_LABELS_P(without_names(PG_GETARG_LABELS_PP(0), names, count));
}

/* A value of an array of names and one of values, where NULL is no label. */
Datum
mytsdb_labels_from_arrays(PG_FUNCTION_ARGS)
{
	int nnames, nvalues;
	TsString *names = array_strings(PG_GETARG_ARRAYTYPE_P(0), &nnames);
	TsString *values = array_strings(PG_GETARG_ARRAYTYPE_P(1), &nvalues);
	LabelsPair *pairs;

	if (nnames != nvalues)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("there are %d label names but %d values", nnames, nvalues)));
	pairs = palloc(sizeof(LabelsPair) * Max(nnames, 1));
	for (int i = 0; i < nnames; i++)
	{
		if (names[i].data == NULL)
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("label name must not be null")));
		pairs[i].name = names[i];
		pairs[i].value = values[i];
		pairs[i].offset = -1;
	}
	PG_RETURN_LABELS_P(labels_make(pairs, (uint32) nnames));
}
