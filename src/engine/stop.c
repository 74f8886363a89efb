/*
 * stop.c
 *	  Stop points (ts_stop.h): their names, and what happens there.
 */
#include "postgres.h"

#include "mytsdb.h"
#include "ts_stop.h"

#ifdef USE_ASSERT_CHECKING

#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/guc.h"

/* Both keys of the advisory lock that those wait for who are to wait. */
#define STOP_LOCK_KEY 7

#define MAX_POINT_NAME 32

typedef struct StopSetting
{
	char name[MAX_POINT_NAME];
	TsStopMost action;
	int pass; /* what happens happens at this pass */
} StopSetting;

static const char *const points[] = {
	/* log_append.c: records are in the edit; in the WAL; one edit of several is done */
	"append-before-wal",
	"append-after-wal",
	"append-between-edits",
	/* scan_log.c: what hot memory has of a shard is pinned; rows are on disk */
	"scan-hot-pinned",
	"scan-log-spilled",
	/* buffer_flush.c: before the first and after the last row leaves at commit */
	"commit-before-flush",
	"commit-after-flush",
	/* series_make.c, series_state.c */
	"series-before-wal",
	"series-after-wal",
	"split-before-wal",
	"split-after-wal",
	/* series_batch.c: a page's worth of keys, all keys, some entries are in the WAL */
	"batch-keys-logged",
	"batch-keys-added",
	"batch-entries-logged",
	/* pages_*.c: the file is longer; a run is in the directory; numbers are raised */
	"extend-after-file",
	"extend-after-directory",
	"numbers-raised",
	/* pages_block.c, block_rows.c: of a block, pages, some bytes, all bytes, the row */
	"block-reserved",
	"block-in-part",
	"block-written",
	"block-in-catalog",
	/* seal.c */
	"seal-blocks-written",
	"seal-covered",
	/* merge.c */
	"merge-in-part",
	"merge-written",
	"merge-deleted",
	/* index_write.c, index_merge.c: pages are written; the merged ones' rows are deleted */
	"index-written",
	"index-merged",
	/* pages_directory.c, pages_space.c: runs of one page are cut; no free list */
	"cut-in-part",
	"free-detached",
	/* log_freeze.c: the conflict is logged; a page is frozen */
	"freeze-conflict",
	"freeze-in-part",
};

static const char *const actions[] = {
	[TS_STOP_CRASH] = "crash",
	[TS_STOP_ERROR] = "error",
	[TS_STOP_WAIT] = "wait",
};

bool ts_stop_armed = false;
bool ts_skip_abort_check;

static int busy_logs;
static int logs_tried;

static char *stop_point;
static StopSetting setting;
static int passes;

/* The place of a word in a list; -1: it is not there. */
static int
find_word(const char *const *words, int count, const char *word, Size length)
{
	for (int i = 0; i < count; i++)
	{
		if (strlen(words[i]) == length && memcmp(words[i], word, length) == 0)
			return i;
	}
	return -1;
}

static bool
parse(const char *text, StopSetting *into)
{
	const char *action = strchr(text, '=');
	const char *at = strchr(text, '@');
	int point;
	int what;

	memset(into, 0, sizeof(*into));
	if (action == NULL)
		return false;
	point = find_word(points, lengthof(points), text, action - text);
	action++;
	what = find_word(actions, lengthof(actions), action,
					 at != NULL ? (Size) (at - action) : strlen(action));
	if (point < 0 || what < 0)
		return false;
	strlcpy(into->name, points[point], MAX_POINT_NAME);
	into->action = what;
	into->pass = 1;
	if (at != NULL)
	{
		char *end;
		long pass = strtol(at + 1, &end, 10);

		if (end == at + 1 || *end != '\0' || pass < 1 || pass > INT_MAX)
			return false;
		into->pass = (int) pass;
	}
	return true;
}

static bool
check_stop_point(char **value, void **extra, GucSource source)
{
	StopSetting *parsed = malloc(sizeof(StopSetting)); /* the settings free it */

	if (parsed == NULL)
		return false;
	if ((*value)[0] == '\0')
		memset(parsed, 0, sizeof(*parsed));
	else if (!parse(*value, parsed))
	{
		free(parsed);
		GUC_check_errdetail("It must be NAME=crash, NAME=error or NAME=wait, and may end "
							"in @ and a number; NAME must be that of a stop point.");
		return false;
	}
	*extra = parsed;
	return true;
}

static void
assign_stop_point(const char *value, void *extra)
{
	setting = *(const StopSetting *) extra;
	passes = 0;
	ts_stop_armed = setting.name[0] != '\0';
}

static void
define_settings(void)
{
	DefineCustomStringVariable(
		"mytsdb.stop_point", "Sets where this session crashes, fails or waits.",
		"For tests. Empty: nowhere.", &stop_point, "", PGC_SUSET, GUC_NOT_IN_SAMPLE,
		check_stop_point, assign_stop_point, NULL);
	DefineCustomBoolVariable("mytsdb.skip_abort_check",
							 "Takes rolled-back transactions for committed ones.",
							 "For tests, which are to find out.", &ts_skip_abort_check,
							 false, PGC_SUSET, GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);
	DefineCustomIntVariable("mytsdb.busy_logs",
							"Takes every so many-th log for locked by somebody else.",
							"For tests. 0: none.", &busy_logs, 0, 0, INT_MAX, PGC_SUSET,
							GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);
}

bool
ts_log_seems_busy(void)
{
	return busy_logs > 0 && ++logs_tried % busy_logs == 0;
}

/* Waits while somebody has the lock. Cancelling ends it. */
static void
wait_for_lock(void)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, STOP_LOCK_KEY, STOP_LOCK_KEY, 2);
	(void) LockAcquire(&tag, ShareLock, false, false);
	LockRelease(&tag, ShareLock, false);
}

void
ts_stop_reached(const char *name, TsStopMost most)
{
	Assert(find_word(points, lengthof(points), name, strlen(name)) >= 0);
	if (strcmp(name, setting.name) != 0 || setting.action > most ||
		++passes != setting.pass)
		return;
	switch (setting.action)
	{
		case TS_STOP_CRASH:
			kill(getpid(), SIGKILL);
			break;
		case TS_STOP_ERROR:
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR), errmsg("stopped at \"%s\"", name)));
			break;
		case TS_STOP_WAIT:
			wait_for_lock();
			break;
	}
}

const MytsdbModule stop_module = {.name = "mytsdb stop points",
								  .define_settings = define_settings};

#endif
