/*
 * otlp_settings.c
 *	  How OTLP's points become samples: the settings, as the bridge wants them.
 *
 * They are the sender's own business: whoever may write samples may as well write them under
 * other names. So any session may set them, for itself, and databases and roles may have
 * their own. Requests that come by HTTP or gRPC are bridged as the configuration says (ALTER
 * SYSTEM and ALTER DATABASE; the latter from the next start of the workers on).
 */
#include "postgres.h"

#include "utils/guc.h"
#include "utils/varlena.h"

#include "mytsdb.h"
#include "otlp.h"
#include "promql_exec.h"

/* Names of attributes: those of the list, or all of them. */
typedef struct AttributeNames
{
	bool all;
	int count;
	char texts[FLEXIBLE_ARRAY_MEMBER]; /* one after the other, each with its end */
} AttributeNames;

typedef enum Histograms
{
	HISTOGRAMS_CLASSIC,
	HISTOGRAMS_CUSTOM
} Histograms;

static int translation;
static char *promoted_text; /* not looked at: it is what `promoted` was made of */
static const AttributeNames *promoted;
static bool promote_scope;
static bool keep_identifying;
static int histograms;
static bool min_max;
static int delta;

static const struct config_enum_entry translations[] = {
	{"UnderscoreEscapingWithSuffixes", TS_OTLP_UNDERSCORE_ESCAPING_WITH_SUFFIXES, false},
	{"UnderscoreEscapingWithoutSuffixes", TS_OTLP_UNDERSCORE_ESCAPING_WITHOUT_SUFFIXES,
	 false},
	{"NoUTF8EscapingWithSuffixes", TS_OTLP_NO_UTF8_ESCAPING_WITH_SUFFIXES, false},
	{"NoTranslation", TS_OTLP_NO_TRANSLATION, false},
	{NULL, 0, false}};

static const struct config_enum_entry histogram_kinds[] = {
	{"classic", HISTOGRAMS_CLASSIC, false},
	{"custom", HISTOGRAMS_CUSTOM, false},
	{NULL, 0, false}};

static const struct config_enum_entry delta_ways[] = {
	{"cumulative", TS_OTLP_DELTA_CUMULATIVE, false},
	{"refuse", TS_OTLP_DELTA_REFUSE, false},
	{"store", TS_OTLP_DELTA_STORE, false},
	{NULL, 0, false}};

/* ---- names of attributes ---- */

/* In memory as check hooks give it out; NULL, and reported, when there is none. */
static AttributeNames *
make_names(const List *list)
{
	Size size = offsetof(AttributeNames, texts);
	AttributeNames *names;
	ListCell *cell;
	char *next;

	foreach (cell, list)
		size += strlen(lfirst(cell)) + 1;
	names = malloc(size);
	if (names == NULL)
		return NULL;
	names->all = false;
	names->count = list_length(list);
	next = names->texts;
	foreach (cell, list)
	{
		const char *name = lfirst(cell);
		Size len = strlen(name) + 1;

		memcpy(next, name, len);
		next += len;
		names->all = names->all || strcmp(name, "*") == 0;
	}
	return names;
}

static bool
check_names(char **value, void **extra, GucSource source)
{
	char *copy = pstrdup(*value);
	List *list = NIL;
	bool valid = SplitGUCList(copy, ',', &list);
	ListCell *cell;

	if (!valid)
		GUC_check_errdetail("List syntax is invalid.");
	foreach (cell, list)
	{
		const char *name = lfirst(cell);

		if (valid &&
			(name[0] == '\0' || ts_utf8_valid_prefix(name, strlen(name)) != strlen(name)))
		{
			GUC_check_errdetail("Names of attributes are texts in UTF-8, and not empty.");
			valid = false;
		}
	}
	if (valid)
	{
		*extra = make_names(list);
		valid = *extra != NULL;
		if (!valid)
		{
			GUC_check_errcode(ERRCODE_OUT_OF_MEMORY);
			GUC_check_errmsg("out of memory");
		}
	}
	list_free(list);
	pfree(copy);
	return valid;
}

static void
assign_names(const char *value, void *extra)
{
	promoted = extra;
}

/* ---- options ---- */

static const TsString *
copy_names(const AttributeNames *names)
{
	TsString *copy = palloc(Max(names->count, 1) * sizeof(TsString));
	const char *next = names->texts;

	for (int i = 0; i < names->count; i++)
	{
		Size len = strlen(next);

		copy[i] = (TsString){pstrdup(next), len};
		next += len + 1;
	}
	return copy;
}

void
otlp_options(TsOtlpOptions *options)
{
	*options = (TsOtlpOptions){
		.translation = translation,
		.delta = delta,
		.custom_histograms = histograms == HISTOGRAMS_CUSTOM,
		.min_max = min_max,
		.scope_labels = promote_scope,
		.keep_identifying = keep_identifying,
		.promote_all = promoted->all,
		.promoted = copy_names(promoted),
		.npromoted = (uint32) promoted->count,
		/* so that a query finds it at any time, even if one sample comes late */
		.info_interval = Max(pq_default_lookback() / 2, 1),
	};
}

static void
define_names(void)
{
	DefineCustomEnumVariable(
		"mytsdb.otlp_translation",
		"Sets how the names of OTLP's metrics and attributes become Prometheus'.",
		"Escaping makes other characters than letters, digits and underscores "
		"underscores; suffixes are units and types.",
		&translation, TS_OTLP_UNDERSCORE_ESCAPING_WITH_SUFFIXES, translations,
		PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable(
		"mytsdb.otlp_promote_resource_attributes",
		"Sets which attributes of OTLP's resources are labels of all their series.",
		"A list of names, or *. Others are labels of target_info alone.", &promoted_text,
		"", PGC_USERSET, GUC_LIST_INPUT, check_names, assign_names, NULL);
	DefineCustomBoolVariable(
		"mytsdb.otlp_promote_scope",
		"Makes name, version and attributes of OTLP's scopes labels of their series.",
		NULL, &promote_scope, false, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable(
		"mytsdb.otlp_keep_identifying_attributes",
		"Keeps the attributes that make job and instance as labels of target_info.",
		"They are service.name, service.namespace and service.instance.id.",
		&keep_identifying, false, PGC_USERSET, 0, NULL, NULL, NULL);
}

static void
define_values(void)
{
	DefineCustomEnumVariable(
		"mytsdb.otlp_histograms",
		"Sets what OTLP's histograms with explicit bounds become.",
		"Series of buckets, or native histograms with custom buckets.", &histograms,
		HISTOGRAMS_CLASSIC, histogram_kinds, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable(
		"mytsdb.otlp_min_max",
		"Writes the minimum and maximum of OTLP's histograms as series of their own.",
		NULL, &min_max, false, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable(
		"mytsdb.otlp_delta", "Sets what becomes of OTLP's points with delta temporality.",
		"They are added up per series, or refused, or stored as they are.", &delta,
		TS_OTLP_DELTA_CUMULATIVE, delta_ways, PGC_USERSET, 0, NULL, NULL, NULL);
}

static void
define_settings(void)
{
	define_names();
	define_values();
}

const MytsdbModule otlp_settings_module = {
	.name = "mytsdb OTLP settings",
	.define_settings = define_settings,
};
