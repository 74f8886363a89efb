/*
 * otlp.h
 *	  The server's side of OTLP: settings, writing, and points with delta temporality.
 *
 * Requests go the way of remote write (remote_write.h): parsed as the role that sends them,
 * then applied. What the bridge (ts_otlp.h) gives is collected as remote write's samples
 * are.
 */
#ifndef SERVE_OTLP_H
#define SERVE_OTLP_H

#include "postgres.h"

#include "remote_write.h"
#include "serve_route.h"
#include "ts_otlp.h"

/* ---- otlp_settings.c ---- */

/* The options as the settings are now; texts of the current context. No accumulate(). */
extern void otlp_options(TsOtlpOptions *options);

/* ---- otlp_write.c ---- */

/*
 * Parses a message in protobuf, as the current role: as write_parse() does. Points that are
 * refused are refused even where the request is not to be written in part.
 */
extern void otlp_parse(WriteRequest *request, const void *data, size_t size);
/*
 * The message of a body, in protobuf: of the current context, or the body itself. Neither is
 * larger than write_max_size(): TS_ERR_LIMIT.
 */
extern TsErrorCode
otlp_decode(TsOtlpFormat format, TsWriteEncoding encoding, TsString body,
			const void **data, size_t *size, TsError *err);

/* In which format a sender is answered: the one of its request; JSON, if that is none. */
extern TsOtlpFormat otlp_answer_format(ServeRoute route, TsString content_type);
/* The first few reasons, and how many more there are. */
extern void otlp_refusals_text(const WriteRefusals *refused, StringInfo out);

/* ---- otlp_delta.c: from deltas to cumulative points ---- */

/*
 * What series have had so far is kept in shared memory, bounded by mytsdb.otlp_delta_memory
 * and forgotten mytsdb.otlp_delta_expiry after the last point, for all processes: points of
 * one series add up whichever way they come. It changes only with commits: a request's
 * deltas are its own until they are applied, the transaction's until it commits, and gone
 * when it does not; a transaction that has some keeps others' of the same table waiting until
 * its end (a heavyweight lock, so lock_timeout and the deadlock detector see it). It is not
 * kept over a restart: then a new cumulative begins, with a new start time.
 */
typedef struct OtlpDeltas OtlpDeltas;

/* Of a request, in the current context. The lock is taken with the first point. */
extern OtlpDeltas *otlp_deltas_begin(Oid target);
/* Sets what the options have for TS_OTLP_DELTA_CUMULATIVE. */
extern void otlp_deltas_use(OtlpDeltas *deltas, TsOtlpOptions *options);
/* They are the transaction's now. */
extern void otlp_deltas_apply(const OtlpDeltas *deltas);

#endif /* SERVE_OTLP_H */
