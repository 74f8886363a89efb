/*
 * generate.c
 *	  Writes the samples of the benchmark "promql", as remote write requests, to standard
 *	  output.
 *
 *	      generate START HOURS INSTANCES
 *
 * An instance has 1,000 series as node exporters have them (series.c), scraped every 15 s
 * with a jitter of up to 3 ms that all its series share. A request holds 100 series with
 * 100 samples each (the shape of a backfill). START is in seconds since 1970.
 *
 * The output is a file for COPY ... (FORMAT binary) into a table of one bytea column: each
 * row is the body of a request, in snappy's block format (one literal: what compression
 * costs is not measured here). The same arguments give the same bytes on every machine.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "series.h"

#define PER_REQUEST 100 /* series, and samples of each */

/* ---- requests ---- */

static void
put_big_endian(uint64_t number, int bytes)
{
	for (int i = bytes - 1; i >= 0; i--)
		putchar((int) (number >> (8 * i) & 0xff));
}

/* A row with the request as snappy's block: its length, and one literal. */
static void
put_request(const Bytes *request)
{
	unsigned char start[16];
	Bytes bytes = {start, 0, sizeof(start)};
	uint32_t last = (uint32_t) request->length - 1;
	unsigned char literal = 63 << 2;

	bench_put_varint(&bytes, request->length);
	bench_put(&bytes, &literal, 1);
	bench_put(&bytes, &last, 4);
	put_big_endian(1, 2);
	put_big_endian(bytes.length + request->length, 4);
	fwrite(start, 1, bytes.length, stdout);
	if (fwrite(request->data, 1, request->length, stdout) != request->length)
		bench_fail("cannot write");
}

int
main(int argc, char **argv)
{
	if (argc != 4)
		bench_fail("wrong arguments");

	int64_t start = strtoll(argv[1], NULL, 10) * 1000;
	int64_t steps = (int64_t) (strtod(argv[2], NULL) * 3600 * 1000 / BENCH_STEP_MS);
	int instances = atoi(argv[3]);
	Series *series = bench_all_series(instances, false);
	Bytes request = {0};
	Bytes one = {0};

	fwrite("PGCOPY\n\377\r\n\0", 1, 11, stdout);
	put_big_endian(0, 8);
	for (int64_t from = 0; from < steps; from += PER_REQUEST)
		for (int s = 0; s < instances * BENCH_INSTANCE; s += PER_REQUEST)
		{
			request.length = 0;
			for (int i = s; i < s + PER_REQUEST; i++)
			{
				one.length = 0;
				bench_put(&one, series[i].labels, series[i].length);
				for (int64_t step = from; step < from + PER_REQUEST && step < steps;
					 step++)
					bench_put_sample(&one,
									 bench_scrape_time(start, step, i / BENCH_INSTANCE),
									 bench_next_value(&series[i]));
				bench_put_field(&request, 1, one.data, one.length);
			}
			put_request(&request);
		}
	put_big_endian(UINT16_MAX, 2);
	if (fflush(stdout) != 0)
		bench_fail("cannot write");
	return 0;
}
