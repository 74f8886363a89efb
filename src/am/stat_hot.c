/*
 * stat_hot.c
 *	  Hot memory for those who look inside.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"

#include "ts_hot.h"

PG_FUNCTION_INFO_V1(mytsdb_hot_stats);

/*
 * mytsdb.hot_stats(): size, used, generations, drops, appends, log_only, delays,
 * delay_ms, rows_read
 */
Datum
mytsdb_hot_stats(PG_FUNCTION_ARGS)
{
	TupleDesc desc;
	TsHotStats stats;
	Datum row[9];
	bool nulls[9] = {false};
	int i = 0;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
		desc->natts != lengthof(row))
		elog(ERROR, "mytsdb_hot_stats() must return %d columns", (int) lengthof(row));
	ts_hot_stats(&stats);
	row[i++] = Int64GetDatum((int64) stats.size);
	row[i++] = Int64GetDatum((int64) stats.used);
	row[i++] = Int64GetDatum((int64) stats.generations);
	row[i++] = Int64GetDatum((int64) stats.drops);
	row[i++] = Int64GetDatum((int64) stats.appends);
	row[i++] = Int64GetDatum((int64) stats.log_only);
	row[i++] = Int64GetDatum((int64) stats.delays);
	row[i++] = Float8GetDatum((double) stats.delay_micros / 1000);
	row[i++] = Int64GetDatum((int64) stats.rows_read);
	Assert(i == lengthof(row));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), row, nulls)));
}
