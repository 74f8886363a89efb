/*
 * mytsdb.c
 *	  The door: what happens when the server loads the library.
 *
 * Nothing but wiring: each module that has settings, shared memory or workers is
 * listed here once and is called at the moments mytsdb.h describes. The library
 * must be in shared_preload_libraries, since shared memory and static workers can
 * be had at no other time; loaded in any other way it refuses.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "mytsdb.h"

PG_MODULE_MAGIC;

extern void _PG_init(void);

PG_FUNCTION_INFO_V1(mytsdb_version);

static const MytsdbModule *const modules[] = {
	&labels_module,        &shared_module,      &hot_module,
	&pages_module,         &series_module,      &buffer_module,
	&ddl_module,           &executor_module,    &scan_module,
	&promql_module,        &remote_read_module, &remote_write_module,
	&otlp_settings_module, &otlp_delta_module,  &serve_settings_module,
	&token_module,         &serve_stats_module, &serve_module,
	&workers_module,
#ifdef USE_ASSERT_CHECKING
	&stop_module,
#endif
};

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static void
request_shared_memory(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();

	for (int i = 0; i < (int) lengthof(modules); i++)
	{
		if (modules[i]->shmem_size)
			RequestAddinShmemSpace(MAXALIGN(modules[i]->shmem_size()));
	}
}

static void
attach_shared_memory(void)
{
	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (int i = 0; i < (int) lengthof(modules); i++)
	{
		const MytsdbModule *module = modules[i];
		void *memory;
		bool found;
		Size size;

		if (module->shmem_size == NULL)
			continue;
		size = module->shmem_size();
		memory = ShmemInitStruct(module->name, size, &found);
		if (!found && !module->keep_unset)
			memset(memory, 0, size);
		module->shmem_attach(memory, found);
	}
	LWLockRelease(AddinShmemInitLock);
}

/*
 * Says what to write where, with the libraries that are preloaded already, if the
 * user may see that setting.
 */
static void
refuse_late_loading(void)
{
	const char *preloaded = NULL;
	bool others;

	if (IsTransactionState() && has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_SETTINGS))
		preloaded = GetConfigOption("shared_preload_libraries", true, false);
	others = preloaded != NULL && preloaded[0] != '\0';

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("mytsdb must be loaded when the server starts"),
			 errhint("Write shared_preload_libraries = '%s%smytsdb' into postgresql.conf "
					 "and restart the server.",
					 others ? preloaded : "", others ? ", " : "")));
}

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		refuse_late_loading();

	for (int i = 0; i < (int) lengthof(modules); i++)
	{
		if (modules[i]->define_settings)
			modules[i]->define_settings();
	}
	MarkGUCPrefixReserved("mytsdb");

	for (int i = 0; i < (int) lengthof(modules); i++)
	{
		if (modules[i]->install_hooks)
			modules[i]->install_hooks();
	}
	for (int i = 0; i < (int) lengthof(modules); i++)
	{
		if (modules[i]->register_workers)
			modules[i]->register_workers();
	}

	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = request_shared_memory;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = attach_shared_memory;
}

/* mytsdb.version(): the version of the library that is loaded. */
Datum
mytsdb_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(MYTSDB_VERSION));
}
