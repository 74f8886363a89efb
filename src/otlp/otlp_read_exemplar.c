/*
 * otlp_read_exemplar.c
 *	  Reads the exemplars of a point.
 *
 * They are passed over while the point is read, and read again if somebody wants them.
 */
#include "otlp_wire.h"

static TsErrorCode
read_exemplar(TsOtlpReader *reader, TsWire wire, TsOtlpExemplar *exemplar,
			  bool *has_value, TsError *err)
{
	uint64_t bits;

	*exemplar = (TsOtlpExemplar){
		.attributes = {.within = wire, .tag = WIRE_TAG(7, WIRE_BYTES)},
		.trace_id = {"", 0},
		.span_id = {"", 0},
	};
	*has_value = false;
	while (wire_more(&wire))
	{
		const uint8_t *from = wire.next;
		uint32_t tag = 0;
		bool read = wire_tag(&wire, &tag);

		switch (tag)
		{
			case WIRE_TAG(2, WIRE_FIXED64):
				read = wire_fixed64(&wire, &exemplar->time);
				break;
			case WIRE_TAG(3, WIRE_FIXED64):
				read = *has_value = wire_double(&wire, &exemplar->value);
				break;
			case WIRE_TAG(4, WIRE_BYTES):
				read = wire_string(&wire, &exemplar->span_id);
				break;
			case WIRE_TAG(5, WIRE_BYTES):
				read = wire_string(&wire, &exemplar->trace_id);
				break;
			case WIRE_TAG(6, WIRE_FIXED64):
				read = *has_value = wire_fixed64(&wire, &bits);
				exemplar->value = read ? (double) (int64_t) bits : 0;
				break;
			case WIRE_TAG(7, WIRE_BYTES):
				read = otlp_pass_attributes(&exemplar->attributes, from, &wire);
				break;
			default:
				read = read && (tag >> 3 == 1 || tag >> 3 > 7) && wire_skip(&wire, tag);
				break;
		}
		if (!read)
			return otlp_damaged(reader, &wire, "exemplar", err);
	}
	return TS_OK;
}

TsErrorCode
otlp_pass_exemplar(TsOtlpReader *reader, const uint8_t *from, TsWire *wire, TsError *err)
{
	TsOtlpPoint *point = &reader->point;
	TsOtlpExemplar exemplar;
	TsErrorCode code;
	bool has_value;
	TsWire inner;

	if (!wire_message(wire, &inner))
		return otlp_damaged(reader, wire, "exemplar", err);
	if (point->nexemplars++ == 0)
		point->exemplars = (TsWire){from, point->attributes.within.end};
	code = read_exemplar(reader, inner, &exemplar, &has_value, err);
	return code == TS_OK ? otlp_check_attributes(&exemplar.attributes, err) : code;
}

TsErrorCode
ts_otlp_next_exemplar(TsOtlpReader *reader, TsOtlpExemplar *exemplar, bool *found,
					  TsError *err)
{
	TsWire *wire = &reader->point.exemplars;
	TsErrorCode code = TS_OK;
	TsWire inner;
	uint32_t tag;

	*found = false;
	while (code == TS_OK && !*found && wire_more(wire))
	{
		if (!wire_tag(wire, &tag))
			return otlp_damaged(reader, wire, "data point", err);
		if (tag != reader->point.exemplar_tag)
		{
			if (!wire_skip(wire, tag))
				return otlp_damaged(reader, wire, "data point", err);
			continue;
		}
		if (!wire_message(wire, &inner))
			return otlp_damaged(reader, wire, "exemplar", err);
		code = read_exemplar(reader, inner, exemplar, found, err);
	}
	return code;
}
