/*
 * remote_read_request.c
 *	  Reads remote read requests: queries with their times and matchers, and which types of
 *	  answers are accepted.
 *
 * All of a message is looked at once before its first query is given out, so that the
 * number of queries and the type of the answer are known.
 */
#include "remote_read_wire.h"

#define MAX_QUERIES 1000

/* ---- errors ---- */

static TsErrorCode
damaged(const TsReadRequest *request, const TsWire *wire, const char *what, TsError *err)
{
	return ts_error_set(err, TS_ERR_SYNTAX, (int) (wire->next - request->start),
						"%s is cut short or damaged", what);
}

/* ---- the body ---- */

TsErrorCode
ts_read_decompress(const void *body, size_t size, size_t limit,
				   const TsAllocator *allocator, const void **data, size_t *data_size,
				   TsError *err)
{
	TsErrorCode code = ts_write_decompress(TS_WRITE_SNAPPY, body, size, limit, allocator,
										   data, data_size, err);

	if (code == TS_ERR_LIMIT)
		return ts_error_set(
			err, code, -1,
			"remote read request is larger than %zu bytes when decompressed", limit);
	if (code == TS_ERR_MEMORY)
		return ts_error_set(err, code, -1,
							"out of memory for the decompressed remote read request");
	return code;
}

/* ---- matchers ---- */

static TsErrorCode
check_text(TsString text, const char *what, TsError *err)
{
	if (ts_utf8_valid_prefix(text.data, text.len) == text.len)
		return TS_OK;
	return ts_error_set(err, TS_ERR_INVALID, -1, "the %s of a matcher is not valid UTF-8",
						what);
}

static size_t
number_of_matchers(const TsReadRequest *request)
{
	return request->matchers.size / sizeof(TsMatcher);
}

static TsErrorCode
add_matcher(TsReadRequest *request, const TsMatcher *matcher, TsError *err)
{
	if (number_of_matchers(request) == TS_SELECTOR_MAX_MATCHERS)
		return ts_error_set(err, TS_ERR_LIMIT, -1, "a query has more than %d matchers",
							TS_SELECTOR_MAX_MATCHERS);
	read_bytes_put(&request->matchers, matcher, sizeof(*matcher));
	if (request->matchers.failed)
		return ts_error_set(err, TS_ERR_MEMORY, -1, "out of memory for matchers");
	return TS_OK;
}

static TsErrorCode
read_matcher(TsReadRequest *request, TsWire wire, TsError *err)
{
	TsMatcher matcher = {.type = TS_MATCH_EQUAL,
						 .name = {"", 0},
						 .value = {"", 0},
						 .name_offset = -1,
						 .operator_offset = -1,
						 .value_offset = -1};
	TsErrorCode code;
	uint64_t type = 0; /* the enumeration has our order */
	uint32_t tag;

	while (wire_more(&wire))
	{
		bool read = wire_tag(&wire, &tag);

		if (read && tag == WIRE_TAG(1, WIRE_VARINT))
			read = wire_varint(&wire, &type);
		else if (read && tag == WIRE_TAG(2, WIRE_BYTES))
			read = wire_string(&wire, &matcher.name);
		else if (read && tag == WIRE_TAG(3, WIRE_BYTES))
			read = wire_string(&wire, &matcher.value);
		else if (read)
			read = !write_known_field(tag, 3) && wire_skip(&wire, tag);
		if (!read)
			return damaged(request, &wire, "matcher", err);
	}
	if (type > TS_MATCH_NOT_REGEX)
		return ts_error_set(err, TS_ERR_INVALID, -1,
							"a matcher has the unknown type %llu",
							(unsigned long long) type);
	matcher.type = (TsMatchType) type;
	code = check_text(matcher.name, "name", err);
	if (code == TS_OK)
		code = check_text(matcher.value, "value", err);
	return code == TS_OK ? add_matcher(request, &matcher, err) : code;
}

/* ---- queries ---- */

static TsErrorCode
read_hints(TsReadRequest *request, TsWire wire, TsError *err)
{
	uint32_t tag;

	while (wire_more(&wire))
	{
		bool read = wire_tag(&wire, &tag);

		if (read && tag == WIRE_TAG(2, WIRE_BYTES))
			read = wire_string(&wire, &request->query.function);
		else if (read)
			read = tag >> 3 != 2 && wire_skip(&wire, tag);
		if (!read)
			return damaged(request, &wire, "hints", err);
	}
	return TS_OK;
}

static TsErrorCode
read_query(TsReadRequest *request, TsWire wire, TsError *err)
{
	TsReadQuery *query = &request->query;
	TsErrorCode code = TS_OK;
	TsWire inner;
	uint32_t tag;
	uint64_t number;

	memset(query, 0, sizeof(*query));
	query->function = (TsString){"", 0};
	request->matchers.size = 0;
	while (code == TS_OK && wire_more(&wire))
	{
		bool read = wire_tag(&wire, &tag);

		if (read && tag == WIRE_TAG(1, WIRE_VARINT))
		{
			read = wire_varint(&wire, &number);
			query->start = read ? (int64_t) number : 0;
		}
		else if (read && tag == WIRE_TAG(2, WIRE_VARINT))
		{
			read = wire_varint(&wire, &number);
			query->end = read ? (int64_t) number : 0;
		}
		else if (read &&
				 (tag == WIRE_TAG(3, WIRE_BYTES) || tag == WIRE_TAG(4, WIRE_BYTES)))
		{
			read = wire_message(&wire, &inner);
			if (read)
				code = tag >> 3 == 3 ? read_matcher(request, inner, err)
									 : read_hints(request, inner, err);
		}
		else if (read)
			read = !write_known_field(tag, 4) && wire_skip(&wire, tag);
		if (!read)
			return damaged(request, &wire, "query", err);
	}
	query->matchers = (TsMatcher *) request->matchers.data;
	query->nmatchers = (uint32_t) number_of_matchers(request);
	return code;
}

/* ---- requests ---- */

/* What is accepted, in order; the first that we know counts. */
typedef struct Accepted
{
	bool any;
	bool found;
	TsReadType type;
} Accepted;

static void
accept_type(Accepted *accepted, uint64_t type)
{
	accepted->any = true;
	if (accepted->found || type > TS_READ_CHUNKS)
		return;
	accepted->found = true;
	accepted->type = (TsReadType) type;
}

/* The list may be packed or not. */
static bool
read_accepted(TsWire *wire, uint32_t tag, Accepted *accepted)
{
	TsWire packed;
	uint64_t type;

	if (tag == WIRE_TAG(2, WIRE_VARINT))
	{
		if (!wire_varint(wire, &type))
			return false;
		accept_type(accepted, type);
		return true;
	}
	if (tag != WIRE_TAG(2, WIRE_BYTES) || !wire_message(wire, &packed))
		return false;
	while (wire_more(&packed))
	{
		if (!wire_varint(&packed, &type))
			return false;
		accept_type(accepted, type);
	}
	return true;
}

static TsErrorCode
read_outline(TsReadRequest *request, TsWire wire, TsError *err)
{
	Accepted accepted = {.type = TS_READ_SAMPLES};
	TsWire query;
	uint32_t tag;

	while (wire_more(&wire))
	{
		bool read = wire_tag(&wire, &tag);

		if (read && tag == WIRE_TAG(1, WIRE_BYTES))
		{
			read = wire_message(&wire, &query);
			if (++request->nqueries > MAX_QUERIES)
				return ts_error_set(err, TS_ERR_LIMIT, -1,
									"the request has more than %d queries", MAX_QUERIES);
		}
		else if (read && tag >> 3 == 2)
			read = read_accepted(&wire, tag, &accepted);
		else if (read)
			read = tag >> 3 != 1 && wire_skip(&wire, tag);
		if (!read)
			return damaged(request, &wire, "request", err);
	}
	if (accepted.any && !accepted.found)
		return ts_error_set(err, TS_ERR_INVALID, -1,
							"none of the response types that the request accepts is "
							"supported; SAMPLES and STREAMED_XOR_CHUNKS are");
	request->type = accepted.type;
	return TS_OK;
}

TsErrorCode
ts_read_open(TsReadRequest *request, const void *data, size_t size,
			 const TsAllocator *allocator, TsError *err)
{
	memset(request, 0, sizeof(*request));
	ts_read_bytes_init(&request->matchers, allocator);
	request->start = data;
	request->message = (TsWire){request->start, request->start + size};
	return read_outline(request, request->message, err);
}

TsErrorCode
ts_read_next(TsReadRequest *request, bool *more, TsError *err)
{
	TsWire *wire = &request->message;
	TsWire inner;
	uint32_t tag;

	*more = false;
	while (wire_more(wire))
	{
		if (!wire_tag(wire, &tag))
			return damaged(request, wire, "request", err);
		if (tag == WIRE_TAG(1, WIRE_BYTES) && wire_message(wire, &inner))
		{
			*more = true;
			return read_query(request, inner, err);
		}
		if (tag >> 3 == 1 || !wire_skip(wire, tag))
			return damaged(request, wire, "request", err);
	}
	return TS_OK;
}

void
ts_read_close(TsReadRequest *request)
{
	ts_read_bytes_free(&request->matchers);
}
