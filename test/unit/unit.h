/*
 * unit.h
 *	  The whole of our unit test framework: a check that counts, and a closing line.
 *
 * A test program calls CHECK() as often as it likes and ends with
 * "return unit_finish();", which prints "N passed, N failed".
 */
#ifndef UNIT_H
#define UNIT_H

#include <stdio.h>

static int unit_passed;
static int unit_failed;

#define CHECK(cond, ...)                                             \
	do                                                               \
	{                                                                \
		if (cond)                                                    \
			unit_passed++;                                           \
		else                                                         \
		{                                                            \
			unit_failed++;                                           \
			printf("%s:%d: failed: %s:", __FILE__, __LINE__, #cond); \
			printf(" " __VA_ARGS__);                                 \
			printf("\n");                                            \
		}                                                            \
	} while (0)

static inline int
unit_finish(void)
{
	printf("%d passed, %d failed\n", unit_passed, unit_failed);
	return unit_failed == 0 ? 0 : 1;
}

#endif /* UNIT_H */
