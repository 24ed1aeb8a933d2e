#include "lib/http/server.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/http/guard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BODY_MOST = 1 << 20, CONNECTIONS = 64, IDLE_SECONDS = 30 };

struct mw_http_server {
    struct mw_loop *loop;
    struct mw_loop_watch *watch, *timer;
    struct MHD_Daemon *daemon;
    mw_http_handler *handler;
    void *context;
    char address[64];
    bool any; /* bound to every address of the machine */
    bool any_host;
    bool (*takes_form)(const char *path);
    char *certificate, *key; /* NULL: without TLS */
    char said[256];          /* by the library, as it started */
    uint16_t port;
};

/* One request on its way in. */
struct incoming {
    struct mw_buffer body;
    unsigned refused; /* status that the headers have earned already; 0: none */
    const char *why;
};

/* ---- answering ---- */

void mw_http_fail(struct mw_http_response *response, mw_err code, const char *text)
{
    static const struct {
        mw_err code;
        unsigned status;
    } statuses[] = {
        {MW_ERR_PARSE, 400},     {MW_ERR_RANGE, 400},       {MW_ERR_ARGUMENT, 400},
        {MW_ERR_VERSION, 400},   {MW_ERR_DENIED, 403},      {MW_ERR_NOT_FOUND, 404},
        {MW_ERR_EXISTS, 409},    {MW_ERR_STATE, 409},       {MW_ERR_BUSY, 409},
        {MW_ERR_TOO_LARGE, 413}, {MW_ERR_UNSUPPORTED, 415}, {MW_ERR_AGAIN, 503},
        {MW_ERR_FULL, 507},
    };
    response->status = 500;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        if (statuses[i].code == code) {
            response->status = statuses[i].status;
        }
    }
    response->content_type = "application/json";
    mw_buffer_clear(&response->body);
    mw_buffer_add(&response->body, "{\"error\":\"", 10);
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            mw_buffer_printf(&response->body, "\\%c", *c);
        } else if ((unsigned char)*c < 0x20) {
            mw_buffer_printf(&response->body, "\\u%04x", (unsigned)(unsigned char)*c);
        } else {
            mw_buffer_add(&response->body, c, 1);
        }
    }
    mw_buffer_add(&response->body, "\"}", 2);
}

static enum MHD_Result answer(struct MHD_Connection *connection, struct mw_http_response *response)
{
    /* The library frees what it is given with free(), so the body's memory goes over to it. */
    struct MHD_Response *out = MHD_create_response_from_buffer(
        response->body.size, response->body.data, MHD_RESPMEM_MUST_FREE);
    if (out == NULL) {
        mw_buffer_free(&response->body);
        return MHD_NO;
    }
    const char *type = response->content_type == NULL ? "application/json" : response->content_type;
    (void)MHD_add_response_header(out, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    (void)MHD_add_response_header(out, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    (void)MHD_add_response_header(out, "X-Content-Type-Options", "nosniff");
    (void)MHD_add_response_header(out, "X-Frame-Options", "DENY");
    (void)MHD_add_response_header(out, "Content-Security-Policy",
                                  "default-src 'none'; style-src 'unsafe-inline'; "
                                  "script-src 'unsafe-inline'; connect-src 'self'; "
                                  "img-src data:; base-uri 'none'; form-action 'none'");
    enum MHD_Result result =
        MHD_queue_response(connection, response->status == 0 ? 200 : response->status, out);
    MHD_destroy_response(out);
    return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *why)
{
    struct mw_http_response response = {0};
    mw_http_fail(&response, MW_ERR_DENIED, why);
    response.status = status;
    return answer(connection, &response);
}

/* ---- taking requests ---- */

static const char *header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* What the headers alone decide. */
static void check_headers(const struct mw_http_server *server, struct MHD_Connection *connection,
                          const char *method, const char *path, struct incoming *incoming)
{
    bool post = strcmp(method, "POST") == 0;
    if (!post && strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        incoming->refused = MHD_HTTP_METHOD_NOT_ALLOWED;
        incoming->why = "only GET and POST are taken";
        return;
    }
    const char *host = header(connection, MHD_HTTP_HEADER_HOST);
    if (!server->any_host && !mw_http_host_allowed(host, server->address, server->any)) {
        incoming->refused = MHD_HTTP_FORBIDDEN;
        incoming->why = "this Host is not served here";
        return;
    }
    if (!mw_http_origin_allowed(header(connection, MHD_HTTP_HEADER_ORIGIN), host)) {
        incoming->refused = MHD_HTTP_FORBIDDEN;
        incoming->why = "another site's page may not ask";
        return;
    }
    const char *type = header(connection, MHD_HTTP_HEADER_CONTENT_TYPE);
    bool form = server->takes_form != NULL && server->takes_form(path);
    if (post && (form ? !mw_http_type_is_form(type) : !mw_http_type_is_json(type))) {
        incoming->refused = MHD_HTTP_UNSUPPORTED_MEDIA_TYPE;
        incoming->why = form ? "Content-Type: application/x-www-form-urlencoded was expected"
                             : "Content-Type: application/json was expected";
    }
}

static void take_body(struct incoming *incoming, const char *data, size_t size)
{
    if (incoming->refused != 0) {
        return;
    }
    if (incoming->body.size + size > BODY_MOST) {
        incoming->refused = MHD_HTTP_CONTENT_TOO_LARGE;
        incoming->why = "the body is longer than 1 MiB";
        mw_buffer_free(&incoming->body);
    } else if (mw_buffer_add(&incoming->body, data, size) != MW_OK) {
        incoming->refused = MHD_HTTP_SERVICE_UNAVAILABLE;
        incoming->why = "out of memory";
    }
}

static enum MHD_Result handle(struct mw_http_server *server, struct MHD_Connection *connection,
                              const char *method, const char *path, struct incoming *incoming)
{
    struct mw_http_request request = {
        .method = strcmp(method, "HEAD") == 0 ? "GET" : method,
        .path = path,
        .body = {incoming->body.data, incoming->body.size},
        .handle = connection,
    };
    struct mw_http_response response = {0};
    if (!server->handler(server->context, &request, &response)) {
        mw_buffer_free(&response.body);
        response = (struct mw_http_response){0};
        mw_http_fail(&response, MW_ERR_NOT_FOUND, "there is nothing at this path");
    }
    return answer(connection, &response);
}

/* Called once for the headers, once for each piece of the body, once at the end. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *data, size_t *size, void **state)
{
    struct mw_http_server *server = context;
    struct incoming *incoming = *state;
    (void)version;
    if (incoming == NULL) {
        incoming = calloc(1, sizeof *incoming);
        if (incoming == NULL) {
            return MHD_NO;
        }
        *state = incoming;
        check_headers(server, connection, method, path, incoming);
        return MHD_YES;
    }
    if (*size > 0) {
        take_body(incoming, data, *size);
        *size = 0;
        return MHD_YES;
    }
    return incoming->refused != 0 ? refuse(connection, incoming->refused, incoming->why)
                                  : handle(server, connection, method, path, incoming);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    struct incoming *incoming = *state;
    (void)context;
    (void)connection;
    (void)code;
    if (incoming != NULL) {
        mw_buffer_free(&incoming->body);
        free(incoming);
        *state = NULL;
    }
}

const char *mw_http_query(const struct mw_http_request *request, const char *name)
{
    /* The library's own type for a connection is not const anywhere. */
    struct MHD_Connection *connection = (struct MHD_Connection *)(uintptr_t)request->handle;
    return connection == NULL
               ? NULL
               : MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);
}

/* ---- the loop ---- */

/* The daemon closes idle connections, which it has to be called for. */
static void arm(struct mw_http_server *server)
{
    MHD_UNSIGNED_LONG_LONG milliseconds;
    bool waits = MHD_get_timeout(server->daemon, &milliseconds) == MHD_YES;
    mw_loop_set_timer(server->loop, server->timer, waits ? (int64_t)milliseconds * 1000 : -1, 0);
}

static void on_readable(void *context, uint32_t events)
{
    struct mw_http_server *server = context;
    (void)events;
    (void)MHD_run(server->daemon);
    arm(server);
}

static void on_timer(void *context)
{
    on_readable(context, 0);
}

/* ---- making and ending ---- */

static int listen_at(const struct addrinfo *info)
{
    int yes = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, CONNECTIONS) != 0) {
        int kept = errno;
        close(fd);
        errno = kept;
        return -1;
    }
    return fd;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        return 0;
    }
    return address.ss_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)&address)->sin6_port)
                                         : ntohs(((const struct sockaddr_in *)&address)->sin_port);
}

static mw_err open_socket(const char *listen, uint16_t number, int *fd, struct mw_error *error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *info = NULL;
    char port[8];
    snprintf(port, sizeof port, "%u", (unsigned)number);
    const char *address = strcmp(listen, "localhost") == 0 ? "127.0.0.1" : listen;
    if (getaddrinfo(address, port, &hints, &info) != 0) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "%s is no address to bind", listen);
    }
    *fd = listen_at(info);
    freeaddrinfo(info);
    return *fd >= 0 ? MW_OK
                    : mw_error_errno(error, errno == EADDRINUSE ? MW_ERR_BUSY : MW_ERR_NET,
                                     "%s port %u", listen, (unsigned)number);
}

mw_err mw_http_server_probe(const char *address, uint16_t port, struct mw_error *error)
{
    int fd = -1;
    mw_err err = open_socket(address, port, &fd, error);
    if (err == MW_OK) {
        close(fd);
    }
    return err;
}

/* Once it runs it tells of each client that breaks off. */
static void on_said(void *context, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
static void on_said(void *context, const char *format, va_list arguments)
{
    struct mw_http_server *server = context;
    vsnprintf(server->said, sizeof server->said, format, arguments);
    server->said[strcspn(server->said, "\n")] = '\0';
    if (server->daemon != NULL) {
        mw_log(MW_LOG_DEBUG, NULL, "HTTP", MW_KS("said", server->said));
    }
}

static mw_err start(struct mw_http_server *server, int fd, struct mw_error *error)
{
    bool secure = server->certificate != NULL;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, server->certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, server->key},
        {MHD_OPTION_END, 0, NULL},
    };
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_ERROR_LOG | (secure ? MHD_USE_TLS : 0), 0, NULL, NULL, on_request,
        server, MHD_OPTION_EXTERNAL_LOGGER, on_said, server, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)IDLE_SECONDS, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_ARRAY,
        secure ? tls : tls + 2, MHD_OPTION_END);
    if (server->daemon == NULL) {
        close(fd);
        return mw_error_set(error, secure ? MW_ERR_ARGUMENT : MW_ERR_NET,
                            "the HTTP server cannot start%s%s", server->said[0] == '\0' ? "" : ": ",
                            server->said);
    }
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL) {
        return mw_error_set(error, MW_ERR_NET, "the HTTP server has no descriptor to wait on");
    }
    mw_err err = mw_loop_add_fd(server->loop, info->epoll_fd, EPOLLIN, on_readable, server,
                                &server->watch, error);
    return err == MW_OK
               ? mw_loop_add_timer(server->loop, -1, 0, on_timer, server, &server->timer, error)
               : err;
}

static mw_err copy_secrets(struct mw_http_server *server, const struct mw_http_options *options,
                           struct mw_error *error)
{
    if (options->certificate == NULL) {
        return MW_OK;
    }
    server->certificate = strdup(options->certificate);
    server->key = strdup(options->key);
    return server->certificate != NULL && server->key != NULL
               ? MW_OK
               : mw_error_set(error, MW_ERR_MEMORY, "out of memory");
}

mw_err mw_http_server_new(struct mw_http_server **server, struct mw_loop *loop,
                          const struct mw_http_options *options, struct mw_error *error)
{
    int fd = -1;
    *server = NULL;
    mw_err err = open_socket(options->address, options->port, &fd, error);
    if (err != MW_OK) {
        return err;
    }
    struct mw_http_server *made = calloc(1, sizeof *made);
    if (made == NULL) {
        close(fd);
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    made->loop = loop;
    made->handler = options->handler;
    made->context = options->context;
    made->port = port_of(fd);
    made->any = strcmp(options->address, "0.0.0.0") == 0 || strcmp(options->address, "::") == 0;
    made->any_host = options->any_host;
    made->takes_form = options->takes_form;
    snprintf(made->address, sizeof made->address, "%s", options->address);
    err = copy_secrets(made, options, error);
    if (err != MW_OK) {
        close(fd);
    }
    err = err == MW_OK ? start(made, fd, error) : err;
    if (err != MW_OK) {
        mw_http_server_free(made);
        return err;
    }
    *server = made;
    return MW_OK;
}

void mw_http_server_free(struct mw_http_server *server)
{
    if (server == NULL) {
        return;
    }
    mw_loop_remove(server->loop, server->watch);
    mw_loop_remove(server->loop, server->timer);
    if (server->daemon != NULL) {
        MHD_stop_daemon(server->daemon);
    }
    free(server->certificate);
    free(server->key);
    free(server);
}

uint16_t mw_http_server_port(const struct mw_http_server *server)
{
    return server->port;
}
