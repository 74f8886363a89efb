/*
 * mytsdb.h
 *	  What the door (src/mytsdb.c) offers to the modules of the server's side.
 *
 * A module that needs settings, shared memory or background workers describes
 * itself in a MytsdbModule and is listed once in src/mytsdb.c. The door calls
 * the functions in the order of the list, each at the only moment at which
 * PostgreSQL allows it:
 *
 *	define_settings		while shared_preload_libraries is being loaded
 *	install_hooks		right after all settings are defined
 *	register_workers	right after that
 *	shmem_size			when the server asks how much shared memory is wanted
 *	shmem_attach		when it exists, under AddinShmemInitLock; the memory is of
 *						the size asked for, MAXALIGNed, zeroed when found is false
 *						(unless keep_unset says that this is too much to be touched).
 *						Called again, with found false, when the server has
 *						reinitialised its shared memory after a crash.
 *
 * Any of them may be NULL.
 */
#ifndef MYTSDB_H
#define MYTSDB_H

#include "postgres.h"

typedef struct MytsdbModule
{
	const char *name; /* also the name of its piece of shared memory */
	void (*define_settings)(void);
	void (*install_hooks)(void);
	void (*register_workers)(void);
	Size (*shmem_size)(void);
	void (*shmem_attach)(void *memory, bool found);
	bool keep_unset;
} MytsdbModule;

/* The modules there are. */
extern const MytsdbModule labels_module;         /* src/types: the labels type */
extern const MytsdbModule pages_module;          /* src/engine: free space */
extern const MytsdbModule shared_module;         /* src/engine: slots of streams */
extern const MytsdbModule hot_module;            /* src/engine: hot memory */
extern const MytsdbModule series_module;         /* src/engine: the series dictionary */
extern const MytsdbModule buffer_module;         /* src/engine: the private buffer */
extern const MytsdbModule ddl_module;            /* src/am: utility statements, drops */
extern const MytsdbModule executor_module;       /* src/am: running queries */
extern const MytsdbModule scan_module;           /* src/exec: planned scans */
extern const MytsdbModule promql_module;         /* src/promql: queries */
extern const MytsdbModule remote_read_module;    /* src/serve: remote read */
extern const MytsdbModule remote_write_module;   /* src/serve: mytsdb.remote_write() */
extern const MytsdbModule otlp_delta_module;     /* src/serve: sums of deltas */
extern const MytsdbModule otlp_settings_module;  /* src/serve: OTLP */
extern const MytsdbModule serve_settings_module; /* src/serve: the server inside */
extern const MytsdbModule token_module;          /* src/serve: uses of tokens */
extern const MytsdbModule serve_stats_module;    /* src/serve: what is counted */
extern const MytsdbModule serve_module;          /* src/serve: its processes */
extern const MytsdbModule workers_module;        /* src/workers: maintenance */
#ifdef USE_ASSERT_CHECKING
extern const MytsdbModule stop_module; /* src/engine: stop points */
#endif

#endif /* MYTSDB_H */
