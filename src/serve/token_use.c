/*
 * token_use.c
 *	  When a token was last used, so that those that nobody uses can be revoked.
 *
 * Kept in shared memory, since a use must not cost a write: as long as the server runs, and
 * for as many tokens as there is room for; then those go that were not used for longest.
 */
#include "postgres.h"

#include "fmgr.h"
#include "storage/spin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "mytsdb.h"
#include "token.h"

PG_FUNCTION_INFO_V1(mytsdb_token_last_used);

#define SETS 512
#define WAYS 4

typedef struct TokenUse
{
	uint64 id; /* 0: nobody's */
	TimestampTz last;
} TokenUse;

typedef struct TokenUses
{
	slock_t mutex; /* of all that follows */
	TokenUse sets[SETS][WAYS];
} TokenUses;

static TokenUses *uses;

static Size
shmem_size(void)
{
	return sizeof(TokenUses);
}

static void
shmem_attach(void *memory, bool found)
{
	uses = memory;
	if (!found)
		SpinLockInit(&uses->mutex);
}

const MytsdbModule token_module = {
	.name = "mytsdb tokens",
	.shmem_size = shmem_size,
	.shmem_attach = shmem_attach,
};

/* The id as a number: random bits, so it is its own hash. */
static uint64
id_number(const char *id)
{
	return strtou64(id, NULL, 16);
}

void
token_note_use(const char *id)
{
	uint64 number = id_number(id);
	TokenUse *set = uses->sets[number % SETS];
	TokenUse *place = &set[0];
	TimestampTz now = GetCurrentTimestamp();

	SpinLockAcquire(&uses->mutex);
	for (int i = 0; i < WAYS && place->id != number; i++)
	{
		if (set[i].id == number || set[i].last < place->last)
			place = &set[i];
	}
	*place = (TokenUse){.id = number, .last = now};
	SpinLockRelease(&uses->mutex);
}

/* mytsdb.token_last_used(id) */
Datum
mytsdb_token_last_used(PG_FUNCTION_ARGS)
{
	uint64 number = id_number(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	const TokenUse *set = uses->sets[number % SETS];
	TimestampTz last = 0;

	SpinLockAcquire(&uses->mutex);
	for (int i = 0; i < WAYS; i++)
	{
		if (set[i].id == number)
			last = set[i].last;
	}
	SpinLockRelease(&uses->mutex);
	if (last == 0)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(last);
}
