/*
 * serve_settings.h
 *	  The settings of the server inside (settings.c has their bounds and descriptions).
 */
#ifndef SERVE_SETTINGS_H
#define SERVE_SETTINGS_H

#include "postgres.h"

/* For the server's life. */
extern char *serve_listen_addresses;
extern int serve_http_port; /* these three: 0: none; no server when all are 0 */
extern int serve_otlp_http_port;
extern int serve_otlp_grpc_port;
extern char *serve_database;
extern int serve_ingest_workers;
extern int serve_query_workers;

/* Change at reload. Times in milliseconds, sizes in kB. */
extern char *serve_ssl_cert_file;
extern char *serve_ssl_key_file;
extern char *serve_cors_origin; /* empty: no such header; *, or a list of origins */
extern char *serve_anonymous_role;
extern int serve_max_connections;
extern int serve_max_streams;    /* of a connection of HTTP/2 */
extern int serve_header_timeout; /* for a head to be complete */
extern int serve_body_timeout;   /* without a byte of a body */
extern int serve_idle_timeout;   /* between requests */
extern int serve_write_timeout;  /* without a byte taken by the client */
extern int serve_max_body_size;
extern int serve_ingest_queue_size;
extern int serve_query_queue; /* requests that may wait */
extern int serve_query_timeout;
extern int serve_shutdown_grace;
extern bool serve_require_ssl;  /* for credentials that do not come by loopback */
extern int serve_auth_failures; /* of an address in a minute, before it must wait */
extern int serve_request_rate;  /* of a role, per second; 0: any; ALTER ROLE SET counts */
extern int serve_write_rate;    /* of a role, kB of bodies per second; 0: any */
extern int serve_log_requests;  /* ServeLog */
extern int serve_log_min_duration; /* of a slow request; -1: none is */
extern int serve_self_interval;    /* between samples of our own metrics; 0: not stored */

typedef enum ServeLog
{
	SERVE_LOG_NONE,
	SERVE_LOG_ERRORS, /* status 500 and above */
	SERVE_LOG_ALL
} ServeLog;

/* Whether there is a server inside: any of its ports is set. */
extern bool serve_wanted(void);
/* Whether all of mytsdb.listen_addresses are loopback. */
extern bool serve_loopback_only(void);

#endif /* SERVE_SETTINGS_H */
