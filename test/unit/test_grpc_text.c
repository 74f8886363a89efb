/*
 * test_grpc_text.c
 *	  Tests of gRPC as bytes.
 */
#include "../../src/serve/grpc_text.h"
#include "unit.h"

#include <string.h>

static TsString
text(const char *of)
{
	return (TsString){of, strlen(of)};
}

/* ---- messages ---- */

/* A message of these bytes, given in pieces of `step`. */
static void
check_frame(const char *bytes, size_t len, size_t step, GrpcEvent end,
			const char *message)
{
	GrpcFrame frame = {0};
	GrpcEvent event = GRPC_MORE;
	char got[100];
	size_t used = 0;
	size_t at = 0;

	while (at < len && event != GRPC_WHOLE && event != GRPC_BAD)
	{
		TsString given = {bytes + at, len - at < step ? len - at : step};
		TsString piece;

		at += given.len;
		do
		{
			event = grpc_read_frame(&frame, &given, &piece);
			if (event == GRPC_BYTES)
			{
				memcpy(got + used, piece.data, piece.len);
				used += piece.len;
			}
		} while (event == GRPC_PREFIXED || event == GRPC_BYTES);
		at -= given.len;
	}
	CHECK(event == end, "step %zu: event %d", step, event);
	CHECK(used == strlen(message) && memcmp(got, message, used) == 0, "step %zu", step);
	CHECK(end != GRPC_WHOLE || frame.length == strlen(message), "%u", frame.length);
}

static void
test_frames(void)
{
	static const char whole[] = "\1\0\0\0\5hello";
	static const char two[] = "\0\0\0\0\2hi\0";
	static const char bad[] = "\2\0\0\0\5hello";
	static const char empty[] = "\0\0\0\0\0";
	GrpcFrame frame = {0};
	TsString none = {"", 0};
	TsString piece;
	uint8_t prefix[GRPC_PREFIX];
	TsString written = {(const char *) prefix, GRPC_PREFIX};

	for (size_t step = 1; step <= sizeof(whole) - 1; step++)
	{
		check_frame(whole, sizeof(whole) - 1, step, GRPC_WHOLE, "hello");
		check_frame(whole, sizeof(whole) - 2, step, GRPC_MORE, "hell");
		check_frame(two, sizeof(two) - 1, step, GRPC_WHOLE, "hi");
		check_frame(bad, sizeof(bad) - 1, step, GRPC_BAD, "");
	}
	check_frame(empty, sizeof(empty) - 1, 5, GRPC_WHOLE, "");
	CHECK(grpc_read_frame(&frame, &none, &piece) == GRPC_MORE, "no bytes");

	grpc_write_prefix(prefix, 0x01020304);
	CHECK(grpc_read_frame(&frame, &written, &piece) == GRPC_PREFIXED, "written");
	CHECK(frame.length == 0x01020304 && !frame.compressed, "%u", frame.length);
}

/* ---- metadata ---- */

static void
check_timeout(const char *given, int64_t ms)
{
	int64_t got = -1;
	bool good = grpc_read_timeout(text(given), &got);

	CHECK(good == (ms >= 0), "\"%s\"", given);
	CHECK(!good || got == ms, "\"%s\": %lld", given, (long long) got);
}

static void
test_timeouts(void)
{
	check_timeout("1H", 3600000);
	check_timeout("2M", 120000);
	check_timeout("10S", 10000);
	check_timeout("250m", 250);
	check_timeout("0m", 0);
	check_timeout("1u", 1);
	check_timeout("1000u", 1);
	check_timeout("1001u", 2);
	check_timeout("1n", 1);
	check_timeout("99999999n", 100);
	check_timeout("99999999H", INT64_C(99999999) * 3600000);
	check_timeout("100000000H", -1);
	check_timeout("", -1);
	check_timeout("S", -1);
	check_timeout("10", -1);
	check_timeout("10s", -1);
	check_timeout("-1S", -1);
	check_timeout(" 1S", -1);
	check_timeout("1.5S", -1);
}

static void
check_message(const char *given, size_t size, const char *encoded)
{
	char out[100];
	size_t len = grpc_write_message(text(given), out, size);

	CHECK(len == strlen(encoded) && memcmp(out, encoded, len) == 0, "\"%s\": %.*s", given,
		  (int) len, out);
}

static void
test_messages(void)
{
	check_message("", 0, "");
	check_message("all is ~well~ here", 100, "all is ~well~ here");
	check_message("50%\r\n\x7f\x01", 100, "50%25%0D%0A%7F%01");
	check_message("\xc3\xbc\xe2\x82\xac", 100, "%C3%BC%E2%82%AC");
	check_message("\xff\x80z", 100, "%FF%80z");
	/* cut where it is full, between characters */
	check_message("abc", 2, "ab");
	check_message("a%b", 3, "a");
	check_message("\xc3\xbc\xe2\x82\xac", 14, "%C3%BC");
	check_message("\xc3\xbc\xe2\x82\xac", 15, "%C3%BC%E2%82%AC");
}

static void
test_content_types(void)
{
	static const char *const good[] = {"application/grpc", "application/grpc+proto",
									   "application/grpc;charset=utf-8",
									   "application/grpc+proto; x=y"};
	static const char *const bad[] = {"",
									  "application/grp",
									  "application/grpc-web",
									  "application/grpc+json",
									  "application/grpcx",
									  "application/grpc+protox",
									  "application/json",
									  "application/x-protobuf"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK(grpc_is_content_type(text(good[i])), "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!grpc_is_content_type(text(bad[i])), "%s", bad[i]);
}

int
main(void)
{
	test_frames();
	test_timeouts();
	test_messages();
	test_content_types();
	return unit_finish();
}
