/*
 * load.c
 *	  The load of the benchmark "ingest": write requests, or queries, for a server on
 *	  127.0.0.1; and what it has written, as text.
 *
 *	      load scrape|backfill PORT INSTANCES START [OPTION=VALUE...]
 *	      load queries PORT FILE [OPTION=VALUE...]
 *	      load print INSTANCES START [OPTION=VALUE...]
 *
 * An instance has 1,000 series (../promql/series.c). scrape: a request has 2,000 series with
 * one sample each, as when targets are scraped; backfill: 100 series with 100 samples. A
 * series is always sent on the same connection, so that its samples come in their order.
 * START is in milliseconds since 1970, and is the time of step 0. queries: the file's
 * lines are targets of GET, taken in turns. print: a line for each sample, with labels,
 * time and value between tabs.
 *
 *	      connections=2
 *	      from=0         the first step that is sent; those before are sent already
 *	      steps=N        this many, or
 *	      seconds=S      for that long
 *	      rate=0         requests per second, 0: as fast as they are answered
 *	      path=/api/v1/write
 *
 * Prints a JSON object. Every body is encoded beforehand; what is left to do for a request
 * is to fill in times and values, so that the server has the processors.
 */
#define _GNU_SOURCE /* asprintf */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loads.h"

#define SCRAPE_SERIES   2000
#define BACKFILL_SERIES 100
#define BACKFILL_STEPS  100

/* ---- writes ---- */

static void
write_load(bool backfill, int port, int instances, int64_t start, LoadOptions *options)
{
	int each = backfill ? BACKFILL_SERIES : SCRAPE_SERIES;
	int per = backfill ? BACKFILL_STEPS : 1;
	int count = instances * BENCH_INSTANCE / each;
	Series *series = bench_all_series(instances, true);
	Body *bodies = calloc((size_t) count, sizeof(Body));
	LoadWrites writes = {bodies, count, options, start, port, client_run};

	if (bodies == NULL)
		bench_fail("no memory");
	for (int i = 0; i < count; i++)
		body_make(&bodies[i], series, i * each, each, per, options->path);
	load_writes(&writes);
}

/* ---- queries ---- */

typedef struct Queries
{
	char **requests;
	int count;
	int next;
} Queries;

static bool
next_query(void *arg, int connection, ClientRequest *request)
{
	Queries *queries = arg;
	const char *text = queries->requests[queries->next++ % queries->count];

	(void) connection;
	*request = (ClientRequest){(const unsigned char *) text, strlen(text)};
	return true;
}

static void
query_load(int port, const char *path, const LoadOptions *options)
{
	Queries queries = {0};
	ClientWork work = {.port = port,
					   .connections = options->connections,
					   .seconds = options->seconds,
					   .rate = options->rate,
					   .next = next_query,
					   .arg = &queries};
	ClientResult result;
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t room = 0;
	double cpu = load_cpu();

	if (file == NULL || options->seconds <= 0)
		bench_fail("no file, or no time");
	while (getline(&line, &room, file) > 0)
	{
		queries.requests = realloc(queries.requests,
								   (size_t) (queries.count + 1) * sizeof(char *));
		line[strcspn(line, "\n")] = 0;
		if (queries.requests == NULL ||
			asprintf(&queries.requests[queries.count++],
					 "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", line) < 0)
			bench_fail("no memory");
	}
	fclose(file);
	if (queries.count == 0)
		bench_fail("no query");
	client_run(&work, &result);
	load_report(&result, load_cpu() - cpu);
	printf("}\n");
}

/* ---- text ---- */

static void
print_labels(const Series *series)
{
	const unsigned char *at = (const unsigned char *) series->labels;
	const unsigned char *end = at + series->length;
	const char *comma = "{";

	/* a label's field, and both fields in it, have sizes of one byte */
	while (at < end)
	{
		int name = at[3];
		int value = at[5 + name];

		printf("%s\"%.*s\":\"%.*s\"", comma, name, (const char *) at + 4, value,
			   (const char *) at + 6 + name);
		comma = ",";
		at += 2 + at[1];
	}
	printf("}");
}

static void
print_samples(int instances, int64_t start, const LoadOptions *options)
{
	Series *series = bench_all_series(instances, true);

	for (int i = 0; i < instances * BENCH_INSTANCE; i++)
		for (int64_t step = 0; step < options->from + options->steps; step++)
		{
			double value = bench_next_value(&series[i]);

			if (step < options->from)
				continue;
			print_labels(&series[i]);
			printf("\t%" PRId64 "\t%.17g\n",
				   bench_scrape_time(start, step, i / BENCH_INSTANCE), value);
		}
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	LoadOptions options;

	if (strcmp(what, "queries") == 0 && argc >= 4)
	{
		options = load_options(argv + 4);
		query_load((int) load_number(argv[2]), argv[3], &options);
	}
	else if (strcmp(what, "print") == 0 && argc >= 4)
	{
		options = load_options(argv + 4);
		print_samples((int) load_number(argv[2]), (int64_t) load_number(argv[3]),
					  &options);
	}
	else if ((strcmp(what, "scrape") == 0 || strcmp(what, "backfill") == 0) && argc >= 5)
	{
		options = load_options(argv + 5);
		write_load(what[0] == 'b', (int) load_number(argv[2]), (int) load_number(argv[3]),
				   (int64_t) load_number(argv[4]), &options);
	}
	else
		bench_fail("wrong arguments");
	if (fflush(stdout) != 0)
		bench_fail("cannot write");
	return 0;
}
