/*
 * vacuum.c
 *	  VACUUM: transaction ids out of the log, pages that nobody needs out of the table.
 *
 * The logs hold transaction ids, so relfrozenxid is real: it says that no older one is
 * left, in a record or as the writer of the storage. Shards' maintenance locks are held
 * while their log is read, so that nobody cuts it meanwhile. Whoever appends while VACUUM
 * runs has an id that is not older than the oldest one running when it began.
 *
 * VACUUM assigns no transaction id and writes no catalog row but pg_class's statistics.
 */
#include "postgres.h"

#include "access/transam.h"
#include "commands/dbcommands.h"
#include "commands/progress.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/autovacuum.h"
#include "utils/lsyscache.h"
#include "utils/pg_rusage.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "am.h"
#include "ts_catalog.h"
#include "ts_hot.h"
#include "ts_log.h"
#include "ts_maintain.h"
#include "ts_pages.h"
#include "ts_scan.h"
#include "ts_table.h"
#include "ts_workers.h"

typedef struct VacuumReport
{
	BlockNumber pages;
	uint64 free_pages;
	double rows;
	TransactionId frozen; /* the new relfrozenxid; invalid: not advanced */
} VacuumReport;

static inline void
keep_older(TransactionId *oldest, TransactionId xid)
{
	if (TransactionIdIsNormal(xid) && TransactionIdPrecedes(xid, *oldest))
		*oldest = xid;
}

/* Freezes what is older than the cutoff; *oldest becomes the oldest id that is left. */
static void
freeze(Relation rel, const TsTable *table, TransactionId cutoff, TransactionId *oldest)
{
	TsLogPos covered[TS_MAX_LOGS];
	TsLogPos ends[TS_MAX_LOGS];
	int nextents;
	TsMeta meta;

	for (int shard = 0; shard < table->shards; shard++)
		(void) ts_maintain_lock(table, shard, true);

	(void) ts_catalog_kept(rel, table, covered, &nextents);
	ts_log_ends(rel, table, ends);
	for (int log = 0; log < ts_log_count(table); log++)
	{
		/* Without a row of the catalog nobody reads the log. */
		if (covered[log] == PG_UINT64_MAX || ends[log] == 0)
			continue;
		keep_older(oldest,
				   ts_log_freeze(rel, table, log, covered[log], ends[log], cutoff));
		ts_hot_freeze(table, log, cutoff);
	}

	ts_pages_read_meta(rel, &meta);
	if (TransactionIdIsNormal(meta.writer) && TransactionIdPrecedes(meta.writer, cutoff))
	{
		/* Snapshots on a standby that do not see the writer would find no rows. */
		ts_pages_log_conflict(rel, meta.writer);
		ts_pages_set_writer(rel, InvalidTransactionId);
	}
	else
		keep_older(oldest, meta.writer);
}

static void
vacuum_storage(Relation rel, VacuumParams *params, VacuumReport *report)
{
	TsTable *table = ts_table_get(rel);
	TransactionId oldest_xmin;
	MultiXactId oldest_multi;
	TransactionId freeze_limit;
	MultiXactId multi_cutoff;
	TransactionId oldest;
	TsTableSize size;
	bool frozen_updated;
	bool multi_updated;

	vacuum_set_xid_limits(rel, params->freeze_min_age, params->freeze_table_age,
						  params->multixact_freeze_min_age,
						  params->multixact_freeze_table_age, &oldest_xmin, &oldest_multi,
						  &freeze_limit, &multi_cutoff);
	pgstat_progress_update_param(PROGRESS_VACUUM_PHASE, PROGRESS_VACUUM_PHASE_SCAN_HEAP);
	oldest = oldest_xmin;
	freeze(rel, table, freeze_limit, &oldest);
	Assert(TransactionIdPrecedesOrEquals(freeze_limit, oldest));

	pgstat_progress_update_param(PROGRESS_VACUUM_PHASE,
								 PROGRESS_VACUUM_PHASE_VACUUM_HEAP);
	ts_free_pages(rel, table);

	pgstat_progress_update_param(PROGRESS_VACUUM_PHASE,
								 PROGRESS_VACUUM_PHASE_FINAL_CLEANUP);
	ts_table_size(rel, &size);
	report->pages = RelationGetNumberOfBlocks(rel);
	report->free_pages = ts_pages_free_count(table);
	report->rows = size.rows;
	vac_update_relstats(rel, report->pages, size.rows, 0, false, oldest, oldest_multi,
						&frozen_updated, &multi_updated, false);
	report->frozen = frozen_updated ? oldest : InvalidTransactionId;
	pgstat_report_vacuum(RelationGetRelid(rel), rel->rd_rel->relisshared,
						 (PgStat_Counter) size.rows, 0);
	pfree(table);
}

void
am_relation_vacuum(Relation rel, struct VacuumParams *params,
				   BufferAccessStrategy strategy)
{
	bool verbose = (params->options & VACOPT_VERBOSE) != 0;
	bool logged = IsAutoVacuumWorkerProcess() && params->log_min_duration >= 0;
	TimestampTz start = GetCurrentTimestamp();
	char *name = psprintf("%s.%s.%s", get_database_name(MyDatabaseId),
						  get_namespace_name(RelationGetNamespace(rel)),
						  RelationGetRelationName(rel));
	VacuumReport report;
	PGRUsage usage;

	pg_rusage_init(&usage);
	pgstat_progress_start_command(PROGRESS_COMMAND_VACUUM, RelationGetRelid(rel));
	if (verbose)
		ereport(INFO, (errmsg("vacuuming \"%s\"", name)));

	vacuum_storage(rel, params, &report);

	pgstat_progress_end_command();

	/* Whoever vacuums wants the table tended: it is sealed and merged soon, too. */
	ts_workers_wake();
	if (verbose || (logged && TimestampDifferenceExceeds(start, GetCurrentTimestamp(),
														 params->log_min_duration)))
		ereport(
			verbose ? INFO : LOG,
			(errmsg(
				 "finished vacuuming \"%s\": %.0f rows in %u pages, of which " UINT64_FORMAT
				 " are free",
				 name, report.rows, report.pages, report.free_pages),
			 TransactionIdIsValid(report.frozen)
				 ? errdetail("New relfrozenxid: %u.\n%s.", report.frozen,
							 pg_rusage_show(&usage))
				 : errdetail("%s.", pg_rusage_show(&usage))));
	pfree(name);
}
