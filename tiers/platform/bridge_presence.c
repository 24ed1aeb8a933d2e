#include "tiers/platform/bridge_presence.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/mqtt/client.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST MW_SECOND /* for an answer to the first question */
#define AGAIN (2 * MW_SECOND)
#define REACH (5 * MW_SECOND) /* for a broker to be there */

enum { TOKENS = 64, SILENT = 3 }; /* questions without an answer, after one with */

struct asking {
    struct mw_loop *loop;
    struct mw_mqtt *mqtt;
    struct mw_loop_watch *timer;
    struct mw_wire_parser *parser;
    char topic[MW_PRESENCE_TOPIC], self[80];
    int64_t begin;
    bool asked, heard; /* since the last time that the timer looked */
    bool held;         /* there has been an answer */
    bool suspected;    /* the broker has kept word of one that may be busy just now */
    int silent;
    bool alone;
    const char *spool; /* ours; empty: none */
    bool spools;       /* stream.spool is on */
    mw_err err;        /* an answer that rules a stand-by out */
    struct mw_error error;
};

static void name_self(char text[static 80])
{
    char host[48] = "";
    if (gethostname(host, sizeof host - 1) != 0) {
        host[0] = '\0';
    }
    for (char *at = host; *at != '\0'; at++) { /* it goes into JSON as it is */
        *at = *at == '"' || *at == '\\' || *at < ' ' ? '-' : *at;
    }
    snprintf(text, 80, "%s/%ld", host, (long)getpid());
}

void mw_bridge_presence_topic(const struct mw_plant *plant, char topic[MW_PRESENCE_TOPIC])
{
    snprintf(topic, MW_PRESENCE_TOPIC, "mw/%s/bridge/%d", plant->plant, (int)plant->bridge.share);
}

bool mw_bridge_presence_asks(struct mw_wire_parser *parser, struct mw_span payload)
{
    return mw_wire_open(parser, payload, NULL) == MW_OK && mw_wire_count(parser) == 1 &&
           mw_wire_has(parser, 0, "ask");
}

void mw_bridge_presence_answer(const char *spool, char text[static MW_PRESENCE_ANSWER])
{
    char self[80];
    name_self(self);
    snprintf(text, MW_PRESENCE_ANSWER, "{\"v\":1,\"here\":\"%s\",\"spool\":\"%s\"}", self, spool);
}

/* A stand-by sees only what is in Kafka. */
static void check_spools(struct asking *asking, const char *who)
{
    struct mw_span theirs;
    if (mw_wire_get(asking->parser, 0, "spool", &theirs) != MW_OK) {
        return; /* of a version that does not say */
    }
    if ((theirs.size > 0 || asking->spools) && !mw_span_is(theirs, asking->spool)) {
        asking->err = mw_error_set(
            &asking->error, MW_ERR_STATE,
            "%s is the bridge of this share, and this one cannot be its stand-by: with a spool one "
            "of them acknowledges what the other cannot see. Set stream.spool: off for both",
            who);
        mw_loop_stop(asking->loop);
    }
}

/* Said by a process that is over, or by this one. */
static bool is_over(const char *who, const char *self)
{
    const char *slash = strrchr(who, '/');
    size_t host = slash == NULL ? 0 : (size_t)(slash - who) + 1;
    long pid = slash == NULL ? 0 : strtol(slash + 1, NULL, 10);
    return host > 0 && strncmp(who, self, host) == 0 &&
           (pid == (long)getpid() || (pid > 0 && kill((pid_t)pid, 0) != 0 && errno == ESRCH));
}

static void ask(struct asking *asking)
{
    char text[128];
    snprintf(text, sizeof text, "{\"v\":1,\"ask\":\"%s\"}", asking->self);
    asking->heard = false;
    asking->asked =
        mw_mqtt_publish(asking->mqtt, asking->topic, mw_span_of(text), 0, false) == MW_OK;
    mw_loop_set_timer(asking->loop, asking->timer,
                      asking->held || asking->suspected ? AGAIN : FIRST, 0);
}

static void on_connect(void *context, bool session_present)
{
    (void)session_present;
    ask(context);
}

static void on_message(void *context, const struct mw_mqtt_message *message)
{
    struct asking *asking = context;
    struct mw_span here;
    if (mw_wire_open(asking->parser, message->payload, NULL) != MW_OK ||
        mw_wire_get(asking->parser, 0, "here", &here) != MW_OK) {
        return;
    }
    char text[80];
    snprintf(text, sizeof text, "%.*s", (int)here.size, here.data);
    if (message->retained) {
        asking->suspected = !is_over(text, asking->self);
        return;
    }
    asking->heard = true;
    asking->silent = 0;
    check_spools(asking, text);
    if (!asking->held && asking->err == MW_OK) {
        mw_log(MW_LOG_WARN, NULL,
               "another process is the bridge of this share: waiting for it to end",
               MW_KS("process", text), MW_KS("topic", asking->topic));
        asking->held = true;
        mw_process_ready(); /* as a stand-by: what is started behind it need not wait */
    }
}

static void on_timer(void *context)
{
    struct asking *asking = context;
    bool up = mw_mqtt_connected(asking->mqtt);
    asking->silent += up && asking->asked && !asking->heard ? 1 : 0;
    bool lost = !up && !asking->held && mw_clock_monotonic() - asking->begin >= REACH;
    int enough = asking->held || asking->suspected ? SILENT : 1;
    if (lost || asking->silent >= enough) {
        asking->alone = true;
        mw_loop_stop(asking->loop);
    } else if (up) {
        ask(asking);
    } else {
        mw_loop_set_timer(asking->loop, asking->timer, REACH, 0);
    }
}

static mw_err begin(struct asking *asking, const struct mw_broker_address *address,
                    struct mw_error *error)
{
    char client_id[2 * MW_NAME_MAX + 96];
    snprintf(client_id, sizeof client_id, "%s asks %s %llx", asking->topic, asking->self,
             (unsigned long long)mw_clock_utc());
    const struct mw_mqtt_options options = {
        .url = address->url,
        .client_id = client_id,
        .username = address->username[0] == '\0' ? NULL : address->username,
        .password = address->password[0] == '\0' ? NULL : address->password,
        .tls = {address->ca_file, address->certificate_file, address->key_file},
        .speak = (enum mw_mqtt_speak)address->version,
        .clean_session = true,
        .on_message = on_message,
        .on_connect = on_connect,
        .context = asking,
    };
    mw_err err = mw_loop_add_timer(asking->loop, REACH, 0, on_timer, asking, &asking->timer, error);
    err = err == MW_OK ? mw_mqtt_new(&asking->mqtt, asking->loop, &options, error) : err;
    return err == MW_OK ? mw_mqtt_subscribe(asking->mqtt, asking->topic, 0, error) : err;
}

mw_err mw_bridge_presence_wait(const struct mw_plant *plant, struct mw_loop *loop,
                               const struct mw_broker_address *address, const char *spool,
                               bool *alone, struct mw_error *error)
{
    struct asking asking = {.loop = loop,
                            .begin = mw_clock_monotonic(),
                            .spool = spool,
                            .spools = plant->stream.spool >= 0};
    size_t bytes = mw_wire_parser_size(TOKENS);
    void *memory = malloc(bytes);
    name_self(asking.self);
    mw_bridge_presence_topic(plant, asking.topic);
    mw_err err =
        memory == NULL ? MW_ERR_MEMORY : mw_wire_parser_init(memory, bytes, &asking.parser);
    if (err != MW_OK) {
        free(memory);
        return mw_error_set(error, err, "out of memory");
    }
    err = begin(&asking, address, error);
    err = err == MW_OK ? mw_loop_run(loop, error) : err;
    mw_mqtt_free(asking.mqtt);
    mw_loop_remove(loop, asking.timer);
    free(memory);
    *alone = asking.alone;
    if (err == MW_OK && asking.err != MW_OK) {
        err = mw_error_set(error, asking.err, "%s", asking.error.text);
    }
    if (err == MW_OK && asking.alone && asking.held) {
        mw_log(MW_LOG_INFO, NULL, "the other bridge of this share is silent: taking over");
    }
    return err;
}
