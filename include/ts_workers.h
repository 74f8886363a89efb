/*
 * ts_workers.h
 *	  The background workers that maintain tables: a launcher, and workers that it starts
 *	  for a database when it is that database's turn, which do what there is to do and end.
 *
 * The launcher is connected to no database and holds no snapshot while it waits. It takes
 * all databases in turn (mytsdb.maintenance_interval); one without the extension is
 * looked at rarely, unless somebody says that a table was made there. A database whose
 * worker failed waits longer each time. At most mytsdb.maintenance_workers run at once.
 */
#ifndef TS_WORKERS_H
#define TS_WORKERS_H

#include "postgres.h"

/* There may be something to do in this database: it is looked at soon. */
extern void ts_workers_wake(void);
/* The same, once others see what this transaction has made; not if it is prepared. */
extern void ts_workers_wake_at_commit(void);
/*
 * A database is about to be dropped, copied or renamed: its worker is told to leave, and
 * none is started for a minute; the server inside leaves it too. Waits some seconds for
 * them to be gone.
 */
extern void ts_workers_leave(Oid database);
/* How many may run at once, with the launcher not counted. */
extern int ts_workers_maximum(void);

#endif /* TS_WORKERS_H */
