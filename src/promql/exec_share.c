/*
 * exec_share.c
 *	  Equal subtrees that read the source are evaluated once, for all who want them.
 *
 * Each of those has an operator of its own, a *taker*. The one that asks for a series that
 * nobody has asked for before makes the common child give it; the series is kept for the
 * others until they have taken it. When takers are so far apart that this would take a
 * good part of the query's budget, nothing more is kept, and who finds that it has fallen
 * behind evaluates the subtree for itself.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "binary.h"
#include "exec_internal.h"

/* Series that are kept and freed together. */
#define CHUNK_SERIES 64
/* The part of the budget that may be spent on keeping. */
#define KEEP_PART 4

/* A subtree, wherever it occurs. */
typedef struct Class
{
	const PqNode *node; /* where it occurs last */
	int uses;           /* not counting those within other subtrees that are shared */
} Class;

typedef struct Occurrence
{
	const PqNode *node;
	uint32 hash;
	int class;
} Occurrence;

typedef struct Taker Taker;
typedef struct Share Share;

struct PqPlanner
{
	Occurrence *occurrences; /* by node, when all of them are known */
	int noccurrences;
	int room;
	Class *classes;
	Share *shares;
	bool alone; /* what is planned now is for one alone */
};

typedef struct Kept
{
	PqVector vector;
	PqSamples samples;
} Kept;

typedef struct Chunk
{
	struct Chunk *next;
	MemoryContext context;
	uint32 first; /* series */
	uint32 n;
	int64 held; /* samples */
	Kept kept[CHUNK_SERIES];
} Chunk;

struct Share
{
	Share *next;
	const Class *class;
	const PqNode *node; /* where it occurs first */
	PqSteps steps;
	bool range;
	PqOperator *child;
	PqSelecting
		*selecting; /* of a series-local child; NULL: it is asked for all labels */
	bool start_times;
	Taker *takers;
	bool stopped;  /* nothing more is kept */
	Chunk *chunks; /* by series */
	Chunk *last;
	Size bytes;
	int64 held;
};

struct Taker
{
	PqOperator op;
	Share *share;
	Taker *next;
	PqOperator *alone; /* not NULL: it has fallen behind */
	bool finished;
};

/* ---- equal subtrees ---- */

typedef struct Collector
{
	PqExec *exec;
	uint32 hash; /* of the nodes collected for one parent */
} Collector;

static uint32
hash_string(TsString string)
{
	return hash_bytes((const unsigned char *) string.data, (int) string.len);
}

/* What nodes that are equal have in common; matchers may stand in any order. */
static uint32
hash_itself(const PqNode *node)
{
	uint32 hash = (uint32) node->kind * 31 + (uint32) node->type;

	switch (node->kind)
	{
		case PQ_SELECTOR:
			for (int i = 0; i < node->u.selector.nmatchers; i++)
				hash += hash_string(node->u.selector.matchers[i].value);
			break;
		case PQ_BINARY:
			hash = hash_combine(hash, (uint32) node->u.binary.op);
			break;
		case PQ_AGGREGATE:
			hash = hash_combine(hash, (uint32) node->u.aggregate.op);
			break;
		case PQ_CALL:
			hash = hash_combine(hash, (uint32) node->u.call.function->id);
			break;
		default:
			break;
	}
	return hash;
}

/* Adds the nodes of a subtree that read. */
static void
collect(const PqNode *node, void *arg)
{
	Collector *collector = arg;
	Collector below = {collector->exec, 0};
	struct PqPlanner *planner = collector->exec->planner;
	uint32 hash;

	check_stack_depth();
	node = pq_strip(node);
	if (!pq_reads_data(node))
		return;
	pq_for_children(node, collect, &below);
	hash = hash_combine(hash_itself(node), below.hash);
	collector->hash = hash_combine(collector->hash, hash);
	if (planner->noccurrences == planner->room)
	{
		planner->room *= 2;
		planner->occurrences = repalloc_huge(planner->occurrences,
											 sizeof(Occurrence) * planner->room);
	}
	planner->occurrences[planner->noccurrences++] = (Occurrence){node, hash, -1};
}

static int
compare_hashes(const void *a, const void *b)
{
	uint32 x = ((const Occurrence *) a)->hash;
	uint32 y = ((const Occurrence *) b)->hash;

	return x < y ? -1 : x > y;
}

static int
compare_nodes(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t) ((const Occurrence *) a)->node;
	uintptr_t y = (uintptr_t) ((const Occurrence *) b)->node;

	return x < y ? -1 : x > y;
}

/* Gives equal nodes the same class. */
static void
classify(struct PqPlanner *planner)
{
	Occurrence *all = planner->occurrences;
	int nclasses = 0;
	int from = 0; /* the first class with this hash */

	qsort(all, planner->noccurrences, sizeof(Occurrence), compare_hashes);
	for (int i = 0; i < planner->noccurrences; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i > 0 && all[i].hash != all[i - 1].hash)
			from = nclasses;
		for (int class = from; class < nclasses && all[i].class < 0; class ++)
		{
			if (promql_equal(planner->classes[class].node, all[i].node))
				all[i].class = class;
		}
		if (all[i].class >= 0)
			continue;
		planner->classes[nclasses].node = all[i].node;
		all[i].class = nclasses++;
	}
	for (int class = 0; class < nclasses; class ++)
		planner->classes[class].node = NULL;
	qsort(all, planner->noccurrences, sizeof(Occurrence), compare_nodes);
}

static Class *
find_class(const struct PqPlanner *planner, const PqNode *node)
{
	Occurrence key = {.node = node};
	const Occurrence *found = bsearch(&key, planner->occurrences, planner->noccurrences,
									  sizeof(Occurrence), compare_nodes);

	return found != NULL ? &planner->classes[found->class] : NULL;
}

/* Counts uses. What is below a second occurrence is not used by it. */
static void
count_uses(const PqNode *node, void *arg)
{
	struct PqPlanner *planner = arg;
	Class *class;

	node = pq_strip(node);
	class = find_class(planner, node);
	if (class == NULL)
		return;
	class->node = node;
	if (++class->uses == 1)
		pq_for_children(node, count_uses, arg);
}

struct PqPlanner *
pq_planner_create(PqExec *exec)
{
	struct PqPlanner *planner = palloc0(sizeof(struct PqPlanner));
	Collector collector = {exec, 0};

	exec->planner = planner;
	planner->room = 16;
	planner->occurrences = palloc(sizeof(Occurrence) * planner->room);
	collect(exec->root, &collector);
	planner->classes = palloc_extended(sizeof(Class) * (planner->noccurrences + 1),
									   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	classify(planner);
	count_uses(exec->root, planner);
	return planner;
}

/* ---- keeping ---- */

/* Is there another one that still has to take a series? */
static bool
is_awaited(const Taker *taker, uint32 series)
{
	for (const Taker *other = taker->share->takers; other != NULL; other = other->next)
	{
		if (other != taker && !other->finished && other->alone == NULL &&
			other->op.given <= series)
			return true;
	}
	return false;
}

/* Frees chunks that all have taken. What another one took last may still be in its hands. */
static void
free_taken(Taker *taker)
{
	Share *share = taker->share;

	while (share->chunks != NULL)
	{
		Chunk *chunk = share->chunks;
		uint32 end = chunk->first + CHUNK_SERIES;

		if (taker->op.given < end || is_awaited(taker, end))
			return;
		share->chunks = chunk->next;
		if (share->chunks == NULL)
			share->last = NULL;
		share->held -= chunk->held;
		share->bytes -= MemoryContextMemAllocated(chunk->context, true);
		pq_hold_samples(share->child->exec, -chunk->held);
		MemoryContextDelete(chunk->context);
	}
}

static void *
copy_array(MemoryContext context, const void *array, Size size)
{
	void *copy;

	if (array == NULL)
		return NULL;
	copy = MemoryContextAllocHuge(context, Max(size, 1));
	memcpy(copy, array, size);
	return copy;
}

static void
copy_samples(PqExec *exec, const PqSamples *samples, MemoryContext context,
			 PqSamples *copy)
{
	PqPlace place = {exec, context};
	TsAllocator allocator = pq_allocator(&place);
	const TsHistogram **histograms;

	copy->n = samples->n;
	copy->times = copy_array(context, samples->times, sizeof(int64) * samples->n);
	copy->values = copy_array(context, samples->values, sizeof(double) * samples->n);
	copy->start_times = copy_array(context, samples->start_times,
								   sizeof(int64) * samples->n);
	histograms = copy_array(context, samples->histograms,
							sizeof(TsHistogram *) * samples->n);
	for (uint32 i = 0; histograms != NULL && i < samples->n; i++)
	{
		if (histograms[i] == NULL)
			continue;
		histograms[i] = ts_histogram_copy(histograms[i], &allocator);
		if (histograms[i] == NULL)
			ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	}
	copy->histograms = histograms;
}

/* Where the next series of the child is kept. */
static Kept *
add_kept(Share *share, uint32 series)
{
	Chunk *chunk = share->last;

	if (chunk == NULL || chunk->first + chunk->n != series || chunk->n == CHUNK_SERIES)
	{
		MemoryContext context = AllocSetContextCreate(
			share->child->context, "shared PromQL series", ALLOCSET_DEFAULT_SIZES);

		chunk = MemoryContextAllocZero(context, sizeof(Chunk));
		chunk->context = context;
		chunk->first = series;
		if (share->last != NULL)
			share->last->next = chunk;
		else
			share->chunks = chunk;
		share->last = chunk;
	}
	return &chunk->kept[chunk->n++];
}

/* May so many samples more be kept? */
static bool
may_keep(Share *share, int64 samples)
{
	const PqExec *exec = share->child->exec;
	Size bytes = (Size) samples * (sizeof(int64) + sizeof(double));

	if (share->stopped || share->bytes + bytes > exec->max_memory / KEEP_PART ||
		share->held + samples > exec->max_samples / KEEP_PART)
		share->stopped = true;
	return !share->stopped;
}

static void
count_kept(Share *share, Size before, int64 samples)
{
	share->bytes += MemoryContextMemAllocated(share->last->context, true) - before;
	share->last->held += samples;
	share->held += samples;
	pq_hold_samples(share->child->exec, samples);
}

static Size
last_size(const Share *share)
{
	return share->last != NULL ? MemoryContextMemAllocated(share->last->context, true)
							   : 0;
}

static const Kept *
find_kept(const Share *share, uint32 series)
{
	for (const Chunk *chunk = share->chunks; chunk != NULL; chunk = chunk->next)
	{
		if (series >= chunk->first && series < chunk->first + chunk->n)
			return &chunk->kept[series - chunk->first];
	}
	return NULL;
}

/* ---- falling behind ---- */

/* Evaluates the subtree for this one alone, from the series on that it comes to. */
static void
go_alone(Taker *taker)
{
	PqOperator *op = &taker->op;
	PqExec *exec = op->exec;
	Share *share = taker->share;
	MemoryContext caller = MemoryContextSwitchTo(exec->context);
	bool within = exec->parallel->within;

	exec->planner->alone = true;
	exec->parallel->within = true;
	taker->alone = pq_plan_itself(
		exec, share->node, &share->steps,
		share->selecting != NULL ? share->selecting->selection.needs : NULL,
		share->range);
	exec->planner->alone = false;
	exec->parallel->within = within;
	if (share->start_times)
		pq_want_start_times(taker->alone);
	MemoryContextSwitchTo(caller);
	pq_open(taker->alone);
	while (taker->alone->given < op->given)
	{
		PqVector vector;
		PqSamples samples;

		if (taker->alone->given >= taker->alone->nseries)
			break;
		if (share->range)
			pq_next_samples(taker->alone, &samples);
		else
			pq_next(taker->alone, &vector);
	}
	if (taker->alone->nseries < op->nseries ||
		!pq_labels_equal(taker->alone->series[op->given].labels,
						 op->series[op->given].labels))
		elog(ERROR, "series of a shared subtree have changed");
}

/* ---- the operator ---- */

static void
taker_open(PqOperator *op)
{
	Share *share = ((Taker *) op)->share;

	if (!share->child->opened)
		pq_open(share->child);
	op->series = share->child->series;
	op->nseries = share->child->nseries;
}

static void
taker_next(PqOperator *op, PqVector *out)
{
	Taker *taker = (Taker *) op;
	Share *share = taker->share;
	const Kept *kept;

	free_taken(taker);
	if (taker->alone == NULL && op->given == share->child->given)
	{
		pq_next(share->child, out);
		if (is_awaited(taker, op->given) &&
			may_keep(share, pq_vector_count(out, op->steps.n)))
		{
			Kept *place = add_kept(share, op->given);
			Size before = last_size(share);

			pq_vector_copy(op, out, op->steps.n, share->last->context, &place->vector);
			count_kept(share, before, pq_vector_count(out, op->steps.n));
		}
		return;
	}
	kept = taker->alone == NULL ? find_kept(share, op->given) : NULL;
	if (kept != NULL)
	{
		if (is_awaited(taker, op->given))
			pq_vector_copy(op, &kept->vector, op->steps.n, op->row, out);
		else
			*out = kept->vector;
		return;
	}
	if (taker->alone == NULL)
		go_alone(taker);
	pq_next(taker->alone, out);
}

static void
taker_next_samples(PqOperator *op, PqSamples *out)
{
	Taker *taker = (Taker *) op;
	Share *share = taker->share;
	const Kept *kept;

	free_taken(taker);
	if (taker->alone == NULL && op->given == share->child->given)
	{
		pq_next_samples(share->child, out);
		if (is_awaited(taker, op->given) && may_keep(share, out->n))
		{
			Kept *place = add_kept(share, op->given);
			Size before = last_size(share);

			copy_samples(op->exec, out, share->last->context, &place->samples);
			count_kept(share, before, out->n);
		}
		return;
	}
	kept = taker->alone == NULL ? find_kept(share, op->given) : NULL;
	if (kept != NULL)
	{
		*out = kept->samples;
		return;
	}
	if (taker->alone == NULL)
		go_alone(taker);
	pq_next_samples(taker->alone, out);
}

static void
taker_close(PqOperator *op)
{
	Taker *taker = (Taker *) op;

	taker->finished = true;
	pq_close(taker->alone);
}

static void
taker_explain(PqOperator *op, PqExplain *to)
{
	const PqNode *node = op->node;

	if (((Taker *) op)->share->takers != (Taker *) op)
		pq_explain_text(to, "Evaluated Above", "%.*s", node->end - node->start,
						op->exec->text + node->start);
}

static const PqMethods vector_methods = {
	.name = "Shared",
	.open = taker_open,
	.next = taker_next,
	.close = taker_close,
	.explain = taker_explain,
};

static const PqMethods range_methods = {
	.name = "Shared",
	.open = taker_open,
	.next_samples = taker_next_samples,
	.close = taker_close,
	.explain = taker_explain,
};

static bool
is_taker(const PqOperator *op)
{
	return op->methods == &vector_methods || op->methods == &range_methods;
}

/* ---- planning ---- */

bool
pq_is_shared(const PqExec *exec, const PqNode *node)
{
	const Class *class = exec->planner->alone ? NULL : find_class(exec->planner, node);

	return class != NULL && class->uses > 1;
}

void
pq_planner_share_nothing(PqExec *exec)
{
	exec->planner->alone = true;
}

static Share *
find_share(const PqExec *exec, const Class *class, const PqNode *node,
		   const PqSteps *steps, bool range)
{
	struct PqPlanner *planner = exec->planner;

	for (Share *share = planner->shares; share != NULL; share = share->next)
	{
		if (share->class == class && share->range == range &&
			pq_counts_only(exec, share->node) == pq_counts_only(exec, node) &&
			share->steps.start == steps->start && share->steps.step == steps->step &&
			share->steps.n == steps->n)
			return share;
	}
	return NULL;
}

static Share *
make_share(PqExec *exec, const Class *class, const PqNode *node, const PqSteps *steps,
		   const PqNeeds *needs, bool range)
{
	struct PqPlanner *planner = exec->planner;
	Share *share = MemoryContextAllocZero(exec->context, sizeof(Share));
	bool local = pq_is_local(exec, node);

	share->class = class;
	share->node = node;
	share->steps = *steps;
	share->range = range;
	share->child = pq_plan_itself(exec, node, steps, local ? needs : NULL, range);
	if (local)
		share->selecting = pq_find_selector(share->child);
	share->next = planner->shares;
	planner->shares = share;
	return share;
}

/* Somebody else looks at these labels. */
static void
widen_needs(PqExec *exec, Share *share, const PqNeeds *needs)
{
	PqSelection *selection;

	if (share->selecting == NULL || share->selecting->op.opened)
		return;
	selection = &share->selecting->selection;
	if (needs == NULL)
		selection->needs = NULL;
	else
	{
		PqNames names = {unconstify(TsString *, needs->names), needs->count};

		selection->needs = unconstify(PqNeeds *,
									  pq_needs_more(exec, selection->needs, &names));
	}
}

PqOperator *
pq_share(PqExec *exec, const PqNode *node, const PqSteps *steps, const PqNeeds *needs,
		 bool range)
{
	const Class *class = exec->planner->alone ? NULL : find_class(exec->planner, node);
	Share *share;
	Taker *taker;
	Taker **last;

	if (class == NULL || class->uses < 2)
		return NULL;
	share = find_share(exec, class, node, steps, range);
	if (share == NULL)
		share = make_share(exec, class, node, steps, needs, range);
	else if (share->child->opened)
		return NULL; /* too late for what the others have read */
	else
		widen_needs(exec, share, needs);
	taker = (Taker *) pq_operator(
		exec, sizeof(Taker), range ? &range_methods : &vector_methods, node, steps, 0);
	taker->op.windows = share->child->windows;
	taker->share = share;
	for (last = &share->takers; *last != NULL; last = &(*last)->next)
		;
	*last = taker;
	return &taker->op;
}

void
pq_share_want_start_times(PqOperator *op)
{
	if (!is_taker(op))
		return;
	((Taker *) op)->share->start_times = true;
	pq_want_start_times(((Taker *) op)->share->child);
}

bool
pq_share_child(const PqOperator *op, PqOperator **child)
{
	const Taker *taker = (const Taker *) op;

	if (!is_taker(op))
		return false;
	*child = taker->share->takers == taker ? taker->share->child : NULL;
	return true;
}

void
pq_planner_close(PqExec *exec)
{
	for (Share *share = exec->planner->shares; share != NULL; share = share->next)
		pq_close(share->child);
}
