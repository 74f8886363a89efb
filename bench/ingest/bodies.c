/*
 * bodies.c
 *	  Encodes write requests so that times and values can be filled in.
 */
#include "bodies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a sample's field: its tag, its size, and the tag of the value. */
#define BEFORE_VALUE 3
/* The value, the tag of the time, and the time: six bytes from 2004 to 2109. */
#define TIME_AT   9
#define TIME_SIZE 6
#define OPEN_SIZE (TIME_AT + TIME_SIZE)

#define HASH_BITS 15
#define MIN_MATCH 4
#define MAX_COPY  64
#define MAX_BACK  65535

static void *
allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (memory == NULL)
		bench_fail("no memory");
	return memory;
}

/* ---- snappy ---- */

/* A message to compress: where its samples are open, no match may be. */
typedef struct Message
{
	Bytes bytes;
	uint32_t *open; /* where each open part begins, in order */
	int opens;
} Message;

typedef struct Packer
{
	const Message *message;
	Bytes *out;
	uint32_t *places; /* of the open parts in out */
	int placed;
	size_t done; /* of the message */
} Packer;

static void
put_byte(Bytes *out, unsigned byte)
{
	unsigned char one = (unsigned char) byte;

	bench_put(out, &one, 1);
}

/* What is before `to` and not yet written. */
static void
put_literal(Packer *packer, size_t to)
{
	size_t length = to - packer->done;

	if (length == 0)
		return;
	if (length <= 60)
		put_byte(packer->out, (unsigned) (length - 1) << 2);
	else
	{
		int more = length <= 256 ? 1 : length <= 65536 ? 2 : 3;

		put_byte(packer->out, (unsigned) (59 + more) << 2);
		for (int i = 0; i < more; i++)
			put_byte(packer->out, (unsigned) ((length - 1) >> (8 * i)));
	}
	while (packer->placed < packer->message->opens &&
		   packer->message->open[packer->placed] < to)
	{
		packer->places[packer->placed] =
			(uint32_t) (packer->out->length +
						(packer->message->open[packer->placed] - packer->done));
		packer->placed++;
	}
	bench_put(packer->out, packer->message->bytes.data + packer->done, length);
	packer->done = to;
}

static void
put_copy(Packer *packer, size_t back, size_t length)
{
	packer->done += length;
	while (length > 0)
	{
		size_t part = length < MAX_COPY ? length : MAX_COPY;

		if (part >= 4 && part <= 11 && back < 2048)
		{
			put_byte(packer->out, (unsigned) (back >> 8 << 5 | (part - 4) << 2 | 1));
			put_byte(packer->out, (unsigned) back);
		}
		else
		{
			put_byte(packer->out, (unsigned) ((part - 1) << 2 | 2));
			put_byte(packer->out, (unsigned) back);
			put_byte(packer->out, (unsigned) (back >> 8));
		}
		length -= part;
	}
}

static uint32_t
four_bytes(const unsigned char *bytes)
{
	uint32_t four;

	memcpy(&four, bytes, sizeof(four));
	return four;
}

/* The block of a message; matches lie between open parts. */
static void
compress(const Message *message, Bytes *out, uint32_t *places)
{
	const unsigned char *data = message->bytes.data;
	const size_t size = message->bytes.length;
	uint32_t *last = allocate((size_t) 1 << HASH_BITS, sizeof(uint32_t));
	unsigned char *is_open = allocate(size, 1);
	Packer packer = {message, out, places, 0, 0};
	size_t at = 0;

	for (int i = 0; i < message->opens; i++)
		memset(is_open + message->open[i], 1, OPEN_SIZE);
	bench_put_varint(out, size);
	while (at + MIN_MATCH <= size)
	{
		uint32_t slot = four_bytes(data + at) * 0x1e35a7bdu >> (32 - HASH_BITS);
		size_t from = last[slot];
		size_t length = 0;

		last[slot] = (uint32_t) at;
		if (from < at && at - from <= MAX_BACK)
			while (at + length < size && data[from + length] == data[at + length] &&
				   !is_open[from + length] && !is_open[at + length])
				length++;
		if (length < MIN_MATCH)
		{
			at++;
			continue;
		}
		put_literal(&packer, at);
		put_copy(&packer, at - from, length);
		at += length;
	}
	put_literal(&packer, size);
	free(last);
	free(is_open);
}

/* ---- requests ---- */

static void
encode(Body *body, Message *message)
{
	Bytes one = {0};

	message->open = allocate((size_t) body->count * body->per_each, sizeof(uint32_t));
	for (int s = 0; s < body->count; s++)
	{
		const Series *series = &body->series[s];

		one.length = 0;
		bench_put(&one, series->labels, series->length);
		for (int i = 0; i < body->per_each; i++)
			bench_put_sample(&one, (int64_t) 1 << 40, 0);
		bench_put_field(&message->bytes, 1, one.data, one.length);
		for (int i = body->per_each; i > 0; i--)
			message->open[message->opens++] = (uint32_t) (message->bytes.length -
														  (size_t) i * BENCH_SAMPLE +
														  BEFORE_VALUE);
	}
	free(one.data);
}

void
body_init(Body *body, Series *all, int first, int count, int per_each)
{
	*body = (Body){
		.series = all + first, .count = count, .per_each = per_each, .first = first};
	body->samples = allocate((size_t) count * per_each, sizeof(uint32_t));
}

/* The value, and the time behind it. */
static void
put_sample(unsigned char *at, const Series *series, int64_t time, double value)
{
	(void) series;
	memcpy(at, &value, sizeof(value));
	at += TIME_AT;
	for (int i = 0; i < TIME_SIZE - 1; i++, time >>= 7)
		at[i] = (unsigned char) (time | 0x80);
	at[TIME_SIZE - 1] = (unsigned char) time;
}

size_t
body_post(Body *body, const char *path, const char *headers, const Bytes *content)
{
	char head[512];
	Bytes request = {0};
	size_t length = (size_t) snprintf(head, sizeof(head),
									  "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\n"
									  "User-Agent: mytsdb-bench\r\n"
									  "Content-Type: application/x-protobuf\r\n"
									  "%s"
									  "Content-Length: %zu\r\n\r\n",
									  path, headers, content->length);

	if (length >= sizeof(head))
		bench_fail("the path is too long");
	bench_put(&request, head, length);
	bench_put(&request, content->data, content->length);
	body->bytes = request.data;
	body->length = request.length;
	return length;
}

void
body_make(Body *body, Series *all, int first, int count, int per_each, const char *path)
{
	Message message = {0};
	Bytes block = {0};
	size_t head;

	body_init(body, all, first, count, per_each);
	encode(body, &message);
	compress(&message, &block, body->samples);
	body->plain = message.bytes.length;
	body->put = put_sample;
	head = body_post(body, path,
					 "Content-Encoding: snappy\r\n"
					 "X-Prometheus-Remote-Write-Version: 0.1.0\r\n",
					 &block);
	for (int i = 0; i < count * per_each; i++)
		body->samples[i] += (uint32_t) head;
	free(message.bytes.data);
	free(message.open);
	free(block.data);
}

void
body_fill(Body *body, int64_t start)
{
	for (int s = 0; s < body->count; s++)
	{
		Series *series = &body->series[s];
		uint32_t *places = body->samples + (size_t) s * body->per_each;

		for (int i = 0; i < body->per_each; i++)
		{
			double value = bench_next_value(series);
			int instance = (body->first + s) / BENCH_INSTANCE;

			body->put(body->bytes + places[i], series,
					  bench_scrape_time(start, body->step + i, instance), value);
		}
	}
	body->step += body->per_each;
}

void
body_skip(Body *body)
{
	for (int s = 0; s < body->count; s++)
		for (int i = 0; i < body->per_each; i++)
			bench_next_value(&body->series[s]);
	body->step += body->per_each;
}
