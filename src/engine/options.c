/*
 * options.c
 *	  The options of a table, as pg_class.reloptions keeps them.
 *
 * An option of ours is an element "mytsdb.name=value" of the array, beside the server's
 * own. The server passes over what it does not know when it reads the array, and pg_dump
 * writes it out again as "mytsdb.name"='value'. Names of columns are kept, not numbers, so
 * renaming a column means writing the option anew (src/am).
 */
#include "postgres.h"

#include <unistd.h>

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "nodes/value.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "ts_table.h"

#define PREFIX TS_OPTION_NAMESPACE "."

/* More logs than this help no machine of today, and each costs a page at least. */
#define MAX_DEFAULT_SHARDS 32

/* So long ago times can be told from any moment on. */
#define MAX_RETENTION_YEARS 5000

static const char *const option_names[] = {"series_by", "time_column", "duplicates",
										   "shards", "retention"};

static Oid pending_relid = InvalidOid;
static Datum pending_options = (Datum) 0;

void
ts_options_set_pending(Oid relid, Datum reloptions)
{
	pending_relid = relid;
	pending_options = reloptions;
}

bool
ts_options_is_ours(const char *element)
{
	return strncmp(element, PREFIX, strlen(PREFIX)) == 0;
}

/* series_by's text, identifiers with commas, to a list of char *. */
static List *
split_names(const char *text)
{
	List *names;

	if (!SplitIdentifierString(pstrdup(text), ',', &names))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid list of column names: \"%s\"", text),
						errhint("Write names with commas between them, and double quotes "
								"where SQL needs them.")));
	return names;
}

static int
parse_shards(const char *value)
{
	char *end;
	long shards;

	errno = 0;
	shards = strtol(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' || shards < 1 ||
		shards > TS_MAX_SHARDS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for option \"mytsdb.shards\": \"%s\"", value),
				 errdetail("It is a whole number from 1 to %d.", TS_MAX_SHARDS)));
	return (int) shards;
}

/* Raises an error unless the text is an interval that reaches back, to a time there is. */
static void
check_retention(const char *value)
{
	Interval *interval;
	Interval zero = {0};
	Interval most = {.month = MAX_RETENTION_YEARS * MONTHS_PER_YEAR};

	interval = DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(value),
													 ObjectIdGetDatum(InvalidOid),
													 Int32GetDatum(-1)));
	if (!DatumGetBool(DirectFunctionCall2(interval_gt, IntervalPGetDatum(interval),
										  IntervalPGetDatum(&zero))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for option \"mytsdb.retention\": \"%s\"", value),
				 errdetail("It is an interval greater than zero, such as '30 days'.")));
	if (DatumGetBool(DirectFunctionCall2(interval_gt, IntervalPGetDatum(interval),
										 IntervalPGetDatum(&most))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for option \"mytsdb.retention\": \"%s\"", value),
				 errdetail("It is at most %d years.", MAX_RETENTION_YEARS),
				 errhint("To keep all rows, RESET (mytsdb.retention).")));
}

static bool
parse_duplicates(const char *value)
{
	if (pg_strcasecmp(value, "replace") == 0)
		return true;
	if (pg_strcasecmp(value, "keep") == 0)
		return false;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for option \"mytsdb.duplicates\": \"%s\"", value),
			 errdetail("It is 'keep' or 'replace'.")));
}

static char *
parse_name(const char *value)
{
	List *names = split_names(value);

	if (list_length(names) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for option \"mytsdb.time_column\": \"%s\"", value),
				 errdetail("It is the name of one column.")));
	return linitial(names);
}

bool
ts_options_is_name(const char *name)
{
	for (int i = 0; i < (int) lengthof(option_names); i++)
	{
		if (strcmp(name, option_names[i]) == 0)
			return true;
	}
	return false;
}

void
ts_options_check_name(const char *name)
{
	if (ts_options_is_name(name))
		return;
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("unrecognized option \"mytsdb.%s\"", name),
					errhint("Options are mytsdb.series_by, mytsdb.time_column, "
							"mytsdb.duplicates, mytsdb.shards and mytsdb.retention.")));
}

static void
parse_option(const char *name, const char *value, TsOptions *options)
{
	ts_options_check_name(name);
	if (strcmp(name, "series_by") == 0)
		options->series_by = split_names(value);
	else if (strcmp(name, "time_column") == 0)
		options->time_column = parse_name(value);
	else if (strcmp(name, "duplicates") == 0)
		options->replace = parse_duplicates(value);
	else if (strcmp(name, "shards") == 0)
		options->shards = parse_shards(value);
	else
	{
		Assert(strcmp(name, "retention") == 0);
		check_retention(value);
		options->retention = pstrdup(value);
	}
}

void
ts_options_parse(Datum reloptions, TsOptions *options)
{
	Datum *elements;
	int count;
	List *seen = NIL;

	memset(options, 0, sizeof(*options));
	if (DatumGetPointer(reloptions) == NULL)
		return;

	deconstruct_array(DatumGetArrayTypeP(reloptions), TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		char *element = TextDatumGetCString(elements[i]);
		char *value;

		if (!ts_options_is_ours(element))
			continue;
		value = strchr(element, '=');
		if (value != NULL)
			*value++ = '\0';
		if (list_member(seen, makeString(element)))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("option \"%s\" specified more than once", element)));
		seen = lappend(seen, makeString(element));
		parse_option(element + strlen(PREFIX), value ? value : "", options);
	}
}

void
ts_options_read(Oid relid, TsOptions *options)
{
	HeapTuple tuple;
	Datum reloptions;
	bool isnull;

	if (OidIsValid(pending_relid) && relid == pending_relid)
	{
		ts_options_parse(pending_options, options);
		return;
	}

	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	if (!HeapTupleIsValid(tuple))
	{
		/* being created, and nobody has said anything */
		ts_options_parse((Datum) 0, options);
		return;
	}
	reloptions = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_reloptions, &isnull);
	ts_options_parse(isnull ? (Datum) 0 : reloptions, options);
	ReleaseSysCache(tuple);
}

int
ts_options_shards(const TsOptions *options)
{
	long processors;

	if (options->shards > 0)
		return options->shards;
	processors = sysconf(_SC_NPROCESSORS_ONLN);
	return (int) Max(1, Min(processors, MAX_DEFAULT_SHARDS));
}

/* ---- options and columns ---- */

static AttrNumber
find_column(TupleDesc desc, const char *name, const char *option)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && strcmp(NameStr(att->attname), name) == 0)
			return att->attnum;
	}
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
					errmsg("column \"%s\" named in option \"mytsdb.%s\" does not exist",
						   name, option)));
}

static bool
is_time_type(Oid type)
{
	type = getBaseType(type);
	return type == TIMESTAMPTZOID || type == TIMESTAMPOID || type == DATEOID;
}

static AttrNumber
named_time_column(const char *name, TupleDesc desc)
{
	AttrNumber attnum = find_column(desc, name, "time_column");
	Form_pg_attribute att = TupleDescAttr(desc, attnum - 1);

	if (!is_time_type(att->atttypid))
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("column \"%s\" of type %s cannot be the time column", name,
							   format_type_be(att->atttypid)),
						errdetail("The time column is of type timestamp with time zone, "
								  "timestamp without time zone or date.")));
	return attnum;
}

static AttrNumber
infer_time_column(TupleDesc desc)
{
	AttrNumber found = InvalidAttrNumber;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped || getBaseType(att->atttypid) != TIMESTAMPTZOID)
			continue;
		if (found != InvalidAttrNumber)
			ereport(ERROR, (errcode(ERRCODE_INVALID_TABLE_DEFINITION),
							errmsg("a table USING mytsdb needs to know its time column"),
							errdetail("Columns \"%s\" and \"%s\" both could be it.",
									  NameStr(TupleDescAttr(desc, found - 1)->attname),
									  NameStr(att->attname)),
							errhint("Name it: WITH (mytsdb.time_column = '...').")));
		found = att->attnum;
	}
	if (found == InvalidAttrNumber)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
			 errmsg("a table USING mytsdb needs a time column"),
			 errdetail("It has no column of type timestamp with time zone."),
			 errhint("Add one, name a timestamp or date column with WITH "
					 "(mytsdb.time_column = '...'), or create the table USING heap.")));
	return found;
}

void
ts_options_resolve(const TsOptions *options, TupleDesc desc, TsKeyColumns *columns)
{
	ListCell *lc;

	columns->time_column = options->time_column
							   ? named_time_column(options->time_column, desc)
							   : infer_time_column(desc);
	columns->nkeys = 0;
	foreach (lc, options->series_by)
	{
		const char *name = lfirst(lc);
		AttrNumber attnum = find_column(desc, name, "series_by");

		if (attnum == columns->time_column)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
					 errmsg("time column \"%s\" cannot be in option \"mytsdb.series_by\"",
							name)));
		for (int i = 0; i < columns->nkeys; i++)
		{
			if (columns->keys[i] == attnum)
				ereport(ERROR, (errcode(ERRCODE_DUPLICATE_COLUMN),
								errmsg("column \"%s\" appears twice in option "
									   "\"mytsdb.series_by\"",
									   name)));
		}
		if (columns->nkeys == INDEX_MAX_KEYS)
			ereport(ERROR, (errcode(ERRCODE_TOO_MANY_COLUMNS),
							errmsg("cannot have more than %d columns in option "
								   "\"mytsdb.series_by\"",
								   INDEX_MAX_KEYS)));
		columns->keys[columns->nkeys++] = attnum;
	}
}
