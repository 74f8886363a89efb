/*
 * query_errors.c
 *	  What a client is told of an error: PostgreSQL's SQLSTATEs as Prometheus' types of
 *	  errors and statuses of HTTP.
 *
 * A client hears what concerns its request: message and hint. (Details say where in a query
 * it went wrong, which clients that compare texts with Prometheus' do not expect.) Of what is
 * wrong with the server it hears only that something is, and by which id it is found in the
 * log.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "query.h"

typedef struct ErrorKind
{
	const char *type; /* of Prometheus */
	int status;
} ErrorKind;

static const ErrorKind bad_data = {"bad_data", 400};
static const ErrorKind forbidden = {"forbidden", 403};
static const ErrorKind not_found = {"not_found", 404};
static const ErrorKind execution = {"execution", 422};
static const ErrorKind internal = {"internal", 500};
static const ErrorKind timed_out = {"timeout", 503};
static const ErrorKind canceled = {"canceled", 503};
static const ErrorKind unavailable = {"unavailable", 503};

/* Kinds of whole classes of SQLSTATEs. */
static const ErrorKind *
kind_of_class(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
		case ERRCODE_CARDINALITY_VIOLATION:
		case ERRCODE_FEATURE_NOT_SUPPORTED:
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
			return &execution;
		case ERRCODE_INVALID_TRANSACTION_STATE:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_OPERATOR_INTERVENTION:
			return &unavailable;
		default:
			return &internal;
	}
}

static const ErrorKind *
kind_of(int sqlstate)
{
	switch (sqlstate)
	{
		case ERRCODE_SYNTAX_ERROR:
		case ERRCODE_INVALID_PARAMETER_VALUE:
			return &bad_data;
		case ERRCODE_INSUFFICIENT_PRIVILEGE:
			return &forbidden;
		case ERRCODE_UNDEFINED_TABLE:
			return &not_found;
		case ERRCODE_OUT_OF_MEMORY:
		case ERRCODE_CONFIGURATION_LIMIT_EXCEEDED:
			return &execution;
		case ERRCODE_QUERY_CANCELED:
			return serve_timed_out() ? &timed_out : &canceled;
		default:
			return kind_of_class(sqlstate);
	}
}

/* ---- texts ---- */

/* Adds a sentence to those that are there. */
static void
add_sentence(StringInfo text, const char *sentence)
{
	if (sentence == NULL || sentence[0] == '\0')
		return;
	if (text->len > 0)
		appendStringInfoString(text, text->data[text->len - 1] == '.' ? " " : ". ");
	appendStringInfoString(text, sentence);
}

static char *
text_of(const ServeRequest *request, const ErrorData *error, const ErrorKind *kind)
{
	StringInfoData text;

	if (kind == &timed_out)
		return pstrdup("query timed out in expression evaluation");
	if (kind == &canceled)
		return pstrdup("query was canceled in expression evaluation");
	if (kind == &internal)
		return psprintf(
			"internal error; the server's log says more of request " UINT64_FORMAT,
			request->id);
	initStringInfo(&text);
	add_sentence(&text, error->message);
	add_sentence(&text, error->hint);
	return text.data;
}

/* ---- replies ---- */

static void
take_piece(void *reply, const void *data, Size size)
{
	reply_write(reply, data, size);
}

void
query_begin_document(ApiOut *out, ServeReply *reply, int status)
{
	reply_status(reply, status, SERVE_JSON_TYPE);
	api_hand_on(out, take_piece, reply);
}

void
serve_error_reply(const ServeRequest *request, const ErrorData *error, ServeReply *reply)
{
	const ErrorKind *kind = kind_of(error->sqlerrcode);
	char *text = text_of(request, error, kind);
	ApiOut out;

	reply_reset(reply);
	if (request->route == ROUTE_WRITE || request->route == ROUTE_READ)
	{
		/* who reads remotely knows no 422: what cannot be done was asked for wrongly */
		const bool read_wrongly = request->route == ROUTE_READ && kind == &execution;

		reply_status(reply, read_wrongly ? 400 : kind->status, SERVE_TEXT_TYPE);
		reply_text(reply, text);
		reply_text(reply, "\n");
		return;
	}
	query_begin_document(&out, reply, kind->status);
	api_error(&out, kind->type, text);
}
