/*
 * encoding.h
 *	  Compressed bodies of replies: which encoding a client takes, and encoding as a stream.
 *
 * Pure C.
 */
#ifndef SERVE_ENCODING_H
#define SERVE_ENCODING_H

#include "ts_base.h"

typedef enum Encoding
{
	ENCODING_IDENTITY,
	ENCODING_GZIP,
	ENCODING_ZSTD
} Encoding;

/*
 * The best of what an Accept-Encoding header takes; zstd where the client does not care.
 * What cannot be understood of it is passed over. Identity, also when even that is refused.
 */
extern Encoding encoding_choose(TsString accept_encoding);
/* As in Content-Encoding; NULL for identity. */
extern const char *encoding_name(Encoding encoding);

/* Takes encoded bytes. It may jump out: then the encoder can only be freed. */
typedef void (*EncoderSink)(void *arg, const void *data, size_t size);

typedef struct Encoder Encoder;

/* NULL: no memory. Not for identity. */
extern Encoder *encoder_create(Encoding encoding);
/* Encodes some more; with `last`, all of it is in the sink afterwards. False: no memory. */
extern bool encoder_write(Encoder *encoder, const void *data, size_t size, bool last,
						  EncoderSink sink, void *arg);
extern void encoder_free(Encoder *encoder);

#endif /* SERVE_ENCODING_H */
