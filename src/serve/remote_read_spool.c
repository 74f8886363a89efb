/*
 * remote_read_spool.c
 *	  What remote read has read, until all of it is there: in memory, or in a temporary file.
 */
#include "postgres.h"

#include "commands/tablespace.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/buffile.h"
#include "utils/memutils.h"

#include "remote_read.h"

#define COPY_SIZE 65536

struct ReadSpool
{
	StringInfoData memory; /* all of it, unless there is a file */
	BufFile *file;
	uint64 size;
};

ReadSpool *
read_spool_create(void)
{
	ReadSpool *spool = palloc0(sizeof(ReadSpool));

	initStringInfo(&spool->memory);
	return spool;
}

static void
begin_file(ReadSpool *spool)
{
	PrepareTempTablespaces();
	spool->file = BufFileCreateTemp(false);
	BufFileWrite(spool->file, spool->memory.data, spool->memory.len);
	pfree(spool->memory.data);
	spool->memory.data = palloc(COPY_SIZE);
}

void
read_spool_put(ReadSpool *spool, const void *data, Size size)
{
	const Size limit = Min((Size) work_mem * 1024, MaxAllocSize / 2);

	if (spool->file == NULL && spool->size + size > limit)
		begin_file(spool);
	if (spool->file != NULL)
		BufFileWrite(spool->file, unconstify(void *, data), size);
	else
		appendBinaryStringInfo(&spool->memory, data, (int) size);
	spool->size += size;
}

uint64
read_spool_size(const ReadSpool *spool)
{
	return spool->size;
}

void
read_spool_copy(ReadSpool *spool, uint64 from, uint64 size, TsReadSink sink,
				void *sink_arg)
{
	Assert(from + size <= spool->size);
	if (spool->file == NULL)
	{
		if (size > 0)
			sink(sink_arg, spool->memory.data + from, size);
		return;
	}
	if (BufFileSeek(spool->file, 0, (off_t) from, SEEK_SET) != 0)
		elog(ERROR, "could not seek in a temporary file of remote read");
	while (size > 0)
	{
		const Size part = Min(size, COPY_SIZE);

		CHECK_FOR_INTERRUPTS();
		if (BufFileRead(spool->file, spool->memory.data, part) != part)
			elog(ERROR, "could not read from a temporary file of remote read");
		sink(sink_arg, spool->memory.data, part);
		size -= part;
	}
}

void
read_spool_free(ReadSpool *spool)
{
	if (spool->file != NULL)
		BufFileClose(spool->file);
	pfree(spool->memory.data);
	pfree(spool);
}
