/*
 * link.h
 *	  The link between the gate and a worker: frames on a Unix-domain socket.
 *
 * The gate listens on a socket in pg_stat_tmp, whose contents no backup has; a worker
 * connects, says who it is, and gets requests: as many in a frame as it should take
 * together. It answers each with a frame, in order, and is ready for more when it has
 * answered all. A reply's body is in its frame, or is a file, whose descriptor comes with
 * the frame's first byte.
 *
 * Long requests are in a file in memory that both ends have mapped: a socket would hold only
 * a part of them at a time, and copy all of it twice. The gate makes one for a worker, whose
 * descriptor comes with the first frame that it is used for, and writes to it anew when the
 * worker has answered all that was in it, and so does not look at it any more. Either end
 * may go: the other one keeps what it has mapped. Large ones serve once.
 *
 * Both ends are the same binary on the same machine, so frames are plain structs. All
 * lengths are checked nevertheless: what does not fit ends the link.
 */
#ifndef SERVE_LINK_H
#define SERVE_LINK_H

#include "postgres.h"

#include <sys/uio.h>

#include "pgstat.h"

#include "reply.h"
#include "serve.h"

#define LINK_PATH PG_STAT_TMP_DIR "/mytsdb.gate"

#define LINK_MAGIC_HELLO   0x31485354
#define LINK_MAGIC_REQUEST 0x31515354
#define LINK_MAGIC_REPLY   0x31505354

/* A worker's first frame. */
typedef struct LinkHello
{
	uint32 magic;
	int32 number; /* serve_processes.h */
	int32 pid;
} LinkHello;

/* Requests: so many LinkRequest, each with its texts; they follow, or the file has them. */
typedef struct LinkFrame
{
	uint32 magic;
	uint32 count;
	uint64 size;     /* of all of them */
	uint32 in_file;  /* the last one that came, or that comes with this frame */
	uint32 reserved; /* 0 */
} LinkFrame;

/* Requests that are longer than this together are in a file. */
#define LINK_INLINE_SIZE (64 * 1024)
/* A larger file is used once; others are kept for the next requests. */
#define LINK_KEPT_FILE (4 * 1024 * 1024)

/* A request, and behind it its texts in this order, and zeroes up to LINK_ALIGN(). */
typedef struct LinkRequest
{
	uint64 id;
	int32 route;
	int32 method;
	Oid role;
	Oid source;
	TimestampTz received;
	uint32 target;
	uint32 query;
	uint32 argument;
	uint32 content_type;
	uint32 content_encoding;
	uint32 accept;
	uint32 accept_encoding;
	uint32 write_version;
	uint64 body;
} LinkRequest;

#define LINK_ALIGN(size) MAXALIGN64(size)
#define LINK_MAX_COUNT   128
/* A body of the largest size there can be, others with it, and texts. */
#define LINK_MAX_SIZE ((uint64) 1536 * 1024 * 1024)

/* A reply, and behind it its texts and body. Texts have a NUL, which counts; 0: none. */
typedef struct LinkReply
{
	uint32 magic;
	int32 status;
	uint64 id;
	uint64 size; /* of the body */
	uint32 content_type;
	uint32 content_encoding;
	uint32 headers; /* has no NUL */
	uint32 body;    /* what is here of it: all or, with a file, nothing */
	uint32 has_file;
	uint32 reserved; /* 0 */
} LinkReply;

#define LINK_MAX_TYPE 1024
#define LINK_MAX_REPLY \
	(sizeof(LinkReply) + 2 * LINK_MAX_TYPE + REPLY_HEADERS_SIZE + REPLY_INLINE_SIZE)

/* Bytes behind the head of a reply. */
static inline uint64
link_reply_tail(const LinkReply *head)
{
	return (uint64) head->content_type + head->content_encoding + head->headers +
		   head->body;
}

/* ---- both ends (link.c) ---- */

/* Sends what it can of these bytes, with a descriptor unless that is -1. */
extern ssize_t link_put(int socket, struct iovec *parts, int nparts, int fd);
/* Receives what is there, and a descriptor that came with it; else that is -1. */
extern ssize_t link_get(int socket, void *data, Size size, int *fd);

/* ---- the worker's end (link.c) ---- */

/*
 * Connects to the gate and says hello; false when there is none now. The link is there until
 * link_close(), which link_receive() and link_send() call when it is lost.
 */
extern bool link_connect(int number);
extern bool link_connected(void);
extern void link_close(void);

/*
 * Waits for requests, but no longer than so many ms (-1: for ever) and not when *stop is
 * set; allocates them in the current memory context. Returns how many there are; 0 when it
 * was woken for something else, or when the link is lost.
 */
extern int
link_receive(ServeRequest *requests, long timeout, const volatile sig_atomic_t *stop);
/* Sends a reply; false when the link is lost. Interrupts are served while it waits. */
extern bool link_send(uint64 id, const ReplyResult *result);

#endif /* SERVE_LINK_H */
