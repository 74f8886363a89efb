/*
 * range_kernels.c
 *	  Windows over a series' samples.
 */
#include "range_kernels.h"

size_t
pq_range_scratch_size(uint32_t n)
{
	return (size_t) n * (4 * sizeof(double) + sizeof(uint32_t));
}

void
pq_range_scratch_init(RangeScratch *scratch, void *room, uint32_t n)
{
	scratch->a = room;
	scratch->b = scratch->a + n;
	scratch->c = scratch->b + n;
	scratch->d = scratch->c + n;
	scratch->u = (uint32_t *) (scratch->d + n);
}

/* How many samples a place may be beside the guess before it is searched for. */
#define NEAR 4

/*
 * The first sample after the time, at or behind `from`. It is looked for at a guess, and
 * if it is not near, the distance from `from` is doubled until it is passed.
 */
static inline uint32_t
first_after(const int64_t *times, uint32_t n, uint32_t from, uint32_t guess, int64_t time)
{
	uint32_t low = from; /* all before it are not after the time */
	uint32_t distance = 1;
	uint32_t high;

	for (int i = 0; i < NEAR && guess <= n; i++)
	{
		if (guess > from && times[guess - 1] > time)
			guess--;
		else if (guess < n && times[guess] <= time)
			guess++;
		else
			return guess;
	}
	while (low < n && times[low] <= time)
	{
		uint32_t ahead = distance < n - low ? distance : n - low;

		if (times[low + ahead - 1] > time)
			break;
		low += ahead;
		distance *= 2;
	}
	high = low + distance < n ? low + distance : n;
	while (low < high)
	{
		uint32_t middle = low + (high - low) / 2;

		if (times[middle] <= time)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void
pq_range_windows_find(RangeWindows *w, const int64_t *times, uint32_t n, int64_t before,
					  int64_t behind, uint32_t *first, uint32_t *end)
{
	uint32_t f = 0;
	uint32_t e = 0;
	uint32_t f_moved = 0; /* as far will they move again, if scrapes are regular */
	uint32_t e_moved = 0;

	assert(w->step >= 0 && before >= 0 && behind >= 0);
	w->covered = 0;
	for (uint32_t i = 0; i < w->n; i++)
	{
		if (i == 0 || w->step > 0)
		{
			uint32_t f_before = f;
			uint32_t e_before = e;

			f = first_after(times, n, f, f + f_moved, pq_range_start_time(w, i) - before);
			f_moved = f - f_before;
			e = first_after(times, n, e, e + e_moved, pq_range_end_time(w, i) + behind);
			e_moved = e - e_before;
		}
		first[i] = f;
		end[i] = e;
		w->covered += e - f;
	}
	w->first = first;
	w->end = end;
}
