/*
 * scan_spill.c
 *	  Log rows that do not fit into memory: sorted runs in a temporary file, merged.
 *
 * A run is what memory held at one time, in the order of the scan: by the rank of the
 * group a row belongs to, series, time, number, position. Runs are written in the order
 * of positions, so of equal rows those of an earlier run come first.
 *
 * A row in the file is a SpillRow, and then for every wanted value column a byte (1:
 * null) and, if it is not null, the Datum, or a uint32 length and so many bytes.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "scan_internal.h"

#define MIN_READ_SIZE 8192
#define MAX_READ_SIZE 65536

typedef struct SpillRow
{
	Size size; /* of the whole row */
	int64 time;
	uint64 number;
	uint32 series;
	int32 rank;
} SpillRow;

typedef struct SpillRun
{
	/* where it begins, and where to read on */
	int start_file;
	off_t start_offset;
	uint64 length;
	int file;
	off_t offset;
	uint64 left;

	int index;
	char
		*data; /* bytes read; from `used` on, a whole row, unless the run is at its end */
	Size room;
	Size have;
	Size used;
	SpillRow head;
} SpillRun;

struct ScanSpill
{
	MemoryContext context;
	BufFile *file;
	uint64 bytes;
	int ncolumns; /* the wanted value columns, by attnum - 1 */
	int *columns;
	TsColumn *kinds; /* [ncolumns] */
	StringInfoData row;
	SpillRun *runs;
	int nruns;
	int runs_room;
	binaryheap *heap; /* of runs that are not at their end */
};

ScanSpill *
ts_spill_create(MemoryContext parent, TsScan *scan)
{
	MemoryContext context = AllocSetContextCreate(parent, "mytsdb scan: spill",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	ScanSpill *spill = palloc0(sizeof(ScanSpill));
	int natts = Max(scan->table->natts, 1);

	spill->context = context;
	spill->columns = palloc(sizeof(int) * natts);
	spill->kinds = palloc(sizeof(TsColumn) * natts);
	for (int i = 0; i < scan->table->natts; i++)
	{
		if (!scan->wanted[i])
			continue;
		spill->columns[spill->ncolumns] = i;
		spill->kinds[spill->ncolumns++] = scan->table->columns[i];
	}
	initStringInfo(&spill->row);
	spill->runs_room = 16;
	spill->runs = palloc(sizeof(SpillRun) * spill->runs_room);
	spill->file = BufFileCreateTemp(false);
	MemoryContextSwitchTo(old);
	return spill;
}

uint64
ts_spill_bytes(const ScanSpill *spill)
{
	return spill->bytes;
}

void
ts_spill_free(ScanSpill *spill)
{
	BufFileClose(spill->file);
	MemoryContextDelete(spill->context);
}

/* ---- writing ---- */

/*
 * The rows' order by (rank, series, time, number, position): sorted by all but the rank
 * first, and then, by counting, stably by that.
 */
static uint32 *
run_order(const TsScan *scan, const TsRows *rows, int32 *ranks)
{
	uint32 *order = ts_rows_order(rows, true);
	uint32 *sorted;
	uint32 *starts;

	for (uint32 i = 0; i < rows->n; i++)
		ranks[i] = ts_scan_group_rank(scan, rows->times[i]);
	if (scan->ngroups == 1)
		return order;

	starts = palloc0(sizeof(uint32) * (scan->ngroups + 1));
	for (uint32 i = 0; i < rows->n; i++)
		starts[ranks[i] + 1]++;
	for (int i = 0; i < scan->ngroups; i++)
		starts[i + 1] += starts[i];
	sorted = palloc_extended(sizeof(uint32) * rows->n, MCXT_ALLOC_HUGE);
	for (uint32 i = 0; i < rows->n; i++)
		sorted[starts[ranks[order[i]]]++] = order[i];
	return sorted;
}

static Size
reference_size(const TsColumn *column, Datum value)
{
	if (column->length > 0)
		return column->length;
	if (column->length == -1)
		return VARSIZE_ANY(DatumGetPointer(value));
	Assert(column->length == -2);
	return strlen(DatumGetCString(value)) + 1;
}

/* Makes the bytes of a row in spill->row. */
static void
put_row(ScanSpill *spill, const TsRows *rows, uint32 at, int32 rank)
{
	StringInfo row = &spill->row;
	SpillRow head = {.time = rows->times[at],
					 .number = rows->numbers[at],
					 .series = rows->series[at],
					 .rank = rank};

	resetStringInfo(row);
	appendBinaryStringInfo(row, (char *) &head, sizeof(head));
	for (int i = 0; i < spill->ncolumns; i++)
	{
		const TsColumn *column = &spill->kinds[i];
		int place = spill->columns[i];
		Datum value;

		if (rows->values[place] == NULL ||
			(rows->nulls[place] != NULL && rows->nulls[place][at]))
		{
			appendStringInfoCharMacro(row, 1);
			continue;
		}
		appendStringInfoCharMacro(row, 0);
		value = rows->values[place][at];
		if (column->byval)
			appendBinaryStringInfo(row, (char *) &value, sizeof(Datum));
		else
		{
			uint32 size = reference_size(column, value);

			appendBinaryStringInfo(row, (char *) &size, sizeof(uint32));
			appendBinaryStringInfo(row, DatumGetPointer(value), size);
		}
	}
	head.size = row->len;
	memcpy(row->data, &head, sizeof(head));
}

void
ts_spill_write(ScanSpill *spill, const TsScan *scan, const TsRows *rows)
{
	MemoryContext work = AllocSetContextCreate(spill->context, "mytsdb scan: spill order",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(spill->context);
	SpillRun *run;
	int32 *ranks;
	uint32 *order;

	if (spill->nruns == spill->runs_room)
	{
		spill->runs_room *= 2;
		spill->runs = repalloc(spill->runs, sizeof(SpillRun) * spill->runs_room);
	}
	run = &spill->runs[spill->nruns];
	memset(run, 0, sizeof(SpillRun));
	run->index = spill->nruns++;
	BufFileTell(spill->file, &run->start_file, &run->start_offset);

	MemoryContextSwitchTo(work);
	ranks = palloc_extended(sizeof(int32) * rows->n, MCXT_ALLOC_HUGE);
	order = run_order(scan, rows, ranks);
	MemoryContextSwitchTo(spill->context);
	for (uint32 i = 0; i < rows->n; i++)
	{
		put_row(spill, rows, order[i], ranks[order[i]]);
		BufFileWrite(spill->file, spill->row.data, spill->row.len);
		run->length += spill->row.len;
	}
	spill->bytes += run->length;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
}

/* ---- reading ---- */

/* Sees that at least `size` bytes of the run from `used` on are in memory. */
static void
read_on(ScanSpill *spill, SpillRun *run, Size size)
{
	Size rest = run->have - run->used;
	Size count;

	if (rest >= size)
		return;
	if (size > run->room)
	{
		run->data = repalloc_huge(run->data, size);
		run->room = size;
	}
	memmove(run->data, run->data + run->used, rest);
	run->used = 0;
	run->have = rest;
	count = Min(run->room - rest, run->left);
	if (BufFileSeek(spill->file, run->file, run->offset, SEEK_SET) != 0)
		ereport(ERROR,
				(errcode_for_file_access(), errmsg("could not seek in temporary file")));
	if (rest + count < size || BufFileRead(spill->file, run->data + rest, count) != count)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not read from temporary file: unexpected end")));
	BufFileTell(spill->file, &run->file, &run->offset);
	run->left -= count;
	run->have += count;
}

/* Reads the row that the run stands on; false at its end. */
static bool
read_head(ScanSpill *spill, SpillRun *run)
{
	if (run->have == run->used && run->left == 0)
		return false;
	read_on(spill, run, sizeof(SpillRow));
	memcpy(&run->head, run->data + run->used, sizeof(SpillRow));
	read_on(spill, run, run->head.size);
	return true;
}

/* As binary heaps have it: the first is the "largest". */
static int
compare_runs(Datum a, Datum b, void *arg)
{
	const SpillRun *x = (const SpillRun *) DatumGetPointer(a);
	const SpillRun *y = (const SpillRun *) DatumGetPointer(b);

	if (x->head.rank != y->head.rank)
		return x->head.rank < y->head.rank ? 1 : -1;
	if (x->head.series != y->head.series)
		return x->head.series < y->head.series ? 1 : -1;
	if (x->head.time != y->head.time)
		return x->head.time < y->head.time ? 1 : -1;
	if (x->head.number != y->head.number)
		return x->head.number < y->head.number ? 1 : -1;
	return y->index - x->index;
}

void
ts_spill_start(ScanSpill *spill)
{
	MemoryContext old = MemoryContextSwitchTo(spill->context);
	Size room = (Size) work_mem * 1024 / Max(spill->nruns, 1);

	if (spill->heap == NULL)
		spill->heap = binaryheap_allocate(Max(spill->nruns, 1), compare_runs, NULL);
	binaryheap_reset(spill->heap);
	for (int i = 0; i < spill->nruns; i++)
	{
		SpillRun *run = &spill->runs[i];

		if (run->data == NULL)
		{
			run->room = Max(MIN_READ_SIZE, Min(room, MAX_READ_SIZE));
			run->data = palloc(run->room);
		}
		run->file = run->start_file;
		run->offset = run->start_offset;
		run->left = run->length;
		run->have = run->used = 0;
		if (read_head(spill, run))
			binaryheap_add(spill->heap, PointerGetDatum(run));
	}
	MemoryContextSwitchTo(old);
}

static SpillRun *
first_run(const ScanSpill *spill)
{
	return (SpillRun *) DatumGetPointer(binaryheap_first(spill->heap));
}

bool
ts_spill_head(const ScanSpill *spill, ScanSpillHead *head)
{
	const SpillRun *run;

	if (binaryheap_empty(spill->heap))
		return false;
	run = first_run(spill);
	head->rank = run->head.rank;
	head->series = run->head.series;
	head->time = run->head.time;
	return true;
}

/* The first row is done with. */
static void
go_on(ScanSpill *spill)
{
	SpillRun *run = first_run(spill);

	run->used += run->head.size;
	if (read_head(spill, run))
		binaryheap_replace_first(spill->heap, PointerGetDatum(run));
	else
		binaryheap_remove_first(spill->heap);
}

void
ts_spill_skip(ScanSpill *spill, int32 rank, uint64 series)
{
	ScanSpillHead head;

	while (ts_spill_head(spill, &head) &&
		   (head.rank < rank || (head.rank == rank && head.series < series)))
	{
		CHECK_FOR_INTERRUPTS();
		go_on(spill);
	}
}

/* Copies the run's row into vectors. */
static void
get_row(const ScanSpill *spill, const SpillRun *run, ScanBuffer *buffer, uint32 at)
{
	const char *data = run->data + run->used + sizeof(SpillRow);
	TsVectors *to = buffer->vectors;

	to->times[at] = run->head.time;
	to->numbers[at] = run->head.number;
	for (int i = 0; i < spill->ncolumns; i++)
	{
		int place = spill->columns[i];
		Datum value = (Datum) 0;
		bool null = *data++ != 0;

		if (!null && spill->kinds[i].byval)
		{
			memcpy(&value, data, sizeof(Datum));
			data += sizeof(Datum);
		}
		else if (!null)
		{
			uint32 size;
			char *copy;

			memcpy(&size, data, sizeof(uint32));
			data += sizeof(uint32);
			copy = MemoryContextAlloc(buffer->data, size);
			memcpy(copy, data, size);
			data += size;
			value = PointerGetDatum(copy);
		}
		to->values[place][at] = value;
		to->nulls[place][at] = null;
	}
	Assert(data == run->data + run->used + run->head.size);
}

void
ts_spill_take(ScanSpill *spill, ScanBuffer *buffer, uint32 room)
{
	SpillRun *run = first_run(spill);
	int32 rank = run->head.rank;
	uint32 series = run->head.series;
	uint32 n = 0;

	while (n < room && !binaryheap_empty(spill->heap))
	{
		run = first_run(spill);
		if (run->head.rank != rank || run->head.series != series)
			break;
		get_row(spill, run, buffer, n++);
		go_on(spill);
	}
	buffer->vectors->series = series;
	buffer->vectors->n = n;
	buffer->pos = 0;
	buffer->end = n;
}
