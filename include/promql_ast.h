/*
 * promql_ast.h
 *	  PromQL's expressions: text in, tree out, and back.
 *
 * Pure C. The parser knows the whole language of Prometheus 3.x, experimental parts
 * included; what a setting turns off is refused by the parser, too (PqParseOptions).
 * A tree is type-checked: every node's `type` is what Prometheus says it is, functions
 * have the arguments that they want. All of a tree lives in one arena and does not
 * change once parsed; what depends on a query's times (duration expressions, start()
 * and end()) is worked out by promql_resolve() into a PqResolved beside the tree's users.
 *
 * Positions are byte offsets of the text, as annotations and errors show them
 * (promql_locate() makes line and column of one).
 *
 * Durations are int64 milliseconds, as in the language; timestamps of the @ modifier are
 * milliseconds since 1970.
 */
#ifndef PROMQL_AST_H
#define PROMQL_AST_H

#include "ts_base.h"
#include "ts_selector.h"

typedef enum PqType
{
	PQ_TYPE_NONE,
	PQ_TYPE_SCALAR,
	PQ_TYPE_VECTOR,
	PQ_TYPE_MATRIX,
	PQ_TYPE_STRING
} PqType;

typedef enum PqNodeKind
{
	PQ_NUMBER,
	PQ_STRING,
	PQ_SELECTOR, /* of an instant vector or, with a range, of a range vector */
	PQ_SUBQUERY,
	PQ_PAREN,
	PQ_UNARY,
	PQ_BINARY,
	PQ_AGGREGATE,
	PQ_CALL
} PqNodeKind;

typedef enum PqBinaryOp
{
	PQ_ADD,
	PQ_SUB,
	PQ_MUL,
	PQ_DIV,
	PQ_MOD,
	PQ_POW,
	PQ_ATAN2,
	PQ_EQL, /* == */
	PQ_NEQ,
	PQ_GTR,
	PQ_LSS,
	PQ_GTE,
	PQ_LTE,
	PQ_TRIM_UPPER, /* </ : keeps observations below */
	PQ_TRIM_LOWER, /* >/ : keeps observations above */
	PQ_AND,
	PQ_OR,
	PQ_UNLESS
} PqBinaryOp;

#define pq_is_comparison(op) ((op) >= PQ_EQL && (op) <= PQ_LTE)
#define pq_is_set_op(op)     ((op) >= PQ_AND)

typedef enum PqAggregateOp
{
	PQ_AGG_SUM,
	PQ_AGG_AVG,
	PQ_AGG_COUNT,
	PQ_AGG_MIN,
	PQ_AGG_MAX,
	PQ_AGG_GROUP,
	PQ_AGG_STDDEV,
	PQ_AGG_STDVAR,
	PQ_AGG_TOPK,
	PQ_AGG_BOTTOMK,
	PQ_AGG_QUANTILE,
	PQ_AGG_COUNT_VALUES,
	PQ_AGG_LIMITK,
	PQ_AGG_LIMIT_RATIO
} PqAggregateOp;

typedef enum PqCardinality
{
	PQ_ONE_TO_ONE,
	PQ_MANY_TO_ONE, /* group_left */
	PQ_ONE_TO_MANY, /* group_right */
	PQ_MANY_TO_MANY /* set operators */
} PqCardinality;

typedef struct PqNode PqNode;

typedef struct PqNames
{
	TsString *names;
	int count;
} PqNames;

/* How the two sides of a binary operator are matched; for two vectors only. */
typedef struct PqMatching
{
	PqCardinality cardinality;
	bool on;         /* match on these labels, instead of on all but these */
	PqNames labels;  /* of on or ignoring, as written */
	PqNames include; /* of group_left or group_right */
	bool fill_left;  /* fill modifiers: value for series missing on that side */
	bool fill_right;
	double fill_left_value;
	double fill_right_value;
} PqMatching;

/*
 * A duration as it stands in a query: a number of milliseconds, or an expression. In such
 * an expression the tree's leaves are PQ_NUMBERs (in seconds) and calls of step() and
 * range(), its inner nodes PQ_UNARY, PQ_BINARY, PQ_PAREN and calls of min_of and max_of
 * (also written min(...), max(...) where the documentation says so).
 */
typedef struct PqDuration
{
	bool given;
	int64_t ms;         /* when expr is NULL */
	const PqNode *expr; /* or NULL */
} PqDuration;

typedef enum PqAt
{
	PQ_AT_NONE,
	PQ_AT_TIME,
	PQ_AT_START,
	PQ_AT_END
} PqAt;

typedef enum PqExtend
{
	PQ_PLAIN,
	PQ_ANCHORED,
	PQ_SMOOTHED
} PqExtend;

/* What may follow a selector or a subquery. */
typedef struct PqModifiers
{
	PqDuration offset;
	PqAt at;
	int64_t at_ms; /* of PQ_AT_TIME */
} PqModifiers;

typedef struct PqFunction PqFunction;

struct PqNode
{
	PqNodeKind kind;
	PqType type;
	int start; /* the node's text: [start, end) */
	int end;
	int height; /* levels of the tree from here down: at most PROMQL_MAX_DEPTH */
	union
	{
		struct
		{
			double value;
			bool duration; /* was written as a duration */
		} number;
		TsString string;
		struct
		{
			TsString name; /* written before the braces (or a bare name); else empty */
			TsMatcher
				*matchers; /* all, that of the name included; regexes not compiled */
			int nmatchers;
			PqModifiers modifiers;
			PqDuration range; /* given: a range vector */
			PqExtend extend;
		} selector;
		struct
		{
			PqNode *expr;
			PqDuration range;
			PqDuration step; /* not given: the default interval */
			PqModifiers modifiers;
		} subquery;
		PqNode *paren;
		struct
		{
			bool minus;
			PqNode *expr;
		} unary;
		struct
		{
			PqBinaryOp op;
			PqNode *left;
			PqNode *right;
			bool return_bool;
			PqMatching *matching; /* NULL unless both sides are vectors */
			int op_start;         /* where the operator stands */
		} binary;
		struct
		{
			PqAggregateOp op;
			PqNode *expr;
			PqNode *param; /* or NULL */
			bool without;
			bool grouped; /* by or without was written */
			PqNames labels;
		} aggregate;
		struct
		{
			const PqFunction *function;
			PqNode **args;
			int nargs; /* as written: optional ones may be missing */
		} call;
	} u;
};

/* ---- functions ---- */

typedef enum PqFunctionId
{
#define PQ_FUNCTION(id, name, ...) PQ_FN_##id,
#include "promql_functions.h"
#undef PQ_FUNCTION
	PQ_FN_COUNT
} PqFunctionId;

#define PQ_MAX_ARGS 8

struct PqFunction
{
	PqFunctionId id;
	const char *name;
	PqType result;
	bool experimental;
	int min_args;
	int max_args; /* -1: any number of the last type */
	PqType args[PQ_MAX_ARGS];
};

extern const PqFunction promql_functions[PQ_FN_COUNT];
extern const PqFunction *promql_function_find(const char *name, size_t len);
/* The type that a function wants as its i-th argument, from 0. */
extern PqType promql_function_argument(const PqFunction *function, int i);
extern const char *promql_aggregate_name(PqAggregateOp op);
extern const char *promql_binary_symbol(PqBinaryOp op);
extern const char *promql_type_name(PqType type); /* "instant vector" ... */

/* ---- parsing ---- */

/* What may be turned off; all on by default (promql_default_options). */
typedef struct PqParseOptions
{
	bool experimental_functions;
	bool duration_expressions;
	bool extended_ranges; /* anchored, smoothed */
	bool fill_modifiers;
	TsRegexLimits regex; /* of patterns, which are tried while parsing; memory 0: the
							default's */
} PqParseOptions;

extern const PqParseOptions promql_default_options;

#define PROMQL_MAX_DEPTH 1000 /* levels of a tree */

/*
 * Parses an expression. All of the tree, a copy of the text included, is in the arena,
 * whose limit bounds it. On failure *root is NULL and *err says what, where and what was
 * expected (line and column set).
 */
extern TsErrorCode
promql_parse(const char *text, size_t len, const PqParseOptions *options, TsArena *arena,
			 PqNode **root, TsError *err);
/* The same for a selector of series alone (no modifiers): match[] of the API. */
extern TsErrorCode promql_parse_matchers(const char *text, size_t len, TsArena *arena,
										 PqNode **selector, TsError *err);

/* Line and column, from 1, of an offset. */
extern void
promql_locate(const char *text, size_t len, int offset, int *line, int *column);

/* ---- printing ---- */

/*
 * Writes the expression as Prometheus prints it: on one line, or, `pretty`, broken and
 * indented where it is long. Parses to an equal tree. The text is in the arena, with a
 * NUL; NULL when there is no room.
 */
extern char *promql_print(const PqNode *node, bool pretty, TsArena *arena);
/* The tree as the API's parse_query gives it, as JSON. */
extern char *promql_print_json(const PqNode *node, TsArena *arena);

/* The same number as a literal? Nothing has a sign, all NaN are one. */
static inline bool
pq_same_number(double a, double b)
{
	return memcmp(&a, &b, sizeof(a)) == 0 || (a != a && b != b);
}

/* The same expression, wherever it stands? */
extern bool promql_equal(const PqNode *a, const PqNode *b);

/* ---- durations ---- */

/*
 * The value of a duration for a query with this start, end and step (0: instant), all in
 * ms. Fails when an expression divides by zero, leaves the range of durations, or when
 * it is to be positive and is not (as Prometheus refuses it).
 */
typedef struct PqDurationTerms
{
	int64_t step_ms;
	int64_t range_ms;
} PqDurationTerms;
extern TsErrorCode
promql_duration(const PqDuration *duration, const PqDurationTerms *terms,
				bool must_be_positive, int64_t *ms, TsError *err);
/* Milliseconds of seconds, cut; false beyond what a duration can hold (292 years). */
extern bool promql_duration_of_seconds(double seconds, int64_t *ms);
/* "1h30m": the shortest text that Prometheus' model.Duration prints. Returns its length. */
extern int promql_write_duration(int64_t ms, char *out, size_t size);
/* Reads such a text, all of it. */
extern bool promql_read_duration(const char *text, size_t len, int64_t *ms);
/* A float as Go's FormatFloat(v, 'f', -1, 64) writes it, with NaN, +Inf, -Inf: as sample
 * values are shown. `out` has PROMQL_FLOAT_SIZE bytes; returns the length. */
#define PROMQL_FLOAT_SIZE 352
extern int promql_write_float(double value, char *out);
/* The same as Go's %g writes it, with exponents: as messages have it. */
extern int promql_write_short_float(double value, char *out);
/* The same with exponents below 1e-6 and from 1e21 on: as the API's documents have it. */
extern int promql_write_json_float(double value, char *out);

#endif /* PROMQL_AST_H */
