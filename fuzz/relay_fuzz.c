/* Both ends of a relay's socket. The first byte chooses: what a connection asks of a relay, or what
 * a relay answers to a stream that is opened, read, written and closed. */
#include "fuzz/folder.h"
#include "lib/stream/relay_session.h"
#include "lib/stream/stream.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MOST 60000 /* bytes: they fit into a socket's buffer */

static void give_all(int fd, const uint8_t *data, size_t size)
{
    if (send(fd, data, size, MSG_NOSIGNAL) != (ssize_t)size && size > 0) {
        return; /* the other end has hung up: its good right */
    }
    (void)shutdown(fd, SHUT_WR);
}

static void try_session(const uint8_t *data, size_t size)
{
    char uri[100];
    int fds[2];
    (void)snprintf(uri, sizeof uri, "sqlite:%s", fuzz_folder());
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) {
        abort();
    }
    struct timeval patience = {.tv_usec = 100000}; /* nobody reads the answers */
    (void)setsockopt(fds[1], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    give_all(fds[0], data, size);
    mw_relay_session(fds[1], uri, "p");
    (void)close(fds[0]);
    (void)close(fds[1]);
}

struct answers {
    int listener;
    const uint8_t *data;
    size_t size;
};

static void *answer(void *context)
{
    const struct answers *answers = context;
    char ignored[4096];
    int fd = accept(answers->listener, NULL, NULL);
    if (fd < 0) {
        return NULL;
    }
    give_all(fd, answers->data, answers->size);
    while (recv(fd, ignored, sizeof ignored, 0) > 0) {
    }
    (void)close(fd);
    return NULL;
}

static bool take_entry(void *context, struct mw_span key, struct mw_span value)
{
    size_t *sum = context;
    for (size_t i = 0; i < key.size; i++) {
        *sum += (unsigned char)key.data[i];
    }
    for (size_t i = 0; i < value.size; i++) {
        *sum += (unsigned char)value.data[i];
    }
    return true;
}

static void use(struct mw_stream *stream)
{
    static const char *const topics[] = {"telemetry", "update"};
    struct mw_stream_reader *reader = NULL;
    struct mw_stream_record records[16];
    struct mw_span value, key = {"k", 1};
    size_t n = 0, sum = 0;
    bool more = false;
    (void)mw_stream_reader_open(&reader, stream, topics, 2, MW_STREAM_EARLIEST, NULL);
    for (int i = 0; reader != NULL && i < 3; i++) {
        (void)mw_stream_poll(reader, records, 16, &n, NULL);
        for (size_t j = 0; j < n; j++) {
            (void)take_entry(&sum, records[j].key, records[j].value);
            sum += strlen(records[j].topic);
        }
    }
    (void)mw_stream_get(stream, NULL, "state", key, &value, NULL);
    (void)take_entry(&sum, value, value);
    (void)mw_stream_visit(stream, NULL, "state", take_entry, &sum, NULL);
    (void)mw_stream_begin(stream, NULL);
    (void)mw_stream_append(stream, "score", key, key, NULL);
    (void)mw_stream_commit(stream, reader, NULL);
    (void)mw_stream_retain(stream, 1, 1, 1, &more, NULL);
    mw_stream_tidy(stream);
    mw_stream_reader_close(reader);
    if (sum == 1) {
        abort(); /* keeps the sum from being left out */
    }
}

static void try_answers(const uint8_t *data, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char uri[120];
    pthread_t thread;
    struct mw_stream *stream = NULL;
    struct answers answers = {socket(AF_UNIX, SOCK_STREAM, 0), data, size};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/sock", fuzz_folder());
    (void)snprintf(uri, sizeof uri, "relay:%s", address.sun_path);
    (void)unlink(address.sun_path);
    if (bind(answers.listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(answers.listener, 1) != 0 || pthread_create(&thread, NULL, answer, &answers) != 0) {
        abort();
    }
    struct mw_stream_options options = {.uri = uri, .plant = "p", .writer = "w"};
    if (mw_stream_open(&stream, &options, NULL) == MW_OK) {
        use(stream);
        mw_stream_close(stream);
    }
    (void)pthread_join(thread, NULL);
    (void)close(answers.listener);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > MOST) {
        return 0;
    }
    if (data[0] % 2 == 0) {
        try_session(data + 1, size - 1);
    } else {
        try_answers(data + 1, size - 1);
    }
    return 0;
}
