/*
 * http_tls.c
 *	  The certificate with which HTTPS is served.
 *
 * It is read at the start and at every reload. When what is there then cannot be used,
 * that is logged, and what was in use stays in use; if nothing was, nobody is served, since
 * whoever asked for TLS must not get less.
 */
#include "postgres.h"

#include <openssl/err.h>

#include "http.h"
#include "serve_settings.h"

/* Of libpq/libpq.h, which asks for headers that a server's development package lacks. */
extern bool check_ssl_key_file_permissions(const char *ssl_key_file, bool isServerStart);

static SSL_CTX *context;

SSL_CTX *
tls_context(void)
{
	return context;
}

bool
tls_wanted(void)
{
	return serve_ssl_cert_file[0] != '\0' || serve_ssl_key_file[0] != '\0';
}

/* A key with a passphrase is refused: there is nobody to ask. */
static int
no_passphrase(char *buffer, int size, int writing, void *arg)
{
	return 0;
}

static int
choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
				const unsigned char *in, unsigned int in_len, void *arg)
{
	const HttpProtocol *protocol = SSL_get_app_data(ssl);
	unsigned char *chosen;

	if (SSL_select_next_proto(&chosen, out_len, (const unsigned char *) protocol->alpn,
							  (unsigned int) strlen(protocol->alpn), in,
							  in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static const char *
last_error(void)
{
	unsigned long code = ERR_get_error();
	const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

	if (ERR_SYSTEM_ERROR(code))
		return strerror(ERR_GET_REASON(code));
	return reason != NULL ? reason : "no reason was given";
}

static void
log_bad_file(const char *what, const char *file)
{
	ereport(LOG, (errcode(ERRCODE_CONFIG_FILE_ERROR),
				  errmsg("could not load the %s \"%s\" for HTTPS: %s", what, file,
						 last_error())));
}

static bool
load_files(SSL_CTX *fresh)
{
	if (SSL_CTX_use_certificate_chain_file(fresh, serve_ssl_cert_file) != 1)
	{
		log_bad_file("certificate", serve_ssl_cert_file);
		return false;
	}
	if (!check_ssl_key_file_permissions(serve_ssl_key_file, false))
		return false; /* and has said why */
	if (SSL_CTX_use_PrivateKey_file(fresh, serve_ssl_key_file, SSL_FILETYPE_PEM) != 1)
	{
		log_bad_file("private key", serve_ssl_key_file);
		return false;
	}
	if (SSL_CTX_check_private_key(fresh) != 1)
	{
		log_bad_file("certificate with the private key", serve_ssl_key_file);
		return false;
	}
	return true;
}

static void
set_options(SSL_CTX *fresh)
{
	SSL_CTX_set_min_proto_version(fresh, TLS1_2_VERSION);
	SSL_CTX_set_options(fresh, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
								   SSL_OP_CIPHER_SERVER_PREFERENCE |
								   SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_session_cache_mode(fresh, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(fresh, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_default_passwd_cb(fresh, no_passphrase);
	SSL_CTX_set_alpn_select_cb(fresh, choose_protocol, NULL);
	/* Of TLS 1.2 only what has forward secrecy and authenticates what it encrypts. */
	SSL_CTX_set_cipher_list(fresh, "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM");
}

void
tls_load(void)
{
	SSL_CTX *fresh;

	if (!tls_wanted())
	{
		SSL_CTX_free(context);
		context = NULL;
		return;
	}
	ERR_clear_error();
	fresh = SSL_CTX_new(TLS_server_method());
	if (fresh == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY),
						errmsg("could not make a TLS context: %s", last_error())));
	set_options(fresh);
	if (load_files(fresh))
	{
		SSL_CTX_free(context);
		context = fresh;
		return;
	}
	SSL_CTX_free(fresh);
	ereport(LOG,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 context != NULL
				 ? errmsg("HTTPS goes on with the certificate that was in use before")
				 : errmsg("HTTPS is not served"),
			 errhint("Correct mytsdb.ssl_cert_file and mytsdb.ssl_key_file, and "
					 "reload the configuration.")));
}
