/*
 * ts_base.h
 *	  What the pure C modules (base, codec, promql's language, the labels format, otlp)
 *	  share: error reports, memory, UTF-8, hexadecimal digits, base64, escapes of JSON.
 *
 * Nothing here calls PostgreSQL, and nothing here aborts: a failure is a return
 * value, so that every module above can be unit-tested and fuzzed as a plain
 * library. The server's side turns a TsError into ereport() in one place
 * (src/base/report.c).
 */
#ifndef TS_BASE_H
#define TS_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A run of bytes, not NUL-terminated. */
typedef struct TsString
{
	const char *data;
	size_t len;
} TsString;

static inline bool
ts_string_equal(TsString a, TsString b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* In order of bytes, a prefix before what it begins: < 0, 0 or > 0. */
static inline int
ts_string_compare(TsString a, TsString b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len > 0 ? memcmp(a.data, b.data, len) : 0;

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static inline bool
ts_string_is(TsString string, const char *text)
{
	return ts_string_equal(string, (TsString){text, strlen(text)});
}

/* A hash of bytes that stands for them (ts_series.h says when that may be). */
typedef struct TsFingerprint
{
	uint64_t low;
	uint64_t high;
} TsFingerprint;

static inline bool
ts_fingerprint_equal(TsFingerprint a, TsFingerprint b)
{
	return a.low == b.low && a.high == b.high;
}

/* The value of a hexadecimal digit; -1: it is none. */
static inline int
ts_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* ---- errors ---- */

typedef enum TsErrorCode
{
	TS_OK = 0,
	TS_ERR_SYNTAX,  /* the text is not of the language */
	TS_ERR_LIMIT,   /* right, but larger than a limit of ours */
	TS_ERR_INVALID, /* well formed, but its meaning is not allowed */
	TS_ERR_MEMORY   /* no memory left within the budget */
} TsErrorCode;

#define TS_ERROR_TEXT_SIZE 256

/*
 * What went wrong and where. The offset is in bytes from the start of the
 * parsed text, -1 when there is no place to point at; line and column count
 * from 1, the column in bytes, as Prometheus counts them.
 */
typedef struct TsError
{
	TsErrorCode code;
	int offset;
	int line;
	int column;
	char message[TS_ERROR_TEXT_SIZE];
} TsError;

/* Fills *err (which may be NULL) and returns code, so that one can return it. */
extern TsErrorCode
ts_error_set(TsError *err, TsErrorCode code, int offset, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Computes line and column of err->offset in the text it refers to. */
extern void ts_error_locate(TsError *err, const char *text, size_t len);

/* ---- memory ---- */

/*
 * Where memory comes from: malloc in tests, a memory context in the server.
 * alloc returns NULL when there is no more, and never jumps out; what it returns is
 * aligned to eight bytes.
 */
typedef struct TsAllocator
{
	void *(*alloc)(void *ctx, size_t size);
	void (*free)(void *ctx, void *ptr);
	void *ctx;
} TsAllocator;

extern const TsAllocator ts_malloc_allocator;

/*
 * An arena hands out memory in order and gives it all back at once. It holds at
 * most limit bytes; beyond it, or when the allocator fails, it returns NULL.
 */
typedef struct TsArenaChunk TsArenaChunk;

typedef struct TsArena
{
	TsAllocator allocator;
	size_t limit;         /* bytes that may be taken from the allocator */
	size_t taken;         /* bytes taken so far */
	TsArenaChunk *chunks; /* newest first */
	char *next;           /* free part of the newest chunk */
	char *end;
} TsArena;

extern void ts_arena_init(TsArena *arena, const TsAllocator *allocator, size_t limit);
extern void *ts_arena_alloc(TsArena *arena, size_t size); /* 8-byte aligned */
extern void *ts_arena_copy(TsArena *arena, const void *data, size_t size);
extern char *
ts_arena_strdup(TsArena *arena, const char *data, size_t len); /* adds a NUL */
extern void ts_arena_free(TsArena *arena);

/* Initializes an allocator that takes memory of an arena, and gives none back. */
#define TS_ARENA_ALLOCATOR(arena)                                  \
	{                                                              \
		ts_arena_allocator_alloc, ts_arena_allocator_free, (arena) \
	}
extern void *ts_arena_allocator_alloc(void *arena, size_t size);
extern void ts_arena_allocator_free(void *arena, void *ptr);

/* An array that grows and is used again; all 0 at first. */
typedef struct TsArray
{
	void *data;
	size_t n;
	size_t room;
} TsArray;

/* Makes room for more elements; false: there is no memory. */
extern bool ts_array_room(const TsAllocator *allocator, TsArray *array,
						  size_t element_size, size_t more);
extern void ts_array_free(const TsAllocator *allocator, TsArray *array);

/* ---- UTF-8 ---- */

/*
 * Decodes one code point. Returns the bytes read (1..4), or 0 if the bytes are
 * not valid UTF-8 (overlong, surrogate, beyond U+10FFFF, cut short).
 */
extern int ts_utf8_decode(const char *text, size_t len, uint32_t *code_point);

/* Encodes one code point into up to 4 bytes; returns how many (0: not encodable). */
extern int ts_utf8_encode(uint32_t code_point, char *out);

/* Length of the valid prefix; equals len when all of it is valid UTF-8. */
extern size_t ts_utf8_valid_prefix(const char *text, size_t len);

/* ---- base64 ---- */

/*
 * Decodes base64, with its padding or without; `url`: of either alphabet. Writes at most as
 * many bytes as the text has, also over the text itself, and returns how many; SIZE_MAX: it
 * is none, or not in its one canonical form.
 */
extern size_t ts_base64_decode(const char *text, size_t len, bool url, void *out);

/* ---- JSON ---- */

#define TS_JSON_ESCAPE_SIZE 6

/*
 * Writes what stands for a byte within a string of JSON and returns its length, which is at
 * most TS_JSON_ESCAPE_SIZE; 0: the byte stands for itself.
 */
extern int ts_json_escape(char c, char *out);

#endif /* TS_BASE_H */
