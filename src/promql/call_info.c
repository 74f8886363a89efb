/*
 * call_info.c
 *	  info(): series with the labels of the info series that belong to them.
 *
 * An info series belongs to all series that have its identifying labels (instance and
 * job). Which one does so depends on the step: the newest sample wins. So one series of
 * the argument may become several, with the labels of different times.
 *
 * In open the argument's labels tell which info series are wanted. These are read through
 * a selector that is made then, one after the other: of each *family* (info series with
 * the same name and identifying labels) the winner of each step is kept. The argument's
 * series that have the same identifying labels are a *group*; its steps fall into a few
 * *combinations* of winners. From these the labels of all that will be given are made,
 * and values then stream through.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "call_info.h"

/* ---- reading info series ---- */

static Family *
new_family(PqOperator *op)
{
	uint32 n = op->steps.n;
	Family *family = pq_alloc0(op, sizeof(Family));

	family->winners = pq_alloc(op, n * sizeof(uint32));
	family->times = pq_alloc(op, n * sizeof(double));
	for (uint32 i = 0; i < n; i++)
		family->winners[i] = NO_WINNER;
	return family;
}

/* An info series takes part in all steps at which it has a sample. */
static void
compete(Family *family, uint32 series, const PqVector *times, uint32 n)
{
	for (uint32 i = 0; i < n; i++)
	{
		if (!pq_has(times, i) || family->winners[i] == NOT_A_NUMBER)
			continue;
		if (pq_histogram(times, i) != NULL)
			family->winners[i] = NOT_A_NUMBER;
		else if (family->winners[i] == NO_WINNER || times->values[i] > family->times[i])
		{
			family->winners[i] = series;
			family->times[i] = times->values[i];
		}
		else if (times->values[i] == family->times[i])
		{
			if (IS_WINNER(family->winners[i]))
				family->ties[0] = family->winners[i];
			family->ties[1] = series;
			family->winners[i] = TIED;
		}
	}
}

/* Names and identifying labels of all families become the map, by number. */
static void
read_info_series(InfoOperator *info, PqLabelsMap *map, PqLabelsMap *names)
{
	static TsString name = {TS_METRIC_NAME_LABEL, sizeof(TS_METRIC_NAME_LABEL) - 1};
	static const PqNames only_name = {&name, 1};
	static TsString key[] = {
		{TS_METRIC_NAME_LABEL, sizeof(TS_METRIC_NAME_LABEL) - 1},
		{"instance", 8},
		{"job", 3},
	};
	static const PqNames key_names = {key, lengthof(key)};
	PqOperator *op = &info->op;
	PqOperator *selector = info->info;

	info->families = pq_alloc(op, selector->nseries * sizeof(Family *));
	for (uint32 i = 0; i < selector->nseries; i++)
	{
		TsString labels = selector->series[i].labels;
		PqVector times;
		uint32 number;
		bool found;

		MemoryContextReset(op->row);
		pq_labels_number(names, pq_labels_keep(labels, &only_name, op->row), true,
						 &found);
		number = pq_labels_number(map, pq_labels_keep(labels, &key_names, op->row), true,
								  &found);
		if (!found)
			info->families[number] = new_family(op);
		pq_next(selector, &times);
		compete(info->families[number], i, &times, op->steps.n);
	}
}

/* ---- groups ---- */

static bool
same_winners(const Group *group, uint32 step, const Combination *combination)
{
	for (int i = 0; i < group->nfamilies; i++)
	{
		if (group->families[i]->winners[step] != combination->winners[i])
			return false;
	}
	return true;
}

static int
find_combination(PqOperator *op, Group *group, uint32 step)
{
	Combination *combination;

	for (int i = 0; i < group->ncombinations; i++)
	{
		if (same_winners(group, step, &group->combinations[i]))
			return i;
	}
	/* Room doubles whenever the count is a power of two. */
	if ((group->ncombinations & (group->ncombinations - 1)) == 0)
	{
		Combination *more = pq_alloc(op, Max(1, 2 * group->ncombinations) *
											 sizeof(Combination));

		if (group->ncombinations > 0)
			memcpy(more, group->combinations, group->ncombinations * sizeof(Combination));
		group->combinations = more;
	}
	if (group->ncombinations > PG_UINT16_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("info series of info() change too often")));
	combination = &group->combinations[group->ncombinations];
	combination->winners = pq_alloc(op, group->nfamilies * sizeof(uint32));
	for (int i = 0; i < group->nfamilies; i++)
		combination->winners[i] = group->families[i]->winners[step];
	return group->ncombinations++;
}

/* The families that have the identifying labels of this group, under all names. */
static void
find_families(InfoOperator *info, Group *group, TsString labels, PqLabelsMap *map,
			  PqLabelsMap *names)
{
	PqOperator *op = &info->op;

	group->families = pq_alloc(op, pq_labels_count(names) * sizeof(Family *));
	for (uint32 i = 0; i < pq_labels_count(names); i++)
	{
		TsString name = pq_labels_value(pq_labels_of(names, i), TS_METRIC_NAME_LABEL);
		TsString key = pq_labels_set(
			labels, (TsString){TS_METRIC_NAME_LABEL, strlen(TS_METRIC_NAME_LABEL)}, name,
			op->row);
		int64 number = pq_labels_find(map, key);

		if (number >= 0)
			group->families[group->nfamilies++] = info->families[number];
	}
}

static void
find_combinations(InfoOperator *info, Group *group)
{
	PqOperator *op = &info->op;
	uint32 n = op->steps.n;

	find_combination(op, group, 0);
	for (uint32 i = 1; i < n; i++)
	{
		int number;

		if (group->of_step == NULL && same_winners(group, i, &group->combinations[0]))
			continue;
		if (group->of_step == NULL)
			group->of_step = pq_alloc0(op, n * sizeof(uint16));
		number = same_winners(group, i, &group->combinations[group->of_step[i - 1]])
					 ? group->of_step[i - 1]
					 : find_combination(op, group, i);
		group->of_step[i] = (uint16) number;
	}
}

/* ---- labels ---- */

/* Is this label asked for? */
static bool
is_wanted(const InfoOperator *info, TsString name)
{
	for (int i = 0; i < info->ndata_matchers; i++)
	{
		if (ts_string_equal(info->data_matchers[i].name, name))
			return true;
	}
	return info->ndata_matchers == 0;
}

/* Adds what a series of the argument has not. Two info series must not disagree there. */
static bool
add_labels(InfoOperator *info, TsString base, TsString from, TsString *labels,
		   TsString *conflict)
{
	LabelsIter iter;
	LabelsPair pair;

	labels_iter_init(&iter, from.data, from.len);
	while (labels_iter_next(&iter, &pair))
	{
		TsString value;

		if (ts_string_is(pair.name, TS_METRIC_NAME_LABEL) || !is_wanted(info, pair.name))
			continue;
		if (labels_find(base.data, base.len, pair.name.data, pair.name.len, &value))
			continue;
		if (!labels_find(labels->data, labels->len, pair.name.data, pair.name.len,
						 &value))
			*labels = pq_labels_set(*labels, pair.name, pair.value, info->op.row);
		else if (!ts_string_equal(value, pair.value))
		{
			*conflict = pair.name;
			return false;
		}
	}
	return true;
}

static Outcome
outcome_of(InfoOperator *info, const Group *group, const Combination *combination,
		   TsString base, TsString *labels)
{
	Outcome outcome = {FATE_GIVEN, 0, {0}};
	bool any = false;

	*labels = base;
	for (int i = 0; i < group->nfamilies; i++)
	{
		uint32 winner = combination->winners[i];

		if (!IS_WINNER(winner))
			continue;
		any = true;
		if (!add_labels(info, base, info->info->series[winner].labels, labels,
						&outcome.label))
		{
			outcome.fate = FATE_CONFLICT;
			return outcome;
		}
	}
	if (!any && info->drops_others)
		outcome.fate = FATE_DROPPED;
	return outcome;
}

/* Series that are made of one of the argument: one for each set of labels. */
static uint32
find_output(PqOperator *op, uint32 first, TsString labels, const PqSeries *base)
{
	for (uint32 i = first; i < op->nseries; i++)
	{
		if (pq_labels_equal(op->series[i].labels, labels))
			return i - first;
	}
	op->series[op->nseries].drop_name = base->drop_name;
	op->series[op->nseries].labels = (TsString){
		memcpy(pq_alloc(op, labels.len), labels.data, labels.len), labels.len};
	return op->nseries++ - first;
}

static void
make_series(InfoOperator *info)
{
	PqOperator *op = &info->op;
	PqOperator *child = op->children[0];
	uint64 most = 0;

	for (uint32 i = 0; i < child->nseries; i++)
		most += info->bases[i].group ? info->bases[i].group->ncombinations : 1;
	if (most > PG_UINT32_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("PromQL query has too many series")));
	op->nseries = 0;
	op->series = pq_alloc(op, most * sizeof(PqSeries));
	for (uint32 i = 0; i < child->nseries; i++)
	{
		Base *base = &info->bases[i];
		uint32 first = op->nseries;
		int count = base->group ? base->group->ncombinations : 1;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(op->row);
		base->outcomes = pq_alloc0(op, count * sizeof(Outcome));
		for (int k = 0; k < count; k++)
		{
			TsString labels = child->series[i].labels;

			if (base->group != NULL)
				base->outcomes[k] = outcome_of(
					info, base->group, &base->group->combinations[k], labels, &labels);
			if (base->outcomes[k].fate == FATE_GIVEN)
				base->outcomes[k].output = find_output(op, first, labels,
													   &child->series[i]);
		}
		/* One that is always dropped, or in conflict, must be read nevertheless. */
		if (op->nseries == first)
			find_output(op, first, child->series[i].labels, &child->series[i]);
		base->noutputs = op->nseries - first;
	}
}

/* ---- the operator ---- */

static void
group_series(InfoOperator *info, PqLabelsMap *groups, Group **group_of)
{
	PqOperator *op = &info->op;
	PqOperator *child = op->children[0];

	for (uint32 i = 0; i < child->nseries; i++)
	{
		TsString labels = child->series[i].labels;
		uint32 number;
		bool found;

		if (call_is_info_series(info, labels))
			continue;
		MemoryContextReset(op->row);
		number = pq_labels_number(
			groups, pq_labels_keep(labels, &call_identifying, op->row), true, &found);
		if (!found)
			group_of[number] = pq_alloc0(op, sizeof(Group));
		info->bases[i].group = group_of[number];
	}
}

static void
info_open(PqOperator *op)
{
	InfoOperator *info = (InfoOperator *) op;
	PqOperator *child = op->children[0];
	PqLabelsMap *groups = pq_labels_map(op->context);
	PqLabelsMap *families = pq_labels_map(op->context);
	PqLabelsMap *names = pq_labels_map(op->context);
	Group **group_of;
	const PqNode *selector;

	pq_open(child);
	info->bases = pq_alloc0(op, child->nseries * sizeof(Base));
	group_of = pq_alloc(op, child->nseries * sizeof(Group *));
	group_series(info, groups, group_of);
	selector = call_info_selector(info);
	if (selector != NULL)
	{
		info->info = op->children[1] = pq_plan_selector_times(
			op->exec, selector, &op->steps, NULL, PQ_SAMPLE_TIME);
		op->nchildren = 2;
		pq_open(info->info);
		read_info_series(info, families, names);
	}
	for (uint32 i = 0; i < pq_labels_count(groups); i++)
	{
		MemoryContextReset(op->row);
		find_families(info, group_of[i], pq_labels_of(groups, i), families, names);
		find_combinations(info, group_of[i]);
	}
	make_series(info);
}

static const char *
text_of(TsString labels)
{
	size_t size = labels_text_size(labels.data, labels.len);
	char *text = palloc(size + 1);

	labels_text_write(labels.data, labels.len, text);
	text[size] = '\0';
	return text;
}

/* Winners that are none are errors where there is a value for them. */
static void
check_winners(InfoOperator *info, const Group *group, const Combination *combination)
{
	PqExec *exec = info->op.exec;
	int position = info->op.node->start;

	for (int i = 0; i < group->nfamilies; i++)
	{
		const Family *family = group->families[i];

		if (combination->winners[i] == NOT_A_NUMBER)
			pq_fail(exec, position, ERRCODE_DATA_EXCEPTION,
					"info sample should be float");
		if (combination->winners[i] == TIED)
		{
			TsString a = info->info->series[family->ties[0]].labels;
			TsString b = info->info->series[family->ties[1]].labels;

			pq_fail(exec, position, ERRCODE_DATA_EXCEPTION,
					"found duplicate series for info metric: existing %s, new %s",
					text_of(a), text_of(b));
		}
	}
}

/* What becomes of the current series at a step. */
static const Outcome *
outcome_at(InfoOperator *info, const Base *base, uint32 step)
{
	const Group *group = base->group;
	int number = group->of_step ? group->of_step[step] : 0;
	const Outcome *outcome = &base->outcomes[number];

	check_winners(info, group, &group->combinations[number]);
	if (outcome->fate == FATE_CONFLICT)
		pq_fail(info->op.exec, info->op.node->start, ERRCODE_DATA_EXCEPTION,
				"conflicting label: %.*s", (int) outcome->label.len, outcome->label.data);
	return outcome;
}

static void
info_next(PqOperator *op, PqVector *out)
{
	InfoOperator *info = (InfoOperator *) op;
	const Base *base;
	uint32 n = op->steps.n;

	if (info->base == 0 || info->output == info->bases[info->base - 1].noutputs)
	{
		pq_next(op->children[0], &info->current);
		info->base++;
		info->output = 0;
	}
	base = &info->bases[info->base - 1];
	if (base->group == NULL)
	{
		info->output++;
		*out = info->current;
		return;
	}
	pq_vector_init(op, out, n);
	memcpy(out->values, info->current.values, n * sizeof(double));
	out->histograms = info->current.histograms;
	for (uint32 i = 0; i < n; i++)
	{
		const Outcome *outcome;

		if (!pq_has(&info->current, i))
			continue;
		outcome = outcome_at(info, base, i);
		if (outcome->fate == FATE_GIVEN && outcome->output == info->output)
			pq_set(out, i);
	}
	info->output++;
}

static void
info_explain(PqOperator *op, PqExplain *to)
{
	InfoOperator *info = (InfoOperator *) op;

	for (int i = 0; i < info->nname_matchers; i++)
		pq_explain_text(to, "Info Metrics", "%s\"%.*s\"",
						ts_match_type_symbol(info->name_matchers[i].type),
						(int) info->name_matchers[i].value.len,
						info->name_matchers[i].value.data);
}

static const PqMethods info_methods = {
	.name = "Info",
	.open = info_open,
	.next = info_next,
	.explain = info_explain,
};

PqOperator *
call_plan_info(PqExec *exec, const PqNode *node, const PqSteps *steps,
			   const PqNeeds *needs)
{
	PqOperator *op = pq_operator(exec, sizeof(InfoOperator), &info_methods, node, steps,
								 2);
	InfoOperator *info = (InfoOperator *) op;

	op->nchildren = 1; /* the second one is made in open */
	call_info_plan_matchers(info, node);
	info->reference = call_info_reference(exec, node->u.call.args[0]);
	op->children[0] = pq_plan(exec, node->u.call.args[0], steps, NULL);
	return call_merge_equal(exec, op);
}
