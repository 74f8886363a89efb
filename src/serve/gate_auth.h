/*
 * gate_auth.h
 *	  What the files of the gate's authentication share.
 *
 * All of it runs in the gate, which has one thread: what is kept here is that process'
 * own. What asks catalogs says so and wants a transaction, which gate_authorize() opens.
 */
#ifndef SERVE_GATE_AUTH_H
#define SERVE_GATE_AUTH_H

#include "postgres.h"

#include <time.h>

#include "credentials.h"
#include "gate.h"

/* ---- time and buckets ---- */

/* Seconds of a clock that nobody sets. */
static inline double
gate_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

/*
 * An allowance that is refilled all the time. It starts full, and may be overdrawn: then
 * nothing is given until it is made good.
 */
typedef struct GateBucket
{
	double level;
	double at; /* when the level was so; 0: never */
} GateBucket;

static inline void
gate_bucket_fill(GateBucket *bucket, double rate, double size, double now)
{
	bucket->level = bucket->at == 0
						? size
						: Min(bucket->level + (now - bucket->at) * rate, size);
	bucket->at = now;
}

/* ---- logins that fail (gate_auth_failures.c) ---- */

extern void gate_failures_start(void);
/* Whether the address has failed too often; then how many seconds it must wait. */
extern bool gate_failures_throttled(const char *address, int *retry_after);
/* Notes a failure and logs it; role and why may have anything in them. */
extern void
gate_failures_note(const GateRequest *request, const char *role, const char *why);

/* ---- passwords (gate_auth_password.c): in a transaction ---- */

typedef enum PasswordVerdict
{
	PASSWORD_RIGHT,
	PASSWORD_WRONG,
	PASSWORD_LATER,    /* too many are being verified */
	PASSWORD_THROTTLED /* of this address */
} PasswordVerdict;

extern void gate_password_start(void);
/*
 * Whether the password is the role's and the role may log in with it: right ones that were
 * verified a while ago are known. why is for the log.
 */
extern PasswordVerdict
gate_password_verify(const GateRequest *request, const Credentials *credentials,
					 Oid *role, int *retry_after, const char **why);

/*
 * Whether a role may log in over this connection, whatever its credentials; else why not.
 */
extern bool gate_role_may_log_in(const GateRequest *request, Oid role, const char **why);

/* ---- rates (gate_rate.c) ---- */

extern void gate_rate_start(void);
extern void gate_rate_reload(void);
/* Both: whether the role has that much left; else how long it must wait. */
extern bool gate_rate_request(Oid role, int *retry_after); /* in a transaction */
extern bool gate_rate_bytes(Oid role, uint64 bytes, int *retry_after);

#endif /* SERVE_GATE_AUTH_H */
