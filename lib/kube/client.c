#include "lib/kube/client.h"

#include "lib/base/clock.h"
#include "lib/kube/lines.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define IDLE (30 * MW_SECOND)
#define CONNECT_SECONDS 10L
#define REASON_MOST 65536u /* bytes kept of an answer that is no success to a request for lines */

enum { TOKEN_MOST = 65536 };

struct mw_kube_request {
    struct mw_kube *kube;
    struct mw_kube_request *previous, *next;
    CURL *curl;
    struct curl_slist *headers;
    char *body;
    struct mw_buffer answer;
    struct mw_kube_lines lines;
    mw_kube_on_line_fn *on_line;
    mw_kube_done_fn *done;
    void *context;
    bool enough; /* on_line has heard enough */
    const char *why;
    char text[CURL_ERROR_SIZE];
};

struct mw_kube {
    struct mw_loop *loop;
    const struct mw_kube_config *config;
    CURLM *multi;
    struct mw_loop_watch *timer;
    struct mw_kube_request *all;
};

struct mw_loop *mw_kube_loop(const struct mw_kube *kube)
{
    return kube->loop;
}

/* ---- what an answer says ---- */

bool mw_kube_may_retry(const struct mw_kube_answer *answer)
{
    return answer->status == 0 || answer->status == 408 || answer->status == 429 ||
           answer->status >= 500;
}

static long status_of(const struct mw_kube_request *request)
{
    long status = 0;
    curl_easy_getinfo(request->curl, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static int64_t retry_after(const struct mw_kube_request *request)
{
    curl_off_t seconds = 0;
    curl_easy_getinfo(request->curl, CURLINFO_RETRY_AFTER, &seconds);
    return seconds > 0 && seconds < 86400 ? (int64_t)seconds * MW_SECOND : -1;
}

static const char *reason(const struct mw_kube_request *request, const json_t *body)
{
    const char *message = json_string_value(json_object_get(body, "message"));
    if (message != NULL) {
        return message;
    }
    return request->answer.data != NULL && request->answer.size > 0 ? request->answer.data
                                                                    : "the server gave no reason";
}

static void tell(struct mw_kube_request *request, CURLcode code)
{
    struct mw_kube_answer answer = {.retry_after = -1, .text = ""};
    bool failed = code != CURLE_OK && !request->enough;
    if (failed) {
        answer.text = request->why != NULL       ? request->why
                      : request->text[0] != '\0' ? request->text
                                                 : curl_easy_strerror(code);
    } else {
        answer.status = status_of(request);
        answer.retry_after = retry_after(request);
        if (request->answer.size > 0) {
            answer.body = json_loadb(request->answer.data, request->answer.size, 0, NULL);
        }
        if (answer.status < 200 || answer.status > 299) {
            answer.text = reason(request, answer.body);
        }
    }
    request->done(request->context, &answer);
    json_decref(answer.body);
}

/* ---- bytes that come in ---- */

static size_t on_data(char *data, size_t size, size_t n, void *context)
{
    struct mw_kube_request *request = context;
    size_t bytes = size * n;
    if (request->on_line != NULL && status_of(request) == 200) {
        mw_err err = mw_kube_lines_feed(&request->lines, (struct mw_span){data, bytes},
                                        request->on_line, request->context);
        request->enough = err == MW_ERR_STATE;
        request->why = err == MW_ERR_TOO_LARGE ? "a line of the answer is too long" : request->why;
        return err == MW_OK ? bytes : 0;
    }
    size_t most = request->on_line != NULL ? REASON_MOST : MW_KUBE_ANSWER_MOST;
    if (request->answer.size + bytes > most ||
        mw_buffer_add(&request->answer, data, bytes) != MW_OK) {
        request->why = "the answer is too long";
        return 0;
    }
    return bytes;
}

/* ---- libcurl on the loop ---- */

static void free_request(struct mw_kube_request *request)
{
    if (request->curl != NULL) {
        curl_multi_remove_handle(request->kube->multi, request->curl);
        curl_easy_cleanup(request->curl);
    }
    *(request->previous == NULL ? &request->kube->all : &request->previous->next) = request->next;
    if (request->next != NULL) {
        request->next->previous = request->previous;
    }
    curl_slist_free_all(request->headers);
    free(request->body);
    mw_buffer_free(&request->answer);
    mw_kube_lines_clear(&request->lines);
    free(request);
}

static void take_ended(struct mw_kube *kube)
{
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(kube->multi, &left)) != NULL;) {
        if (message->msg == CURLMSG_DONE) {
            struct mw_kube_request *request = NULL;
            CURLcode code = message->data.result;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &request);
            tell(request, code);
            free_request(request);
        }
    }
}

static void act(struct mw_kube *kube, curl_socket_t fd, int events)
{
    int running;
    (void)curl_multi_socket_action(kube->multi, fd, events, &running);
    take_ended(kube);
}

struct socket {
    struct mw_kube *kube;
    struct mw_loop_watch *watch;
    curl_socket_t fd;
};

static void on_socket(void *context, uint32_t events)
{
    const struct socket *socket = context;
    act(socket->kube, socket->fd,
        ((events & (uint32_t)EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) |
            ((events & (uint32_t)EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0));
}

static void drop_socket(struct mw_kube *kube, curl_socket_t fd, struct socket *socket)
{
    if (socket != NULL) {
        curl_multi_assign(kube->multi, fd, NULL);
        mw_loop_remove(kube->loop, socket->watch);
        free(socket);
    }
}

static int watch_socket(CURL *curl, curl_socket_t fd, int what, void *context, void *at)
{
    struct mw_kube *kube = context;
    struct socket *socket = at;
    (void)curl;
    if (what == CURL_POLL_REMOVE) {
        drop_socket(kube, fd, socket);
        return 0;
    }
    uint32_t events = ((what & CURL_POLL_IN) != 0 ? (uint32_t)EPOLLIN : 0) |
                      ((what & CURL_POLL_OUT) != 0 ? (uint32_t)EPOLLOUT : 0);
    if (socket != NULL) {
        return mw_loop_set_events(kube->loop, socket->watch, events) == MW_OK ? 0 : -1;
    }
    socket = calloc(1, sizeof *socket);
    if (socket == NULL) {
        return -1;
    }
    *socket = (struct socket){.kube = kube, .fd = fd};
    if (mw_loop_add_fd(kube->loop, fd, events, on_socket, socket, &socket->watch, NULL) != MW_OK) {
        free(socket);
        return -1;
    }
    curl_multi_assign(kube->multi, fd, socket);
    return 0;
}

static int set_timer(CURLM *multi, long milliseconds, void *context)
{
    struct mw_kube *kube = context;
    (void)multi;
    mw_loop_set_timer(kube->loop, kube->timer, milliseconds < 0 ? -1 : milliseconds * 1000, 0);
    return 0;
}

static void on_timer(void *context)
{
    act(context, CURL_SOCKET_TIMEOUT, 0);
}

/* ---- making and ending ---- */

mw_err mw_kube_new(struct mw_kube **kube, struct mw_loop *loop, const struct mw_kube_config *config,
                   struct mw_error *error)
{
    struct mw_kube *made = calloc(1, sizeof *made);
    *kube = NULL;
    if (made == NULL || (made->multi = curl_multi_init()) == NULL) {
        free(made);
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    made->loop = loop;
    made->config = config;
    mw_err err = mw_loop_add_timer(loop, -1, 0, on_timer, made, &made->timer, error);
    if (err != MW_OK) {
        mw_kube_free(made);
        return err;
    }
    curl_multi_setopt(made->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(made->multi, CURLMOPT_SOCKETDATA, made);
    curl_multi_setopt(made->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(made->multi, CURLMOPT_TIMERDATA, made);
    curl_multi_setopt(made->multi, CURLMOPT_MAXCONNECTS, 16L);
    *kube = made;
    return MW_OK;
}

void mw_kube_free(struct mw_kube *kube)
{
    if (kube == NULL) {
        return;
    }
    while (kube->all != NULL) {
        free_request(kube->all);
    }
    curl_multi_cleanup(kube->multi);
    mw_loop_remove(kube->loop, kube->timer);
    free(kube);
}

/* ---- sending ---- */

static mw_err add_header(struct mw_kube_request *request, const char *name, const char *value)
{
    char *line = NULL;
    if (asprintf(&line, "%s: %s", name, value) < 0) {
        return MW_ERR_MEMORY;
    }
    struct curl_slist *longer = curl_slist_append(request->headers, line);
    free(line);
    if (longer == NULL) {
        return MW_ERR_MEMORY;
    }
    request->headers = longer;
    return MW_OK;
}

static mw_err add_token(struct mw_kube_request *request, const struct mw_kube_config *config,
                        struct mw_error *error)
{
    struct mw_buffer text = {0};
    mw_err err = config->token != NULL ? mw_buffer_printf(&text, "%s", config->token)
                 : config->token_file != NULL
                     ? mw_file_read(config->token_file, TOKEN_MOST, &text, error)
                     : MW_OK;
    if (err == MW_OK && text.size > 0) {
        char *bearer = NULL;
        text.data[strcspn(text.data, "\r\n")] = '\0';
        err = asprintf(&bearer, "Bearer %s", text.data) < 0
                  ? MW_ERR_MEMORY
                  : add_header(request, "Authorization", bearer);
        free(bearer);
    }
    mw_buffer_free(&text);
    return err;
}

static void set_blob(CURL *curl, CURLoption option, const struct mw_buffer *pem)
{
    struct curl_blob blob = {pem->data, pem->size, CURL_BLOB_NOCOPY};
    if (pem->size > 0) {
        curl_easy_setopt(curl, option, &blob);
    }
}

static void set_identity(CURL *curl, const struct mw_kube_config *config)
{
    set_blob(curl, CURLOPT_CAINFO_BLOB, &config->ca);
    set_blob(curl, CURLOPT_SSLCERT_BLOB, &config->certificate);
    set_blob(curl, CURLOPT_SSLKEY_BLOB, &config->key);
}

static void set_connection(CURL *curl)
{
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
}

static mw_err set_request(struct mw_kube_request *request, const struct mw_kube_call *call)
{
    CURL *curl = request->curl;
    char *url = NULL;
    const char *server = call->server == NULL ? request->kube->config->server : call->server;
    if (asprintf(&url, "%s%s", server, call->path) < 0) {
        return MW_ERR_MEMORY;
    }
    int64_t idle = call->idle == 0 ? IDLE : call->idle;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    free(url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, request->headers);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, request);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, request->text);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, request);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)((idle + MW_SECOND - 1) / MW_SECOND));
    if (request->body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(request->body));
    }
    set_connection(curl);
    if (call->server == NULL) {
        set_identity(curl, request->kube->config);
    }
    return MW_OK;
}

static mw_err fill(struct mw_kube_request *request, const struct mw_kube_call *call,
                   struct mw_error *error)
{
    mw_err err = add_header(request, "Accept", "application/json");
    if (err == MW_OK && call->body != NULL) {
        request->body = json_dumps(call->body, JSON_COMPACT);
        err = request->body == NULL
                  ? MW_ERR_MEMORY
                  : add_header(request, "Content-Type",
                               call->type == NULL ? "application/json" : call->type);
        err = err == MW_OK ? add_header(request, "Expect", "") : err;
    }
    err = err == MW_OK && call->server == NULL ? add_token(request, request->kube->config, error)
                                               : err;
    err = err == MW_OK ? set_request(request, call) : err;
    return err == MW_ERR_MEMORY ? mw_error_set(error, err, "out of memory") : err;
}

mw_err mw_kube_send(struct mw_kube *kube, const struct mw_kube_call *call,
                    struct mw_kube_request **request, struct mw_error *error)
{
    struct mw_kube_request *made = calloc(1, sizeof *made);
    if (request != NULL) {
        *request = NULL;
    }
    if (made == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    *made = (struct mw_kube_request){.kube = kube,
                                     .next = kube->all,
                                     .curl = curl_easy_init(),
                                     .lines = {.most = MW_KUBE_LINE_MOST},
                                     .on_line = call->on_line,
                                     .done = call->done,
                                     .context = call->context};
    if (kube->all != NULL) {
        kube->all->previous = made;
    }
    kube->all = made;
    mw_err err = made->curl == NULL ? mw_error_set(error, MW_ERR_MEMORY, "out of memory")
                                    : fill(made, call, error);
    if (err == MW_OK && curl_multi_add_handle(kube->multi, made->curl) != CURLM_OK) {
        err = mw_error_set(error, MW_ERR_NET, "%s: cannot be sent", call->path);
    }
    if (err != MW_OK) {
        free_request(made);
    } else if (request != NULL) {
        *request = made;
    }
    return err;
}

void mw_kube_cancel(struct mw_kube *kube, struct mw_kube_request *request)
{
    (void)kube;
    if (request != NULL) {
        free_request(request);
    }
}
