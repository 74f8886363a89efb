/*
 * contenders.h
 *	  What is compared: our codecs and the baselines, behind one face.
 *
 * A contender encodes a chunk of n values, at most BENCH_CHUNK_MAX, into room of
 * bench_bound(n) bytes, and decodes it again, with work space that it keeps between
 * chunks. BENCH_SLACK bytes after the encoded ones are readable.
 */
#ifndef BENCH_CONTENDERS_H
#define BENCH_CONTENDERS_H

#include "generators.h"

#define BENCH_CHUNK_MAX 5760
#define BENCH_SLACK     64

#define BENCH_CHOICES      32
#define BENCH_CHOICE_BYTES 96

/* One way in which values were encoded, how many, and in how many bytes. */
typedef struct BenchChoice
{
	char text[BENCH_CHOICE_BYTES];
	size_t values;
	double bytes;
} BenchChoice;

/* What does not fit is not told. */
typedef struct BenchChoices
{
	int count;
	BenchChoice choice[BENCH_CHOICES];
} BenchChoices;

typedef struct BenchContender
{
	const char *name;
	/* takes times in milliseconds and not in microseconds */
	bool milliseconds;
	/* of ours: the TS_CODEC_USE_ flags it may choose from */
	unsigned use;
	/* returns the bytes used, 0 when it cannot */
	size_t (*encode)(unsigned use, bool is_time, const BenchValue *values, size_t n,
					 uint8_t *out);
	bool (*decode)(bool is_time, const uint8_t *data, size_t size, size_t n,
				   BenchValue *out);
	/* adds to choices how the chunk is encoded; NULL: there is but one way */
	void (*explain)(bool is_time, const uint8_t *data, size_t size, size_t n,
					BenchChoices *choices);
} BenchContender;

/* First those that are compared, then each encoding of ours by itself. */
enum
{
	BENCH_OURS,
	BENCH_GORILLA,
	BENCH_ZSTD,
	BENCH_COMPARED,
	BENCH_CONTENDERS = BENCH_COMPARED + 10
};

extern const BenchContender bench_contenders[BENCH_CONTENDERS];

/* Makes the work space of all contenders; false when there is no memory. */
extern bool bench_contenders_start(void);
extern void bench_contenders_stop(void);

/* Room that suffices for any contender's encoding of n values. */
extern size_t bench_bound(size_t n);

#endif /* BENCH_CONTENDERS_H */
