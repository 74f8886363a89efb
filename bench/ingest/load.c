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
#include <sys/resource.h>

#include "bodies.h"
#include "client.h"

#define SCRAPE_SERIES   2000
#define BACKFILL_SERIES 100
#define BACKFILL_STEPS  100

typedef struct Options
{
	int connections;
	int64_t from;
	int64_t steps; /* 0: any number */
	double seconds;
	double rate;
	const char *path;
} Options;

static double
number(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end != 0)
		bench_fail("wrong number");
	return value;
}

static Options
read_options(char **arguments)
{
	Options options = {.connections = 2, .path = "/api/v1/write"};

	for (; *arguments != NULL; arguments++)
	{
		char *value = strchr(*arguments, '=');

		if (value == NULL)
			bench_fail("wrong arguments");
		*value++ = 0;
		if (strcmp(*arguments, "connections") == 0)
			options.connections = (int) number(value);
		else if (strcmp(*arguments, "from") == 0)
			options.from = (int64_t) number(value);
		else if (strcmp(*arguments, "steps") == 0)
			options.steps = (int64_t) number(value);
		else if (strcmp(*arguments, "seconds") == 0)
			options.seconds = number(value);
		else if (strcmp(*arguments, "rate") == 0)
			options.rate = number(value);
		else if (strcmp(*arguments, "path") == 0)
			options.path = value;
		else
			bench_fail("no such option");
	}
	if (options.connections < 1)
		bench_fail("no connection");
	return options;
}

/* Processor time of this program, in seconds. */
static double
own_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		   (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void
report(const ClientResult *result, double cpu)
{
	printf("{\"seconds\": %.6f, \"requests\": %" PRIu64 ", \"again\": %" PRIu64
		   ", \"sent_bytes\": %" PRIu64 ", \"client_cpu\": %.3f, \"p50_ms\": %.3f, "
		   "\"p99_ms\": %.3f, \"max_ms\": %.3f",
		   result->seconds, result->requests, result->again, result->sent, cpu,
		   client_quantile(result, 0.5), client_quantile(result, 0.99),
		   client_quantile(result, 1));
}

/* ---- writes ---- */

/* All bodies, in turns; body i is sent on connection i % connections. */
typedef struct Writes
{
	Body *bodies;
	int count;
	int *next; /* of each connection */
	const Options *options;
	int64_t start;
	uint64_t samples; /* that were sent: in the end all of them are acknowledged */
	uint64_t plain;   /* bytes of messages */
} Writes;

static bool
next_write(void *arg, int connection, ClientRequest *request)
{
	Writes *writes = arg;
	int *next = &writes->next[connection];
	Body *body = &writes->bodies[*next];

	if (writes->options->steps > 0 &&
		body->step >= writes->options->from + writes->options->steps)
		return false;
	body_fill(body, writes->start);
	*request = (ClientRequest){body->bytes, body->length};
	writes->samples += (uint64_t) body->count * body->per_each;
	writes->plain += body->plain;
	*next += writes->options->connections;
	if (*next >= writes->count)
		*next = connection;
	return true;
}

static void
write_load(bool backfill, int port, int instances, int64_t start, Options *options)
{
	int each = backfill ? BACKFILL_SERIES : SCRAPE_SERIES;
	int per = backfill ? BACKFILL_STEPS : 1;
	int count = instances * BENCH_INSTANCE / each;
	Series *series = bench_all_series(instances, true);
	Writes writes = {.count = count, .options = options, .start = start};
	ClientWork work = {.port = port,
					   .seconds = options->seconds,
					   .rate = options->rate,
					   .next = next_write,
					   .arg = &writes};
	ClientResult result;
	int64_t last = 0;
	double cpu;

	if (count < 1 || options->from % per != 0 || options->steps % per != 0)
		bench_fail("a request needs more than this");
	if (options->connections > count)
		options->connections = count;
	work.connections = options->connections;
	writes.bodies = calloc((size_t) count, sizeof(Body));
	writes.next = calloc((size_t) work.connections, sizeof(int));
	if (writes.bodies == NULL || writes.next == NULL)
		bench_fail("no memory");
	for (int i = 0; i < count; i++)
	{
		body_make(&writes.bodies[i], series, i * each, each, per, options->path);
		while (writes.bodies[i].step < options->from)
			body_skip(&writes.bodies[i]);
	}
	for (int i = 0; i < work.connections; i++)
		writes.next[i] = i;
	cpu = own_seconds();
	client_run(&work, &result);
	cpu = own_seconds() - cpu;
	for (int i = 0; i < count; i++)
		last = writes.bodies[i].step > last ? writes.bodies[i].step : last;
	report(&result, cpu);
	printf(", \"samples\": %" PRIu64 ", \"message_bytes\": %" PRIu64
		   ", \"next_step\": %" PRId64 "}\n",
		   writes.samples, writes.plain, last);
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
query_load(int port, const char *path, const Options *options)
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
	double cpu = own_seconds();

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
	report(&result, own_seconds() - cpu);
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
print_samples(int instances, int64_t start, const Options *options)
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
	Options options;

	if (strcmp(what, "queries") == 0 && argc >= 4)
	{
		options = read_options(argv + 4);
		query_load((int) number(argv[2]), argv[3], &options);
	}
	else if (strcmp(what, "print") == 0 && argc >= 4)
	{
		options = read_options(argv + 4);
		print_samples((int) number(argv[2]), (int64_t) number(argv[3]), &options);
	}
	else if ((strcmp(what, "scrape") == 0 || strcmp(what, "backfill") == 0) && argc >= 5)
	{
		options = read_options(argv + 5);
		write_load(what[0] == 'b', (int) number(argv[2]), (int) number(argv[3]),
				   (int64_t) number(argv[4]), &options);
	}
	else
		bench_fail("wrong arguments");
	if (fflush(stdout) != 0)
		bench_fail("cannot write");
	return 0;
}
