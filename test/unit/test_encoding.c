/*
 * test_encoding.c
 *	  Which encoding a client takes, and that what is encoded can be decoded.
 */
#include <stdlib.h>
#include <string.h>

#include <zlib.h>
#include <zstd.h>

#include "../../src/serve/encoding.h"
#include "unit.h"

static void
test_choice(void)
{
	static const struct
	{
		const char *header;
		Encoding encoding;
	} cases[] = {
		{"", ENCODING_IDENTITY},
		{"identity", ENCODING_IDENTITY},
		{"gzip", ENCODING_GZIP},
		{"GZip", ENCODING_GZIP},
		{"x-gzip", ENCODING_GZIP},
		{"zstd", ENCODING_ZSTD},
		{"gzip, zstd", ENCODING_ZSTD},
		{"gzip, deflate, br, zstd", ENCODING_ZSTD},
		{"gzip, deflate, br", ENCODING_GZIP},
		{"deflate, br", ENCODING_IDENTITY},
		{"gzip;q=1.0, zstd;q=0.5", ENCODING_GZIP},
		{"gzip;q=0.5,zstd;q=0.501", ENCODING_ZSTD},
		{" gzip ; q = 0.2 ", ENCODING_GZIP},
		{"gzip;q=0", ENCODING_IDENTITY},
		{"gzip;q=0.000", ENCODING_IDENTITY},
		{"gzip;Q=0", ENCODING_IDENTITY},
		{"*", ENCODING_ZSTD},
		{"*;q=0", ENCODING_IDENTITY},
		{"zstd;q=0, *", ENCODING_GZIP},
		{"gzip;q=0.5, identity", ENCODING_IDENTITY},
		{"gzip;q=0.5, identity;q=0.4", ENCODING_GZIP},
		{"gzip;q=0.5, *;q=0.1", ENCODING_GZIP},
		{"identity;q=0", ENCODING_IDENTITY},
		{"identity;q=0, gzip", ENCODING_GZIP},
		/* not as they should be: passed over */
		{"gzip;q=2", ENCODING_IDENTITY},
		{"gzip;q=1.001", ENCODING_IDENTITY},
		{"gzip;q=0.1234", ENCODING_IDENTITY},
		{"gzip;q=", ENCODING_IDENTITY},
		{"gzip;q=x", ENCODING_IDENTITY},
		{"gzip;q=0,5", ENCODING_IDENTITY},
		{"gzip;level=5", ENCODING_GZIP},
		{",,;,gzip,;;q", ENCODING_GZIP},
		{"gzipped", ENCODING_IDENTITY},
		{";;;", ENCODING_IDENTITY},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		TsString header = {cases[i].header, strlen(cases[i].header)};
		Encoding encoding = encoding_choose(header);

		CHECK(encoding == cases[i].encoding, "\"%s\": %d", cases[i].header,
			  (int) encoding);
	}
	CHECK(encoding_choose((TsString){NULL, 0}) == ENCODING_IDENTITY, "no header");
	CHECK(encoding_name(ENCODING_IDENTITY) == NULL, "identity");
	CHECK(strcmp(encoding_name(ENCODING_GZIP), "gzip") == 0, "gzip");
	CHECK(strcmp(encoding_name(ENCODING_ZSTD), "zstd") == 0, "zstd");
}

/* ---- round trips ---- */

typedef struct Bytes
{
	char *data;
	size_t len;
	size_t room;
} Bytes;

static void
add(void *arg, const void *data, size_t size)
{
	Bytes *bytes = arg;

	if (bytes->len + size > bytes->room)
	{
		bytes->room = (bytes->len + size) * 2;
		bytes->data = realloc(bytes->data, bytes->room);
	}
	if (size > 0)
		memcpy(bytes->data + bytes->len, data, size);
	bytes->len += size;
}

static size_t
decode_gzip(const Bytes *in, char *out, size_t room)
{
	z_stream stream = {.next_in = (Bytef *) in->data,
					   .avail_in = (uInt) in->len,
					   .next_out = (Bytef *) out,
					   .avail_out = (uInt) room};
	size_t len = (size_t) -1;

	if (inflateInit2(&stream, 15 + 16) != Z_OK)
		return len;
	if (inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.avail_in == 0)
		len = stream.total_out;
	inflateEnd(&stream);
	return len;
}

static size_t
decode_zstd(const Bytes *in, char *out, size_t room)
{
	size_t len = ZSTD_decompress(out, room, in->data, in->len);

	return ZSTD_isError(len) ? (size_t) -1 : len;
}

/* Text that shrinks, or bytes that do not. */
static void
fill(char *data, size_t size, bool text)
{
	unsigned state = 42;

	for (size_t i = 0; i < size; i++)
	{
		state = state * 1103515245 + 12345;
		data[i] = text ? "{\"metric\":[0123]}"[(state >> 20) % 17] : (char) (state >> 16);
	}
}

/* In pieces of some size. */
static void
round_trip(Encoding encoding, size_t size, size_t piece, bool text)
{
	Encoder *encoder = encoder_create(encoding);
	char *data = malloc(size + 1);
	char *back = malloc(size + 1);
	Bytes out = {0};
	bool ok = true;
	size_t len;

	fill(data, size, text);
	for (size_t at = 0; at < size; at += piece)
		ok = ok && encoder_write(encoder, data + at,
								 size - at < piece ? size - at : piece, false, add, &out);
	ok = ok && encoder_write(encoder, NULL, 0, true, add, &out);
	encoder_free(encoder);
	len = encoding == ENCODING_GZIP ? decode_gzip(&out, back, size + 1)
									: decode_zstd(&out, back, size + 1);
	CHECK(ok && len == size && memcmp(data, back, size) == 0,
		  "%s of %zu bytes by %zu: %zu", encoding_name(encoding), size, piece, len);
	free(out.data);
	free(back);
	free(data);
}

/* One that is given up in mid-stream leaves nothing to the next one. */
static void
test_given_up(Encoding encoding)
{
	Encoder *encoder = encoder_create(encoding);
	Bytes out = {0};

	CHECK(encoder_write(encoder, "never finished", 14, false, add, &out), "write");
	encoder_free(encoder);
	free(out.data);
	round_trip(encoding, 1000, 1000, true);
}

int
main(void)
{
	static const size_t sizes[] = {0, 1, 1000, 16 * 1024, 300 * 1000};

	test_choice();
	for (Encoding e = ENCODING_GZIP; e <= ENCODING_ZSTD; e++)
	{
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		{
			round_trip(e, sizes[i], 1, true);
			round_trip(e, sizes[i], 4096, true);
			round_trip(e, sizes[i], 4096, false);
			round_trip(e, sizes[i], 1000 * 1000, false);
		}
		test_given_up(e);
	}
	return unit_finish();
}
