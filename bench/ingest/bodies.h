/*
 * bodies.h
 *	  Write requests that are encoded once: only times and values are filled in.
 *
 * A body is compressed as senders compress it, but no sample is part of a match: so all of
 * them lie open in the compressed bytes, and stay where they are.
 */
#ifndef BENCH_BODIES_H
#define BENCH_BODIES_H

#include "../promql/series.h"

typedef struct Body
{
	unsigned char *bytes; /* the request, its head included */
	size_t length;
	size_t plain;      /* bytes of the message */
	uint32_t *samples; /* where each is open */
	/* Fills one in. */
	void (*put)(unsigned char *at, const Series *series, int64_t time, double value);
	Series *series;
	int count;    /* of series */
	int per_each; /* samples of each */
	int first;    /* number of its first series */
	int64_t step; /* that comes next */
} Body;

/* Of all[first] and those behind it; the rest is filled in by who encodes the message. */
extern void body_init(Body *body, Series *all, int first, int count, int per_each);
/*
 * Its bytes: content that is POSTed to a path, with further lines of the head. Returns how
 * long the head is.
 */
extern size_t
body_post(Body *body, const char *path, const char *headers, const Bytes *content);
/* A request of remote write 1.0. */
extern void
body_make(Body *body, Series *all, int first, int count, int per_each, const char *path);
/* Fills in the next samples of all its series. */
extern void body_fill(Body *body, int64_t start);
/* Leaves them out: as if they had been sent. */
extern void body_skip(Body *body);

#endif /* BENCH_BODIES_H */
