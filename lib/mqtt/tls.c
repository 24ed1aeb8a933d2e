#include "lib/mqtt/tls.h"

#include "lib/base/file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define RECORD 16384 /* bytes of text in a TLS record, at most */
#define READ_AHEAD 65536

struct mw_mqtt_tls {
    SSL_CTX *context;
    SSL *ssl;
    BIO_METHOD *method;
    int fd;
    int failed; /* errno of the last call on the socket that failed for good */
    bool wants_write, secure, broken;
    char host[256], distrust[256]; /* why the broker's certificate was refused */
    size_t size, written;
    char out[RECORD];
};

/* --- the socket, as OpenSSL sees it: its own would raise SIGPIPE --- */

static int finish(struct mw_mqtt_tls *tls, BIO *bio, ssize_t n, int retry)
{
    BIO_clear_retry_flags(bio);
    if (n >= 0) {
        return (int)n;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
        BIO_set_flags(bio, retry | BIO_FLAGS_SHOULD_RETRY);
    } else {
        tls->failed = errno;
    }
    return -1;
}

static int socket_write(BIO *bio, const char *data, int size)
{
    struct mw_mqtt_tls *tls = BIO_get_data(bio);
    ssize_t n = send(tls->fd, data, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT);
    return finish(tls, bio, n, BIO_FLAGS_WRITE);
}

static int socket_read(BIO *bio, char *data, int size)
{
    struct mw_mqtt_tls *tls = BIO_get_data(bio);
    ssize_t n = recv(tls->fd, data, (size_t)size, MSG_DONTWAIT);
    return finish(tls, bio, n, BIO_FLAGS_READ);
}

static long socket_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

/* --- what goes wrong, in words --- */

static mw_err openssl_error(struct mw_error *error, mw_err code, const char *what)
{
    unsigned long number = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(number);
    ERR_clear_error();
    return reason == NULL ? mw_error_set(error, code, "%s", what)
                          : mw_error_set(error, code, "%s: %s", what, reason);
}

/* The names in a certificate, "a, b", as far as they fit. */
static void list_names(X509 *certificate, char *text, size_t capacity)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    size_t length = 0;
    text[0] = '\0';
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        char address[INET6_ADDRSTRLEN];
        const char *one = NULL;
        if (name->type == GEN_DNS) {
            one = (const char *)ASN1_STRING_get0_data(name->d.dNSName);
        } else if (name->type == GEN_IPADD) {
            const ASN1_OCTET_STRING *bytes = name->d.iPAddress;
            one = inet_ntop(ASN1_STRING_length(bytes) == 4 ? AF_INET : AF_INET6,
                            ASN1_STRING_get0_data(bytes), address, sizeof(address));
        }
        if (one != NULL && length + strlen(one) + 3 < capacity) {
            length += (size_t)snprintf(text + length, capacity - length, "%s%s",
                                       length > 0 ? ", " : "", one);
        }
    }
    GENERAL_NAMES_free(names);
}

/* A date as OpenSSL prints it, "Nov 26 20:00:00 2026 GMT". */
static void print_date(const ASN1_TIME *date, char *text, size_t capacity)
{
    BIO *memory = BIO_new(BIO_s_mem());
    int n = memory != NULL && ASN1_TIME_print(memory, date) == 1
                ? BIO_read(memory, text, (int)capacity - 1)
                : 0;
    text[n > 0 ? n : 0] = '\0';
    BIO_free(memory);
}

static void explain(struct mw_mqtt_tls *tls, X509 *certificate, int failure)
{
    char detail[128] = "";
    char *out = tls->distrust;
    const size_t capacity = sizeof(tls->distrust);
    switch (failure) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        list_names(certificate, detail, sizeof(detail));
        (void)snprintf(out, capacity, "its certificate is for %s, and not for %.64s",
                       detail[0] == '\0' ? "nobody" : detail, tls->host);
        return;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        print_date(X509_get0_notAfter(certificate), detail, sizeof(detail));
        (void)snprintf(out, capacity, "a certificate expired on %s", detail);
        return;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        print_date(X509_get0_notBefore(certificate), detail, sizeof(detail));
        (void)snprintf(out, capacity, "a certificate is not valid before %s", detail);
        return;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        (void)X509_NAME_oneline(X509_get_issuer_name(certificate), detail, sizeof(detail));
        (void)snprintf(out, capacity,
                       "no trusted authority (ca_file) issued its certificate, %s did", detail);
        return;
    default:
        (void)snprintf(out, capacity, "its certificate was refused: %s",
                       X509_verify_cert_error_string(failure));
    }
}

static int on_verified(int good, X509_STORE_CTX *store)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct mw_mqtt_tls *tls = SSL_get_app_data(ssl);
    X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    if (good == 0 && certificate != NULL) {
        explain(tls, certificate, X509_STORE_CTX_get_error(store));
    }
    return good;
}

/* What a result of 0 or less from an SSL call means. */
static mw_err explain_result(struct mw_mqtt_tls *tls, int result, struct mw_error *error)
{
    tls->wants_write = false;
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_WRITE:
        tls->wants_write = true;
        return MW_ERR_AGAIN;
    case SSL_ERROR_WANT_READ:
        return MW_ERR_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return mw_error_set(error, MW_ERR_NET, "closed by the broker");
    default:
        break;
    }
    tls->broken = true;
    unsigned long number = ERR_peek_last_error();
    int reason = ERR_GET_REASON(number);
    if (tls->distrust[0] != '\0') {
        ERR_clear_error();
        return mw_error_set(error, MW_ERR_DENIED, "the broker cannot be trusted: %s",
                            tls->distrust);
    }
    if (tls->failed != 0) {
        ERR_clear_error();
        return mw_error_set(error, MW_ERR_NET, "%s%s",
                            tls->secure ? "" : "in the TLS handshake: ", strerror(tls->failed));
    }
    if (number == 0 || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        ERR_clear_error();
        return mw_error_set(error, MW_ERR_NET, "%sclosed by the broker",
                            tls->secure ? "" : "in the TLS handshake: ");
    }
    if (reason == SSL_R_WRONG_VERSION_NUMBER) {
        ERR_clear_error();
        return mw_error_set(error, MW_ERR_NET, "the broker does not speak TLS at this port");
    }
    if (reason == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED) {
        ERR_clear_error();
        return mw_error_set(error, MW_ERR_DENIED,
                            "the broker wants a client certificate (certificate_file)");
    }
    return reason > SSL_AD_REASON_OFFSET
               ? openssl_error(error, MW_ERR_DENIED, "the broker refuses our side of TLS")
               : openssl_error(error, MW_ERR_NET, "TLS");
}

/* --- making --- */

static bool named(const char *file)
{
    return file != NULL && file[0] != '\0';
}

static int no_password(char *buffer, int size, int writing, void *context)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)context;
    return 0;
}

/* Tells an unreadable file from one with the wrong content, which OpenSSL does not. */
static mw_err check_file(const char *path, const char *what, struct mw_error *error)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return mw_error_errno(error, errno == ENOENT ? MW_ERR_NOT_FOUND : MW_ERR_IO, "%s %s", what,
                              path);
    }
    (void)fclose(file);
    return MW_OK;
}

static mw_err load_authorities(SSL_CTX *context, const char *path, struct mw_error *error)
{
    if (!named(path)) {
        /* The folder, of which OpenSSL reads only what it needs; the one file that holds all of
         * them takes tens of milliseconds and a megabyte. */
        return SSL_CTX_set_default_verify_dir(context) == 1
                   ? MW_OK
                   : openssl_error(error, MW_ERR_IO, "the system's trusted certificates");
    }
    mw_err err = check_file(path, "ca_file", error);
    if (err == MW_OK && SSL_CTX_load_verify_file(context, path) != 1) {
        err = openssl_error(error, MW_ERR_PARSE, "no certificate in PEM");
        (void)mw_error_wrap(error, "ca_file %s", path);
    }
    return err;
}

static mw_err load_certificate(SSL_CTX *context, const struct mw_mqtt_tls_files *files,
                               struct mw_error *error)
{
    if (!named(files->certificate_file)) {
        return named(files->key_file)
                   ? mw_error_set(error, MW_ERR_ARGUMENT,
                                  "key_file %s is of no use without certificate_file",
                                  files->key_file)
                   : MW_OK;
    }
    const char *key = named(files->key_file) ? files->key_file : files->certificate_file;
    mw_err err = check_file(files->certificate_file, "certificate_file", error);
    if (err == MW_OK) {
        err = check_file(key, "key_file", error);
    }
    if (err == MW_OK && SSL_CTX_use_certificate_chain_file(context, files->certificate_file) != 1) {
        err = openssl_error(error, MW_ERR_PARSE, "no certificate in PEM");
        (void)mw_error_wrap(error, "certificate_file %s", files->certificate_file);
    }
    if (err != MW_OK) {
        return err;
    }
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1) {
        if (SSL_CTX_check_private_key(context) == 1) {
            return MW_OK;
        }
    } else if (ERR_GET_REASON(ERR_peek_last_error()) != X509_R_KEY_VALUES_MISMATCH) {
        err = openssl_error(error, MW_ERR_PARSE, "no private key in PEM that needs no password");
        (void)mw_error_wrap(error, "key_file %s", key);
        return err;
    }
    ERR_clear_error();
    return mw_error_set(error, MW_ERR_ARGUMENT, "key_file %s is not the key of certificate_file %s",
                        key, files->certificate_file);
}

static mw_err make_context(struct mw_mqtt_tls *tls, const struct mw_mqtt_tls_files *files,
                           struct mw_error *error)
{
    tls->context = SSL_CTX_new(TLS_client_method());
    if (tls->context == NULL || SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION) != 1) {
        return openssl_error(error, MW_ERR_MEMORY, "TLS");
    }
    SSL_CTX_set_default_passwd_cb(tls->context, no_password);
    SSL_CTX_set_options(tls->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(tls->context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, on_verified);
    /* A broker's small messages come as small records: one call for many of them. */
    SSL_CTX_set_read_ahead(tls->context, 1);
    SSL_CTX_set_default_read_buffer_len(tls->context, READ_AHEAD);
    mw_err err = load_authorities(tls->context, files->ca_file, error);
    return err == MW_OK ? load_certificate(tls->context, files, error) : err;
}

static bool set_host(SSL *ssl, const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    }
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

mw_err mw_mqtt_tls_new(struct mw_mqtt_tls **made, const struct mw_mqtt_tls_files *files,
                       const char *host, struct mw_error *error)
{
    *made = NULL;
    struct mw_mqtt_tls *tls = calloc(1, sizeof(*tls));
    if (tls == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "TLS: out of memory");
    }
    tls->fd = -1;
    (void)snprintf(tls->host, sizeof(tls->host), "%s", host);
    ERR_clear_error();
    mw_err err = make_context(tls, files, error);
    if (err == MW_OK) {
        tls->ssl = SSL_new(tls->context);
        if (tls->ssl == NULL || SSL_set_app_data(tls->ssl, tls) != 1 ||
            !set_host(tls->ssl, tls->host)) {
            err = openssl_error(error, MW_ERR_MEMORY, "TLS");
        }
    }
    if (err != MW_OK) {
        mw_mqtt_tls_free(tls);
        return err;
    }
    *made = tls;
    return MW_OK;
}

mw_err mw_mqtt_tls_attach(struct mw_mqtt_tls *tls, int fd, struct mw_error *error)
{
    tls->fd = fd;
    tls->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    BIO *bio = NULL;
    if (tls->method != NULL && BIO_meth_set_write(tls->method, socket_write) == 1 &&
        BIO_meth_set_read(tls->method, socket_read) == 1 &&
        BIO_meth_set_ctrl(tls->method, socket_control) == 1) {
        bio = BIO_new(tls->method);
    }
    if (bio == NULL) {
        return openssl_error(error, MW_ERR_MEMORY, "TLS");
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio); /* which takes it */
    SSL_set_connect_state(tls->ssl);
    return MW_OK;
}

void mw_mqtt_tls_free(struct mw_mqtt_tls *tls)
{
    if (tls == NULL) {
        return;
    }
    if (tls->secure && !tls->broken && tls->size == 0) {
        (void)SSL_shutdown(tls->ssl);
    }
    SSL_free(tls->ssl);
    BIO_meth_free(tls->method);
    SSL_CTX_free(tls->context);
    ERR_clear_error();
    free(tls);
}

/* --- bytes --- */

mw_err mw_mqtt_tls_handshake(struct mw_mqtt_tls *tls, struct mw_error *error)
{
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    if (result != 1) {
        return explain_result(tls, result, error);
    }
    tls->wants_write = false;
    tls->secure = true;
    return MW_OK;
}

mw_err mw_mqtt_tls_read(struct mw_mqtt_tls *tls, void *data, size_t size, size_t *n,
                        struct mw_error *error)
{
    *n = 0;
    while (*n < size) {
        size_t part = 0;
        ERR_clear_error();
        int result = SSL_read_ex(tls->ssl, (char *)data + *n, size - *n, &part);
        if (result != 1) {
            mw_err err = explain_result(tls, result, error);
            return *n > 0 && err == MW_ERR_AGAIN ? MW_OK : err;
        }
        *n += part;
    }
    return MW_OK;
}

size_t mw_mqtt_tls_put(struct mw_mqtt_tls *tls, const struct iovec *pieces, size_t n)
{
    size_t taken = 0;
    if (tls->size > 0) {
        return 0; /* OpenSSL wants to be given the same bytes again */
    }
    for (size_t i = 0; i < n && tls->size < RECORD; i++) {
        size_t room = RECORD - tls->size;
        size_t part = pieces[i].iov_len < room ? pieces[i].iov_len : room;
        memcpy(tls->out + tls->size, pieces[i].iov_base, part);
        tls->size += part;
        taken += part;
    }
    return taken;
}

mw_err mw_mqtt_tls_flush(struct mw_mqtt_tls *tls, struct mw_error *error)
{
    while (tls->written < tls->size) {
        size_t part = 0;
        ERR_clear_error();
        int result =
            SSL_write_ex(tls->ssl, tls->out + tls->written, tls->size - tls->written, &part);
        if (result != 1) {
            return explain_result(tls, result, error);
        }
        tls->written += part;
    }
    tls->size = tls->written = 0;
    tls->wants_write = false;
    return MW_OK;
}

const char *mw_mqtt_tls_version(const struct mw_mqtt_tls *tls)
{
    return SSL_get_version(tls->ssl);
}

bool mw_mqtt_tls_wants_write(const struct mw_mqtt_tls *tls)
{
    return tls->wants_write;
}

size_t mw_mqtt_tls_pending(const struct mw_mqtt_tls *tls)
{
    return tls->size - tls->written;
}
