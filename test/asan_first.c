/*
 * asan_first.c
 *	  Preloaded into a stock server together with AddressSanitizer's runtime.
 *
 * The runtime starts itself at the first malloc. Some library the server is linked
 * with calls bindtextdomain() from its constructor, whose malloc, made with a lock
 * of libc's held, would be that first one; the runtime's start then waits for that
 * lock for ever. So the first malloc is made here, before the lock is taken.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>

char *bindtextdomain(const char *domain, const char *directory);

char *
bindtextdomain(const char *domain, const char *directory)
{
	char *(*next)(const char *, const char *);
	void *volatile first = malloc(1);

	free(first);
	next = (char *(*) (const char *, const char *) ) dlsym(RTLD_NEXT, "bindtextdomain");
	return next(domain, directory);
}
