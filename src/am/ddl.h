/*
 * ddl.h
 *	  What the parts of DDL handling (ddl_*.c) offer each other.
 *
 * A utility statement comes in through ddl_hook.c. What concerns tables USING mytsdb is
 * refused (ddl_refuse.c), done around the server's own work (ddl_create.c, ddl_alter.c),
 * or both. ddl_options.c writes pg_class.reloptions. Drops, which have many causes, are
 * seen by the object access hook (ddl_object.c).
 */
#ifndef DDL_H
#define DDL_H

#include "postgres.h"

#include "access/attnum.h"
#include "nodes/parsenodes.h"
#include "utils/relcache.h"

/* ---- ddl_options.c ---- */

/*
 * Takes our options out of a list of DefElem: those in the namespace "mytsdb", and those
 * whose quoted name begins with "mytsdb.", which is how pg_dump writes them. They come
 * back as DefElems with plain names and no namespace; *options keeps the others.
 */
extern List *ddl_take_options(List **options);
/* Raises an error if there is one of ours among them that lacks its namespace. */
extern void ddl_refuse_bare_options(List *others);
/* Our elements (DefElems as above) added to an array of reloptions; values replace older
 * ones. reset: removed. */
extern Datum ddl_merge_options(Datum reloptions, List *elements, bool reset);
/* The array without our options, and only ours; two arrays as one. */
extern Datum ddl_strip_options(Datum reloptions);
extern Datum ddl_only_options(Datum reloptions);
extern Datum ddl_concat_options(Datum first, Datum second);
/* Those of an array that have the names of our elements (DefElems as above). */
extern Datum ddl_pick_options(Datum reloptions, List *elements);
/* pg_class.reloptions of a relation: get, and set (with CommandCounterIncrement). */
extern Datum ddl_get_reloptions(Oid relid);
extern void ddl_set_reloptions(Oid relid, Datum reloptions);
extern DefElem *ddl_option(const char *name, char *value);
/* Names of columns as series_by and time_column want them. */
extern char *ddl_column_names(Oid relid, const AttrNumber *attnums, int count);

/* ---- ddl_create.c ---- */

/* What is known of the table that the current statement creates. */
typedef struct DdlCreation
{
	struct DdlCreation *outer;
	const char *name; /* of the relation */
	Datum reloptions; /* our options */
	Oid relid;        /* once it exists */
	/* The subtransaction that wrote its options to pg_class; Invalid: none has. */
	SubTransactionId settled;
} DdlCreation;

extern DdlCreation *ddl_creation; /* innermost; NULL: none */

/* The parts of CREATE TABLE and CREATE TABLE AS that matter; changes the statement. */
extern DdlCreation *ddl_begin_create(Node *stmt);
/* Writes the options of what was created to pg_class, unless that was done already. */
extern void ddl_settle_creation(DdlCreation *creation);
/* The CREATE TABLE AS in a utility statement: itself, or what EXPLAIN explains; or NULL. */
extern CreateTableAsStmt *ddl_create_as(Node *stmt);
/* Goes back to an outer creation, or NULL: its options count where they are not written. */
extern void ddl_leave_creation(DdlCreation *outer);
extern void ddl_create_install(void);
/* A relation of ours was made: by the object access hook. */
extern void ddl_relation_made(Oid relid);

/* ---- ddl_alter.c ---- */

extern void ddl_before_alter(AlterTableStmt *stmt);
extern void ddl_after_alter(AlterTableStmt *stmt);
/* Sets all options of a table of ours, whose lock is held: those that decide how rows are
 * stored only while there are none, which is what the other asks. */
extern void ddl_set_our_options(Oid relid, Datum reloptions);
extern bool ddl_options_can_be_set(Oid relid, Datum reloptions);
/*
 * Whether rows may be gone that would have been kept, had a table of ours, whose lock is
 * held, had these options: replaced rows are left out when blocks are made.
 */
extern bool ddl_options_come_late(Oid relid, Datum reloptions);
/* A column is renamed: options that name it are written anew afterwards. */
extern List *ddl_before_rename(RenameStmt *stmt);
extern void ddl_after_rename(List *renamed);

/* ---- ddl_refuse.c ---- */

extern void ddl_refuse(Node *stmt);
/* The table and what inherits from it, as far as USING mytsdb; of a composite type, the
 * tables OF it and what inherits from them. */
extern List *ddl_our_descendants(Oid relid);
extern void ddl_refuse_constraint(const Constraint *constraint, const char *relname);
extern void ddl_refuse_column_constraints(const ColumnDef *column, const char *relname);
extern void ddl_refuse_in_create(const CreateStmt *stmt);
/* A constraint was made, on whichever table, by whatever statement. */
extern void ddl_constraint_made(Oid constraint);
/* Raises an error when a column is the time or in the key. what: "drop", ... */
extern void ddl_refuse_key_column(Oid relid, AttrNumber attnum, const char *what);
/* Raises an error when an open table that is to be one of ours has what none may have. */
extern void ddl_refuse_to_become_ours(Relation rel);

/* ---- ddl_store.c ---- */

/* Refuses what may not be done to the extension's own tables. */
extern void ddl_store_before_alter(AlterTableStmt *stmt);
extern void ddl_store_refuse_rename(Node *stmt);
/* The options of a table have changed: if it is the metrics store's, pg_dump is to know. */
extern void ddl_store_keep_options(Oid relid);

/* ---- ddl_object.c ---- */

extern void ddl_object_hook_install(void);

#endif /* DDL_H */
