/*
 * remote_write_print.c
 *	  Fingerprints of series: from the bytes of a message, so that who has met the series
 *	  before need not read its labels.
 *
 * In 1.0 the bytes of the labels say all of them. In 2.0 references mean something in their
 * own message only; so what is hashed are fingerprints of the symbols that they name, which
 * are made once a message.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "remote_write_wire.h"

/* References are at most as many as a series may have labels, two for each. */
#define MAX_REFS (2 * LABELS_MAX_COUNT)

/* What tells the two versions' hashes apart. */
#define OF_REFERENCES UINT64_C(0x9E3779B97F4A7C15)

static TsFingerprint
print_bytes(const void *data, size_t size, const void *secret)
{
	XXH128_hash_t hash = XXH3_128bits_withSecret(data, size, secret, TS_WRITE_SECRET);

	return (TsFingerprint){hash.low64, hash.high64};
}

/* ---- 2.0 ---- */

static TsErrorCode
print_symbols(TsWriteReader *reader, const void *secret, TsError *err)
{
	const uint32_t *begins = reader->symbols.data;
	TsFingerprint *prints;
	TsErrorCode code = write_array_reserve(reader, &reader->symbol_prints,
										   sizeof(TsFingerprint), reader->symbols.n,
										   WRITE_MAX_SYMBOLS, "symbols", err);

	if (code != TS_OK)
		return code;
	prints = reader->symbol_prints.data;
	for (size_t i = 0; i < reader->symbols.n; i++)
	{
		TsWire wire = {reader->start + begins[i], reader->message.end};
		TsString symbol;

		if (!wire_string(&wire, &symbol))
			return write_damaged(reader, &wire, "symbol", err);
		prints[i] = print_bytes(symbol.data, symbol.len, secret);
	}
	reader->symbol_prints.n = reader->symbols.n;
	return TS_OK;
}

static TsErrorCode
add_ref(TsWriteReader *reader, uint64_t ref, TsError *err)
{
	TsArray *prints = &reader->prints;
	TsErrorCode code = TS_OK;

	if (ref >= reader->symbol_prints.n)
		return write_no_symbol(reader, ref, err);
	if (prints->n == prints->room)
		code = write_array_reserve(reader, prints, sizeof(TsFingerprint), 1, MAX_REFS,
								   "label references of a series", err);
	if (code == TS_OK)
		((TsFingerprint *) prints->data)[prints->n++] =
			((const TsFingerprint *) reader->symbol_prints.data)[ref];
	return code;
}

/* A field of references, packed or a single one; the wire is behind its tag. */
static TsErrorCode
add_refs(TsWriteReader *reader, TsWire *wire, uint32_t tag, TsError *err)
{
	TsErrorCode code = TS_OK;
	TsWire packed;
	uint64_t ref;

	if ((tag & 7) == WIRE_VARINT && wire_varint(wire, &ref))
		return add_ref(reader, ref, err);
	if ((tag & 7) != WIRE_BYTES || !wire_message(wire, &packed))
		return write_damaged(reader, wire, "label reference", err);
	while (code == TS_OK && wire_more(&packed))
	{
		if (!wire_varint(&packed, &ref))
			return write_damaged(reader, &packed, "label reference", err);
		code = add_ref(reader, ref, err);
	}
	return code;
}

static TsErrorCode
print_references(TsWriteReader *reader, const void *secret, TsFingerprint *print,
				 TsError *err)
{
	TsWire wire = wire_more(&reader->at.label_run) ? reader->at.label_run
												   : reader->at.body;
	TsErrorCode code = TS_OK;
	uint32_t tag;

	if (reader->symbol_prints.n < reader->symbols.n)
		code = print_symbols(reader, secret, err);
	reader->prints.n = 0;
	while (code == TS_OK && wire_more(&wire))
	{
		if (!wire_tag(&wire, &tag))
			return write_damaged(reader, &wire, "series", err);
		if (tag >> 3 == 1)
			code = add_refs(reader, &wire, tag, err);
		else if (!wire_skip(&wire, tag))
			return write_damaged(reader, &wire, "series", err);
	}
	if (code != TS_OK)
		return code;
	if (reader->prints.n % 2 != 0)
		return write_odd_refs(err);
	*print = print_bytes(reader->prints.data, reader->prints.n * sizeof(TsFingerprint),
						 secret);
	print->low ^= OF_REFERENCES;
	return TS_OK;
}

/* 0 is the empty string, whether there are symbols or not. */
static TsErrorCode
symbol_print(const TsWriteReader *reader, uint64_t ref, TsFingerprint *print,
			 TsError *err)
{
	if (ref >= reader->symbol_prints.n && ref != 0)
		return write_no_symbol(reader, ref, err);
	*print = ref == 0 ? (TsFingerprint){0, 0}
					  : ((const TsFingerprint *) reader->symbol_prints.data)[ref];
	return TS_OK;
}

TsErrorCode
ts_write_metadata_fingerprint(TsWriteReader *reader, const void *secret,
							  TsFingerprint *print, TsError *err)
{
	struct
	{
		TsFingerprint help;
		TsFingerprint unit;
		uint64_t type;
	} all = {.type = 0};
	WriteMetadataRefs refs;
	TsErrorCode code = write_read_metadata_refs(reader, reader->at.metadata, &refs, err);

	if (code == TS_OK && reader->symbol_prints.n < reader->symbols.n)
		code = print_symbols(reader, secret, err);
	if (code == TS_OK)
		code = symbol_print(reader, refs.help, &all.help, err);
	if (code == TS_OK)
		code = symbol_print(reader, refs.unit, &all.unit, err);
	if (code != TS_OK)
		return code;
	all.type = refs.type;
	*print = print_bytes(&all, sizeof(all), secret);
	return TS_OK;
}

/* ---- 1.0 ---- */

/* Labels that do not lie together: their fields in turn. */
static TsErrorCode
print_scattered(TsWriteReader *reader, const void *secret, TsFingerprint *print,
				TsError *err)
{
	TsWire wire = reader->at.body;
	XXH3_state_t state;
	XXH128_hash_t hash;
	uint32_t tag;

	XXH3_128bits_reset_withSecret(&state, secret, TS_WRITE_SECRET);
	while (wire_more(&wire))
	{
		const uint8_t *from = wire.next;

		if (!wire_tag(&wire, &tag) || !wire_skip(&wire, tag))
			return write_damaged(reader, &wire, "series", err);
		if (tag >> 3 == 1)
			XXH3_128bits_update(&state, from, (size_t) (wire.next - from));
	}
	hash = XXH3_128bits_digest(&state);
	*print = (TsFingerprint){hash.low64, hash.high64};
	return TS_OK;
}

TsErrorCode
ts_write_fingerprint(TsWriteReader *reader, const void *secret, TsFingerprint *print,
					 TsError *err)
{
	const TsWire *run = &reader->at.label_run;

	if (reader->version == TS_WRITE_2)
		return print_references(reader, secret, print, err);
	if (!wire_more(run))
		return print_scattered(reader, secret, print, err);
	*print = print_bytes(run->next, (size_t) (run->end - run->next), secret);
	return TS_OK;
}
