/*
 * tenant.h
 *	  Tenants, as the gate looks them up.
 */
#ifndef SERVE_TENANT_H
#define SERVE_TENANT_H

#include "postgres.h"

#include "ts_base.h"

/*
 * The table of metrics of a tenant, or of the store itself, whose name is empty; InvalidOid
 * if there is none. Asks the catalog each time.
 */
extern Oid tenant_find_metrics(TsString name);

#endif /* SERVE_TENANT_H */
