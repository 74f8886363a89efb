/*
 * gate_workers.c
 *	  The gate's end of the links to the workers: who is there, what each has, and the bytes
 *	  that go to and fro (link.h).
 *
 * A worker has at most the requests of one frame at a time, and answers them in order. A
 * link that ends, or does not keep to the protocol, costs the requests that it had.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "libpq/pqcomm.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

#include "gate_workers.h"
#include "link.h"
#include "serve_settings.h"
#include "serve_stats.h"

#define BACKLOG 128
/* Descriptors that have come before the frames that they belong to. */
#define MAX_FILES 16

struct GateWorker
{
	dlist_node node;
	int number; /* 0 until it has said hello */
	pid_t pid;
	ServeKind kind;
	bool broken; /* the link is to end: what was to be sent is not all there */
	int fd;
	struct event *readable;
	struct event *writeable;
	struct evbuffer *output;
	char *file; /* that long requests are in, mapped; or NULL */
	uint64 file_size;
	GateRequest *requests[LINK_MAX_COUNT];
	int nrequests;
	int nanswered; /* of them, the first ones */
	int files[MAX_FILES];
	int nfiles;
	size_t filled; /* of the input */
	char input[LINK_MAX_REPLY];
};

static dlist_head workers = DLIST_STATIC_INIT(workers);
static int nworkers;
static int listener = -1;
static MemoryContext workers_context;

static bool
is_busy(const GateWorker *worker)
{
	return worker->nanswered < worker->nrequests;
}

static ServeStat
gauge_of(ServeKind kind)
{
	return kind == SERVE_INGEST ? STAT_WORKERS_INGEST : STAT_WORKERS_QUERY;
}

/* ---- the end of a link ---- */

static void
drop_file(GateWorker *worker)
{
	if (worker->file != NULL)
		(void) munmap(worker->file, worker->file_size);
	worker->file = NULL;
	worker->file_size = 0;
}

static void
set_idle(GateWorker *worker)
{
	if (worker->file_size > LINK_KEPT_FILE)
		drop_file(worker);
	worker->nrequests = 0;
	worker->nanswered = 0;
	serve_count(STAT_WORKERS_BUSY, -1);
}

static void
tell_lost(void *arg)
{
	dispatch_lost(arg, true);
}

static void
tell_not_begun(void *arg)
{
	dispatch_lost(arg, false);
}

/* Whether it began what it was given last: it may have ended just when that came. */
static bool
has_begun(const GateWorker *worker)
{
	ServeProcess *process = &serve_shared->processes[worker->number];

	return worker->nanswered > 0 ||
		   pg_atomic_read_u64(&process->begun) == worker->requests[0]->id;
}

/*
 * The link is gone before those are told whose requests it had; the last one first, so that
 * what begins to wait anew does so in order.
 */
static void
lose(GateWorker *worker)
{
	GateRequest **left = worker->requests + worker->nanswered;
	int nleft = worker->nrequests - worker->nanswered;
	bool begun = nleft > 0 && has_begun(worker);

	dlist_delete(&worker->node);
	nworkers--;
	event_free(worker->readable);
	event_free(worker->writeable);
	evbuffer_free(worker->output);
	drop_file(worker);
	close(worker->fd);
	ReleaseExternalFD();
	while (worker->nfiles > 0)
		close(worker->files[--worker->nfiles]);
	if (worker->number > 0)
		serve_count(gauge_of(worker->kind), -1);
	if (nleft > 0)
	{
		serve_count(STAT_WORKERS_LOST, 1);
		set_idle(worker);
	}
	for (int i = nleft - 1; i >= 0; i--)
	{
		left[i]->worker = -1;
		(void) gate_guard(begun ? tell_lost : tell_not_begun, left[i]);
	}
	pfree(worker);
}

/* ---- what a worker says ---- */

static int
take_file(GateWorker *worker)
{
	int fd = worker->files[0];

	worker->nfiles--;
	memmove(worker->files, worker->files + 1, sizeof(int) * worker->nfiles);
	return fd;
}

/* Whether the lengths are possible, and texts end where they say. */
static bool
is_sound(const GateWorker *worker, const LinkReply *head)
{
	return head->magic == LINK_MAGIC_REPLY && head->status >= 200 &&
		   head->status <= 599 && head->content_type <= LINK_MAX_TYPE &&
		   head->content_encoding <= LINK_MAX_TYPE &&
		   head->headers <= REPLY_HEADERS_SIZE && head->body <= REPLY_INLINE_SIZE &&
		   (head->has_file ? head->body == 0 : head->body == head->size);
}

/* A text with its NUL; NULL if it has none. */
static const char *
text_at(const char **next, uint32 size)
{
	const char *text = *next;

	*next += size;
	return size > 0 && text[size - 1] == '\0' ? text : NULL;
}

static void
answer(GateWorker *worker, const LinkReply *head, const char *tail)
{
	GateRequest *request = worker->requests[worker->nanswered++];
	GateReply reply = {
		.status = head->status,
		.content_type = text_at(&tail, head->content_type),
		.content_encoding = text_at(&tail, head->content_encoding),
		.headers = {tail, head->headers},
		.body = {tail + head->headers, head->body},
		.fd = head->has_file ? take_file(worker) : -1,
		.size = head->size,
	};

	request->worker = -1;
	if (!is_busy(worker))
		set_idle(worker);
	dispatch_answered(request, &reply);
}

/*
 * Takes a frame off the input. Returns its length, 0 if it is not all there, -1 if it is
 * none that may come now.
 */
static ssize_t
take_reply(GateWorker *worker, const char *input, size_t size)
{
	LinkReply head;

	if (size < sizeof(head))
		return 0;
	memcpy(&head, input, sizeof(head));
	if (!is_sound(worker, &head) || !is_busy(worker) ||
		worker->requests[worker->nanswered]->id != head.id)
		return -1;
	if (size < sizeof(head) + link_reply_tail(&head))
		return 0;
	if (head.has_file && worker->nfiles == 0)
		return -1;
	answer(worker, &head, input + sizeof(head));
	return (ssize_t) (sizeof(head) + link_reply_tail(&head));
}

static GateWorker *
find_worker(int number)
{
	dlist_iter iter;

	dlist_foreach(iter, &workers)
	{
		GateWorker *worker = dlist_container(GateWorker, node, iter.cur);

		if (worker->number == number)
			return worker;
	}
	return NULL;
}

static ssize_t
take_hello(GateWorker *worker, const char *input, size_t size)
{
	LinkHello hello;
	GateWorker *before;

	if (size < sizeof(hello))
		return 0;
	memcpy(&hello, input, sizeof(hello));
	if (hello.magic != LINK_MAGIC_HELLO || hello.number <= SERVE_GATE_NUMBER ||
		hello.number >= serve_process_count() || hello.pid != (int32) worker->pid)
		return -1;
	/* one that was there and whose end we have not read yet */
	before = find_worker(hello.number);
	if (before != NULL)
		lose(before);
	worker->number = hello.number;
	worker->kind = serve_shared->processes[hello.number].kind;
	serve_count(gauge_of(worker->kind), 1);
	return sizeof(hello);
}

/* Takes all frames that are there; false when the link must end. */
static bool
take_frames(GateWorker *worker)
{
	size_t done = 0;
	ssize_t n;

	do
	{
		const char *input = worker->input + done;
		size_t size = worker->filled - done;

		n = worker->number == 0 ? take_hello(worker, input, size)
								: take_reply(worker, input, size);
		if (n < 0)
			return false;
		done += (size_t) n;
	} while (n > 0);
	worker->filled -= done;
	memmove(worker->input, worker->input + done, worker->filled);
	return worker->filled < sizeof(worker->input);
}

/* Reads what fits, with descriptors. */
static ssize_t
receive_some(GateWorker *worker)
{
	int fd;
	ssize_t n = link_get(worker->fd, worker->input + worker->filled,
						 sizeof(worker->input) - worker->filled, &fd);

	if (fd >= 0 && worker->nfiles < MAX_FILES)
		worker->files[worker->nfiles++] = fd;
	else if (fd >= 0)
		close(fd);
	if (n > 0)
		worker->filled += (size_t) n;
	return n;
}

/* What a callback of a worker has to say beyond its return. */
typedef struct Reading
{
	GateWorker *worker;
	bool over; /* the link is */
} Reading;

static void
read_worker(void *arg)
{
	Reading *reading = arg;
	GateWorker *worker = reading->worker;

	reading->over = worker->broken;
	while (!reading->over)
	{
		ssize_t n = receive_some(worker);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		reading->over = n <= 0;
		if (!reading->over && !take_frames(worker))
		{
			reading->over = true;
			ereport(LOG,
					(errcode(ERRCODE_PROTOCOL_VIOLATION),
					 errmsg("mytsdb process %d does not keep to the protocol of the gate",
							(int) worker->pid)));
		}
	}
}

static void
kick(void *arg)
{
	dispatch_kick();
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	Reading reading = {.worker = arg};

	if (!gate_guard(read_worker, &reading) || reading.over)
		lose(arg);
	(void) gate_guard(kick, NULL);
}

/* ---- what a worker is told ---- */

/* A worker that has gone is noticed when its end is read. */
static void
on_writeable(evutil_socket_t fd, short what, void *arg)
{
	GateWorker *worker = arg;

	if (worker->broken)
		return;
	if (evbuffer_get_length(worker->output) > 0)
		(void) evbuffer_write(worker->output, fd);
	if (evbuffer_get_length(worker->output) > 0)
		(void) event_add(worker->writeable, NULL);
}

static uint64
request_size(const LinkRequest *head)
{
	return LINK_ALIGN(sizeof(*head) + (uint64) head->target + head->query +
					  head->argument + head->content_type + head->content_encoding +
					  head->accept + head->accept_encoding + head->write_version +
					  head->body);
}

static LinkRequest
request_head(const GateRequest *request)
{
	return (LinkRequest){
		.id = request->id,
		.route = request->route,
		.method = request->method,
		.role = request->role,
		.source = request->source,
		.received = request->received,
		.target = (uint32) request->target.len,
		.query = (uint32) request->query.len,
		.argument = (uint32) request->argument.len,
		.content_type = (uint32) request->content_type.len,
		.content_encoding = (uint32) request->content_encoding.len,
		.accept = (uint32) request->accept.len,
		.accept_encoding = (uint32) request->accept_encoding.len,
		.write_version = (uint32) request->write_version.len,
		.body = request->body != NULL ? evbuffer_get_length(request->body) : 0,
	};
}

static bool
add_text(struct evbuffer *output, TsString text)
{
	return text.len == 0 || evbuffer_add(output, text.data, text.len) == 0;
}

/* The body is not copied: request and output share it. */
static bool
add_request(struct evbuffer *output, const GateRequest *request)
{
	static const char zeroes[8];
	LinkRequest head = request_head(request);
	size_t before = evbuffer_get_length(output);
	size_t size;

	if (evbuffer_add(output, &head, sizeof(head)) != 0 ||
		!add_text(output, request->target) || !add_text(output, request->query) ||
		!add_text(output, request->argument) ||
		!add_text(output, request->content_type) ||
		!add_text(output, request->content_encoding) ||
		!add_text(output, request->accept) ||
		!add_text(output, request->accept_encoding) ||
		!add_text(output, request->write_version) ||
		(head.body > 0 && evbuffer_add_buffer_reference(output, request->body) != 0))
		return false;
	size = evbuffer_get_length(output) - before;
	Assert(LINK_ALIGN(size) == request_size(&head));
	return evbuffer_add(output, zeroes, LINK_ALIGN(size) - size) == 0;
}

static bool
add_requests(struct evbuffer *output, GateRequest *const *requests, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (!add_request(output, requests[i]))
			return false;
	}
	return true;
}

/*
 * Makes a file in memory in the place of the one before, with all of its memory: who maps it
 * will not find that there is none. Returns its descriptor, or -1.
 */
static int
make_file(GateWorker *worker, uint64 size)
{
	int fd = memfd_create("mytsdb requests", MFD_CLOEXEC);
	void *data = MAP_FAILED;

	drop_file(worker);
	/* others as long as this one will come */
	if (size < LINK_KEPT_FILE)
		size = pg_nextpower2_64(size);
	if (fd >= 0 && posix_fallocate(fd, 0, (off_t) size) == 0)
		data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED)
	{
		if (fd >= 0)
			close(fd);
		return -1;
	}
	worker->file = data;
	worker->file_size = size;
	return fd;
}

/* Sends the requests in a file; *sent is false when there is no memory for that. */
static bool
send_in_file(GateWorker *worker, LinkFrame frame, GateRequest *const *requests,
			 bool *sent)
{
	struct evbuffer *output = worker->output;
	struct iovec part = {&frame, sizeof(frame)};
	bool old = frame.size <= worker->file_size;
	int fd = old ? -1 : make_file(worker, frame.size);
	ssize_t n = 0;

	frame.in_file = true;
	*sent = (old || fd >= 0) && add_requests(output, requests, (int) frame.count) &&
			evbuffer_remove(output, worker->file, frame.size) == (int) frame.size;
	if (*sent)
		/* the worker has read all that was sent before, so this fits */
		n = link_put(worker->fd, &part, 1, fd);
	else
	{
		drop_file(worker);
		evbuffer_drain(output, evbuffer_get_length(output));
	}
	if (fd >= 0)
		close(fd);
	return !*sent || n == sizeof(frame);
}

/* False when not all is there, or has gone, that must. */
static bool
send_requests(GateWorker *worker, LinkFrame frame, GateRequest *const *requests)
{
	bool sent = false;

	Assert(evbuffer_get_length(worker->output) == 0);
	if (frame.size > LINK_MAX_SIZE)
		return false;
	if (frame.size > LINK_INLINE_SIZE && !send_in_file(worker, frame, requests, &sent))
		return false;
	return sent || (evbuffer_add(worker->output, &frame, sizeof(frame)) == 0 &&
					add_requests(worker->output, requests, (int) frame.count));
}

bool
workers_give(GateWorker *worker, GateRequest *const *requests, int count)
{
	LinkFrame frame = {.magic = LINK_MAGIC_REQUEST, .count = (uint32) count};

	Assert(worker->number > 0 && !is_busy(worker) && !worker->broken);
	Assert(count > 0 && count <= LINK_MAX_COUNT);
	for (int i = 0; i < count; i++)
	{
		LinkRequest head = request_head(requests[i]);

		frame.size += request_size(&head);
	}
	if (!send_requests(worker, frame, requests))
	{
		worker->broken = true;
		event_active(worker->readable, EV_READ, 1);
		return false;
	}
	for (int i = 0; i < count; i++)
	{
		worker->requests[i] = requests[i];
		requests[i]->worker = worker->number;
	}
	worker->nrequests = count;
	worker->nanswered = 0;
	serve_count(STAT_WORKERS_BUSY, 1);
	on_writeable(worker->fd, EV_WRITE, worker);
	return true;
}

void
workers_cancel(const GateRequest *request)
{
	Assert(request->worker > SERVE_GATE_NUMBER);
	serve_cancel(request->worker, request->id);
}

/* ---- who is there ---- */

static int
count_workers(ServeKind kind, bool busy)
{
	dlist_iter iter;
	int count = 0;

	dlist_foreach(iter, &workers)
	{
		GateWorker *worker = dlist_container(GateWorker, node, iter.cur);

		if (worker->number > 0 && worker->kind == kind && (!busy || is_busy(worker)))
			count++;
	}
	return count;
}

int
workers_connected(ServeKind kind)
{
	return count_workers(kind, false);
}

int
workers_busy(ServeKind kind)
{
	return count_workers(kind, true);
}

/* The one with the lowest number: its caches are the warmest. */
GateWorker *
workers_idle(ServeKind kind)
{
	dlist_iter iter;
	GateWorker *found = NULL;

	dlist_foreach(iter, &workers)
	{
		GateWorker *worker = dlist_container(GateWorker, node, iter.cur);

		if (worker->number > 0 && worker->kind == kind && !is_busy(worker) &&
			!worker->broken && (found == NULL || worker->number < found->number))
			found = worker;
	}
	return found;
}

/* ---- new ones ---- */

static void
add_worker(int fd, pid_t pid)
{
	GateWorker *worker = MemoryContextAllocZero(workers_context, sizeof(*worker));

	worker->fd = fd;
	worker->pid = pid;
	worker->output = evbuffer_new();
	worker->readable = event_new(gate_base, fd, EV_READ | EV_PERSIST, on_readable,
								 worker);
	worker->writeable = event_new(gate_base, fd, EV_WRITE, on_writeable, worker);
	if (worker->output == NULL || worker->readable == NULL || worker->writeable == NULL ||
		event_add(worker->readable, NULL) != 0)
	{
		if (worker->output != NULL)
			evbuffer_free(worker->output);
		if (worker->readable != NULL)
			event_free(worker->readable);
		if (worker->writeable != NULL)
			event_free(worker->writeable);
		pfree(worker);
		close(fd);
		return;
	}
	ReserveExternalFD();
	dlist_push_tail(&workers, &worker->node);
	nworkers++;
}

/* Only processes of the server itself are let in: those of its user. */
static void
accept_worker(void *arg)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
		peer.uid != geteuid() || nworkers >= 2 * serve_process_count())
	{
		close(fd);
		return;
	}
	add_worker(fd, peer.pid);
}

static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
	(void) gate_guard(accept_worker, NULL);
}

/* What the workers run is for nobody. */
static void
leave(int code, Datum arg)
{
	dlist_iter iter;

	serve_gate_listens(false);
	(void) unlink(LINK_PATH);
	dlist_foreach(iter, &workers)
	{
		GateWorker *worker = dlist_container(GateWorker, node, iter.cur);

		if (worker->number > 0 && worker->kind == SERVE_QUERY && is_busy(worker))
			workers_cancel(worker->requests[worker->nanswered]);
	}
}

void
workers_start(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = LINK_PATH};
	struct event *acceptable;

	StaticAssertStmt(sizeof(LINK_PATH) <= sizeof(address.sun_path), "path fits");
	workers_context = AllocSetContextCreate(TopMemoryContext, "mytsdb links to workers",
											ALLOCSET_DEFAULT_SIZES);
	serve_set(STAT_WORKERS_INGEST, 0);
	serve_set(STAT_WORKERS_QUERY, 0);
	serve_set(STAT_WORKERS_BUSY, 0);

	/* one of a gate that was killed */
	(void) unlink(LINK_PATH);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener < 0 ||
		bind(listener, (struct sockaddr *) &address, sizeof(address)) != 0 ||
		chmod(LINK_PATH, S_IRUSR | S_IWUSR) != 0 || listen(listener, BACKLOG) != 0)
		ereport(FATAL, (errcode_for_socket_access(),
						errmsg("could not listen on socket \"%s\": %m", LINK_PATH),
						errhint("The data directory must have a directory pg_stat_tmp in "
								"which sockets can be made.")));
	ReserveExternalFD();
	acceptable = event_new(gate_base, listener, EV_READ | EV_PERSIST, on_accept, NULL);
	if (acceptable == NULL || event_add(acceptable, NULL) != 0)
		ereport(FATAL, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	before_shmem_exit(leave, (Datum) 0);
	serve_gate_listens(true);
}
