/*
 * ts_ddl.h
 *	  What the DDL code (src/am/ddl*.c) tells the access method's callbacks.
 */
#ifndef TS_DDL_H
#define TS_DDL_H

#include "postgres.h"

#include "storage/relfilenode.h"
#include "utils/relcache.h"

/*
 * How many shards a new storage of this relation gets. The relation may be one that is
 * just being created: its options are then not in pg_class yet. newrnode is the new
 * storage's file; it differs from rel->rd_node when the relation has a storage already.
 */
extern int ts_ddl_shards_for(Relation rel, const RelFileNode *newrnode);

#endif /* TS_DDL_H */
