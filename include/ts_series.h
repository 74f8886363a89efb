/*
 * ts_series.h
 *	  The dictionary of a table's series: key to id and back.
 *
 * Ids are dense, from 0 on, uint32, and never reused. Entries are append-only, WAL-logged
 * and not undone by rollback: a series without rows is invisible to users. A key's bytes
 * are the image of its values, detoasted: two keys are the same series when their bytes
 * are equal. src/engine/series_format.h specifies keys, dictionary pages, the hash index
 * (linear hashing, a page a bucket) and the locator.
 *
 * A lookup hashes the key's bytes (XXH3, seeded by the storage id) and compares bytes;
 * each backend keeps a bounded map of keys it met (mytsdb.series_cache), the rest is read
 * from pages through shared buffers. A row's shard is series % table->shards.
 */
#ifndef TS_SERIES_H
#define TS_SERIES_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/relcache.h"

#include "ts_base.h"
#include "ts_table.h"

#define TS_MAX_KEY_SIZE 7900 /* bytes of a key */

#define ts_series_shard(table, series) ((int) ((series) % (uint32) (table)->shards))

/*
 * Appends the bytes of a key to *out. values and isnull are the table's columns
 * (attnum - 1). Raises an error (54000) when it is longer than TS_MAX_KEY_SIZE.
 */
extern void ts_series_encode_key(const TsTable *table, const Datum *values,
								 const bool *isnull, StringInfo out);
/* The same, but false when it is too long: no series has that key. */
extern bool ts_series_try_key(const TsTable *table, const Datum *values,
							  const bool *isnull, StringInfo out);
/*
 * The reverse: fills in values and isnull of the key columns only. By-reference values
 * are palloc'd in the current context. False when the bytes are no key of this table.
 */
extern bool ts_series_decode_key(const TsTable *table, const char *key, Size length,
								 Datum *values, bool *isnull);

/* The id of a key; makes a new series when there is none. */
extern uint32
ts_series_id(Relation rel, const TsTable *table, const char *key, Size length);
/*
 * The ids of `count` keys, as above; new ones are made together. For a writer who knows
 * series by fingerprints: the keys themselves are not remembered.
 */
extern void ts_series_make(Relation rel, const TsTable *table, const TsString *keys,
						   uint32 count, uint32 *ids);

/*
 * Who meets series by other bytes than their keys, which say as much (remote write: the
 * labels as the message has them), can have the backend remember them by a fingerprint of
 * these bytes: XXH3, 128 bits, with the secret below, which is of this server's shared
 * memory, and random. 96 bits are compared, so that a billion series of a table are taken for
 * what they are not with a probability of 1 : 10^11; and nobody can look for two that are
 * alike.
 */
#define TS_FINGERPRINT_SECRET 192
extern const void *ts_series_secret(void);
/* It is about to be asked for. */
extern void ts_series_prefetch(const TsTable *table, TsFingerprint print);
extern bool ts_series_known(const TsTable *table, TsFingerprint print, uint32 *id);
extern void ts_series_remember(const TsTable *table, TsFingerprint print, uint32 id);
/* The id of a key, or false when there is no such series. */
extern bool ts_series_find(Relation rel, const TsTable *table, const char *key,
						   Size length, uint32 *id);
/* How many series there are: ids below are given. */
extern uint32 ts_series_count(Relation rel, const TsTable *table);

/* Reads keys by id; sequential reads cost one page each. */
typedef struct TsSeriesReader TsSeriesReader;
extern TsSeriesReader *ts_series_open(Relation rel, const TsTable *table);
/* The bytes stay until the next call. */
extern const char *ts_series_key(TsSeriesReader *reader, uint32 id, Size *length);
/*
 * The same, decoded as by ts_series_decode_key(); a key that is damaged raises an error.
 */
extern void
ts_series_read(TsSeriesReader *reader, uint32 id, Datum *values, bool *isnull);
extern void ts_series_close(TsSeriesReader *reader);

#endif /* TS_SERIES_H */
