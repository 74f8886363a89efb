/*
 * link.c
 *	  The worker's end of the link to the gate, and how descriptors go by it either way.
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
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "link.h"

static int gate = -1;          /* the socket */
static WaitEventSet *wait_set; /* latch, postmaster, socket */
static int socket_event;       /* in it */
static char *file; /* that the gate puts long requests into, mapped; or NULL */
static Size file_size;

bool
link_connected(void)
{
	return gate >= 0;
}

static void
unmap_file(void)
{
	if (file != NULL)
		(void) munmap(file, file_size);
	file = NULL;
	file_size = 0;
}

void
link_close(void)
{
	if (wait_set != NULL)
		FreeWaitEventSet(wait_set);
	wait_set = NULL;
	if (gate >= 0)
	{
		close(gate);
		ReleaseExternalFD();
	}
	gate = -1;
}

static void
make_wait_set(void)
{
	wait_set = CreateWaitEventSet(TopMemoryContext, 3);
	AddWaitEventToSet(wait_set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(wait_set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	socket_event = AddWaitEventToSet(wait_set, WL_SOCKET_READABLE, gate, NULL, NULL);
}

bool
link_connect(int number)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = LINK_PATH};
	LinkHello hello = {
		.magic = LINK_MAGIC_HELLO, .number = number, .pid = (int32) MyProcPid};

	Assert(gate < 0);
	ReserveExternalFD();
	gate = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (gate < 0)
	{
		ReleaseExternalFD();
		ereport(ERROR, (errcode_for_socket_access(),
						errmsg("could not create a socket to the gate: %m")));
	}
	/* the first bytes always fit */
	if (connect(gate, (struct sockaddr *) &address, sizeof(address)) != 0 ||
		send(gate, &hello, sizeof(hello), MSG_NOSIGNAL) != sizeof(hello) ||
		!pg_set_noblock(gate))
	{
		link_close();
		return false;
	}
	make_wait_set();
	return true;
}

/*
 * Waits for the socket, and serves interrupts. False: something else has happened, or the
 * time is up.
 */
static bool
wait_for(uint32 events, long timeout)
{
	WaitEvent event;
	int n;

	ModifyWaitEvent(wait_set, socket_event, events, NULL);
	n = WaitEventSetWait(wait_set, timeout, &event, 1, PG_WAIT_EXTENSION);
	if (n > 0 && (event.events & WL_LATCH_SET))
		ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	return n > 0 && (event.events & events);
}

/* ---- bytes and descriptors ---- */

typedef union Control
{
	struct cmsghdr head;
	char space[CMSG_SPACE(sizeof(int))];
} Control;

ssize_t
link_put(int socket, struct iovec *parts, int nparts, int fd)
{
	Control control = {0};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t) nparts};

	if (fd >= 0)
	{
		message.msg_control = control.space;
		message.msg_controllen = sizeof(control.space);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	}
	return sendmsg(socket, &message, MSG_NOSIGNAL);
}

ssize_t
link_get(int socket, void *data, Size size, int *fd)
{
	Control control;
	struct iovec part = {data, size};
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *item = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;

	*fd = -1;
	if (item != NULL && item->cmsg_level == SOL_SOCKET && item->cmsg_type == SCM_RIGHTS &&
		item->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(item), sizeof(*fd));
	return n;
}

/* ---- requests ---- */

/* Reads so many bytes, however long they take. False: the link is lost. */
static bool
receive(void *data, Size size)
{
	char *next = data;

	while (size > 0)
	{
		ssize_t n = recv(gate, next, size, 0);

		if (n > 0)
		{
			next += n;
			size -= (Size) n;
		}
		else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			(void) wait_for(WL_SOCKET_READABLE, -1);
		else if (n == 0 || errno != EINTR)
			return false;
	}
	return true;
}

static bool
take(const char **next, const char *end, uint64 len, TsString *text)
{
	if (len > (uint64) (end - *next))
		return false;
	*text = (TsString){*next, len};
	*next += len;
	return true;
}

static bool
read_request(const char **next, const char *end, ServeRequest *request)
{
	LinkRequest head;
	const char *begin = *next;

	if ((Size) (end - begin) < sizeof(head))
		return false;
	memcpy(&head, begin, sizeof(head));
	*next += sizeof(head);
	*request = (ServeRequest){
		.id = head.id,
		.route = (ServeRoute) head.route,
		.method = (ServeMethod) head.method,
		.role = head.role,
		.source = head.source,
		.received = head.received,
	};
	if (head.route < 0 || head.route >= SERVE_ROUTES || head.id == 0 ||
		!take(next, end, head.target, &request->target) ||
		!take(next, end, head.query, &request->query) ||
		!take(next, end, head.argument, &request->argument) ||
		!take(next, end, head.content_type, &request->content_type) ||
		!take(next, end, head.content_encoding, &request->content_encoding) ||
		!take(next, end, head.accept, &request->accept) ||
		!take(next, end, head.accept_encoding, &request->accept_encoding) ||
		!take(next, end, head.write_version, &request->write_version) ||
		!take(next, end, head.body, &request->body))
		return false;
	*next += LINK_ALIGN(*next - begin) - (*next - begin);
	return *next <= end;
}

/* Maps a file that came in the place of the one before, and closes it. */
static void
map_file(int fd)
{
	struct stat status;

	unmap_file();
	if (fstat(fd, &status) == 0 && status.st_size > 0)
	{
		file = mmap(NULL, (size_t) status.st_size, PROT_READ, MAP_SHARED, fd, 0);
		if (file == MAP_FAILED)
			file = NULL;
		else
			file_size = (Size) status.st_size;
	}
	close(fd);
}

/* What the requests of a frame are in; NULL: the link is lost. */
static const char *
receive_data(const LinkFrame *frame)
{
	char *data;

	if (frame->in_file)
		return frame->size <= file_size ? file : NULL;
	data = MemoryContextAllocHuge(CurrentMemoryContext, frame->size);
	return receive(data, frame->size) ? data : NULL;
}

static bool
receive_frame(LinkFrame *frame)
{
	ssize_t n;
	int fd;

	do
		n = link_get(gate, frame, sizeof(*frame), &fd);
	while (n < 0 && errno == EINTR);
	if (fd >= 0)
		map_file(fd);
	return n > 0 && receive((char *) frame + n, sizeof(*frame) - (Size) n) &&
		   frame->magic == LINK_MAGIC_REQUEST && frame->count > 0 &&
		   frame->count <= LINK_MAX_COUNT && frame->size > 0 &&
		   frame->size <= LINK_MAX_SIZE;
}

static bool
receive_requests(ServeRequest *requests, int *count)
{
	LinkFrame frame;
	const char *data = receive_frame(&frame) ? receive_data(&frame) : NULL;
	const char *next;

	if (data == NULL)
		return false;
	next = data;
	for (uint32 i = 0; i < frame.count; i++)
	{
		if (!read_request(&next, data + frame.size, &requests[i]))
			return false;
	}
	*count = (int) frame.count;
	return next == data + frame.size;
}

int
link_receive(ServeRequest *requests, long timeout, const volatile sig_atomic_t *stop)
{
	int count = 0;

	if (file_size > LINK_KEPT_FILE)
		unmap_file();
	if (*stop || !wait_for(WL_SOCKET_READABLE, timeout) || *stop)
		return 0;
	if (receive_requests(requests, &count))
		return count;
	link_close();
	return 0;
}

/* ---- replies ---- */

/* Leaves out of *parts what was sent; returns whether there is more. */
static bool
skip_sent(struct iovec **parts, int *nparts, Size sent)
{
	while (*nparts > 0 && sent >= (*parts)->iov_len)
	{
		sent -= (*parts)->iov_len;
		(*parts)++;
		(*nparts)--;
	}
	if (*nparts == 0)
		return false;
	(*parts)->iov_base = (char *) (*parts)->iov_base + sent;
	(*parts)->iov_len -= sent;
	return true;
}

static int
descriptor_of(File file)
{
	/* opens it again, if the server has closed it for want of descriptors */
	(void) FileSize(file);
	return FileGetRawDesc(file);
}

static bool
send_all(struct iovec *parts, int nparts, File file)
{
	while (link_connected())
	{
		ssize_t n = link_put(gate, parts, nparts, file >= 0 ? descriptor_of(file) : -1);

		if (n > 0)
		{
			file = -1; /* has gone with the first byte */
			if (!skip_sent(&parts, &nparts, (Size) n))
				return true;
		}
		else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			(void) wait_for(WL_SOCKET_WRITEABLE, -1);
		else if (n == 0 || errno != EINTR)
			break;
	}
	link_close();
	return false;
}

static uint32
text_size(const char *text)
{
	return text != NULL ? (uint32) strlen(text) + 1 : 0;
}

bool
link_send(uint64 id, const ReplyResult *result)
{
	LinkReply head = {
		.magic = LINK_MAGIC_REPLY,
		.status = result->status,
		.id = id,
		.size = result->size,
		.content_type = text_size(result->content_type),
		.content_encoding = text_size(result->content_encoding),
		.headers = (uint32) result->headers.len,
		.body = (uint32) result->body.len,
		.has_file = result->file >= 0,
	};
	struct iovec parts[] = {
		{&head, sizeof(head)},
		{(void *) result->content_type, head.content_type},
		{(void *) result->content_encoding, head.content_encoding},
		{(void *) result->headers.data, head.headers},
		{(void *) result->body.data, head.body},
	};

	Assert(result->headers.len <= REPLY_HEADERS_SIZE);
	Assert(result->body.len <= REPLY_INLINE_SIZE);
	Assert(result->body.len == 0 || result->file < 0);
	if (head.content_type > LINK_MAX_TYPE || head.content_encoding > LINK_MAX_TYPE)
		elog(ERROR, "the content type of a reply is too long");
	return send_all(parts, lengthof(parts), result->file);
}
