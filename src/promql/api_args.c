/*
 * api_args.c
 *	  Arguments that the API's functions have in common, and what becomes of them.
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"

#include "api.h"
#include "promql_sql.h"
#include "ts_report.h"

/* What a parsed expression may take. */
#define PARSE_MEMORY ((Size) 64 * 1024 * 1024)

void
api_require(FunctionCallInfo fcinfo, int arg, const char *name)
{
	if (PG_ARGISNULL(arg))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("argument \"%s\" must not be null", name)));
}

void
api_check_limit(int limit)
{
	if (limit < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("limit must be non-negative"),
						errhint("0 means that there is no limit.")));
}

void
api_check_times(TimestampTz start, TimestampTz end)
{
	if (end < start)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("end timestamp must not be before start timestamp")));
}

PqNode *
api_parse(TsString query, TsArena *arena)
{
	TsAllocator allocator = ts_context_allocator(CurrentMemoryContext);

	ts_arena_init(arena, &allocator, PARSE_MEMORY);
	return pq_parse(query.data, query.len, arena);
}

TsString
api_text_arg(FunctionCallInfo fcinfo, int arg)
{
	text *value = PG_GETARG_TEXT_PP(arg);

	return (TsString){VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

/* ---- sets of series ---- */

uint32 *
api_join_ids(const uint32 *a, uint32 na, const uint32 *b, uint32 nb, uint32 *count)
{
	uint32 *ids = palloc_extended(sizeof(uint32) * Max((Size) na + nb, 1),
								  MCXT_ALLOC_HUGE);
	uint32 n = 0;

	while (na > 0 || nb > 0)
	{
		bool from_a = na > 0 && (nb == 0 || *a <= *b);

		if (na > 0 && nb > 0 && *a == *b)
			b++, nb--;
		ids[n++] = from_a ? *a++ : *b++;
		na -= from_a;
		nb -= !from_a;
	}
	*count = n;
	return ids;
}

/* ---- names of labels ---- */

/* Reads HEX_, up to six digits; returns its length, or 0. */
static Size
read_code_point(const char *text, Size len, uint32 *code_point)
{
	*code_point = 0;
	for (Size i = 0; i < len && i <= 6; i++)
	{
		int digit = ts_hex_digit(text[i]);

		if (text[i] == '_')
			return i > 0 ? i + 1 : 0;
		if (digit < 0)
			return 0;
		*code_point = *code_point * 16 + (uint32) digit;
	}
	return 0;
}

/* Undoes the escapes behind U__; false when they are none. */
static bool
unescape(const char *text, Size len, StringInfo name)
{
	for (Size i = 0; i < len; i++)
	{
		char bytes[4];
		uint32 code_point;
		Size used;

		if (text[i] != '_')
		{
			appendStringInfoChar(name, text[i]);
			continue;
		}
		if (i + 1 < len && text[i + 1] == '_')
		{
			appendStringInfoChar(name, '_');
			i++;
			continue;
		}
		used = read_code_point(text + i + 1, len - i - 1, &code_point);
		if (used == 0 || code_point == 0)
			return false;
		i += used;
		used = (Size) ts_utf8_encode(code_point, bytes);
		if (used == 0)
			return false;
		appendBinaryStringInfo(name, bytes, (int) used);
	}
	return name->len > 0;
}

TsString
api_label_name(TsString name)
{
	StringInfoData unescaped;

	if (name.len == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid label name: \"\"")));
	if (name.len > 3 && memcmp(name.data, "U__", 3) == 0)
	{
		initStringInfo(&unescaped);
		if (unescape(name.data + 3, name.len - 3, &unescaped))
			return (TsString){unescaped.data, (size_t) unescaped.len};
	}
	return name;
}
