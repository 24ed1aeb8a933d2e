/* relay.c - listens, and keeps a thread for each connection; what a connection asks is answered in
 * relay_session.c. */
#include "lib/stream/relay.h"

#include "lib/base/log.h"
#include "lib/stream/relay_session.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECTIONS 32
#define WAITING 16
#define STACK (512 * 1024) /* bytes; the log's client has threads of its own */

struct connection {
    struct mw_relay *relay;
    pthread_t thread;
    int fd;    /* -1: the place is free */
    bool over; /* the thread is at its end; guarded by relay->lock */
};

struct mw_relay {
    int fd;
    char path[sizeof((struct sockaddr_un *)NULL)->sun_path];
    char *uri, *plant;
    pthread_mutex_t lock;
    struct connection connections[CONNECTIONS];
};

static mw_err name_socket(struct sockaddr_un *address, const char *path, struct mw_error *error)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (path[0] == '\0' || strlen(path) >= sizeof address->sun_path) {
        return mw_error_set(error, MW_ERR_ARGUMENT,
                            "relay \"%s\": the path of a socket was expected, 1 to %zu bytes", path,
                            sizeof address->sun_path - 1);
    }
    (void)snprintf(address->sun_path, sizeof address->sun_path, "%s", path);
    return MW_OK;
}

/* Whether somebody accepts connections there. */
static bool is_alive(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool alive = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return alive;
}

static mw_err listen_at(struct mw_relay *relay, const char *path, struct mw_error *error)
{
    struct sockaddr_un address;
    struct stat status;
    mw_err err = name_socket(&address, path, error);
    if (err != MW_OK) {
        return err;
    }
    if (lstat(path, &status) == 0) {
        if (!S_ISSOCK(status.st_mode)) {
            return mw_error_set(error, MW_ERR_EXISTS, "%s is there and is no socket", path);
        }
        if (is_alive(&address)) {
            return mw_error_set(error, MW_ERR_BUSY, "%s: another relay listens there", path);
        }
        (void)unlink(path);
    }
    relay->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (relay->fd < 0) {
        return mw_error_errno(error, MW_ERR_IO, "socket");
    }
    mode_t mask = umask(0177); /* nobody but this user may connect */
    int bound = bind(relay->fd, (struct sockaddr *)&address, sizeof address);
    (void)umask(mask);
    if (bound != 0) {
        return mw_error_errno(error, MW_ERR_IO, "%s", path);
    }
    memcpy(relay->path, address.sun_path, sizeof relay->path); /* it is ours to remove */
    return listen(relay->fd, WAITING) == 0 ? MW_OK : mw_error_errno(error, MW_ERR_IO, "%s", path);
}

mw_err mw_relay_new(struct mw_relay **relay, const char *path, const char *uri, const char *plant,
                    struct mw_error *error)
{
    *relay = NULL;
    struct mw_relay *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "relay: out of memory");
    }
    made->fd = -1;
    (void)pthread_mutex_init(&made->lock, NULL);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        made->connections[i] = (struct connection){.relay = made, .fd = -1};
    }
    made->uri = strdup(uri);
    made->plant = plant == NULL ? NULL : strdup(plant);
    mw_err err = made->uri == NULL || (plant != NULL && made->plant == NULL)
                     ? mw_error_set(error, MW_ERR_MEMORY, "relay: out of memory")
                     : listen_at(made, path, error);
    if (err != MW_OK) {
        mw_relay_free(made);
        return err;
    }
    *relay = made;
    return MW_OK;
}

int mw_relay_fd(const struct mw_relay *relay)
{
    return relay->fd;
}

static void *serve(void *context)
{
    struct connection *connection = context;
    struct mw_relay *relay = connection->relay;
    mw_relay_session(connection->fd, relay->uri, relay->plant);
    (void)shutdown(connection->fd, SHUT_RDWR); /* closed it is when the thread is joined */
    (void)pthread_mutex_lock(&relay->lock);
    connection->over = true;
    (void)pthread_mutex_unlock(&relay->lock);
    return NULL;
}

/* Joins a thread that is over, or, with `all`, whatever runs. */
static void end(struct connection *connection, bool all)
{
    if (connection->fd < 0) {
        return;
    }
    (void)pthread_mutex_lock(&connection->relay->lock);
    bool over = connection->over;
    (void)pthread_mutex_unlock(&connection->relay->lock);
    if (!over && !all) {
        return;
    }
    (void)shutdown(connection->fd, SHUT_RDWR);
    (void)pthread_join(connection->thread, NULL);
    (void)close(connection->fd);
    connection->fd = -1;
    connection->over = false;
}

static bool start(struct connection *connection, int fd)
{
    pthread_attr_t attributes;
    bool ok = pthread_attr_init(&attributes) == 0;
    if (ok) {
        (void)pthread_attr_setstacksize(&attributes, STACK);
        connection->fd = fd;
        ok = pthread_create(&connection->thread, &attributes, serve, connection) == 0;
        (void)pthread_attr_destroy(&attributes);
    }
    if (!ok) {
        connection->fd = -1;
    }
    return ok;
}

/* NULL when it may come in. */
static const char *refuse(struct mw_relay *relay, int fd, struct connection **place)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
        (peer.uid != geteuid() && peer.uid != 0)) {
        return "it runs as another user";
    }
    for (size_t i = 0; i < CONNECTIONS; i++) {
        end(&relay->connections[i], false);
        if (relay->connections[i].fd < 0) {
            *place = &relay->connections[i];
            return NULL;
        }
    }
    return "too many connections";
}

void mw_relay_accept(struct mw_relay *relay)
{
    for (;;) {
        struct connection *place = NULL;
        int fd = accept4(relay->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED)) {
            continue;
        }
        if (fd < 0) {
            return;
        }
        const char *why = refuse(relay, fd, &place);
        if (why == NULL && !start(place, fd)) {
            why = "no thread can be made";
        }
        if (why != NULL) {
            mw_log(MW_LOG_WARN, NULL, "a connection is refused", MW_KS("reason", why));
            (void)close(fd);
        }
    }
}

size_t mw_relay_connections(struct mw_relay *relay)
{
    size_t n = 0;
    for (size_t i = 0; i < CONNECTIONS; i++) {
        end(&relay->connections[i], false);
        n += relay->connections[i].fd >= 0;
    }
    return n;
}

void mw_relay_free(struct mw_relay *relay)
{
    if (relay == NULL) {
        return;
    }
    for (size_t i = 0; i < CONNECTIONS; i++) {
        end(&relay->connections[i], true);
    }
    if (relay->fd >= 0) {
        (void)close(relay->fd);
    }
    if (relay->path[0] != '\0') {
        (void)unlink(relay->path);
    }
    (void)pthread_mutex_destroy(&relay->lock);
    free(relay->uri);
    free(relay->plant);
    free(relay);
}
