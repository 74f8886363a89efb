/*
 * loads.c
 *	  What the programs that make the load of benchmarks share.
 */
#include "loads.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

double
load_number(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end != 0)
		bench_fail("wrong number");
	return value;
}

LoadOptions
load_options(char **arguments)
{
	LoadOptions options = {.connections = 2, .streams = 1, .path = "/api/v1/write"};

	for (; *arguments != NULL; arguments++)
	{
		char *value = strchr(*arguments, '=');

		if (value == NULL)
			bench_fail("wrong arguments");
		*value++ = 0;
		if (strcmp(*arguments, "connections") == 0)
			options.connections = (int) load_number(value);
		else if (strcmp(*arguments, "streams") == 0)
			options.streams = (int) load_number(value);
		else if (strcmp(*arguments, "from") == 0)
			options.from = (int64_t) load_number(value);
		else if (strcmp(*arguments, "steps") == 0)
			options.steps = (int64_t) load_number(value);
		else if (strcmp(*arguments, "seconds") == 0)
			options.seconds = load_number(value);
		else if (strcmp(*arguments, "rate") == 0)
			options.rate = load_number(value);
		else if (strcmp(*arguments, "path") == 0)
			options.path = value;
		else
			bench_fail("no such option");
	}
	if (options.connections < 1 || options.streams < 1)
		bench_fail("no connection");
	return options;
}

double
load_cpu(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		   (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void
load_report(const ClientResult *result, double cpu)
{
	printf("{\"seconds\": %.6f, \"requests\": %" PRIu64 ", \"again\": %" PRIu64
		   ", \"sent_bytes\": %" PRIu64 ", \"client_cpu\": %.3f, \"p50_ms\": %.3f, "
		   "\"p99_ms\": %.3f, \"max_ms\": %.3f",
		   result->seconds, result->requests, result->again, result->sent, cpu,
		   client_quantile(result, 0.5), client_quantile(result, 0.99),
		   client_quantile(result, 1));
}

/* ---- writes ---- */

typedef struct Writes
{
	const LoadWrites *load;
	int lanes;        /* connections, or streams of all of them */
	int *next;        /* of each */
	uint64_t samples; /* that were sent: in the end all of them are acknowledged */
	uint64_t plain;   /* bytes of messages */
} Writes;

static bool
next_write(void *arg, int lane, ClientRequest *request)
{
	Writes *writes = arg;
	const LoadOptions *options = writes->load->options;
	int *next = &writes->next[lane];
	Body *body;

	if (*next >= writes->load->count)
		return false;
	body = &writes->load->bodies[*next];
	if (options->steps > 0 && body->step >= options->from + options->steps)
		return false;
	body_fill(body, writes->load->start);
	*request = (ClientRequest){body->bytes, body->length};
	writes->samples += (uint64_t) body->count * body->per_each;
	writes->plain += body->plain;
	*next += writes->lanes;
	if (*next >= writes->load->count)
		*next = lane;
	return true;
}

void
load_writes(const LoadWrites *load)
{
	LoadOptions *options = load->options;
	Writes writes = {.load = load};
	ClientWork work = {.port = load->port,
					   .streams = options->streams,
					   .seconds = options->seconds,
					   .rate = options->rate,
					   .next = next_write,
					   .arg = &writes};
	ClientResult result;
	int64_t last = 0;
	double cpu;

	if (load->count < 1 || options->from % load->bodies[0].per_each != 0 ||
		options->steps % load->bodies[0].per_each != 0)
		bench_fail("a request needs more than this");
	if (options->connections > load->count)
		options->connections = load->count;
	work.connections = options->connections;
	writes.lanes = work.connections * work.streams;
	writes.next = calloc((size_t) writes.lanes, sizeof(int));
	if (writes.next == NULL)
		bench_fail("no memory");
	for (int i = 0; i < load->count; i++)
	{
		while (load->bodies[i].step < options->from)
			body_skip(&load->bodies[i]);
	}
	for (int i = 0; i < writes.lanes; i++)
		writes.next[i] = i;
	cpu = load_cpu();
	load->run(&work, &result);
	cpu = load_cpu() - cpu;
	for (int i = 0; i < load->count; i++)
		last = load->bodies[i].step > last ? load->bodies[i].step : last;
	load_report(&result, cpu);
	printf(", \"samples\": %" PRIu64 ", \"message_bytes\": %" PRIu64
		   ", \"next_step\": %" PRId64 "}\n",
		   writes.samples, writes.plain, last);
}
