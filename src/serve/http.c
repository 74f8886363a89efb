/*
 * http.c
 *	  HTTP as a whole: begins, takes new settings, ends.
 */
#include "postgres.h"

#include "http.h"
#include "serve_stats.h"

void
http_start(void)
{
	/* those of a gate before are gone */
	serve_set(STAT_CONNECTIONS, 0);
	serve_set(STAT_HTTP2_CONNECTIONS, 0);
	serve_set(STAT_HTTP2_STREAMS, 0);
	http2_reload();
	tls_load();
	listen_start();
}

/* Limits and times are looked at when they are needed. */
void
http_reload(void)
{
	http2_reload();
	tls_load();
	listen_retry();
}

int
http_stop(void)
{
	dlist_mutable_iter iter;

	listen_stop();
	dlist_foreach_modify(iter, &http_connections)
		connection_stop(dlist_container(HttpConnection, node, iter.cur));
	return http_connection_count;
}
