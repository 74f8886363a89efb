/*
 * series_key.c
 *	  A series' key to bytes and back (series_format.h).
 *
 * The bytes are the image of the values: what is equal to an operator but looks different
 * (numeric 1.0 and 1.00) is two keys.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "fmgr.h"
#include "utils/lsyscache.h"

#include "series_format.h"

static void
key_too_long(const TsTable *table)
{
	const char *name = get_rel_name(table->relid);

	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("series key of table \"%s\" is longer than %d bytes",
					name ? name : "?", TS_MAX_KEY_SIZE),
			 errhint("Columns named in mytsdb.series_by identify a series; keep long "
					 "values in other columns.")));
}

/* The low `length` bytes of a value that is passed by value. */
static uint64
byval_bits(Datum value, int length)
{
	switch (length)
	{
		case 1:
			return (uint8) DatumGetChar(value);
		case 2:
			return DatumGetUInt16(value);
		case 4:
			return DatumGetUInt32(value);
		default:
			Assert(length == 8);
			return DatumGetUInt64(value);
	}
}

static Datum
byval_datum(uint64 bits, int length)
{
	switch (length)
	{
		case 1:
			return CharGetDatum((char) bits);
		case 2:
			return Int16GetDatum((int16) bits);
		case 4:
			return Int32GetDatum((int32) bits);
		default:
			Assert(length == 8);
			return Int64GetDatum((int64) bits);
	}
}

/* Whatever is appended to a key is checked before: false when it gets too long. */
static bool
append_bytes(StringInfo out, int start, const char *data, Size length)
{
	if (length > (Size) (TS_MAX_KEY_SIZE - (out->len - start)))
		return false;
	appendBinaryStringInfo(out, data, (int) length);
	return true;
}

static bool
append_counted(StringInfo out, int start, const char *data, Size length)
{
	char varint[2];

	if (length > TS_MAX_KEY_SIZE)
		return false;
	StaticAssertStmt(TS_MAX_KEY_SIZE < 1 << 14, "lengths have at most two bytes");
	varint[0] = (char) (length < 0x80 ? length : ((length & 0x7f) | 0x80));
	varint[1] = (char) (length >> 7);
	return append_bytes(out, start, varint, length < 0x80 ? 1 : 2) &&
		   append_bytes(out, start, data, length);
}

static bool
append_varlena(StringInfo out, int start, Datum value)
{
	struct varlena *given = (struct varlena *) DatumGetPointer(value);
	struct varlena *plain;
	bool fits;

	/* What is too long anyway need not be fetched. */
	if ((VARATT_IS_EXTERNAL(given) || VARATT_IS_COMPRESSED(given)) &&
		toast_raw_datum_size(value) > TS_MAX_KEY_SIZE + VARHDRSZ)
		return false;
	plain = pg_detoast_datum_packed(given);
	fits = append_counted(out, start, VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain));
	if (plain != given)
		pfree(plain);
	return fits;
}

static bool
append_value(const TsColumn *column, StringInfo out, int start, Datum value)
{
	if (column->byval)
	{
		uint64 bits = byval_bits(value, column->length);
		char bytes[8];

		for (int b = 0; b < column->length; b++)
			bytes[b] = (char) (bits >> (8 * b));
		return append_bytes(out, start, bytes, column->length);
	}
	if (column->length > 0)
		return append_bytes(out, start, DatumGetPointer(value), column->length);
	if (column->length == -1)
		return append_varlena(out, start, value);
	else
	{
		const char *text = DatumGetCString(value);

		Assert(column->length == -2);
		return append_counted(out, start, text, strlen(text));
	}
}

bool
ts_series_try_key(const TsTable *table, const Datum *values, const bool *isnull,
				  StringInfo out)
{
	int start = out->len;

	for (int i = 0; i < table->nkeys; i++)
	{
		int att = table->keys[i] - 1;
		const TsColumn *column = &table->columns[att];
		char flag = isnull[att] ? KEY_NULL : KEY_VALUE;

		Assert(att >= 0 && att < table->natts);
		if (!append_bytes(out, start, &flag, 1) ||
			(!isnull[att] && !append_value(column, out, start, values[att])))
			return false;
	}
	return true;
}

void
ts_series_encode_key(const TsTable *table, const Datum *values, const bool *isnull,
					 StringInfo out)
{
	if (!ts_series_try_key(table, values, isnull, out))
		key_too_long(table);
}

/* What is left to decode. */
typedef struct KeyBytes
{
	const char *next;
	Size left;
} KeyBytes;

static const char *
take_bytes(KeyBytes *bytes, Size length)
{
	const char *taken = bytes->next;

	if (length > bytes->left)
		return NULL;
	bytes->next += length;
	bytes->left -= length;
	return taken;
}

/* A varint length and as many bytes. */
static const char *
take_counted(KeyBytes *bytes, Size *length)
{
	const char *low = take_bytes(bytes, 1);

	if (!low)
		return NULL;
	*length = (uint8) *low & 0x7f;
	if ((uint8) *low & 0x80)
	{
		const char *high = take_bytes(bytes, 1);

		if (!high || *high == 0 || ((uint8) *high & 0x80))
			return NULL;
		*length |= (Size) (uint8) *high << 7;
	}
	return take_bytes(bytes, *length);
}

static bool
decode_value(const TsColumn *column, KeyBytes *bytes, Datum *value)
{
	const char *data;
	Size length;

	if (column->byval || column->length > 0)
	{
		length = column->length;
		data = take_bytes(bytes, length);
	}
	else
		data = take_counted(bytes, &length);
	if (!data)
		return false;

	if (column->byval)
	{
		uint64 bits = 0;

		for (Size b = 0; b < length; b++)
			bits |= (uint64) (uint8) data[b] << (8 * b);
		*value = byval_datum(bits, column->length);
	}
	else if (column->length > 0)
	{
		*value = PointerGetDatum(palloc(length));
		memcpy(DatumGetPointer(*value), data, length);
	}
	else if (column->length == -1)
	{
		struct varlena *made = palloc(length + VARHDRSZ);

		SET_VARSIZE(made, length + VARHDRSZ);
		memcpy(VARDATA(made), data, length);
		*value = PointerGetDatum(made);
	}
	else
	{
		Assert(column->length == -2);
		if (memchr(data, 0, length))
			return false;
		*value = CStringGetDatum(pnstrdup(data, length));
	}
	return true;
}

bool
ts_series_decode_key(const TsTable *table, const char *key, Size length, Datum *values,
					 bool *isnull)
{
	KeyBytes bytes = {key, length};

	for (int i = 0; i < table->nkeys; i++)
	{
		int att = table->keys[i] - 1;
		const char *flag = take_bytes(&bytes, 1);

		if (!flag || (*flag != KEY_NULL && *flag != KEY_VALUE))
			return false;
		values[att] = (Datum) 0;
		isnull[att] = *flag == KEY_NULL;
		if (!isnull[att] && !decode_value(&table->columns[att], &bytes, &values[att]))
			return false;
	}
	return bytes.left == 0;
}
