/*
 * test_otlp_labels.c
 *	  Labels of points, of target_info and of exemplars.
 *
 * The rules are those of OpenTelemetry's "Prometheus and OpenMetrics Compatibility", "OTLP
 * Metric points to Prometheus", sections "Instrumentation Scope", "Metric Attributes",
 * "Exemplars" and "Resource Attributes", called I, A, E and R here; and where it leaves a
 * choice those that Prometheus documents for promote_resource_attributes,
 * promote_scope_metadata, keep_identifying_resource_attributes and translation_strategy,
 * called P. Cases were made from the rules.
 *
 * Attributes are written "key=value,key=value"; a value "#1" is a number. So are labels.
 */
#include "dry_allocator.h"
#include "otlp_message.h"
#include "unit.h"

#define ARENA_LIMIT ((size_t) 16 * 1024 * 1024)

static TsArena arena;

static TsString
string(const char *text)
{
	return (TsString){text, strlen(text)};
}

/* Adds what is written as fields of the message. */
static void
add_attributes(Bytes *message, int field, const char *written)
{
	char *copy = strdup(written);
	char *rest = copy;

	for (char *one; *rest != '\0' && (one = strsep(&rest, ",")) != NULL;)
	{
		char *value = strchr(one, '=');

		*value++ = '\0';
		put_value(message, field, one,
				  *value == '#' ? value_int(atoi(value + 1)) : value_string(value));
		if (rest == NULL)
			break;
	}
	free(copy);
}

static void
show(const TsOtlpLabels *labels, char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < labels->n && len < size; i++)
		len += (size_t) snprintf(
			out + len, size - len, "%s%.*s=%.*s", i > 0 ? "," : "",
			(int) labels->pairs[i].name.len, labels->pairs[i].name.data,
			(int) labels->pairs[i].value.len, labels->pairs[i].value.data);
}

static void
check_labels(TsErrorCode code, const TsOtlpLabels *labels, const TsError *err,
			 const char *expected, const char *what)
{
	char shown[4000];

	show(labels, shown, sizeof(shown));
	if (expected == NULL)
		CHECK(code == TS_ERR_INVALID && err->message[0] != '\0', "%s: %d, %s", what,
			  (int) code, shown);
	else
		CHECK(code == TS_OK && strcmp(shown, expected) == 0, "%s: %s (%s)", what, shown,
			  err->message);
}

/* ---- options ---- */

enum
{
	SCOPED = 1,
	PROMOTE_ALL = 2,
	PROMOTE_SOME = 4, /* host.name, cloud.region, service.version */
	KEEP = 8,
	UTF8 = 16
};

static const TsString promoted[] = {
	{"host.name", 9}, {"cloud.region", 12}, {"service.version", 15}};

static TsOtlpOptions
options_of(int flags)
{
	TsOtlpOptions options = {
		.translation = (flags & UTF8) != 0 ? TS_OTLP_NO_TRANSLATION
										   : TS_OTLP_UNDERSCORE_ESCAPING_WITH_SUFFIXES,
		.scope_labels = (flags & SCOPED) != 0,
		.promote_all = (flags & PROMOTE_ALL) != 0,
		.keep_identifying = (flags & KEEP) != 0,
	};

	if ((flags & PROMOTE_SOME) != 0)
	{
		options.promoted = promoted;
		options.npromoted = sizeof(promoted) / sizeof(promoted[0]);
	}
	return options;
}

/* ---- points ---- */

typedef struct PointCase
{
	int flags;
	const char *resource;
	const char *scope; /* name/version/schema URL */
	const char *scope_attributes;
	const char *point;
	const char *labels; /* NULL: refused */
} PointCase;

static const PointCase point_cases[] = {
	/* A: attributes are labels. */
	{0, "", "//", "", "", ""},
	{0, "", "//", "", "b=2,a=1", "a=1,b=2"},
	{0, "", "//", "", "http.method=GET,http.status_code=#200",
	 "http_method=GET,http_status_code=200"},
	{0, "", "//", "", "a=,b=x", "b=x"},
	{0, "", "//", "", "1st=x,_p=y", "key_1st=x,key_p=y"},
	{UTF8, "", "//", "", "http.method=GET,größe=#1", "größe=1,http.method=GET"},

	/* A: values of keys that become the same are joined, in the order of the keys. */
	{0, "", "//", "", "a_b=3,a.b=2,a-b=1", "a_b=1;2;3"},
	{0, "", "//", "", "a.b=x,c=y,a_b=z", "a_b=x;z,c=y"},
	{0, "", "//", "", "a.b=same,a_b=same", "a_b=same;same"},
	{0, "", "//", "", "a.b=#1,a_b=#2", "a_b=1;2"},
	/* P: what is empty is joined only behind a value. */
	{0, "", "//", "", "a.b=,a_b=z", "a_b=z"},
	{0, "", "//", "", "a.b=x,a_b=", "a_b=x;"},
	{0, "", "//", "", "a.b=,a_b=", ""},
	/* Keys that are not translated do not become the same; they may be the same. */
	{UTF8, "", "//", "", "a.b=1,a_b=2", "a.b=1,a_b=2"},
	{UTF8, "", "//", "", "a=2,a=1", "a=2;1"},

	/* A key that no label can have. */
	{0, "", "//", "", "a=1,...=2", NULL},
	{0, "", "//", "", "a=1,=2", NULL},
	{UTF8, "", "//", "", "a=1,=2", NULL},

	/* P: the metric's name is its own; what else begins with "__" stays. */
	{0, "", "//", "", "__name__=x,a=1", "a=1"},
	{0, "", "//", "", "..name..=x,a=1", "a=1"},
	{UTF8, "", "//", "", "__name__=x,a=1", "a=1"},
	{0, "", "//", "", "__unit__=x,a=1", "__unit__=x,a=1"},
	{0, "", "//", "", "le=x,quantile=y", "le=x,quantile=y"},

	/* R: service.name is job, service.instance.id is instance. */
	{0, "service.name=shop", "//", "", "", "job=shop"},
	{0, "service.name=shop,service.instance.id=i1", "//", "", "a=1",
	 "a=1,instance=i1,job=shop"},
	{0, "service.instance.id=i1", "//", "", "", "instance=i1"},
	{0, "service.instance.id=#7,service.name=#8", "//", "", "", "instance=7,job=8"},
	/* R: "combined as <service.namespace>/<service.name>". */
	{0, "service.name=shop,service.namespace=eu", "//", "", "", "job=eu/shop"},
	{0, "service.namespace=eu,service.name=shop", "//", "", "", "job=eu/shop"},
	{UTF8, "service.name=shop,service.namespace=eu", "//", "", "", "job=eu/shop"},
	/* R: "or <service.name> if namespace is empty". */
	{0, "service.name=shop,service.namespace=", "//", "", "", "job=shop"},
	{0, "service.namespace=eu", "//", "", "", ""},
	{0, "service.name=,service.namespace=eu", "//", "", "", "job=eu/"},
	{0, "service.name=,service.instance.id=", "//", "", "", ""},
	/* Of two the first one counts. */
	{0, "service.name=a,service.name=b", "//", "", "", "job=a"},
	/* P: an attribute of the point does not replace them, but it may stand in for them. */
	{0, "service.name=shop", "//", "", "job=x,instance=y", "instance=y,job=shop"},
	{0, "", "//", "", "job=x", "job=x"},

	/* R: other attributes of the resource are no labels, unless it is asked for. */
	{0, "service.name=shop,host.name=h", "//", "", "", "job=shop"},
	{PROMOTE_SOME, "service.name=shop,host.name=h,os=linux", "//", "", "",
	 "host_name=h,job=shop"},
	{PROMOTE_SOME, "cloud.region=,host.name=h", "//", "", "", "host_name=h"},
	{PROMOTE_SOME | UTF8, "host.name=h", "//", "", "", "host.name=h"},
	{PROMOTE_SOME, "host_name=h", "//", "", "", ""},
	{PROMOTE_ALL, "service.name=shop,os=linux,...=x", "//", "", "", NULL},
	{PROMOTE_ALL, "service.name=shop,os=linux", "//", "", "",
	 "job=shop,os=linux,service_name=shop"},
	{PROMOTE_ALL, "a.b=2,a_b=3,a-b=1", "//", "", "", "a_b=1;2;3"},
	{PROMOTE_ALL, "__name__=x", "//", "", "", ""},
	/* P: attributes of the point go before them, unless they are empty. */
	{PROMOTE_SOME, "host.name=h", "//", "", "host.name=p", "host_name=p"},
	{PROMOTE_SOME, "host.name=h", "//", "", "host_name=p,host.name=q", "host_name=q;p"},
	{PROMOTE_SOME, "host.name=h", "//", "", "host.name=", "host_name=h"},
	/* P: job and instance do not come from what is promoted. */
	{PROMOTE_ALL, "job=x,service.name=shop", "//", "", "", "job=shop,service_name=shop"},
	{PROMOTE_ALL, "job=x", "//", "", "", "job=x"},

	/* I: otel_scope_name, otel_scope_version, and P: schema URL and attributes. */
	{0, "", "lib/1.0/u", "k=v", "a=1", "a=1"},
	{SCOPED, "", "lib/1.0/", "", "a=1", "a=1,otel_scope_name=lib,otel_scope_version=1.0"},
	{SCOPED, "", "lib//", "", "", "otel_scope_name=lib"},
	{SCOPED, "", "lib/1/u", "", "",
	 "otel_scope_name=lib,otel_scope_schema_url=u,otel_scope_version=1"},
	{SCOPED, "", "lib//", "short.name=x,n=#3,e=", "",
	 "otel_scope_n=3,otel_scope_name=lib,otel_scope_short_name=x"},
	{SCOPED | UTF8, "", "lib//", "short.name=x", "",
	 "otel_scope_name=lib,otel_scope_short.name=x"},
	{SCOPED, "", "lib//", "9=x,_y=z", "",
	 "otel_scope_9=x,otel_scope__y=z,otel_scope_name=lib"},
	{SCOPED, "", "lib//", "a.b=1,a_b=2", "", "otel_scope_a_b=1;2,otel_scope_name=lib"},
	/* P: without a name it is no scope. */
	{SCOPED, "", "/1.0/u", "k=v", "a=1", "a=1"},
	/* P: what the scope is goes before what it or a point has as attributes. */
	{SCOPED, "", "lib//", "name=x,version=y", "", "otel_scope_name=lib"},
	{SCOPED, "", "lib/1/", "", "otel.scope.version=9,otel.scope.name=x",
	 "otel_scope_name=lib,otel_scope_version=1"},
	{SCOPED, "", "lib//", "", "otel.scope.version=9", "otel_scope_name=lib"},
	{SCOPED, "", "lib//", "k=v", "otel.scope.k=p", "otel_scope_k=v,otel_scope_name=lib"},
	{SCOPED, "", "lib//", "k=", "otel.scope.k=p", "otel_scope_k=p,otel_scope_name=lib"},
	{0, "", "lib//", "", "otel.scope.name=p", "otel_scope_name=p"},

	/* All at once. */
	{SCOPED | PROMOTE_SOME, "service.name=s,service.namespace=n,host.name=h,os=l",
	 "lib/1/", "k=v", "http.route=/,host.name=",
	 "host_name=h,http_route=/,job=n/s,otel_scope_k=v,otel_scope_name=lib,"
	 "otel_scope_version=1"},
};

/* A case's messages. */
typedef struct Fields
{
	Bytes resource;
	Bytes scope;
	Bytes point;
	char *names; /* of the scope */
	TsOtlpResource resource_read;
	TsOtlpScope scope_read;
	TsOtlpAttributes attributes;
} Fields;

static void
fields_of(const char *resource, const char *scope, const char *scope_attributes,
		  const char *point, Fields *fields)
{
	char *rest;

	*fields = (Fields){.names = strdup(scope)};
	add_attributes(&fields->resource, 1, resource);
	add_attributes(&fields->scope, 3, scope_attributes);
	add_attributes(&fields->point, 7, point);
	rest = fields->names;
	fields->resource_read.attributes = attributes_of(&fields->resource, 1);
	fields->scope_read.name = string(strsep(&rest, "/"));
	fields->scope_read.version = string(strsep(&rest, "/"));
	fields->scope_read.schema_url = string(rest);
	fields->scope_read.attributes = attributes_of(&fields->scope, 3);
	fields->attributes = attributes_of(&fields->point, 7);
}

static void
fields_free(Fields *fields)
{
	bytes_free(&fields->resource);
	bytes_free(&fields->scope);
	bytes_free(&fields->point);
	free(fields->names);
}

static void
check_points(void)
{
	TsOtlpLabelsCache *cache = ts_otlp_labels_cache(&ts_malloc_allocator);

	for (size_t i = 0; i < sizeof(point_cases) / sizeof(point_cases[0]); i++)
	{
		const PointCase *test = &point_cases[i];
		TsOtlpOptions options = options_of(test->flags);
		TsOtlpLabels labels;
		TsErrorCode code;
		TsError err = {0};
		Fields fields;
		char what[300];

		fields_of(test->resource, test->scope, test->scope_attributes, test->point,
				  &fields);
		snprintf(what, sizeof(what), "{%s} {%s %s} {%s} %d", test->resource, test->scope,
				 test->scope_attributes, test->point, test->flags);
		ts_otlp_labels_forget(cache);
		code = ts_otlp_point_labels(&options, cache, &fields.resource_read,
									&fields.scope_read, &fields.attributes, &arena,
									&labels, &err);
		check_labels(code, &labels, &err, test->labels, what);
		fields_free(&fields);
	}
	ts_otlp_labels_cache_free(cache);
}

/* ---- the cache ---- */

static const char *
shown_point(TsOtlpLabelsCache *cache, int flags, const Fields *fields)
{
	static char shown[1000];
	TsOtlpOptions options = options_of(flags);
	TsOtlpLabels labels;
	TsError err = {0};

	if (ts_otlp_point_labels(&options, cache, &fields->resource_read, &fields->scope_read,
							 &fields->attributes, &arena, &labels, &err) != TS_OK)
		snprintf(shown, sizeof(shown), "%s", err.message);
	else
		show(&labels, shown, sizeof(shown));
	return shown;
}

static void
check_cache(void)
{
	TsOtlpLabelsCache *cache = ts_otlp_labels_cache(&ts_malloc_allocator);
	int flags = SCOPED | PROMOTE_SOME;
	Fields first;
	Fields second;
	Fields bad;
	const char *shown;
	char before[1000];

	fields_of("service.name=s,host.name=h", "lib//", "k=v", "a=1", &first);
	fields_of("service.name=t,host.name=i", "dib//", "k=w", "b=2", &second);
	shown = shown_point(cache, flags, &first);
	CHECK(strcmp(shown, "a=1,host_name=h,job=s,otel_scope_k=v,otel_scope_name=lib") == 0,
		  "%s", shown);

	/* Until it is told of others, the resource and the scope are those it knows. */
	shown = shown_point(cache, flags, &second);
	CHECK(strcmp(shown, "b=2,host_name=h,job=s,otel_scope_k=v,otel_scope_name=lib") == 0,
		  "%s", shown);
	ts_otlp_labels_forget_scope(cache);
	shown = shown_point(cache, flags, &second);
	CHECK(strcmp(shown, "b=2,host_name=h,job=s,otel_scope_k=w,otel_scope_name=dib") == 0,
		  "%s", shown);
	ts_otlp_labels_forget(cache);
	shown = shown_point(cache, flags, &second);
	CHECK(strcmp(shown, "b=2,host_name=i,job=t,otel_scope_k=w,otel_scope_name=dib") == 0,
		  "%s", shown);

	/* Why there are none is kept, too. */
	fields_of("...=x", "lib//", "", "a=1", &bad);
	ts_otlp_labels_forget(cache);
	snprintf(before, sizeof(before), "%s", shown_point(cache, PROMOTE_ALL, &bad));
	CHECK(strstr(before, "\"...\"") != NULL, "%s", before);
	shown = shown_point(cache, PROMOTE_ALL, &first);
	CHECK(strcmp(shown, before) == 0, "%s", shown);

	fields_free(&first);
	fields_free(&second);
	fields_free(&bad);
	ts_otlp_labels_cache_free(cache);
}

/* ---- extra labels ---- */

/* P: le and quantile are the histogram's and the summary's. */
static void
check_extra(void)
{
	TsOtlpLabelsCache *cache = ts_otlp_labels_cache(&ts_malloc_allocator);
	TsOtlpOptions options = options_of(0);
	TsOtlpLabels labels;
	TsErrorCode code;
	TsError err = {0};
	Fields fields;

	fields_of("", "//", "", "a=1,le=x", &fields);
	code = ts_otlp_point_labels(&options, cache, &fields.resource_read,
								&fields.scope_read, &fields.attributes, &arena, &labels,
								&err);
	ts_otlp_set_label(&labels, "le", string("+Inf"));
	ts_otlp_set_label(&labels, "__name__", string("h_bucket"));
	check_labels(code, &labels, &err, "a=1,le=+Inf,__name__=h_bucket", "extra labels");
	fields_free(&fields);
	ts_otlp_labels_cache_free(cache);
}

/* ---- target_info ---- */

typedef struct InfoCase
{
	int flags;
	const char *resource;
	const char *labels; /* empty: there is none */
} InfoCase;

static const InfoCase info_cases[] = {
	/* R: "labels MUST include the resource attributes", "other than job and instance". */
	{0, "service.name=s,os=linux", "__name__=target_info,job=s,os=linux"},
	{0, "service.name=s,service.namespace=n,service.instance.id=i,host.name=h",
	 "__name__=target_info,host_name=h,instance=i,job=n/s"},
	{UTF8, "service.name=s,host.name=h", "__name__=target_info,host.name=h,job=s"},
	{0, "service.instance.id=i,n=#1", "__name__=target_info,instance=i,n=1"},
	{0, "service.name=s,a.b=1,a_b=2", "__name__=target_info,a_b=1;2,job=s"},
	{0, "service.name=s,a=", "__name__=target_info,job=s"},
	/* P: those that identify are there under their own names when that is asked for. */
	{KEEP, "service.name=s,service.namespace=n,service.instance.id=i,os=l",
	 "__name__=target_info,instance=i,job=n/s,os=l,service_instance_id=i,service_name=s,"
	 "service_namespace=n"},
	/* P: none when there is nothing to say, ... */
	{0, "", ""},
	{0, "service.name=s", ""},
	{KEEP, "service.name=s,service.namespace=n,service.instance.id=i", ""},
	/* ... or nothing to say it of. */
	{0, "os=linux,host.name=h", ""},
	{0, "service.namespace=n,os=linux", ""},
	{KEEP, "service.namespace=n,os=linux", ""},
	{0, "service.name=,os=linux", ""},
	{0, "job=j,os=linux", "__name__=target_info,job=j,os=linux"},
	/* P: what is promoted is there as well; the scope is not. */
	{PROMOTE_SOME, "service.name=s,host.name=h",
	 "__name__=target_info,host_name=h,job=s"},
	{PROMOTE_ALL | SCOPED, "service.name=s,host.name=h",
	 "__name__=target_info,host_name=h,job=s"},
	/* P: job, instance and its name are its own. */
	{0, "service.name=s,job=x,__name__=y", "__name__=target_info,job=s"},
	{0, "service.name=s,...=x", NULL},
};

static void
check_info(void)
{
	for (size_t i = 0; i < sizeof(info_cases) / sizeof(info_cases[0]); i++)
	{
		const InfoCase *test = &info_cases[i];
		TsOtlpOptions options = options_of(test->flags);
		TsOtlpLabels labels;
		TsErrorCode code;
		TsError err = {0};
		Fields fields;

		fields_of(test->resource, "lib/1/u", "k=v", "", &fields);
		code = ts_otlp_info_labels(&options, &fields.resource_read, &arena, &labels,
								   &err);
		check_labels(code, &labels, &err, test->labels, test->resource);
		fields_free(&fields);
	}
}

/* ---- exemplars ---- */

#define TRACE "\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c"
#define SPAN  "\xb7\xad\x6b\x71\x69\x20\x33\x31"
#define ZEROS "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

#define TRACE_LABEL "trace_id=0af7651916cd43dd8448eb211c80319c"
#define SPAN_LABEL  "span_id=b7ad6b7169203331"

/* 65 characters: with those of both identifiers 128. */
#define TEN       "0123456789"
#define SIXTYFIVE "k" TEN TEN TEN TEN TEN "=" TEN "0123"

typedef struct ExemplarCase
{
	TsString trace;
	TsString span;
	const char *attributes;
	const char *labels;
} ExemplarCase;

static const ExemplarCase exemplar_cases[] = {
	/* E: "MUST use the trace_id and span_id keys". */
	{{TRACE, 16}, {SPAN, 8}, "", SPAN_LABEL "," TRACE_LABEL},
	{{TRACE, 16}, {"", 0}, "", TRACE_LABEL},
	{{"", 0}, {SPAN, 8}, "", SPAN_LABEL},
	{{"", 0}, {"", 0}, "", ""},
	/* Identifiers of zeros only are none; nor are those of other sizes. */
	{{ZEROS, 16}, {ZEROS, 8}, "", ""},
	{{TRACE, 15}, {SPAN, 7}, "", ""},
	/* E: "filtered_attributes MUST be added as labels"; P: under their own names. */
	{{TRACE, 16}, {"", 0}, "user.id=#7,a=b", "a=b," TRACE_LABEL ",user.id=7"},
	{{"", 0}, {"", 0}, "__name__=x,e=", "__name__=x"},
	{{TRACE, 16}, {"", 0}, "trace_id=x", TRACE_LABEL},
	{{"", 0}, {"", 0}, "trace_id=x", "trace_id=x"},
	/* E: "unless they would exceed the limit on characters", 128, which are no bytes. */
	{{TRACE, 16}, {SPAN, 8}, SIXTYFIVE, SIXTYFIVE "," SPAN_LABEL "," TRACE_LABEL},
	{{TRACE, 16}, {SPAN, 8}, SIXTYFIVE "4", SPAN_LABEL "," TRACE_LABEL},
	{{TRACE, 16}, {SPAN, 8}, "a=b," SIXTYFIVE, SPAN_LABEL "," TRACE_LABEL},
	{{"", 0},
	 {"", 0},
	 SIXTYFIVE ",x=éééééééééééééééééééééééééééééééééééééééé",
	 SIXTYFIVE ",x=éééééééééééééééééééééééééééééééééééééééé"},
};

static void
check_exemplars(void)
{
	for (size_t i = 0; i < sizeof(exemplar_cases) / sizeof(exemplar_cases[0]); i++)
	{
		const ExemplarCase *test = &exemplar_cases[i];
		TsOtlpExemplar exemplar = {.trace_id = test->trace, .span_id = test->span};
		TsOtlpOptions options = options_of(0);
		Bytes message = {0};
		TsOtlpLabels labels;
		TsErrorCode code;
		TsError err = {0};

		add_attributes(&message, 7, test->attributes);
		exemplar.attributes = attributes_of(&message, 7);
		code = ts_otlp_exemplar_labels(&options, &exemplar, &arena, &labels, &err);
		check_labels(code, &labels, &err, test->labels, test->attributes);
		bytes_free(&message);
	}
}

/* ---- limits ---- */

/* So many attributes, all with different keys, or all with the same label's. */
static TsErrorCode
point_of_many(int n, bool same, TsOtlpLabels *labels)
{
	TsOtlpLabelsCache *cache = ts_otlp_labels_cache(&ts_malloc_allocator);
	static const char places[][2] = {".", "-", "_", "/"};
	TsOtlpOptions options = options_of(0);
	Bytes message = {0};
	TsOtlpResource resource = {.schema_url = {"", 0}};
	TsOtlpScope scope = {.name = {"", 0}};
	TsOtlpAttributes attributes;
	TsErrorCode code;
	TsError err;
	char key[20];

	for (int i = 0; i < n; i++)
	{
		snprintf(key, sizeof(key), "k%s%d", places[i % 4], same ? 1 : i);
		put_value(&message, 7, key, value_int(i % 10));
	}
	attributes = attributes_of(&message, 7);
	code = ts_otlp_point_labels(&options, cache, &resource, &scope, &attributes, &arena,
								labels, &err);
	bytes_free(&message);
	ts_otlp_labels_cache_free(cache);
	return code;
}

static void
check_limits(void)
{
	TsOtlpLabels labels;

	CHECK(point_of_many(LABELS_MAX_COUNT, false, &labels) == TS_OK &&
			  labels.n == LABELS_MAX_COUNT,
		  "%u", labels.n);
	CHECK(point_of_many(LABELS_MAX_COUNT + 1, false, &labels) == TS_ERR_LIMIT, "%u",
		  labels.n);
	CHECK(point_of_many(1000, true, &labels) == TS_OK && labels.n == 1 &&
			  labels.pairs[0].value.len == 1999,
		  "%u", labels.n);
	CHECK(point_of_many(100000, true, &labels) == TS_ERR_LIMIT, "%u", labels.n);
}

static void
check_bytes(void)
{
	char *large = malloc(LABELS_MAX_SIZE + 1);
	TsOtlpOptions options = options_of(PROMOTE_ALL);
	TsOtlpExemplar exemplar = {.trace_id = {TRACE, 16}};
	TsOtlpResource resource = {.schema_url = {"", 0}};
	Bytes message = {0};
	TsOtlpLabels labels;
	TsError err;

	memset(large, 'x', LABELS_MAX_SIZE);
	large[LABELS_MAX_SIZE] = '\0';
	put_value(&message, 1, "service.name", value_string("s"));
	put_value(&message, 1, "large", value_string(large));
	resource.attributes = attributes_of(&message, 1);
	CHECK(ts_otlp_info_labels(&options, &resource, &arena, &labels, &err) == TS_ERR_LIMIT,
		  "a large value");
	exemplar.attributes = resource.attributes;
	CHECK(ts_otlp_exemplar_labels(&options, &exemplar, &arena, &labels, &err) == TS_OK &&
			  labels.n == 1,
		  "%u", labels.n);
	bytes_free(&message);

	put_value(&message, 1, "service.name", value_string(large));
	put_value(&message, 1, "service.namespace", value_string("n"));
	put_value(&message, 1, "os", value_string("l"));
	resource.attributes = attributes_of(&message, 1);
	CHECK(ts_otlp_info_labels(&options, &resource, &arena, &labels, &err) == TS_ERR_LIMIT,
		  "a large job");
	bytes_free(&message);

	put_value(&message, 1, "service.name", value_string("\xFF"));
	put_value(&message, 1, "os", value_string("l"));
	resource.attributes = attributes_of(&message, 1);
	CHECK(ts_otlp_info_labels(&options, &resource, &arena, &labels, &err) ==
			  TS_ERR_INVALID,
		  "a job that is no UTF-8");
	bytes_free(&message);
	free(large);
}

/* However little memory there is, it is refused properly, and none is lost. */
static void
check_memory(void)
{
	TsOtlpOptions options = options_of(SCOPED | PROMOTE_ALL);
	bool done = false;
	Fields fields;

	fields_of("service.name=s,service.namespace=n,a.b=1,a_b=2", "lib//", "k.l=v",
			  "x.y=1,x_y=2", &fields);
	unit_group_begin();
	for (int pieces = 0; !done && pieces < 20; pieces++)
	{
		DryAllocator dry = {pieces, 0};
		TsAllocator allocator = {dry_alloc, dry_free, &dry};
		TsOtlpLabelsCache *cache = ts_otlp_labels_cache(&allocator);
		TsOtlpLabels labels;
		TsArena small;
		TsError err;
		TsErrorCode code = TS_ERR_MEMORY;

		ts_arena_init(&small, &allocator, ARENA_LIMIT);
		if (cache != NULL)
			code = ts_otlp_point_labels(&options, cache, &fields.resource_read,
										&fields.scope_read, &fields.attributes, &small,
										&labels, &err);
		CHECK(code == TS_OK || code == TS_ERR_MEMORY, "%d", (int) code);
		done = code == TS_OK;
		CHECK(!done || labels.n == 7, "%u", labels.n);
		ts_arena_free(&small);
		ts_otlp_labels_cache_free(cache);
		CHECK(dry.held == 0, "%d pieces are held", dry.held);
	}
	CHECK(done, "never enough");
	unit_group_end();
	fields_free(&fields);
}

int
main(void)
{
	ts_arena_init(&arena, &ts_malloc_allocator, ARENA_LIMIT);
	check_points();
	check_cache();
	check_extra();
	check_info();
	check_exemplars();
	check_limits();
	check_bytes();
	check_memory();
	ts_arena_free(&arena);
	return unit_finish();
}
