/*
 * otlp_build.h
 *	  Messages of OTLP for tests: their bytes, field by field, or from a few lines of text.
 *
 * Text has a line for everything that a message is made of:
 *
 *	resource @service.name=shop @replicas:i=3
 *	scope name=lib version=1.0 url=u @k=v
 *	gauge NAME unit=By help=Words
 *	sum NAME cumulative monotonic		(delta; neither: not specified)
 *	histogram NAME cumulative
 *	exponential NAME delta
 *	summary NAME
 *	point @k=v time=MS start=MS timens=NS int=1 double=1.5 flags=1 count=6 sum=9 min=1 max=5
 *		  bounds=1,2 counts=1,2,3 scale=3 zero=1 threshold=0.5 pos=-1:1,2 neg=0:1 q=0.5:7
 *	exemplar double=1 int=1 time=MS trace=0102 span=03 @k=v
 *
 * A point is of the metric before it, an exemplar of the point before it. Underscores in help
 * are spaces. Attributes are texts unless they have a letter: i, d, b (integers, doubles,
 * booleans).
 */
#ifndef OTLP_BUILD_H
#define OTLP_BUILD_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- bytes ---- */

typedef struct Bytes
{
	uint8_t *data;
	size_t n;
	size_t room;
} Bytes;

static inline void
put(Bytes *out, const void *data, size_t size)
{
	if (size > out->room - out->n)
	{
		out->room = (out->n + size) * 2;
		out->data = realloc(out->data, out->room);
	}
	if (size > 0)
		memcpy(out->data + out->n, data, size);
	out->n += size;
}

static inline void
put_varint(Bytes *out, uint64_t value)
{
	uint8_t byte;

	for (; value > 0x7f; value >>= 7)
	{
		byte = (uint8_t) (value | 0x80);
		put(out, &byte, 1);
	}
	byte = (uint8_t) value;
	put(out, &byte, 1);
}

static inline void
put_number(Bytes *out, int field, uint64_t value)
{
	put_varint(out, (uint64_t) field << 3);
	put_varint(out, value);
}

static inline uint64_t
zigzag(int64_t value)
{
	return (uint64_t) value << 1 ^ (uint64_t) (value >> 63);
}

static inline void
put_bits(Bytes *out, int field, uint64_t bits)
{
	put_varint(out, (uint64_t) field << 3 | 1);
	put(out, &bits, 8);
}

static inline void
put_double(Bytes *out, int field, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, 8);
	put_bits(out, field, bits);
}

static inline void
put_bytes(Bytes *out, int field, const void *data, size_t size)
{
	put_varint(out, (uint64_t) field << 3 | 2);
	put_varint(out, size);
	put(out, data, size);
}

static inline void
put_text(Bytes *out, int field, const char *text)
{
	put_bytes(out, field, text, strlen(text));
}

/* A message as a field of another one; it is empty afterwards. */
static inline void
put_message(Bytes *out, int field, Bytes *message)
{
	put_bytes(out, field, message->data, message->n);
	message->n = 0;
}

static inline void
bytes_free(Bytes *bytes)
{
	free(bytes->data);
	memset(bytes, 0, sizeof(*bytes));
}

/* A KeyValue with a text. */
static inline void
put_attribute(Bytes *out, int field, const char *key, const char *text)
{
	Bytes value = {0};
	Bytes pair = {0};

	put_text(&value, 1, text);
	put_text(&pair, 1, key);
	put_message(&pair, 2, &value);
	put_message(out, field, &pair);
	bytes_free(&value);
	bytes_free(&pair);
}

/* A KeyValue whose value is a list within a list, and so on: written from its end on. */
static inline void
put_deep(Bytes *out, int field, const char *key, int depth)
{
	const size_t room = (size_t) depth * 20 + 10;
	uint8_t *all = malloc(room);
	uint8_t *from = all + room;
	Bytes pair = {0};

	*--from = 'x';
	*--from = 1;
	*--from = 1 << 3 | 2;
	for (int i = 0; i < 2 * depth; i++)
	{
		Bytes head = {0};

		put_varint(&head, i % 2 == 0 ? 1 << 3 | 2 : 5 << 3 | 2);
		put_varint(&head, (uint64_t) (all + room - from));
		from -= head.n;
		memcpy(from, head.data, head.n);
		bytes_free(&head);
	}
	put_text(&pair, 1, key);
	put_bytes(&pair, 2, from, (size_t) (all + room - from));
	put_message(out, field, &pair);
	bytes_free(&pair);
	free(all);
}

/* ---- text ---- */

typedef enum Level
{
	REQUEST,
	RESOURCE,
	SCOPE,
	METRIC,
	DATA,
	POINT,
	LEVELS
} Level;

typedef enum Kind
{
	NO_KIND,
	GAUGE,
	SUM,
	HISTOGRAM,
	EXPONENTIAL,
	SUMMARY
} Kind;

typedef struct Builder
{
	Bytes levels[LEVELS];
	Level level; /* the innermost one that is open */
	Kind kind;
} Builder;

static const int data_fields[] = {0, 5, 7, 9, 10, 11};

static inline void
close_level(Builder *builder)
{
	const int fields[] = {0, 1, 2, 2, data_fields[builder->kind], 1};
	const Level level = builder->level--;

	put_message(&builder->levels[level - 1], fields[level], &builder->levels[level]);
}

/* Begins a new message of the level, within new ones of those above that are not open. */
static inline Bytes *
open_level(Builder *builder, Level level)
{
	while (builder->level >= level)
		close_level(builder);
	builder->level = level;
	return &builder->levels[level];
}

static inline void
put_text_attribute(Bytes *out, int field, char *word)
{
	char *text = strchr(word, '=');
	Bytes value = {0};
	Bytes pair = {0};
	char letter = 's';

	*text++ = '\0';
	if (strlen(word) > 2 && word[strlen(word) - 2] == ':')
	{
		letter = word[strlen(word) - 1];
		word[strlen(word) - 2] = '\0';
	}
	if (letter == 's')
		put_text(&value, 1, text);
	else if (letter == 'b')
		put_number(&value, 2, strcmp(text, "true") == 0);
	else if (letter == 'i')
		put_number(&value, 3, (uint64_t) strtoll(text, NULL, 10));
	else
		put_double(&value, 4, strtod(text, NULL));
	put_text(&pair, 1, word);
	put_message(&pair, 2, &value);
	put_message(out, field, &pair);
	bytes_free(&value);
	bytes_free(&pair);
}

/* "name=..." within a word: what follows, or NULL. */
static inline char *
value_of(char *word, const char *name)
{
	size_t len = strlen(name);

	return strncmp(word, name, len) == 0 && word[len] == '=' ? word + len + 1 : NULL;
}

static inline void
put_list(Bytes *out, int field, char *list, char type)
{
	Bytes packed = {0};

	for (char *next = list; *next != '\0';)
	{
		char *end;

		if (type == 'd')
		{
			double number = strtod(next, &end);

			put(&packed, &number, 8);
		}
		else
		{
			uint64_t number = strtoull(next, &end, 10);

			if (type == 'f')
				put(&packed, &number, 8);
			else
				put_varint(&packed, number);
		}
		next = *end == ',' ? end + 1 : end;
	}
	put_message(out, field, &packed);
	bytes_free(&packed);
}

/* "offset:count,count" */
static inline void
put_side(Bytes *out, int field, char *text)
{
	Bytes side = {0};
	char *list;

	put_number(&side, 1, zigzag(strtol(text, &list, 10)));
	put_list(&side, 2, list + 1, 'v');
	put_message(out, field, &side);
	bytes_free(&side);
}

static inline void
put_quantile(Bytes *out, char *text)
{
	Bytes quantile = {0};
	char *value;

	put_double(&quantile, 1, strtod(text, &value));
	put_double(&quantile, 2, strtod(value + 1, NULL));
	put_message(out, 6, &quantile);
	bytes_free(&quantile);
}

static inline uint64_t
nanoseconds(const char *ms)
{
	return strtoull(ms, NULL, 10) * 1000000;
}

static inline void
point_word(Builder *builder, Bytes *out, char *word)
{
	static const int attributes[] = {0, 7, 7, 9, 1, 7};
	static const int flags[] = {0, 8, 8, 10, 10, 8};
	const Kind kind = builder->kind;
	char *v;

	if (word[0] == '@')
		put_text_attribute(out, attributes[kind], word + 1);
	else if ((v = value_of(word, "time")) != NULL)
		put_bits(out, 3, nanoseconds(v));
	else if ((v = value_of(word, "timens")) != NULL)
		put_bits(out, 3, strtoull(v, NULL, 10));
	else if ((v = value_of(word, "start")) != NULL)
		put_bits(out, 2, nanoseconds(v));
	else if ((v = value_of(word, "int")) != NULL)
		put_bits(out, 6, (uint64_t) strtoll(v, NULL, 10));
	else if ((v = value_of(word, "double")) != NULL)
		put_double(out, 4, strtod(v, NULL));
	else if ((v = value_of(word, "flags")) != NULL)
		put_number(out, flags[kind], strtoull(v, NULL, 10));
	else if ((v = value_of(word, "count")) != NULL)
		put_bits(out, 4, strtoull(v, NULL, 10));
	else if ((v = value_of(word, "sum")) != NULL)
		put_double(out, 5, strtod(v, NULL));
	else if ((v = value_of(word, "min")) != NULL)
		put_double(out, kind == HISTOGRAM ? 11 : 12, strtod(v, NULL));
	else if ((v = value_of(word, "max")) != NULL)
		put_double(out, kind == HISTOGRAM ? 12 : 13, strtod(v, NULL));
	else if ((v = value_of(word, "bounds")) != NULL)
		put_list(out, 7, v, 'd');
	else if ((v = value_of(word, "counts")) != NULL)
		put_list(out, 6, v, 'f');
	else if ((v = value_of(word, "scale")) != NULL)
		put_number(out, 6, zigzag(strtol(v, NULL, 10)));
	else if ((v = value_of(word, "zero")) != NULL)
		put_bits(out, 7, strtoull(v, NULL, 10));
	else if ((v = value_of(word, "threshold")) != NULL)
		put_double(out, 14, strtod(v, NULL));
	else if ((v = value_of(word, "pos")) != NULL)
		put_side(out, 8, v);
	else if ((v = value_of(word, "neg")) != NULL)
		put_side(out, 9, v);
	else if ((v = value_of(word, "q")) != NULL)
		put_quantile(out, v);
	else
		assert(!"word of a point");
}

static inline void
put_hex(Bytes *out, int field, const char *digits)
{
	Bytes bytes = {0};

	for (; digits[0] != '\0'; digits += 2)
	{
		char two[] = {digits[0], digits[1], '\0'};
		uint8_t byte = (uint8_t) strtol(two, NULL, 16);

		put(&bytes, &byte, 1);
	}
	put_message(out, field, &bytes);
	bytes_free(&bytes);
}

static inline void
exemplar_word(Bytes *out, char *word)
{
	char *v;

	if (word[0] == '@')
		put_text_attribute(out, 7, word + 1);
	else if ((v = value_of(word, "time")) != NULL)
		put_bits(out, 2, nanoseconds(v));
	else if ((v = value_of(word, "double")) != NULL)
		put_double(out, 3, strtod(v, NULL));
	else if ((v = value_of(word, "int")) != NULL)
		put_bits(out, 6, (uint64_t) strtoll(v, NULL, 10));
	else if ((v = value_of(word, "trace")) != NULL)
		put_hex(out, 5, v);
	else if ((v = value_of(word, "span")) != NULL)
		put_hex(out, 4, v);
	else
		assert(!"word of an exemplar");
}

static inline void
scope_word(Builder *builder, Bytes *scope, char *word)
{
	char *v;

	if (word[0] == '@')
		put_text_attribute(scope, 3, word + 1);
	else if ((v = value_of(word, "name")) != NULL)
		put_text(scope, 1, v);
	else if ((v = value_of(word, "version")) != NULL)
		put_text(scope, 2, v);
	else if ((v = value_of(word, "url")) != NULL)
		put_text(&builder->levels[SCOPE], 3, v);
	else
		assert(!"word of a scope");
}

/* The words of a metric behind its kind; its data are open afterwards. */
static inline void
build_metric(Builder *builder, Kind kind, char **words)
{
	Bytes *metric = open_level(builder, METRIC);
	Bytes *data = &builder->levels[DATA];
	char *word;
	char *v;

	builder->kind = kind;
	builder->level = DATA;
	for (bool first = true; (word = strtok_r(NULL, " \t", words)) != NULL; first = false)
	{
		if (first)
			put_text(metric, 1, word);
		else if ((v = value_of(word, "unit")) != NULL)
			put_text(metric, 3, v);
		else if ((v = value_of(word, "help")) != NULL)
		{
			for (char *c = v; *c != '\0'; c++)
				*c = *c == '_' ? ' ' : *c;
			put_text(metric, 2, v);
		}
		else if (strcmp(word, "monotonic") == 0)
			put_number(data, 3, 1);
		else
			put_number(data, 2, strcmp(word, "delta") == 0 ? 1 : 2);
	}
}

static inline void
build_line(Builder *builder, char *line)
{
	static const char *const kinds[] = {"",          "gauge",       "sum",
										"histogram", "exponential", "summary"};
	static const int exemplars[] = {0, 5, 5, 8, 11, 0};
	char *words;
	char *first = strtok_r(line, " \t", &words);
	Bytes part = {0};
	Bytes *out;
	char *word;

	if (first == NULL)
		return;
	for (Kind kind = GAUGE; kind <= SUMMARY; kind++)
	{
		if (strcmp(first, kinds[kind]) == 0)
		{
			build_metric(builder, kind, &words);
			return;
		}
	}
	if (strcmp(first, "resource") == 0)
	{
		out = open_level(builder, RESOURCE);
		while ((word = strtok_r(NULL, " \t", &words)) != NULL)
			put_text_attribute(&part, 1, word + 1);
		put_message(out, 1, &part);
	}
	else if (strcmp(first, "scope") == 0)
	{
		out = open_level(builder, SCOPE);
		while ((word = strtok_r(NULL, " \t", &words)) != NULL)
			scope_word(builder, &part, word);
		put_message(out, 1, &part);
	}
	else if (strcmp(first, "point") == 0)
	{
		out = open_level(builder, POINT);
		while ((word = strtok_r(NULL, " \t", &words)) != NULL)
			point_word(builder, out, word);
	}
	else
	{
		assert(strcmp(first, "exemplar") == 0 && builder->level == POINT);
		while ((word = strtok_r(NULL, " \t", &words)) != NULL)
			exemplar_word(&part, word);
		put_message(&builder->levels[POINT], exemplars[builder->kind], &part);
	}
	bytes_free(&part);
}

/* The message that the text says; to be freed. */
static inline Bytes
build(const char *text)
{
	Builder builder = {.level = REQUEST};
	char *copy = strdup(text);
	char *lines;

	for (char *line = strtok_r(copy, "\n", &lines); line != NULL;
		 line = strtok_r(NULL, "\n", &lines))
		build_line(&builder, line);
	while (builder.level > REQUEST)
		close_level(&builder);
	for (Level level = RESOURCE; level < LEVELS; level++)
		bytes_free(&builder.levels[level]);
	free(copy);
	return builder.levels[REQUEST];
}

#endif /* OTLP_BUILD_H */
