#include "lib/mqtt/mosquitto.h"

#include "lib/base/file.h"
#include "lib/base/process.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static bool find_in(const char *folder, size_t length, const char *name, char *path,
                    size_t capacity)
{
    int n = snprintf(path, capacity, "%.*s/%s", (int)length, folder, name);
    return n > 0 && (size_t)n < capacity && access(path, X_OK) == 0;
}

/* Debian puts mosquitto in /usr/sbin, which is not in every PATH. */
static mw_err find_program(const char *name, char *path, size_t capacity, struct mw_error *error)
{
    const char *folders = getenv("PATH");
    while (folders != NULL && *folders != '\0') {
        size_t length = strcspn(folders, ":");
        if (find_in(folders, length, name, path, capacity)) {
            return MW_OK;
        }
        folders += length + (folders[length] == ':');
    }
    if (find_in("/usr/sbin", 9, name, path, capacity)) {
        return MW_OK;
    }
    return mw_error_set(error, MW_ERR_NOT_FOUND,
                        "%s is neither in PATH nor in /usr/sbin; install the package mosquitto, "
                        "or name a broker in broker.url",
                        name);
}

static mw_err free_port(uint16_t *port, struct mw_error *error)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        mw_err err = mw_error_errno(error, MW_ERR_NET, "no free port on the loopback");
        if (fd >= 0) {
            close(fd);
        }
        return err;
    }
    close(fd);
    *port = ntohs(address.sin_port);
    return MW_OK;
}

static mw_err draw_password(char *text, size_t capacity, struct mw_error *error)
{
    static const char digits[] = "abcdefghijkmnpqrstuvwxyz23456789";
    unsigned char bytes[32];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        return mw_error_errno(error, MW_ERR_IO, "no random numbers");
    }
    size_t n = sizeof bytes < capacity - 1 ? sizeof bytes : capacity - 1;
    for (size_t i = 0; i < n; i++) {
        text[i] = digits[bytes[i] % 32];
    }
    text[n] = '\0';
    return MW_OK;
}

/* mosquitto reads only hashed passwords; mosquitto_passwd -U hashes a file in place, so that the
 * password is in no command line. */
static mw_err write_password(const struct mw_mosquitto *mosquitto, const char *path,
                             struct mw_error *error)
{
    char tool[256], text[128];
    mw_err err = find_program("mosquitto_passwd", tool, sizeof tool, error);
    if (err != MW_OK) {
        return err;
    }
    int n = snprintf(text, sizeof text, "%s:%s\n", mosquitto->username, mosquitto->password);
    err = mw_file_write(path, text, (size_t)n, 0600, error);
    if (err != MW_OK) {
        return err;
    }
    char update[] = "-U";
    char *argv[] = {tool, update, (char *)(uintptr_t)path, NULL};
    struct mw_process_spec spec = {.argv = argv, .output = "/dev/null"};
    pid_t pid;
    err = mw_process_start(&spec, &pid, NULL, error);
    if (err != MW_OK) {
        return err;
    }
    int status;
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return mw_error_set(error, MW_ERR_IO, "%s -U %s failed", tool, path);
    }
    return MW_OK;
}

mw_err mw_mosquitto_prepare(struct mw_mosquitto *mosquitto, const char *folder,
                            struct mw_error *error)
{
    *mosquitto = (struct mw_mosquitto){0};
    char passwords[4096];
    snprintf(mosquitto->username, sizeof mosquitto->username, "millwright");
    mw_err err = find_program("mosquitto", mosquitto->program, sizeof mosquitto->program, error);
    if (err == MW_OK) {
        err = free_port(&mosquitto->port, error);
    }
    if (err == MW_OK) {
        err = draw_password(mosquitto->password, sizeof mosquitto->password, error);
    }
    if (err == MW_OK) {
        err = mw_file_join(mosquitto->config, sizeof mosquitto->config, folder, "mosquitto.conf");
    }
    if (err == MW_OK) {
        err = mw_file_join(passwords, sizeof passwords, folder, "mosquitto.passwd");
    }
    if (err == MW_OK) {
        err = write_password(mosquitto, passwords, error);
    }
    if (err != MW_OK) {
        return mw_error_wrap(error, "mosquitto");
    }
    const struct passwd *user = getpwuid(geteuid());
    struct mw_buffer text = {0};
    err = mw_buffer_printf(&text,
                           "listener %u 127.0.0.1\n"
                           "allow_anonymous false\n"
                           "password_file %s\n"
                           "user %s\n"
                           "set_tcp_nodelay true\n"
                           "persistence false\n"
                           "max_inflight_messages 1000\n"
                           "max_queued_messages 0\n"
                           "max_packet_size 1100000\n"
                           "log_dest stderr\n"
                           "log_type error\n"
                           "log_type warning\n",
                           mosquitto->port, passwords, user == NULL ? "nobody" : user->pw_name);
    if (err == MW_OK) {
        err = mw_file_write(mosquitto->config, text.data, text.size, 0600, error);
    }
    mw_buffer_free(&text);
    static char option[] = "-c";
    mosquitto->argv[0] = mosquitto->program;
    mosquitto->argv[1] = option;
    mosquitto->argv[2] = mosquitto->config;
    return err;
}

bool mw_mosquitto_accepts(const struct mw_mosquitto *mosquitto)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons(mosquitto->port)};
    bool accepts = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return accepts;
}
