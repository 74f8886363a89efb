/*
 * remote_write_read_labels.c
 *	  Reads what is text in the messages of remote write: labels and metadata.
 *
 * In 1.0 they are strings where they stand; in 2.0 references to the symbols of the message,
 * which were found when it was opened.
 */
#include "remote_write_wire.h"

/*
 * References can name the same long symbol again and again, so what they say is bounded as
 * well: labels in all (those with empty values, which will be dropped, included), and texts.
 */
#define MAX_LABELS_SIZE (4 * LABELS_MAX_SIZE)
#define MAX_TEXT_SIZE   LABELS_MAX_SIZE

static const TsString no_text = {"", 0};

/* ---- strings ---- */

TsErrorCode
write_no_symbol(const TsWriteReader *reader, uint64_t ref, TsError *err)
{
	return ts_error_set(err, TS_ERR_INVALID, -1,
						"reference to symbol %llu, but there are only %zu",
						(unsigned long long) ref, reader->symbols.n);
}

static TsErrorCode
find_symbol(const TsWriteReader *reader, uint64_t ref, TsString *string, TsError *err)
{
	TsWire symbol;

	if (ref == 0)
	{
		*string = no_text;
		return TS_OK;
	}
	if (ref >= reader->symbols.n)
		return write_no_symbol(reader, ref, err);
	symbol.next = reader->start + ((const uint32_t *) reader->symbols.data)[ref];
	symbol.end = reader->message.end;
	if (!wire_string(&symbol, string))
		return write_damaged(reader, &symbol, "symbol", err);
	return TS_OK;
}

/* ---- labels ---- */

static TsErrorCode
add_pair(TsWriteReader *reader, TsArray *array, TsString name, TsString value,
		 TsError *err)
{
	TsErrorCode code = write_array_reserve(reader, array, sizeof(LabelsPair), 1,
										   LABELS_MAX_COUNT, "labels of a series", err);

	if (code == TS_OK && name.len + value.len > MAX_LABELS_SIZE - reader->label_size)
		code = ts_error_set(err, TS_ERR_LIMIT, -1,
							"labels of a series take more than %d bytes",
							MAX_LABELS_SIZE);
	reader->label_size += code == TS_OK ? name.len + value.len : 0;
	if (code == TS_OK)
		((LabelsPair *) array->data)[array->n++] = (LabelsPair){name, value, -1};
	return code;
}

/* 1.0: a Label message. */
static TsErrorCode
read_label(TsWriteReader *reader, TsWire wire, TsArray *array, TsError *err)
{
	TsString name = no_text;
	TsString value = no_text;
	uint32_t tag;

	while (wire_more(&wire))
	{
		bool read = wire_tag(&wire, &tag);

		if (read && tag == WIRE_TAG(1, WIRE_BYTES))
			read = wire_string(&wire, &name);
		else if (read && tag == WIRE_TAG(2, WIRE_BYTES))
			read = wire_string(&wire, &value);
		else if (read)
			read = !write_known_field(tag, 2) && wire_skip(&wire, tag);
		if (!read)
			return write_damaged(reader, &wire, "label", err);
	}
	return add_pair(reader, array, name, value, err);
}

static TsErrorCode
read_ref(TsWriteReader *reader, WriteRefReader *refs, uint64_t ref, TsArray *array,
		 TsError *err)
{
	TsString string;
	TsErrorCode code = find_symbol(reader, ref, &string, err);

	if (code != TS_OK)
		return code;
	if (refs->has_name)
		code = add_pair(reader, array, refs->name, string, err);
	else
		refs->name = string;
	refs->has_name = !refs->has_name;
	return code;
}

static TsErrorCode
read_refs(TsWriteReader *reader, WriteRefReader *refs, TsWire *wire, uint32_t tag,
		  TsArray *array, TsError *err)
{
	TsWire packed;
	uint64_t ref;

	if ((tag & 7) == WIRE_VARINT)
	{
		if (!wire_varint(wire, &ref))
			return write_damaged(reader, wire, "label reference", err);
		return read_ref(reader, refs, ref, array, err);
	}
	if (!wire_message(wire, &packed))
		return write_damaged(reader, wire, "label reference", err);
	while (wire_more(&packed))
	{
		TsErrorCode code;

		if (!wire_varint(&packed, &ref))
			return write_damaged(reader, &packed, "label reference", err);
		code = read_ref(reader, refs, ref, array, err);
		if (code != TS_OK)
			return code;
	}
	return TS_OK;
}

TsErrorCode
write_read_label(TsWriteReader *reader, WriteRefReader *refs, TsWire *wire, uint32_t tag,
				 TsArray *array, TsError *err)
{
	TsWire inner;

	if (reader->version == TS_WRITE_2 &&
		((tag & 7) == WIRE_BYTES || (tag & 7) == WIRE_VARINT))
		return read_refs(reader, refs, wire, tag, array, err);
	if (reader->version == TS_WRITE_2 || (tag & 7) != WIRE_BYTES ||
		!wire_message(wire, &inner))
		return write_damaged(reader, wire, "label", err);
	return read_label(reader, inner, array, err);
}

TsErrorCode
write_odd_refs(TsError *err)
{
	return ts_error_set(err, TS_ERR_INVALID, -1,
						"odd number of label references: a label has no value");
}

TsErrorCode
ts_write_read_labels(TsWriteReader *reader, TsError *err)
{
	TsWire wire = wire_more(&reader->at.label_run) ? reader->at.label_run
												   : reader->at.body;
	WriteRefReader refs = {.has_name = false};
	TsErrorCode code = TS_OK;
	uint32_t tag;

	reader->labels.n = 0;
	reader->label_size = 0;
	while (code == TS_OK && wire_more(&wire))
	{
		if (!wire_tag(&wire, &tag))
			return write_damaged(reader, &wire, "series", err);
		if (tag >> 3 == 1)
			code = write_read_label(reader, &refs, &wire, tag, &reader->labels, err);
		else if (!wire_skip(&wire, tag))
			return write_damaged(reader, &wire, "series", err);
	}
	if (code == TS_OK)
		code = refs.has_name ? write_odd_refs(err) : TS_OK;
	reader->at.series.labels = reader->labels.data;
	reader->at.series.nlabels = (uint32_t) reader->labels.n;
	return code;
}

/* ---- metadata ---- */

/* Help and units go to columns of type text, as labels do, which check theirs. */
static TsErrorCode
check_text(TsString text, const char *what, TsError *err)
{
	if (text.len > MAX_TEXT_SIZE)
		return ts_error_set(err, TS_ERR_LIMIT, -1,
							"%s in metadata is longer than %d bytes", what,
							MAX_TEXT_SIZE);
	if (ts_utf8_valid_prefix(text.data, text.len) != text.len ||
		(text.len > 0 && memchr(text.data, '\0', text.len) != NULL))
		return ts_error_set(err, TS_ERR_INVALID, -1,
							"%s in metadata is not valid UTF-8 text", what);
	return TS_OK;
}

static const char *
metric_type(uint64_t number)
{
	static const char *const names[] = {"unknown",        "counter", "gauge", "histogram",
										"gaugehistogram", "summary", "info",  "stateset"};

	return number < sizeof(names) / sizeof(names[0]) ? names[number] : names[0];
}

static TsErrorCode
check_metadata(const TsWriteMetadata *metadata, TsError *err)
{
	TsErrorCode code = check_text(metadata->metric, "metric name", err);

	if (code == TS_OK)
		code = check_text(metadata->unit, "unit", err);
	if (code == TS_OK)
		code = check_text(metadata->help, "help", err);
	return code;
}

static bool
read_metadata_1(TsWire *wire, TsWriteMetadata *metadata)
{
	uint32_t tag;
	uint64_t number;

	*metadata = (TsWriteMetadata){no_text, metric_type(0), no_text, no_text};
	while (wire_more(wire))
	{
		bool read = wire_tag(wire, &tag);

		if (!read)
			return false;
		switch (tag)
		{
			case WIRE_TAG(1, WIRE_VARINT):
				read = wire_varint(wire, &number);
				metadata->type = metric_type(read ? number : 0);
				break;
			case WIRE_TAG(2, WIRE_BYTES):
				read = wire_string(wire, &metadata->metric);
				break;
			case WIRE_TAG(4, WIRE_BYTES):
				read = wire_string(wire, &metadata->help);
				break;
			case WIRE_TAG(5, WIRE_BYTES):
				read = wire_string(wire, &metadata->unit);
				break;
			default:
				read = !write_known_field(tag, 5) && wire_skip(wire, tag);
		}
		if (!read)
			return false;
	}
	return true;
}

TsErrorCode
write_read_metadata_refs(const TsWriteReader *reader, TsWire wire,
						 WriteMetadataRefs *refs, TsError *err)
{
	uint32_t tag;

	*refs = (WriteMetadataRefs){0, 0, 0};
	while (wire_more(&wire))
	{
		bool read = wire_tag(&wire, &tag);

		if (read && tag == WIRE_TAG(1, WIRE_VARINT))
			read = wire_varint(&wire, &refs->type);
		else if (read && tag == WIRE_TAG(3, WIRE_VARINT))
			read = wire_varint(&wire, &refs->help);
		else if (read && tag == WIRE_TAG(4, WIRE_VARINT))
			read = wire_varint(&wire, &refs->unit);
		else if (read)
			read = !write_known_field(tag, 4) && wire_skip(&wire, tag);
		if (!read)
			return write_damaged(reader, &wire, "metadata", err);
	}
	return TS_OK;
}

static TsErrorCode
read_metadata_2(TsWriteReader *reader, TsError *err)
{
	TsWriteMetadata *metadata = &reader->metadata;
	WriteMetadataRefs refs;
	TsErrorCode code = write_read_metadata_refs(reader, reader->at.metadata, &refs, err);

	*metadata = (TsWriteMetadata){no_text, metric_type(refs.type), no_text, no_text};
	if (code == TS_OK)
		code = find_symbol(reader, refs.help, &metadata->help, err);
	if (code == TS_OK)
		code = find_symbol(reader, refs.unit, &metadata->unit, err);
	return code;
}

TsErrorCode
ts_write_read_metadata(TsWriteReader *reader, TsError *err)
{
	TsErrorCode code = TS_OK;

	if (reader->version == TS_WRITE_2)
		code = read_metadata_2(reader, err);
	else if (!read_metadata_1(&reader->at.metadata, &reader->metadata))
		code = write_damaged(reader, &reader->at.metadata, "metadata", err);
	else if (reader->metadata.metric.len == 0)
		code = ts_error_set(err, TS_ERR_INVALID, -1, "metadata without a metric name");
	return code == TS_OK ? check_metadata(&reader->metadata, err) : code;
}
