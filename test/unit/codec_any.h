/*
 * codec_any.h
 *	  Columns encoded and decoded by their type as a value, for the tests of the codecs.
 */
#ifndef CODEC_ANY_H
#define CODEC_ANY_H

#include "ts_codec.h"

/* width counts for TS_CODEC_FIXED only. */
static inline TsErrorCode
encode_any(TsCodecEncoder *encoder, TsCodecType type, uint32_t width, const void *values,
		   uint32_t n, uint8_t *out, size_t *len)
{
	switch (type)
	{
		case TS_CODEC_FLOAT8:
			return ts_codec_encode_float8(encoder, values, n, out, len);
		case TS_CODEC_FLOAT4:
			return ts_codec_encode_float4(encoder, values, n, out, len);
		case TS_CODEC_INT:
			return ts_codec_encode_int(encoder, values, n, out, len);
		case TS_CODEC_TIME:
			return ts_codec_encode_time(encoder, values, n, out, len);
		case TS_CODEC_BITS:
			return ts_codec_encode_bits(encoder, values, n, out, len);
		case TS_CODEC_FIXED:
			return ts_codec_encode_fixed(encoder, values, width, n, out, len);
		default:
			return ts_codec_encode_bytes(encoder, values, n, out, len);
	}
}

/* type is the one that the column was opened as. */
static inline TsErrorCode
decode_any(TsCodecReader *column, TsCodecType type, uint32_t first, uint32_t count,
		   void *out)
{
	switch (type)
	{
		case TS_CODEC_FLOAT8:
			return ts_codec_decode_float8(column, first, count, out);
		case TS_CODEC_FLOAT4:
			return ts_codec_decode_float4(column, first, count, out);
		case TS_CODEC_INT:
		case TS_CODEC_TIME:
			return ts_codec_decode_int(column, first, count, out);
		case TS_CODEC_BITS:
			return ts_codec_decode_bits(column, first, count, out);
		case TS_CODEC_FIXED:
			return ts_codec_decode_fixed(column, first, count, out);
		default:
			return ts_codec_decode_bytes(column, first, count, out);
	}
}

#endif /* CODEC_ANY_H */
