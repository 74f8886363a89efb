/*
 * otlp_names.c
 *	  Names of metrics and labels, as Prometheus' translation of OpenTelemetry's has them.
 *
 * Pure C. Names of metrics that are escaped with suffixes are taken apart into words, which
 * are what lies between characters that a name may not have; so underscores never come in
 * runs. Those without suffixes, and names of labels, keep the underscores that they have: a
 * label gets one for every other character (label_name_preserve_multiple_underscores, which
 * Prometheus has on). Names that are not escaped stay as they are, but for suffixes.
 */
#include <assert.h>

#include "otlp_units.h"
#include "ts_otlp.h"

/* Room for what is added to a name besides its unit: the longest unit's word is no longer. */
#define SUFFIX_ROOM 64

/* A name in the making; there is room for all that is put. */
typedef struct Name
{
	char *text;
	size_t len;
} Name;

static TsErrorCode
out_of_memory(TsError *err)
{
	return ts_error_set(err, TS_ERR_MEMORY, -1, "out of memory");
}

/* "metric name "..." ... ": the name is cut, since it may be of any length. */
static TsErrorCode
no_name(TsString name, const char *what, TsError *err)
{
	size_t len = name.len < 64 ? name.len : 64;

	len = ts_utf8_valid_prefix(name.data, len);
	return ts_error_set(err, TS_ERR_INVALID, -1, "%s \"%.*s%s\" has no character to keep",
						what, (int) len, len > 0 ? name.data : "",
						len < name.len ? "..." : "");
}

static bool
escapes(const TsOtlpOptions *options)
{
	return options->translation == TS_OTLP_UNDERSCORE_ESCAPING_WITH_SUFFIXES ||
		   options->translation == TS_OTLP_UNDERSCORE_ESCAPING_WITHOUT_SUFFIXES;
}

static bool
has_suffixes(const TsOtlpOptions *options)
{
	return options->translation == TS_OTLP_UNDERSCORE_ESCAPING_WITH_SUFFIXES ||
		   options->translation == TS_OTLP_NO_UTF8_ESCAPING_WITH_SUFFIXES;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
only_underscores(const Name *name)
{
	for (size_t i = 0; i < name->len; i++)
		if (name->text[i] != '_')
			return false;
	return true;
}

static void
put(Name *name, TsString text)
{
	if (text.len > 0)
		memcpy(name->text + name->len, text.data, text.len);
	name->len += text.len;
}

/* One more word, after an underscore unless it is the first. */
static void
put_word(Name *name, TsString word)
{
	if (name->len > 0)
		name->text[name->len++] = '_';
	put(name, word);
}

/* The bytes of the character at the front, valid or not. */
static size_t
character_size(const char *text, size_t len)
{
	uint32_t code_point;
	int size = ts_utf8_decode(text, len, &code_point);

	return size > 0 ? (size_t) size : 1;
}

/* ---- suffixes ---- */

/*
 * What the type asks for at the end of a name: counters are totals. Gauges without a
 * dimension are ratios; whatever else has the unit "1" likely counts things.
 */
static TsString
type_suffix(const TsOtlpMetric *metric)
{
	if (metric->type == TS_OTLP_SUM && metric->monotonic)
		return (TsString){"total", 5};
	if (metric->type == TS_OTLP_GAUGE && ts_string_is(metric->unit, "1"))
		return (TsString){"ratio", 5};
	return (TsString){"", 0};
}

static TsString
without_last_underscore(TsString text)
{
	if (text.len > 0 && text.data[text.len - 1] == '_')
		text.len--;
	return text;
}

/* ---- names of metrics that are escaped ---- */

/* The next word of a name; false at its end. */
static bool
next_word(TsString name, size_t *at, TsString *word)
{
	size_t from = *at;

	while (from < name.len && !otlp_name_char(name.data[from]))
		from++;
	if (from == name.len)
		return false;
	*at = from;
	while (*at < name.len && otlp_name_char(name.data[*at]))
		(*at)++;
	*word = (TsString){name.data + from, *at - from};
	return true;
}

/*
 * The unit with characters of names only, and its second part with "per_", in memory behind
 * that of the name.
 */
static OtlpUnit
clean_unit(TsString unit, char *room)
{
	OtlpUnit parts = otlp_unit(unit);
	size_t len = otlp_clean_unit(parts.main, room);
	char *per = room + len;

	parts.main = (TsString){room, len};
	len = otlp_clean_unit(parts.per, per + 4);
	parts.per = without_last_underscore((TsString){per + 4, len});
	if (parts.per.len > 0)
	{
		memcpy(per, "per_", 4);
		parts.per = (TsString){per, parts.per.len + 4};
		parts.main = without_last_underscore(parts.main);
	}
	return parts;
}

static void
put_unit_word(Name *name, TsString word, bool there, TsString type)
{
	if (word.len > 0 && !there && !ts_string_equal(word, type))
		put_word(name, word);
}

/* Words, unit, type: what is there already is not added, but the type goes to the end. */
static void
put_words(Name *name, const TsOtlpMetric *metric, OtlpUnit unit)
{
	TsString type = type_suffix(metric);
	bool has_main = false;
	bool has_per = false;
	size_t at = 0;
	TsString word;

	while (next_word(metric->name, &at, &word))
	{
		has_main = has_main || ts_string_equal(word, unit.main);
		has_per = has_per || ts_string_equal(word, unit.per);
		if (!ts_string_equal(word, type))
			put_word(name, word);
	}
	put_unit_word(name, unit.main, has_main, type);
	put_unit_word(name, unit.per, has_per, type);
	if (type.len > 0)
		put_word(name, type);
}

/* Runs of what a name may not have become one underscore, but for the ends, where they go. */
static void
put_escaped(Name *name, TsString text)
{
	bool gap = false;

	for (size_t i = 0; i < text.len; i++)
	{
		if (!otlp_name_char(text.data[i]) && text.data[i] != '_')
			gap = true;
		else
		{
			if (gap && name->len > 0)
				name->text[name->len++] = '_';
			gap = false;
			name->text[name->len++] = text.data[i];
		}
	}
}

static TsErrorCode
escaped_name(const TsOtlpOptions *options, const TsOtlpMetric *metric, TsArena *arena,
			 TsString *result, TsError *err)
{
	TsString given = metric->name;
	size_t room = given.len + metric->unit.len + SUFFIX_ROOM;
	char *text = ts_arena_alloc(arena, room + metric->unit.len + SUFFIX_ROOM);
	Name name = {text, 0};

	if (text == NULL)
		return out_of_memory(err);
	name.text++; /* a digit gets an underscore before it */
	if (!has_suffixes(options))
		put_escaped(&name, given);
	else
		put_words(&name, metric, clean_unit(metric->unit, text + room));

	assert(name.len < room);
	*result = (TsString){name.text, name.len};
	if (name.len == 0 || (only_underscores(&name) && !ts_string_equal(*result, given)))
		return no_name(given, "metric name", err);
	if (is_digit(name.text[0]))
	{
		text[0] = '_';
		*result = (TsString){text, name.len + 1};
	}
	return TS_OK;
}

/* ---- names of metrics that are not ---- */

/* Without the suffix and the character before it, when there is more than these. */
static TsString
without_suffix(TsString name, TsString suffix)
{
	size_t len;

	if (suffix.len == 0 || name.len <= suffix.len + 1 ||
		memcmp(name.data + name.len - suffix.len, suffix.data, suffix.len) != 0)
		return name;
	len = name.len - suffix.len - 1;
	while (len > 0 && ((unsigned char) name.data[len] & 0xC0) == 0x80)
		len--;
	return (TsString){name.data, len};
}

static bool
ends_with(TsString name, TsString suffix)
{
	return name.len >= suffix.len &&
		   memcmp(name.data + name.len - suffix.len, suffix.data, suffix.len) == 0;
}

static void
put_suffix(Name *name, TsString suffix)
{
	put(name, (TsString){"_", 1});
	put(name, suffix);
}

static TsErrorCode
suffixed_name(const TsOtlpMetric *metric, TsArena *arena, TsString *result, TsError *err)
{
	OtlpUnit unit = otlp_unit(metric->unit);
	TsString type = type_suffix(metric);
	size_t room = metric->name.len + metric->unit.len + SUFFIX_ROOM;
	char *text = ts_arena_alloc(arena, room + 4 + unit.per.len);
	TsString rest = without_suffix(metric->name, type);
	Name name = {text, 0};

	if (text == NULL)
		return out_of_memory(err);
	if (unit.per.len > 0)
	{
		memcpy(text + room, "per_", 4);
		memcpy(text + room + 4, unit.per.data, unit.per.len);
		unit.per = (TsString){text + room, unit.per.len + 4};
		rest = without_suffix(rest, unit.per);
	}
	put(&name, rest);
	if (unit.main.len > 0 && !ends_with(rest, unit.main))
		put_suffix(&name, unit.main);
	if (unit.per.len > 0)
		put_suffix(&name, unit.per);
	if (type.len > 0)
		put_suffix(&name, type);

	assert(name.len <= room);
	*result = (TsString){name.text, name.len};
	return TS_OK;
}

TsErrorCode
ts_otlp_metric_name(const TsOtlpOptions *options, const TsOtlpMetric *metric,
					TsArena *arena, TsString *name, TsError *err)
{
	TsErrorCode code = TS_OK;

	if (escapes(options))
		return escaped_name(options, metric, arena, name, err);
	*name = metric->name;
	if (has_suffixes(options))
		code = suffixed_name(metric, arena, name, err);
	if (code == TS_OK && name->len == 0)
		return ts_error_set(err, TS_ERR_INVALID, -1, "metric has no name");
	return code;
}

/* ---- labels, units, types ---- */

static bool
is_label_name(TsString key)
{
	for (size_t i = 0; i < key.len; i++)
		if (key.data[i] == ':' || (!otlp_name_char(key.data[i]) && key.data[i] != '_'))
			return false;
	return true;
}

/* What goes before a name: it begins with a letter, or is one of those that are reserved. */
static TsString
label_prefix(const Name *name)
{
	if (is_digit(name->text[0]))
		return (TsString){"key_", 4};
	if (name->text[0] == '_' && (name->len == 1 || name->text[1] != '_'))
		return (TsString){"key", 3};
	return (TsString){"", 0};
}

TsErrorCode
ts_otlp_label_name(const TsOtlpOptions *options, TsString key, TsArena *arena,
				   TsString *name, TsError *err)
{
	TsString prefix;
	Name made;
	char *text;

	*name = key;
	if (key.len == 0)
		return ts_error_set(err, TS_ERR_INVALID, -1, "attribute has no name");
	if (!escapes(options))
		return TS_OK;
	if (is_label_name(key) && key.data[0] != '_' && !is_digit(key.data[0]))
		return TS_OK;

	text = ts_arena_alloc(arena, key.len + 4);
	if (text == NULL)
		return out_of_memory(err);
	made = (Name){text + 4, 0};
	for (size_t i = 0; i < key.len; i += character_size(key.data + i, key.len - i))
	{
		char c = key.data[i];

		made.text[made.len++] = otlp_name_char(c) && c != ':' ? c : '_';
	}
	prefix = label_prefix(&made);
	made.text -= prefix.len;
	made.len += prefix.len;
	memcpy(made.text, prefix.data, prefix.len);
	if (only_underscores(&made))
		return no_name(key, "attribute", err);
	*name = (TsString){made.text, made.len};
	return TS_OK;
}

TsErrorCode
ts_otlp_unit(const TsOtlpOptions *options, TsString unit, TsArena *arena, TsString *name,
			 TsError *err)
{
	char *text = ts_arena_alloc(arena, 2 * (unit.len + SUFFIX_ROOM));
	OtlpUnit parts;
	Name made;

	(void) options; /* metadata has words, whatever the names are like */
	if (text == NULL)
		return out_of_memory(err);
	parts = clean_unit(unit, text + unit.len + SUFFIX_ROOM);
	made = (Name){text, 0};
	put(&made, without_last_underscore(parts.main));
	if (parts.per.len > 0)
		put_word(&made, parts.per);
	*name = (TsString){made.text, made.len};
	return TS_OK;
}

const char *
ts_otlp_metric_type(const TsOtlpOptions *options, const TsOtlpMetric *metric)
{
	bool stored_delta = metric->temporality == TS_OTLP_DELTA &&
						options->delta == TS_OTLP_DELTA_STORE;

	switch (metric->type)
	{
		case TS_OTLP_GAUGE:
			return "gauge";
		case TS_OTLP_SUM:
			return stored_delta ? "unknown" : metric->monotonic ? "counter" : "gauge";
		case TS_OTLP_HISTOGRAM:
		case TS_OTLP_EXPONENTIAL:
			return stored_delta ? "unknown" : "histogram";
		case TS_OTLP_SUMMARY:
			return "summary";
		case TS_OTLP_NONE:
			break;
	}
	return "unknown";
}
