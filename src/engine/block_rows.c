/*
 * block_rows.c
 *	  Rows in memory into sealed blocks, by windows of time.
 *
 * Rows are sorted once, by series and time; a *slice* is a series' rows of one window,
 * which lie side by side then. Slices are sorted by window, and written in that order.
 */
#include "postgres.h"

#include "lib/qunique.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "ts_block.h"
#include "ts_stop.h"

/* A window should have this many rows on average, or windows are made longer. */
#define ROWS_PER_WINDOW 8192
/* By-reference data of a chunk, unless a single row has more. */
#define CHUNK_BYTES (16 * 1024 * 1024)

/* How time is cut: into windows of `window` units, 2^doubled of them taken together. */
typedef struct Cut
{
	int64 window; /* 0: not at all */
	int doubled;
} Cut;

typedef struct Slice
{
	int64 window;
	uint32 from; /* in the order of rows */
	uint32 count;
} Slice;

typedef struct Slices
{
	Slice *slices;
	uint32 n;
	uint32 room;
} Slices;

/* What ts_block_write_rows() works with. */
typedef struct Job
{
	Relation rel;
	const TsTable *table;
	const TsRows *rows;
	const uint32 *order;
	int tier;
	bool by_reference; /* rows have values by reference */
	TsBlockWriter *writer;
	TsVectors *chunk;
	int blocks;
} Job;

/* ---- windows ---- */

/* time / window, rounded down. */
static inline int64
base_window(const Cut *cut, int64 time)
{
	int64 quotient;

	if (cut->window == 0)
		return 0;
	quotient = time / cut->window;
	return quotient - (time % cut->window < 0);
}

static inline int64
window_of(const Cut *cut, int64 time)
{
	return base_window(cut, time) >> cut->doubled;
}

static int
compare_int64(const void *a, const void *b)
{
	int64 x = *(const int64 *) a;
	int64 y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

/*
 * Sorts windows, takes out what occurs twice, and, while more than `most` are left, makes
 * windows twice as long. Returns how many are left.
 */
static uint32
settle_windows(Cut *cut, int64 *windows, uint32 n, uint32 most)
{
	qsort(windows, n, sizeof(int64), compare_int64);
	n = qunique(windows, n, sizeof(int64), compare_int64);
	/* In the end there is one on each side of zero. */
	while (n > most && cut->doubled < 63)
	{
		cut->doubled++;
		for (uint32 i = 0; i < n; i++)
			windows[i] >>= 1;
		n = qunique(windows, n, sizeof(int64), compare_int64);
	}
	return n;
}

/* Sees how often windows must be doubled so that they have enough rows on average. */
static void
choose_windows(const TsRows *rows, Cut *cut)
{
	uint32 most = Max(rows->n / ROWS_PER_WINDOW, 1);
	uint32 room = most * 2 + 1024;
	uint32 n = 0;
	int64 *windows;

	if (cut->window == 0)
		return;
	windows = palloc(sizeof(int64) * room);
	for (uint32 i = 0; i < rows->n; i++)
	{
		int64 window = window_of(cut, rows->times[i]);

		if (n > 0 && windows[n - 1] == window)
			continue;
		if (n == room)
		{
			n = settle_windows(cut, windows, n, most);
			window = window_of(cut, rows->times[i]);
		}
		windows[n++] = window;
	}
	settle_windows(cut, windows, n, most);
	pfree(windows);
}

/* ---- slices ---- */

static int
compare_slices(const void *a, const void *b)
{
	const Slice *x = a;
	const Slice *y = b;

	if (x->window != y->window)
		return x->window < y->window ? -1 : 1;
	return x->from < y->from ? -1 : x->from > y->from;
}

static void
add_slice(Slices *slices, int64 window, uint32 from, uint32 count)
{
	if (slices->n == slices->room)
	{
		slices->room *= 2;
		slices->slices = repalloc_huge(slices->slices, sizeof(Slice) * slices->room);
	}
	slices->slices[slices->n++] = (Slice){.window = window, .from = from, .count = count};
}

static inline bool
is_inside(const TsRows *rows, uint32 row, uint32 series, int64 window, const Cut *cut)
{
	return rows->series[row] == series && window_of(cut, rows->times[row]) == window;
}

/*
 * Cuts rows of the order into slices: of a series, as far as they are of one window. The
 * end of a slice is looked for near its beginning first, then by bisection.
 */
static Slices
cut_slices(const TsRows *rows, const uint32 *order, uint32 n, const Cut *cut)
{
	Slices slices = {.room = 1024};

	slices.slices = palloc(sizeof(Slice) * slices.room);
	for (uint32 from = 0, end; from < n; from = end)
	{
		uint32 series = rows->series[order[from]];
		int64 window = window_of(cut, rows->times[order[from]]);
		uint32 inside = from; /* the last that is known to be */
		uint32 step = 1;

		while (step < n - inside &&
			   is_inside(rows, order[inside + step], series, window, cut))
		{
			inside += step;
			step *= 2;
		}
		end = step < n - inside ? inside + step : n;
		while (end - inside > 1)
		{
			uint32 mid = inside + (end - inside) / 2;

			if (is_inside(rows, order[mid], series, window, cut))
				inside = mid;
			else
				end = mid;
		}
		add_slice(&slices, window, from, end - from);
		CHECK_FOR_INTERRUPTS();
	}
	qsort(slices.slices, slices.n, sizeof(Slice), compare_slices);
	return slices;
}

/*
 * Leaves of rows with equal series and time only the last in the order, which is the one
 * that counts. Returns how many are left.
 */
static uint32
drop_replaced(const TsRows *rows, uint32 *order, uint32 n)
{
	uint32 left = 0;

	for (uint32 k = 0; k < n; k++)
	{
		uint32 row = order[k];

		if (left > 0 && rows->times[order[left - 1]] == rows->times[row] &&
			rows->series[order[left - 1]] == rows->series[row])
			left--;
		order[left++] = row;
	}
	return left;
}

/* ---- writing ---- */

static bool
has_references(const TsRows *rows)
{
	for (int i = 0; i < rows->natts; i++)
	{
		if (rows->values[i] != NULL && !rows->columns[i].byval)
			return true;
	}
	return false;
}

static void
finish_block(Job *job)
{
	TsBlockInfo info;

	if (ts_block_writer_chunks(job->writer) == 0)
		return;
	ts_block_writer_finish(job->writer, job->rel, job->tier, &info);
	ts_catalog_insert_block(&info);
	TS_STOP("block-in-catalog");
	job->blocks++;
}

/* How many of a slice's rows, from `from` on, a chunk takes. */
static uint32
chunk_rows(const Job *job, uint32 from, uint32 end)
{
	uint32 most = Min(end - from, TS_CODEC_MAX_VALUES);
	Size bytes = 0;

	if (!job->by_reference)
		return most;
	for (uint32 k = 0; k < most; k++)
	{
		bytes += ts_rows_row_size(job->rows, job->order[from + k]);
		if (bytes > CHUNK_BYTES)
			return Max(k, 1);
	}
	return most;
}

static void
write_slice(Job *job, const Slice *slice)
{
	uint32 end = slice->from + slice->count;

	for (uint32 from = slice->from; from < end; from += job->chunk->n)
	{
		CHECK_FOR_INTERRUPTS();
		if (ts_block_writer_full(job->writer))
			finish_block(job);
		ts_rows_gather(job->rows, job->order, from, chunk_rows(job, from, end),
					   job->chunk);
		ts_block_writer_add(job->writer, job->chunk);
	}
}

static void
write_slices(Job *job, const Slices *slices, uint64 number)
{
	uint32 longest = 0;

	for (uint32 i = 0; i < slices->n; i++)
		longest = Max(longest, slices->slices[i].count);
	longest = Min(longest, TS_CODEC_MAX_VALUES);
	job->chunk = ts_vectors_create(CurrentMemoryContext, job->table, job->rows->natts,
								   NULL, longest);
	for (uint32 i = 0; job->rows->numbers == NULL && i < longest; i++)
		job->chunk->numbers[i] = number;

	for (uint32 i = 0; i < slices->n; i++)
	{
		if (i > 0 && slices->slices[i].window != slices->slices[i - 1].window)
			finish_block(job);
		write_slice(job, &slices->slices[i]);
	}
	finish_block(job);
}

int
ts_block_write_rows(Relation rel, const TsTable *table, TsRows *rows, uint64 number,
					int tier, int64 window)
{
	MemoryContext context;
	MemoryContext old;
	Cut cut = {.window = window};
	Job job = {.rel = rel, .table = table, .rows = rows, .tier = tier};
	uint32 n = rows->n;
	uint32 *order;
	Slices slices;

	Assert(window >= 0);
	if (n == 0)
		return 0;
	context = AllocSetContextCreate(CurrentMemoryContext, "mytsdb rows to blocks",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	order = ts_rows_order(rows, true);
	if (table->replace)
		n = drop_replaced(rows, order, n);
	choose_windows(rows, &cut);
	slices = cut_slices(rows, order, n, &cut);

	job.order = order;
	job.by_reference = has_references(rows);
	job.writer = ts_block_writer_create(context, table, rows->natts);
	write_slices(&job, &slices, number);
	ts_block_writer_free(job.writer);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return job.blocks;
}
