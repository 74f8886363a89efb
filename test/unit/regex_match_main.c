/*
 * regex_match_main.c
 *	  Says which values a list of regular expressions matches, for comparison with
 *	  another implementation.
 *
 *	regex_match_main PATTERNS VALUES
 *
 * Both files hold one text per line, up to the first tab; %XX stands for a byte, and
 * lines that begin with # are passed over. Writes one line per pattern: "ok", a tab,
 * and a 0 or 1 for every value, a question mark for one that could not be decided; or
 * "error", a tab and why the pattern is refused, encoded the same way.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ts_regex.h"

#define LINE_MAX_BYTES (1024 * 1024)

static int
hex_value(char c)
{
	const char *digits = "0123456789ABCDEF";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int) (at - digits);
}

/* Decodes a line in place, up to its first tab or its end; returns the length. */
static size_t
decode_line(char *line)
{
	size_t len = 0;

	for (const char *s = line; *s != '\0' && *s != '\t' && *s != '\n'; s++)
	{
		if (*s == '%' && hex_value(s[1]) >= 0 && hex_value(s[2]) >= 0)
		{
			line[len++] = (char) (hex_value(s[1]) * 16 + hex_value(s[2]));
			s += 2;
		}
		else
			line[len++] = *s;
	}
	return len;
}

/* Reads the texts of a file; exits if it cannot. */
static TsString *
read_texts(const char *path, size_t *count)
{
	FILE *file = fopen(path, "r");
	char *line = malloc(LINE_MAX_BYTES);
	TsString *texts = NULL;

	if (file == NULL || line == NULL)
	{
		fprintf(stderr, "cannot read %s\n", path);
		exit(1);
	}
	*count = 0;
	while (fgets(line, LINE_MAX_BYTES, file) != NULL)
	{
		size_t len;
		char *copy;

		if (line[0] == '#')
			continue;
		len = decode_line(line);
		copy = malloc(len + 1);
		texts = realloc(texts, (*count + 1) * sizeof(TsString));
		if (copy == NULL || texts == NULL)
			exit(1);
		memcpy(copy, line, len);
		texts[(*count)++] = (TsString){copy, len};
	}
	free(line);
	fclose(file);
	return texts;
}

static void
free_texts(TsString *texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free((char *) texts[i].data);
	free(texts);
}

/* Writes a text so that it stays on its line. */
static void
print_encoded(const char *text)
{
	for (; *text != '\0'; text++)
	{
		if ((unsigned char) *text < 0x20 || *text == '%')
			printf("%%%02X", (unsigned char) *text);
		else
			putchar(*text);
	}
	putchar('\n');
}

static void
print_verdicts(TsString pattern, const TsString *values, size_t count)
{
	const TsRegexLimits limits = {.match_limit = 1000000, .memory = 16 * 1024 * 1024};
	TsRegex *regex;
	TsError err;

	if (ts_regex_compile(pattern.data, pattern.len, &ts_malloc_allocator, &limits, &regex,
						 &err) != TS_OK)
	{
		printf("error\t");
		print_encoded(err.message);
		return;
	}
	printf("ok\t");
	for (size_t i = 0; i < count; i++)
	{
		bool matched;

		if (ts_regex_match(regex, values[i].data, values[i].len, &matched, &err) != TS_OK)
			putchar('?');
		else
			putchar(matched ? '1' : '0');
	}
	putchar('\n');
	ts_regex_free(regex);
}

int
main(int argc, char **argv)
{
	TsString *patterns;
	TsString *values;
	size_t npatterns;
	size_t nvalues;

	if (argc != 3)
	{
		fprintf(stderr, "usage: %s PATTERNS VALUES\n", argv[0]);
		return 2;
	}
	patterns = read_texts(argv[1], &npatterns);
	values = read_texts(argv[2], &nvalues);
	for (size_t i = 0; i < npatterns; i++)
		print_verdicts(patterns[i], values, nvalues);
	free_texts(patterns, npatterns);
	free_texts(values, nvalues);
	return 0;
}
