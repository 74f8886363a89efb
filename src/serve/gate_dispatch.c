/*
 * gate_dispatch.c
 *	  The queues of the gate: which request goes to which worker, and when.
 *
 * Writes wait in one line. An ingest worker takes all that wait, up to some bounds, so that
 * they share a commit. While one worker writes, few and small ones that come wait for it
 * rather than go to the next one, but only for a moment.
 *
 * Queries wait in a line for each role, and roles take turns, so that one that asks a lot
 * only delays itself. When too many wait, the latest of the longest line is refused.
 *
 * Nobody waits for longer than it may run, and for more than a few seconds when there is no
 * worker at all.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "utils/memutils.h"

#include "gate.h"
#include "gate_workers.h"
#include "link.h"
#include "serve_settings.h"
#include "serve_stats.h"
#include "ts_hot.h"

#define NO_WORKER_MS 5000
#define TICK_MS      100

/* What an ingest worker takes at once, but always one; bodies are compressed. */
#define BATCH_COUNT LINK_MAX_COUNT
#define BATCH_BYTES (4 * 1024 * 1024)
/* While others write, what waits goes to another worker when it is so much, or so old. */
#define SECOND_COUNT   8
#define SECOND_BYTES   (32 * 1024)
#define SECOND_WAIT_MS 2

/* How long writes are held off when hot memory was found full, and how often it is seen to. */
#define HOT_HOLD_MS  1000
#define HOT_CHECK_MS 100

/* The queries of a role that wait: never none. */
typedef struct Line
{
	dlist_node node;
	Oid role;
	int count;
	dlist_head requests;
} Line;

static dlist_head writes = DLIST_STATIC_INIT(writes);
static int nwrites;
static uint64 write_bytes;
static dlist_head lines = DLIST_STATIC_INIT(lines); /* whose turn is next is first */
static int nqueries;
/* Requests of clients that went away, to be ended from the event loop. */
static dlist_head abandoned = DLIST_STATIC_INIT(abandoned);

static MemoryContext lines_context;
static struct event *tick;   /* while anything waits */
static struct event *second; /* when writes have waited for a busy worker long enough */
static struct event *end_abandoned;

static bool
is_write(const GateRequest *request)
{
	return serve_routes[request->route].who == SERVE_BY_INGEST;
}

static uint64
body_size(const GateRequest *request)
{
	return request->body != NULL ? evbuffer_get_length(request->body) : 0;
}

static bool
has_waited(const GateRequest *request, int ms)
{
	return serve_elapsed(request->completed) >= (int64) ms * 1000;
}

/* ---- lines ---- */

static Line *
line_of(Oid role)
{
	dlist_iter iter;

	dlist_foreach(iter, &lines)
	{
		Line *line = dlist_container(Line, node, iter.cur);

		if (line->role == role)
			return line;
	}
	return NULL;
}

static Line *
longest_line(void)
{
	dlist_iter iter;
	Line *longest = NULL;

	dlist_foreach(iter, &lines)
	{
		Line *line = dlist_container(Line, node, iter.cur);

		if (longest == NULL || line->count > longest->count)
			longest = line;
	}
	return longest;
}

static void
push(dlist_head *requests, GateRequest *request, bool first)
{
	if (first)
		dlist_push_head(requests, &request->node);
	else
		dlist_push_tail(requests, &request->node);
}

static void
enter_line(GateRequest *request, bool first)
{
	Line *line = line_of(request->role);

	if (line == NULL)
	{
		line = MemoryContextAllocZero(lines_context, sizeof(*line));
		line->role = request->role;
		dlist_init(&line->requests);
		dlist_push_tail(&lines, &line->node);
	}
	push(&line->requests, request, first);
	line->count++;
	nqueries++;
	serve_count(STAT_QUERIES_WAITING, 1);
}

static void
leave_line(GateRequest *request)
{
	Line *line = line_of(request->role);

	Assert(line != NULL && line->count > 0);
	dlist_delete(&request->node);
	nqueries--;
	serve_count(STAT_QUERIES_WAITING, -1);
	if (--line->count > 0)
		return;
	dlist_delete(&line->node);
	pfree(line);
}

static void
enter_writes(GateRequest *request, bool first)
{
	push(&writes, request, first);
	nwrites++;
	write_bytes += body_size(request);
	serve_count(STAT_WRITE_QUEUE_REQUESTS, 1);
	serve_count(STAT_WRITE_QUEUE_BYTES, (int64) body_size(request));
}

static void
leave_writes(GateRequest *request)
{
	dlist_delete(&request->node);
	nwrites--;
	write_bytes -= body_size(request);
	serve_count(STAT_WRITE_QUEUE_REQUESTS, -1);
	serve_count(STAT_WRITE_QUEUE_BYTES, -(int64) body_size(request));
}

/* At the end or, first, before all that are there. */
static void
enter_queue(GateRequest *request, bool first)
{
	if (is_write(request))
		enter_writes(request, first);
	else
		enter_line(request, first);
}

static void
leave_queue(GateRequest *request)
{
	if (is_write(request))
		leave_writes(request);
	else
		leave_line(request);
}

/* ---- giving ---- */

static void
count_running(const GateRequest *request, int n)
{
	if (!is_write(request))
		serve_count(STAT_QUERIES_RUNNING, n);
}

/* Takes them from the queue, unless they cannot be given. */
static bool
give(GateWorker *worker, GateRequest *const *requests, int count)
{
	if (!workers_give(worker, requests, count))
		return false;
	for (int i = 0; i < count; i++)
	{
		leave_queue(requests[i]);
		count_running(requests[i], 1);
	}
	return true;
}

/* The role whose turn it was is the last one then. */
static bool
give_query(GateWorker *worker)
{
	Line *line = dlist_head_element(Line, node, &lines);
	GateRequest *request = dlist_head_element(GateRequest, node, &line->requests);

	dlist_delete(&line->node);
	dlist_push_tail(&lines, &line->node);
	serve_time(TIMING_QUEUE, serve_elapsed(request->completed));
	return give(worker, &request, 1);
}

static bool
give_writes(GateWorker *worker)
{
	GateRequest *batch[BATCH_COUNT] = {NULL};
	dlist_iter iter;
	uint64 bytes = 0;
	int count = 0;

	dlist_foreach(iter, &writes)
	{
		GateRequest *request = dlist_container(GateRequest, node, iter.cur);

		bytes += body_size(request);
		if (count == BATCH_COUNT || (count > 0 && bytes > BATCH_BYTES))
			break;
		batch[count++] = request;
	}
	return give(worker, batch, count);
}

/* Whether the writes that wait should go to an idle worker while others are busy. */
static bool
are_worth_a_worker(void)
{
	GateRequest *oldest = dlist_head_element(GateRequest, node, &writes);
	struct timeval wait = gate_timeval(SECOND_WAIT_MS);

	if (workers_busy(SERVE_INGEST) == 0 || nwrites >= SECOND_COUNT ||
		write_bytes >= SECOND_BYTES || has_waited(oldest, SECOND_WAIT_MS))
		return true;
	if (!event_pending(second, EV_TIMEOUT, NULL))
		(void) event_add(second, &wait);
	return false;
}

void
dispatch_kick(void)
{
	GateWorker *worker;

	while (nwrites > 0 && (worker = workers_idle(SERVE_INGEST)) != NULL &&
		   are_worth_a_worker())
		(void) give_writes(worker);
	while (nqueries > 0 && (worker = workers_idle(SERVE_QUERY)) != NULL)
		(void) give_query(worker);
}

/* ---- refusing ---- */

static void
refuse_waiting(GateRequest *request, const char *message, int retry_after)
{
	leave_queue(request);
	if (is_write(request))
		serve_count(STAT_WRITE_PUSHED_BACK, 1);
	gate_refuse(request, 503, message, retry_after);
}

/*
 * Whether appends have lately found no hot memory, though they waited for it: then sealing
 * does not keep up, and what comes now would only be read from the log more slowly later.
 * Writes are let in again after a while, whether there is memory or not.
 */
static bool
hot_memory_is_full(void)
{
	static TimestampTz checked;
	static TimestampTz full_until;
	static uint64 log_only;
	TimestampTz now = GetCurrentTimestamp();
	TsHotStats stats;

	if (!ts_hot_enabled())
		return false;
	if (!TimestampDifferenceExceeds(checked, now, HOT_CHECK_MS))
		return now < full_until;
	ts_hot_stats(&stats);
	if (checked != 0 && stats.log_only > log_only && now >= full_until &&
		stats.used >= stats.size / 100 * 95)
		full_until = TimestampTzPlusMilliseconds(now, HOT_HOLD_MS);
	log_only = stats.log_only;
	checked = now;
	return now < full_until;
}

const char *
dispatch_refuses_writes(int *status, int *retry_after)
{
	*status = 503;
	*retry_after = 1;
	if (RecoveryInProgress())
	{
		*retry_after = 30;
		return "this server is a hot standby: send writes to the primary";
	}
	if (hot_memory_is_full())
		return "hot memory is full: more is written than can be sealed";
	if (nwrites > 0 && gate_body_bytes() > (Size) serve_ingest_queue_size * 1024)
		return "too many writes wait: mytsdb.ingest_queue_size is reached";
	return NULL;
}

/*
 * Makes room for a query when as many wait as may: that of the role of which the most wait
 * goes, unless it is this one's role.
 */
static bool
make_room(const GateRequest *request)
{
	Line *mine = line_of(request->role);
	Line *longest = longest_line();

	if (nqueries < serve_query_queue || workers_idle(SERVE_QUERY) != NULL)
		return true;
	if (longest == NULL || longest->count <= (mine != NULL ? mine->count : 0) + 1)
		return false;
	refuse_waiting(dlist_tail_element(GateRequest, node, &longest->requests),
				   "too many queries wait: mytsdb.query_queue is reached", 1);
	return true;
}

/* ---- time ---- */

/* Why this one should wait no longer, or NULL. */
static const char *
why_waits_no_more(const GateRequest *request, bool none)
{
	if (has_waited(request, serve_query_timeout))
		return "timed out before a worker was free";
	if (none && gate_stopping)
		return "the server is shutting down";
	if (none && has_waited(request, NO_WORKER_MS))
		return "no worker is there: see the server's log";
	return NULL;
}

/* The first of a queue, if it has waited too long, is refused. Returns whether it was. */
static bool
expire(dlist_head *requests, ServeKind kind)
{
	bool none = workers_connected(kind) == 0;
	GateRequest *first;
	const char *why;

	if (dlist_is_empty(requests))
		return false;
	first = dlist_head_element(GateRequest, node, requests);
	why = why_waits_no_more(first, none);
	if (why == NULL)
		return false;
	if (kind == SERVE_QUERY && !none)
		serve_count(STAT_QUERIES_TIMED_OUT, 1);
	refuse_waiting(first, why, none ? 5 : 1);
	return true;
}

/* Refusing may change anything, so each time the first one is sought anew. */
static bool
expire_a_query(void)
{
	dlist_iter iter;

	dlist_foreach(iter, &lines)
	{
		if (expire(&dlist_container(Line, node, iter.cur)->requests, SERVE_QUERY))
			return true;
	}
	return false;
}

static void
do_tick(void *arg)
{
	while (expire(&writes, SERVE_INGEST))
		;
	while (expire_a_query())
		;
	dispatch_kick();
}

static void
start_tick(void)
{
	struct timeval wait = gate_timeval(TICK_MS);

	if (nwrites + nqueries > 0 && !event_pending(tick, EV_TIMEOUT, NULL))
		(void) event_add(tick, &wait);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void) gate_guard(do_tick, NULL);
	start_tick();
}

static void
do_kick(void *arg)
{
	dispatch_kick();
}

static void
on_second(evutil_socket_t fd, short what, void *arg)
{
	(void) gate_guard(do_kick, NULL);
}

/* ---- what the gate asks ---- */

void
gate_dispatch(GateRequest *request)
{
	const char *why = NULL;
	int status = 503;
	int retry_after = 5;

	request->worker = -1;
	if (gate_stopping)
		why = "the server is shutting down";
	else if (gate_extension_ready(&why))
	{
		why = NULL;
		if (is_write(request))
			why = dispatch_refuses_writes(&status, &retry_after);
		else if (!make_room(request))
		{
			why = "too many queries wait: mytsdb.query_queue is reached";
			retry_after = 1;
		}
	}
	if (why != NULL)
	{
		if (is_write(request))
			serve_count(STAT_WRITE_PUSHED_BACK, 1);
		gate_refuse(request, status, why, retry_after);
		return;
	}
	enter_queue(request, false);
	dispatch_kick();
	start_tick();
}

static void
do_end_abandoned(void *arg)
{
	while (!dlist_is_empty(&abandoned))
	{
		GateRequest *request = dlist_container(GateRequest, node,
											   dlist_pop_head_node(&abandoned));

		gate_refuse(request, STATUS_CLIENT_GONE, "the client is gone", 0);
	}
}

static void
on_end_abandoned(evutil_socket_t fd, short what, void *arg)
{
	(void) gate_guard(do_end_abandoned, NULL);
}

void
dispatch_abandon(GateRequest *request)
{
	if (!is_write(request))
		serve_count(STAT_QUERIES_CANCELED, 1);
	if (request->worker >= 0)
	{
		if (!is_write(request))
			workers_cancel(request);
		return;
	}
	leave_queue(request);
	dlist_push_tail(&abandoned, &request->node);
	event_active(end_abandoned, EV_TIMEOUT, 1);
}

/* ---- what the workers' links say ---- */

void
dispatch_answered(GateRequest *request, const GateReply *reply)
{
	count_running(request, -1);
	if (is_write(request))
		serve_time(TIMING_WRITE, serve_elapsed(request->began));
	gate_reply(request, reply);
}

void
dispatch_lost(GateRequest *request, bool begun)
{
	count_running(request, -1);
	if (!begun && (request->connection != NULL || request->answered != NULL))
	{
		enter_queue(request, true);
		start_tick();
	}
	else if (is_write(request))
		gate_refuse(request, 503, "the worker ended: the write may be repeated", 1);
	else
		gate_refuse(request, 502, "the worker that ran this request ended", 0);
}

/* ---- start ---- */

void
dispatch_start(void)
{
	lines_context = AllocSetContextCreate(TopMemoryContext, "mytsdb queues",
										  ALLOCSET_SMALL_SIZES);
	tick = event_new(gate_base, -1, 0, on_tick, NULL);
	second = event_new(gate_base, -1, 0, on_second, NULL);
	end_abandoned = event_new(gate_base, -1, 0, on_end_abandoned, NULL);
	if (tick == NULL || second == NULL || end_abandoned == NULL)
		ereport(FATAL, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	serve_set(STAT_WRITE_QUEUE_REQUESTS, 0);
	serve_set(STAT_WRITE_QUEUE_BYTES, 0);
	serve_set(STAT_QUERIES_RUNNING, 0);
	serve_set(STAT_QUERIES_WAITING, 0);
	workers_start();
}
