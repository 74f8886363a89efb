/*
 * otlp_wire.h
 *	  What the readers of OTLP's messages share.
 */
#ifndef OTLP_WIRE_H
#define OTLP_WIRE_H

#include <assert.h>

#include "ts_otlp.h"

/* "... is cut short or damaged": the message cannot be read on from where it is. */
extern TsErrorCode otlp_damaged(const TsOtlpReader *reader, const TsWire *wire,
								const char *what, TsError *err);

/* Looks at attributes that may never become labels: TS_ERR_SYNTAX for damage and depth. */
extern TsErrorCode
otlp_check_attributes(const TsOtlpAttributes *attributes, TsError *err);

/*
 * Passes over an exemplar of the point, whose tag was read from `from` on, and looks at its
 * attributes (otlp_read_exemplar.c).
 */
extern TsErrorCode
otlp_pass_exemplar(TsOtlpReader *reader, const uint8_t *from, TsWire *wire, TsError *err);

/*
 * Passes over the value of an attribute whose tag was read from `from` on, and over all those
 * that follow it without anything between them.
 */
static inline bool
otlp_pass_attributes(TsOtlpAttributes *attributes, const uint8_t *from, TsWire *wire)
{
	TsWire inner;

	assert(attributes->tag < 0x80); /* so it is one byte */
	if (attributes->count == 0)
	{
		attributes->run.next = from;
		attributes->together = true;
	}
	else if (attributes->run.end != from)
		attributes->together = false;
	for (;;)
	{
		if (!wire_message(wire, &inner))
			return false;
		attributes->count++;
		if (!wire_more(wire) || *wire->next != attributes->tag)
			break;
		wire->next++;
	}
	attributes->run.end = wire->next;
	return true;
}

#endif /* OTLP_WIRE_H */
