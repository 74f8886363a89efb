/*
 * fuzz_grpc_text.c
 *	  Frames of gRPC from anywhere give the same message however they are cut; timeouts are
 *	  times; messages of statuses are printable, and fit.
 *
 * The first byte says how long pieces are, and how much room a message has; the rest is
 * frame, timeout, content type and message in turn.
 */
#include <stdlib.h>

#include "../../src/serve/grpc_text.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
	if (!holds)
		abort();
}

/* The last event; `bytes` goes beyond what was taken, `message` where it may. */
static GrpcEvent
read_frame(GrpcFrame *frame, TsString *bytes, size_t step, char *message)
{
	GrpcEvent event = GRPC_MORE;

	memset(frame, 0, sizeof(*frame));
	while (bytes->len > 0 && event != GRPC_WHOLE && event != GRPC_BAD)
	{
		TsString given = {bytes->data, step < bytes->len ? step : bytes->len};
		size_t len = given.len;
		TsString piece;

		do
		{
			event = grpc_read_frame(frame, &given, &piece);
			if (event == GRPC_BYTES)
			{
				memcpy(message, piece.data, piece.len);
				message += piece.len;
			}
		} while (event == GRPC_PREFIXED || event == GRPC_BYTES);
		require(event != GRPC_MORE || given.len == 0);
		bytes->data += len - given.len;
		bytes->len -= len - given.len;
	}
	return event;
}

static void
read_frames(TsString bytes, size_t step)
{
	char *one = malloc(bytes.len + 1);
	char *two = malloc(bytes.len + 1);
	TsString rest = bytes;
	TsString rest_two = bytes;
	GrpcFrame frame;
	GrpcFrame frame_two;
	GrpcEvent event = read_frame(&frame, &rest, bytes.len + 1, one);

	require(read_frame(&frame_two, &rest_two, step, two) == event ||
			(frame.came == frame.length && frame_two.came == frame_two.length));
	require(frame.have == frame_two.have && frame.came == frame_two.came);
	require(memcmp(one, two, frame.came) == 0);
	require(frame.came <= frame.length && frame.came <= bytes.len);
	free(one);
	free(two);
}

static void
write_message(TsString message, size_t size)
{
	char *out = malloc(size + 1);
	size_t len = grpc_write_message(message, out, size);

	require(len <= size);
	for (size_t i = 0; i < len; i++)
		require(out[i] >= ' ' && out[i] <= '~');
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TsString text;
	int64_t ms;

	if (size == 0)
		return 0;
	text = (TsString){(const char *) data + 1, size - 1};
	read_frames(text, (size_t) data[0] + 1);
	if (grpc_read_timeout(text, &ms))
		require(ms >= 0 && ms < INT64_MAX / 2);
	(void) grpc_is_content_type(text);
	write_message(text, data[0]);
	return 0;
}
