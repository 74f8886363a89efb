/*
 * parse_word.c
 *	  PromQL's keywords. Most of them are good names, too: of metrics where no keyword can
 *	  stand, of labels always.
 */
#include <string.h>

#include "parse.h"

static const struct
{
	const char *text;
	PqWord word;
} words[] = {
	{"and", PQ_WORD_AND},
	{"or", PQ_WORD_OR},
	{"unless", PQ_WORD_UNLESS},
	{"atan2", PQ_WORD_ATAN2},
	{"offset", PQ_WORD_OFFSET},
	{"smoothed", PQ_WORD_SMOOTHED},
	{"anchored", PQ_WORD_ANCHORED},
	{"by", PQ_WORD_BY},
	{"without", PQ_WORD_WITHOUT},
	{"on", PQ_WORD_ON},
	{"ignoring", PQ_WORD_IGNORING},
	{"group_left", PQ_WORD_GROUP_LEFT},
	{"group_right", PQ_WORD_GROUP_RIGHT},
	{"fill", PQ_WORD_FILL},
	{"fill_left", PQ_WORD_FILL_LEFT},
	{"fill_right", PQ_WORD_FILL_RIGHT},
	{"bool", PQ_WORD_BOOL},
	{"start", PQ_WORD_START},
	{"end", PQ_WORD_END},
	{"step", PQ_WORD_STEP},
	{"range", PQ_WORD_RANGE},
	{"min_of", PQ_WORD_MIN_OF},
	{"max_of", PQ_WORD_MAX_OF},
};

static bool
same_word(const char *text, size_t len, const char *word)
{
	if (strlen(word) != len)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		char c = text[i];

		if (c >= 'A' && c <= 'Z')
			c = (char) (c | 0x20);
		if (c != word[i])
			return false;
	}
	return true;
}

PqWord
promql_word(const char *text, size_t len)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
	{
		if (same_word(text, len, words[i].text))
			return words[i].word;
	}
	for (int op = 0; op <= PQ_AGG_LIMIT_RATIO; op++)
	{
		if (same_word(text, len, promql_aggregate_name((PqAggregateOp) op)))
			return (PqWord) (PQ_WORD_AGGREGATE + op);
	}
	return PQ_WORD_NONE;
}

bool
promql_word_is_metric(PqWord word)
{
	switch (word)
	{
		case PQ_WORD_ATAN2:
		case PQ_WORD_ON:
		case PQ_WORD_IGNORING:
		case PQ_WORD_GROUP_LEFT:
		case PQ_WORD_GROUP_RIGHT:
		case PQ_WORD_BOOL:
			return false;
		default:
			return true;
	}
}

bool
promql_word_is_function(PqWord word)
{
	return word == PQ_WORD_NONE || (word >= PQ_WORD_START && word <= PQ_WORD_MAX_OF);
}
