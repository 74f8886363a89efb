/*
 * catalog_guard.c
 *	  The triggers that keep everybody but the engine from writing mytsdb.block,
 *	  mytsdb.shard and mytsdb.label_index: SQL of a superuser, and logical replication that
 *	  applies what another server's engine wrote about its own pages.
 *
 * The engine writes the catalogs without firing triggers.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(mytsdb_discard_row);
PG_FUNCTION_INFO_V1(mytsdb_refuse_truncate);

Datum
mytsdb_discard_row(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_FOR_ROW(((TriggerData *) fcinfo->context)->tg_event) ||
		!TRIGGER_FIRED_BEFORE(((TriggerData *) fcinfo->context)->tg_event))
		ereport(
			ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("function \"%s\" must be called by a trigger BEFORE a row's change",
					"mytsdb.discard_row")));
	/* No row: the change is left out. */
	return PointerGetDatum(NULL);
}

Datum
mytsdb_refuse_truncate(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_BY_TRUNCATE(((TriggerData *) fcinfo->context)->tg_event))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("function \"%s\" must be called by a trigger on TRUNCATE",
							   "mytsdb.refuse_truncate")));
	ereport(
		ERROR,
		(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		 errmsg("cannot truncate \"mytsdb.%s\"",
				RelationGetRelationName(((TriggerData *) fcinfo->context)->tg_relation)),
		 errdetail("It says where the rows of all tables USING mytsdb are."),
		 errhint("Truncate or drop the tables themselves.")));
}
