/*
 * grpc_text.h
 *	  gRPC as bytes: frames of messages, timeouts, messages of statuses.
 *
 * Pure C.
 */
#ifndef SERVE_GRPC_TEXT_H
#define SERVE_GRPC_TEXT_H

#include "ts_base.h"

/* ---- messages ---- */

/* Before each message: whether it is compressed, and its length. */
#define GRPC_PREFIX 5

typedef struct GrpcFrame
{
	uint8_t prefix[GRPC_PREFIX];
	uint32_t have;   /* bytes of the prefix that came */
	bool compressed; /* when all of these came */
	uint32_t length;
	uint32_t came; /* of the message */
} GrpcFrame;

typedef enum GrpcEvent
{
	GRPC_MORE,     /* all was taken, more is needed */
	GRPC_PREFIXED, /* the prefix is complete */
	GRPC_BYTES,    /* some of the message: *piece */
	GRPC_WHOLE,    /* the message is complete; no bytes are taken any more */
	GRPC_BAD       /* the prefix is none */
} GrpcEvent;

/*
 * Reads on in one message, of a frame that was all 0 at first. Takes bytes off *bytes; call
 * again with what is left until it says GRPC_MORE or GRPC_WHOLE.
 */
extern GrpcEvent grpc_read_frame(GrpcFrame *frame, TsString *bytes, TsString *piece);
extern void grpc_write_prefix(uint8_t prefix[GRPC_PREFIX], uint32_t length);

/* ---- metadata ---- */

/* application/grpc, alone or with what its messages are: protobuf. */
extern bool grpc_is_content_type(TsString type);
/* grpc-timeout in milliseconds, rounded up; false if it is none. */
extern bool grpc_read_timeout(TsString text, int64_t *ms);
/*
 * grpc-message: percent-encoded, into `out`, which has room for `size` bytes; returns how
 * many there are. What has no room is left out, by whole characters of UTF-8.
 */
extern size_t grpc_write_message(TsString message, char *out, size_t size);

#endif /* SERVE_GRPC_TEXT_H */
