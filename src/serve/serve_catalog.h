/*
 * serve_catalog.h
 *	  The tables of the extension that the server looks into: tokens and tenants.
 */
#ifndef SERVE_CATALOG_H
#define SERVE_CATALOG_H

#include "postgres.h"

#include "access/htup.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"

/* Opens the table mytsdb.NAME. */
extern Relation serve_catalog_open(const char *name, LOCKMODE lock);
/* The row with that primary key, a text in the first column: copied, or NULL. */
extern HeapTuple serve_catalog_find(Relation catalog, const char *key);
/* Deletes a row that was found; false if somebody else has meanwhile. */
extern bool serve_catalog_delete(Relation catalog, HeapTuple row);

#endif /* SERVE_CATALOG_H */
