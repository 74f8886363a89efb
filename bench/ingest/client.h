/*
 * client.h
 *	  Sends requests on several connections, on each one at a time, and measures how long
 *	  answers take.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ClientRequest
{
	const unsigned char *bytes; /* must stay until it is answered */
	size_t length;
} ClientRequest;

typedef struct ClientWork
{
	int port; /* on 127.0.0.1 */
	int connections;
	int streams;    /* of each; HTTP/1.1 has one */
	double seconds; /* after which no request begins; 0: until there is none */
	double rate;    /* of requests per second, on all connections together; 0: any */
	/*
	 * The next request of a stream, numbered over all connections; false when there is none.
	 */
	bool (*next)(void *arg, int stream, ClientRequest *request);
	void *arg;
} ClientWork;

/*
 * A request that is answered with 429 or 503, or whose connection ends, is sent again,
 * after the time that the server asks for or after a while that doubles (as Prometheus
 * does); any other answer than 2xx ends the program. A request's time is from when it was
 * due, or else first sent, to the end of its good answer.
 */
typedef struct ClientResult
{
	double seconds;
	uint64_t requests;
	uint64_t again;         /* how often one was sent again */
	uint64_t sent;          /* bytes */
	uint32_t *microseconds; /* of each request, ascending */
	size_t room;            /* of these */
} ClientResult;

extern void client_run(const ClientWork *work, ClientResult *result);

/* ---- for those that run ---- */

/* Seconds before a request is sent again for the first time, and after a pause that was. */
#define CLIENT_FIRST_PAUSE       0.03
#define CLIENT_NEXT_PAUSE(pause) ((pause) *2 < 5.0 ? (pause) *2 : 5.0)

/* A socket that is connected to the port. */
extern int client_connect(int port);
/* A clock in seconds; how long a request took; all have their answers. */
extern double client_now(void);
extern void client_note(ClientResult *result, double seconds);
extern void client_finish(ClientResult *result, double started);
/* Milliseconds below which this part of the requests was. */
extern double client_quantile(const ClientResult *result, double part);

#endif /* BENCH_CLIENT_H */
