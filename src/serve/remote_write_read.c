/*
 * remote_write_read.c
 *	  Reads the messages of remote write: requests, series, samples, exemplars.
 *
 * A request of 2.0 is walked twice: when it is opened, for the symbols, which may come after
 * what refers to them, and then series by series. A series is walked for what it is as a whole,
 * for its labels, if these are wanted, and item by item, as the order of its fields is free.
 */
#include "remote_write_wire.h"

/* ---- what the readers share ---- */

TsErrorCode
write_damaged(const TsWriteReader *reader, const TsWire *wire, const char *what,
			  TsError *err)
{
	return ts_error_set(err, TS_ERR_SYNTAX, (int) (wire->next - reader->start),
						"%s is cut short or damaged at byte %zu", what,
						(size_t) (wire->next - reader->start));
}

bool
write_known_field(uint32_t tag, uint32_t last)
{
	return tag >> 3 <= last;
}

TsErrorCode
write_array_reserve(TsWriteReader *reader, TsArray *array, size_t element_size,
					size_t more, size_t most, const char *what, TsError *err)
{
	if (more <= array->room - array->n)
		return TS_OK;
	if (more > most - array->n)
		return ts_error_set(err, TS_ERR_LIMIT, -1,
							"remote write request has more than %zu %s", most, what);
	if (!ts_array_room(&reader->allocator, array, element_size, more))
		return ts_error_set(err, TS_ERR_MEMORY, -1, "out of memory for %s", what);
	return TS_OK;
}

/* ---- series ---- */

/* The fields of a series' items: they have other numbers in the other version. */
static TsWriteKind
item_kind(TsWriteVersion version, uint32_t tag)
{
	switch (tag)
	{
		case WIRE_TAG(2, WIRE_BYTES):
			return TS_WRITE_SAMPLE;
		case WIRE_TAG(3, WIRE_BYTES):
			return version == TS_WRITE_1 ? TS_WRITE_EXEMPLAR : TS_WRITE_HISTOGRAM;
		case WIRE_TAG(4, WIRE_BYTES):
			return version == TS_WRITE_1 ? TS_WRITE_HISTOGRAM : TS_WRITE_EXEMPLAR;
		default:
			return TS_WRITE_END;
	}
}

static bool
count_item(TsWriteSeries *series, TsWriteKind kind)
{
	if (kind == TS_WRITE_SAMPLE)
		series->nsamples++;
	else if (kind == TS_WRITE_HISTOGRAM)
		series->nhistograms++;
	else if (kind == TS_WRITE_EXEMPLAR)
		series->nexemplars++;
	return kind != TS_WRITE_END;
}

static TsErrorCode
read_series_field(TsWriteReader *reader, TsWire *wire, uint32_t tag, TsError *err)
{
	const bool two = reader->version == TS_WRITE_2;
	TsWire inner;
	uint64_t number;

	if (two && tag == WIRE_TAG(5, WIRE_BYTES))
	{
		if (!wire_message(wire, &inner))
			return write_damaged(reader, wire, "metadata", err);
		reader->at.metadata = inner;
		reader->at.series.has_metadata = true;
		return TS_OK;
	}
	if (two && tag == WIRE_TAG(6, WIRE_VARINT))
	{
		if (!wire_varint(wire, &number))
			return write_damaged(reader, wire, "created timestamp", err);
		reader->at.created = (int64_t) number;
		return TS_OK;
	}
	if (!count_item(&reader->at.series, item_kind(reader->version, tag)) &&
		tag >> 3 != 1 && write_known_field(tag, two ? 6 : 4))
		return write_damaged(reader, wire, "series", err);
	if (!wire_skip(wire, tag))
		return write_damaged(reader, wire, "series", err);
	return TS_OK;
}

/* A label was passed over: do all that were lie together so far? */
static void
extend_labels(TsWire *run, const uint8_t *from, const uint8_t *to, bool *together)
{
	if (run->next == NULL)
		run->next = from;
	else if (run->end != from)
		*together = false;
	run->end = to;
}

/* Passes over fields of few bytes with the same tag of one byte. */
static uint32_t
skip_short(TsWire *wire, uint8_t tag)
{
	const uint8_t *next = wire->next;
	uint32_t count = 0;

	while (wire->end - next >= 2 && next[0] == tag && next[1] < 0x80 &&
		   wire->end - next - 2 >= next[1])
	{
		next += 2 + next[1];
		count++;
	}
	wire->next = next;
	return count;
}

/* As a series mostly is: labels, and then samples. */
static void
skip_usual(TsWritePlace *at, TsWire *wire)
{
	if (skip_short(wire, WIRE_TAG(1, WIRE_BYTES)) > 0)
		at->label_run = (TsWire){at->body.next, wire->next};
	at->items.next = wire->next;
	at->series.nsamples = skip_short(wire, WIRE_TAG(2, WIRE_BYTES));
	if (at->series.nsamples == 0)
		at->items.next = at->items.end;
}

/* Everything but the labels and the items. */
static TsErrorCode
read_series(TsWriteReader *reader, TsWire wire, TsError *err)
{
	bool together = true;
	TsErrorCode code = TS_OK;
	uint32_t tag;

	memset(&reader->at, 0, sizeof(reader->at));
	reader->at.body = wire;
	reader->at.items = (TsWire){wire.end, wire.end};
	skip_usual(&reader->at, &wire);
	while (code == TS_OK && wire_more(&wire))
	{
		const uint8_t *from = wire.next;

		if (!wire_tag(&wire, &tag))
			return write_damaged(reader, &wire, "series", err);
		if (tag >> 3 != 1 && reader->at.items.next == reader->at.items.end &&
			item_kind(reader->version, tag) != TS_WRITE_END)
			reader->at.items.next = from;
		code = read_series_field(reader, &wire, tag, err);
		if (tag >> 3 == 1)
			extend_labels(&reader->at.label_run, from, wire.next, &together);
	}
	if (!together)
		reader->at.label_run = (TsWire){NULL, NULL};
	return code;
}

/* ---- items ---- */

/* A sample as senders write it: value, time, and nothing else. */
static inline bool
read_usual_sample(TsWire wire, TsWriteItem *item)
{
	uint64_t number;

	if (wire.end - wire.next < 11 || wire.next[0] != WIRE_TAG(1, WIRE_FIXED64) ||
		wire.next[9] != WIRE_TAG(2, WIRE_VARINT))
		return false;
	memcpy(&item->value, wire.next + 1, 8);
	wire.next += 10;
	if (!wire_varint(&wire, &number) || wire_more(&wire))
		return false;
	item->time = (int64_t) number;
	return true;
}

static TsErrorCode
read_sample(TsWriteReader *reader, TsWire wire, TsWriteItem *item, TsError *err)
{
	uint32_t tag;
	uint64_t number;

	item->start = reader->at.created;
	if (read_usual_sample(wire, item))
		return TS_OK;
	item->value = 0;
	item->time = 0;
	item->start = 0;
	while (wire_more(&wire))
	{
		bool read = wire_tag(&wire, &tag);

		if (read && tag == WIRE_TAG(1, WIRE_FIXED64))
			read = wire_double(&wire, &item->value);
		else if (read && tag == WIRE_TAG(2, WIRE_VARINT))
		{
			read = wire_varint(&wire, &number);
			item->time = read ? (int64_t) number : 0;
		}
		else if (read && tag == WIRE_TAG(3, WIRE_VARINT) && reader->version == TS_WRITE_2)
		{
			read = wire_varint(&wire, &number);
			item->start = read ? (int64_t) number : 0;
		}
		else if (read)
			read = !write_known_field(tag, 2) && wire_skip(&wire, tag);
		if (!read)
			return write_damaged(reader, &wire, "sample", err);
	}
	if (item->start == 0)
		item->start = reader->at.created;
	return TS_OK;
}

static TsErrorCode
read_exemplar(TsWriteReader *reader, TsWire wire, TsWriteExemplar *exemplar, TsError *err)
{
	TsArray *labels = &reader->exemplar_labels;
	WriteRefReader refs = {.has_name = false};
	TsErrorCode code = TS_OK;
	uint32_t tag;
	uint64_t number;

	exemplar->value = 0;
	exemplar->time = 0;
	labels->n = 0;
	reader->label_size = 0;
	while (code == TS_OK && wire_more(&wire))
	{
		bool read = wire_tag(&wire, &tag);

		if (read && tag == WIRE_TAG(2, WIRE_FIXED64))
			read = wire_double(&wire, &exemplar->value);
		else if (read && tag == WIRE_TAG(3, WIRE_VARINT))
		{
			read = wire_varint(&wire, &number);
			exemplar->time = read ? (int64_t) number : 0;
		}
		else if (read && tag >> 3 == 1)
			code = write_read_label(reader, &refs, &wire, tag, labels, err);
		else if (read)
			read = !write_known_field(tag, 3) && wire_skip(&wire, tag);
		if (!read)
			return write_damaged(reader, &wire, "exemplar", err);
	}
	if (code == TS_OK)
		code = refs.has_name ? write_odd_refs(err) : TS_OK;
	exemplar->labels = labels->data;
	exemplar->nlabels = (uint32_t) labels->n;
	return code;
}

TsErrorCode
ts_write_next_item(TsWriteReader *reader, TsWriteKind *kind, TsWriteItem *item,
				   TsError *err)
{
	TsWire *wire = &reader->at.items;
	TsWire inner;
	uint32_t tag;

	*kind = TS_WRITE_END;
	while (wire_more(wire))
	{
		if (!wire_tag(wire, &tag))
			return write_damaged(reader, wire, "series", err);
		*kind = item_kind(reader->version, tag);
		if (*kind == TS_WRITE_END)
		{
			if (!wire_skip(wire, tag))
				return write_damaged(reader, wire, "series", err);
			continue;
		}
		if (!wire_message(wire, &inner))
			return write_damaged(reader, wire, "series", err);
		if (*kind == TS_WRITE_SAMPLE)
			return read_sample(reader, inner, item, err);
		if (*kind == TS_WRITE_HISTOGRAM)
			return write_read_histogram(reader, inner, item, err);
		return read_exemplar(reader, inner, &item->exemplar, err);
	}
	return TS_OK;
}

size_t
ts_write_next_samples(TsWriteReader *reader, int64_t *times, double *values, size_t most)
{
	TsWire *wire = &reader->at.items;
	TsWriteItem item;
	size_t n = 0;

	if (reader->at.created != 0)
		return 0;
	while (n < most && wire->end - wire->next >= 2 &&
		   wire->next[0] == WIRE_TAG(2, WIRE_BYTES) && wire->next[1] < 0x80 &&
		   wire->end - wire->next - 2 >= wire->next[1])
	{
		const uint8_t *end = wire->next + 2 + wire->next[1];

		if (!read_usual_sample((TsWire){wire->next + 2, end}, &item))
			break;
		times[n] = item.time;
		values[n++] = item.value;
		wire->next = end;
	}
	return n;
}

/* ---- requests ---- */

/* What only the other version has in a request says that the content type is wrong. */
static TsErrorCode
check_field(TsWriteVersion version, uint32_t tag, TsError *err)
{
	const uint32_t field = tag >> 3;
	const bool one = version == TS_WRITE_1;

	if (one ? field != 4 && field != 5 : field > 3)
		return TS_OK;
	return ts_error_set(err, TS_ERR_INVALID, -1,
						"the message is not of the kind that the content type says: "
						"it has field %u, which remote write %s does not have",
						field, one ? "1.0" : "2.0");
}

static TsErrorCode
add_symbol(TsWriteReader *reader, TsWire *wire, TsError *err)
{
	const uint32_t begins = (uint32_t) (wire->next - reader->start);
	TsString symbol;
	TsErrorCode code;

	if (!wire_string(wire, &symbol))
		return write_damaged(reader, wire, "symbol", err);
	if (reader->symbols.n == 0 && symbol.len > 0)
		return ts_error_set(err, TS_ERR_INVALID, -1,
							"the first symbol is not the empty string");
	code = write_array_reserve(reader, &reader->symbols, sizeof(uint32_t), 1,
							   WRITE_MAX_SYMBOLS, "symbols", err);
	if (code == TS_OK)
		((uint32_t *) reader->symbols.data)[reader->symbols.n++] = begins;
	return code;
}

/* 2.0: looks at all fields of the request, and collects the symbols. */
static TsErrorCode
read_outline(TsWriteReader *reader, TsWire wire, TsError *err)
{
	uint32_t tag;

	while (wire_more(&wire))
	{
		TsErrorCode code;

		if (!wire_tag(&wire, &tag))
			return write_damaged(reader, &wire, "request", err);
		code = check_field(reader->version, tag, err);
		if (code != TS_OK)
			return code;
		if (tag == WIRE_TAG(4, WIRE_BYTES))
		{
			code = add_symbol(reader, &wire, err);
			if (code != TS_OK)
				return code;
		}
		else if (!wire_skip(&wire, tag))
			return write_damaged(reader, &wire, "request", err);
	}
	return TS_OK;
}

TsErrorCode
ts_write_open(TsWriteReader *reader, TsWriteVersion version, const void *data,
			  size_t size, const TsAllocator *allocator, TsError *err)
{
	memset(reader, 0, sizeof(*reader));
	reader->allocator = *allocator;
	reader->version = version;
	reader->start = data;
	reader->message = (TsWire){reader->start, reader->start + size};
	return version == TS_WRITE_1 ? TS_OK : read_outline(reader, reader->message, err);
}

TsErrorCode
ts_write_next(TsWriteReader *reader, TsWriteKind *kind, TsError *err)
{
	const uint32_t series_field = reader->version == TS_WRITE_1 ? 1 : 5;
	TsWire *wire = &reader->message;
	TsErrorCode code;
	TsWire inner;
	uint32_t tag;

	*kind = TS_WRITE_END;
	while (wire_more(wire))
	{
		if (!wire_tag(wire, &tag))
			return write_damaged(reader, wire, "request", err);
		if (tag == WIRE_TAG(series_field, WIRE_BYTES))
		{
			if (!wire_message(wire, &inner))
				return write_damaged(reader, wire, "series", err);
			*kind = TS_WRITE_SERIES;
			return read_series(reader, inner, err);
		}
		if (reader->version == TS_WRITE_1 && tag == WIRE_TAG(3, WIRE_BYTES))
		{
			if (!wire_message(wire, &reader->at.metadata))
				return write_damaged(reader, wire, "metadata", err);
			*kind = TS_WRITE_METADATA;
			return TS_OK;
		}
		code = check_field(reader->version, tag, err);
		if (code != TS_OK)
			return code;
		if (tag >> 3 == series_field || !wire_skip(wire, tag))
			return write_damaged(reader, wire, "request", err);
	}
	return TS_OK;
}

void
ts_write_close(TsWriteReader *reader)
{
	TsArray *const arrays[] = {
		&reader->symbols,  &reader->symbol_prints,   &reader->prints,
		&reader->labels,   &reader->exemplar_labels, &reader->spans[0],
		&reader->spans[1], &reader->counts[0],       &reader->counts[1],
		&reader->bounds,
	};

	for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++)
		ts_array_free(&reader->allocator, arrays[i]);
}
