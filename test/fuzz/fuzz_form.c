/*
 * fuzz_form.c
 *	  Forms and parameters from anywhere: read or refused, and what is read is text.
 *
 * The input is a form; each of its values is also read as a time, a duration and a number,
 * and the whole as a path.
 */
#include <stdlib.h>

#include "../../src/serve/form.h"
#include "serve_route.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static bool
is_text(TsString string)
{
	return memchr(string.data, '\0', string.len) == NULL &&
		   ts_utf8_valid_prefix(string.data, string.len) == string.len;
}

static bool
is_within(TsString part, TsString whole)
{
	return part.len == 0 ||
		   (part.data >= whole.data && part.data + part.len <= whole.data + whole.len);
}

static void
read_value(TsString value)
{
	TsError err;
	int64_t number;
	int integer;
	bool boolean;

	if (param_time(value, &number, &err) != TS_OK)
		require(is_text((TsString){err.message, strlen(err.message)}));
	if (param_duration(value, &number, &err) != TS_OK)
		require(is_text((TsString){err.message, strlen(err.message)}));
	if (param_integer(value, &integer, &err) != TS_OK)
		require(is_text((TsString){err.message, strlen(err.message)}));
	if (param_boolean(value, &boolean, &err) != TS_OK)
		require(is_text((TsString){err.message, strlen(err.message)}));
}

static void
find_route(TsString path)
{
	ServeTarget target;

	serve_find_route(path, &target);
	require(target.route >= ROUTE_UNKNOWN && target.route < SERVE_ROUTES);
	require(is_within(target.tenant, path) && is_within(target.argument, path));
	require((target.argument.len > 0) == (target.route == ROUTE_LABEL_VALUES));
	require(memchr(target.tenant.data, '/', target.tenant.len) == NULL);
	require(memchr(target.argument.data, '/', target.argument.len) == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TsString text = {(const char *) data, size};
	TsArena arena;
	Form form = {0};
	TsError err;

	ts_arena_init(&arena, &ts_malloc_allocator, 16 * size + 4096);
	if (form_read(&form, text, &arena, &err) != TS_OK)
		require(is_text((TsString){err.message, strlen(err.message)}));
	for (size_t i = 0; i < form.count; i++)
	{
		require(is_text(form.pairs[i].name) && is_text(form.pairs[i].value));
		read_value(form.pairs[i].value);
	}
	ts_arena_free(&arena);
	find_route(text);
	return 0;
}
