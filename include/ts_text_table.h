/*
 * ts_text_table.h
 *	  Hash tables of the server whose keys are texts of any length.
 *
 * An entry begins with a const char *, and the text that it points to stays as long as the
 * entry does: who enters a new one points it to a copy that does.
 */
#ifndef TS_TEXT_TABLE_H
#define TS_TEXT_TABLE_H

#include "postgres.h"

#include "common/hashfn.h"
#include "utils/hsearch.h"

static inline uint32
ts_text_table_hash(const void *key, Size size)
{
	const char *text = *(const char *const *) key;

	return DatumGetUInt32(hash_any((const unsigned char *) text, (int) strlen(text)));
}

static inline int
ts_text_table_match(const void *a, const void *b, Size size)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static inline HTAB *
ts_text_table_create(const char *name, Size entry_size, MemoryContext context)
{
	HASHCTL ctl = {
		.keysize = sizeof(const char *),
		.entrysize = entry_size,
		.hash = ts_text_table_hash,
		.match = ts_text_table_match,
		.hcxt = context,
	};

	return hash_create(name, 16, &ctl,
					   HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
}

#endif /* TS_TEXT_TABLE_H */
