/*
 * unit.h
 *	  The whole of our unit test framework: a check that counts, and a closing line.
 *
 * A test program calls CHECK() as often as it likes and ends with
 * "return unit_finish();", which prints "N passed, N failed". What is checked for
 * many values of no interest by themselves (random ones, all of a range) is a group:
 * between unit_group_begin() and unit_group_end() checks that hold are not counted, those
 * that fail are, with all they have to say; a group without any counts as one passed.
 */
#ifndef UNIT_H
#define UNIT_H

#include <stdbool.h>
#include <stdio.h>

static int unit_passed;
static int unit_failed;
static bool unit_in_group;
static int unit_failed_before; /* the group */

#define CHECK(cond, ...)                                             \
	do                                                               \
	{                                                                \
		if (cond)                                                    \
			unit_passed += !unit_in_group;                           \
		else                                                         \
		{                                                            \
			unit_failed++;                                           \
			printf("%s:%d: failed: %s:", __FILE__, __LINE__, #cond); \
			printf(" " __VA_ARGS__);                                 \
			printf("\n");                                            \
		}                                                            \
	} while (0)

static inline void
unit_group_begin(void)
{
	unit_failed_before = unit_failed;
	unit_in_group = true;
}

static inline void
unit_group_end(void)
{
	unit_passed += unit_failed == unit_failed_before;
	unit_in_group = false;
}

static inline int
unit_finish(void)
{
	printf("%d passed, %d failed\n", unit_passed, unit_failed);
	return unit_failed == 0 ? 0 : 1;
}

#endif /* UNIT_H */
