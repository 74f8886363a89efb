/*
 * gate_auth_failures.c
 *	  Logins that fail: how many an address has left, and the log of them.
 *
 * An address (of IPv6: its network of 64 bits, as all of that is one host's) may fail
 * mytsdb.auth_failures times, and again as often in each minute after; else it must wait.
 * Addresses live in a table of fixed size whose places are chosen by a random hash, so
 * that nobody can choose whom he displaces; who is displaced is forgiven.
 *
 * The log has every failure, but no more than LOG_RATE lines per second for long: what is
 * left out is counted and told with the next line.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <math.h>

#include "common/hashfn.h"

#include "gate_auth.h"
#include "serve_log.h"
#include "serve_settings.h"
#include "serve_stats.h"

#define SETS 1024
#define WAYS 4

#define LOG_RATE  1.0 /* lines per second */
#define LOG_BURST 60.0

typedef struct Address
{
	uint64 key;
	GateBucket left; /* failures */
} Address;

static Address addresses[SETS][WAYS];
static uint64 seed;
static GateBucket log_lines;
static uint64 unlogged;

void
gate_failures_start(void)
{
	if (!pg_strong_random(&seed, sizeof(seed)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg("could not generate random values")));
}

/* ---- addresses ---- */

static uint64
address_key(const char *text)
{
	static const uint8 mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
	char plain[INET6_ADDRSTRLEN];
	struct in6_addr v6;
	struct in_addr v4;
	uint64 key;

	strlcpy(plain, text, Min(sizeof(plain), strcspn(text, "%") + 1));
	if (inet_pton(AF_INET6, plain, &v6) == 1 && memcmp(&v6, mapped, sizeof(mapped)) != 0)
		memcpy(&key, &v6, sizeof(key));
	else if (inet_pton(AF_INET6, plain, &v6) == 1)
		key = ((uint64) PG_UINT32_MAX << 32) | v6.s6_addr32[3];
	else if (inet_pton(AF_INET, plain, &v4) == 1)
		key = ((uint64) PG_UINT32_MAX << 32) | v4.s_addr;
	else
		key = hash_bytes_extended((const unsigned char *) text, strlen(text), 0);
	return key;
}

/* The address' place; if it has none, NULL, or the place of whoever failed least lately. */
static Address *
find_address(const char *text, bool make)
{
	uint64 key = address_key(text);
	uint64 hash = hash_bytes_extended((const unsigned char *) &key, sizeof(key), seed);
	Address *set = addresses[hash % SETS];
	Address *oldest = &set[0];

	for (int i = 0; i < WAYS; i++)
	{
		if (set[i].key == key && set[i].left.at != 0)
			return &set[i];
		if (set[i].left.at < oldest->left.at)
			oldest = &set[i];
	}
	if (!make)
		return NULL;
	*oldest = (Address){.key = key};
	return oldest;
}

static void
refill(Address *address)
{
	gate_bucket_fill(&address->left, serve_auth_failures / 60.0, serve_auth_failures,
					 gate_seconds());
}

bool
gate_failures_throttled(const char *address, int *retry_after)
{
	Address *found = find_address(address, false);

	if (found == NULL)
		return false;
	refill(found);
	if (found->left.level >= 1)
		return false;
	*retry_after = (int) ceil((1 - found->left.level) * 60.0 / serve_auth_failures);
	serve_count(STAT_AUTH_THROTTLED, 1);
	return true;
}

/* ---- the log ---- */

static bool
may_log(void)
{
	gate_bucket_fill(&log_lines, LOG_RATE, LOG_BURST, gate_seconds());
	if (log_lines.level < 1)
	{
		unlogged++;
		return false;
	}
	log_lines.level -= 1;
	return true;
}

static void
log_failure(const GateRequest *request, const char *role, const char *why, bool last)
{
	StringInfoData line;

	log_audit_begin(&line, "login refused");
	appendStringInfo(&line, " id=" UINT64_FORMAT, request->id);
	log_text(&line, "role", role);
	log_text(&line, "client", request->client);
	log_text(&line, "why", why);
	if (last)
		log_text(&line, "address_must_wait", "true");
	if (unlogged > 0)
		log_number(&line, "others_not_logged", (int64) unlogged);
	unlogged = 0;
	log_audit_end(&line);
}

void
gate_failures_note(const GateRequest *request, const char *role, const char *why)
{
	Address *address = find_address(request->client, true);

	refill(address);
	address->left.level -= 1;
	serve_count(STAT_AUTH_FAILURES, 1);
	if (may_log())
		log_failure(request, role, why, address->left.level < 1);
}
