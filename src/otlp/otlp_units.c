/*
 * otlp_units.c
 *	  Units of OpenTelemetry (UCUM's) as words, as Prometheus' translation has them.
 *
 * Pure C. Words that people's dashboards know are kept, whether they are right or not:
 * "tibibytes", and no "kBy".
 */
#include "otlp_units.h"

typedef struct UnitWord
{
	const char *unit;
	const char *word;
} UnitWord;

static const UnitWord main_words[] = {
	{"s", "seconds"},       {"ms", "milliseconds"},
	{"us", "microseconds"}, {"ns", "nanoseconds"},
	{"min", "minutes"},     {"h", "hours"},
	{"d", "days"},

	{"By", "bytes"},        {"KBy", "kilobytes"},
	{"MBy", "megabytes"},   {"GBy", "gigabytes"},
	{"TBy", "terabytes"},   {"KiBy", "kibibytes"},
	{"MiBy", "mebibytes"},  {"GiBy", "gibibytes"},
	{"TiBy", "tibibytes"},

	{"m", "meters"},        {"g", "grams"},
	{"V", "volts"},         {"A", "amperes"},
	{"J", "joules"},        {"W", "watts"},
	{"Hz", "hertz"},        {"Cel", "celsius"},
	{"%", "percent"},       {"1", ""},
};

static const UnitWord per_words[] = {
	{"s", "second"}, {"m", "minute"}, {"h", "hour"}, {"d", "day"},
	{"w", "week"},   {"mo", "month"}, {"y", "year"},
};

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The word for a part of a unit; empty for nothing but space, and for remarks. */
static TsString
unit_word(const char *from, const char *end, const UnitWord *words, size_t nwords)
{
	TsString part;

	while (from < end && is_space(*from))
		from++;
	while (end > from && is_space(end[-1]))
		end--;
	part = (TsString){from, (size_t) (end - from)};
	for (const char *at = from; at < end; at++)
		if (*at == '{' || *at == '}')
			return (TsString){"", 0};
	for (size_t i = 0; i < nwords; i++)
		if (ts_string_is(part, words[i].unit))
			return (TsString){words[i].word, strlen(words[i].word)};
	return part;
}

OtlpUnit
otlp_unit(TsString unit)
{
	OtlpUnit parts = {{"", 0}, {"", 0}};
	const char *slash;
	const char *end;

	if (unit.len == 0)
		return parts;
	end = unit.data + unit.len;
	slash = memchr(unit.data, '/', unit.len);
	parts.main = unit_word(unit.data, slash != NULL ? slash : end, main_words,
						   lengthof(main_words));
	if (slash != NULL)
		parts.per = unit_word(slash + 1, end, per_words, lengthof(per_words));
	return parts;
}

size_t
otlp_clean_unit(TsString unit, char *out)
{
	size_t len = 0;
	bool gap = false;

	for (size_t i = 0; i < unit.len; i++)
	{
		if (!otlp_name_char(unit.data[i]))
			gap = true;
		else
		{
			if (gap && len > 0)
				out[len++] = '_';
			gap = false;
			out[len++] = unit.data[i];
		}
	}
	if (gap && len > 0)
		out[len++] = '_';
	return len;
}
