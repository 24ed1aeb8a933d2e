/* tls.h - TLS on a connected, non-blocking socket that the caller watches, by OpenSSL.
 *
 * TLS 1.2 or newer. The server has to show a certificate that a trusted authority has signed, for
 * the host that was asked for. OpenSSL is first called when one of these is made, so that a process
 * without TLS pays nothing for it. */
#ifndef MW_MQTT_TLS_H
#define MW_MQTT_TLS_H

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

/* PEM files; NULL or "": none. */
struct mw_mqtt_tls_files {
    const char *ca_file;          /* trusted authorities; none: those of the system */
    const char *certificate_file; /* ours, with its chain, for a broker that wants one */
    const char *key_file;         /* its private key; none: it is in certificate_file */
};

struct mw_mqtt_tls;

/* Reads the files; nothing is sent yet. `host` is a name or an address, and copied. Errors: IO,
 * NOT_FOUND (a file cannot be read), PARSE (it does not hold what it should; a key with a password
 * is not asked for one), ARGUMENT (a key without a certificate, or of another one), MEMORY. */
mw_err mw_mqtt_tls_new(struct mw_mqtt_tls **tls, const struct mw_mqtt_tls_files *files,
                       const char *host, struct mw_error *error);
/* Says farewell if the handshake is done and the socket takes it. NULL allowed. */
void mw_mqtt_tls_free(struct mw_mqtt_tls *tls);

/* The socket, borrowed: from here on it is read and written. */
mw_err mw_mqtt_tls_attach(struct mw_mqtt_tls *tls, int fd, struct mw_error *error);

/* Each goes on as far as the socket lets it. AGAIN: a read waits for the socket to be readable, a
 * flush to be writable, and a handshake for what mw_mqtt_tls_wants_write says. NET, or DENIED for a
 * broker that is not to be trusted or does not trust us: the connection has to go, *error says why.
 */
mw_err mw_mqtt_tls_handshake(struct mw_mqtt_tls *tls, struct mw_error *error);
/* Reads up to `size` bytes. *n is 0 at the end of the stream. */
mw_err mw_mqtt_tls_read(struct mw_mqtt_tls *tls, void *data, size_t size, size_t *n,
                        struct mw_error *error);
/* Writes what was put. */
mw_err mw_mqtt_tls_flush(struct mw_mqtt_tls *tls, struct mw_error *error);
const char *mw_mqtt_tls_version(const struct mw_mqtt_tls *tls); /* "TLSv1.3" */
bool mw_mqtt_tls_wants_write(const struct mw_mqtt_tls *tls);

/* Takes as much of the pieces as fits into one TLS record, if all before is written; returns the
 * bytes taken. */
size_t mw_mqtt_tls_put(struct mw_mqtt_tls *tls, const struct iovec *pieces, size_t n);
size_t mw_mqtt_tls_pending(const struct mw_mqtt_tls *tls); /* bytes put and not written */

#endif
