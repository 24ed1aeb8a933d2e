/* client_test_run.h - runs a loop until a condition holds, and counts what a client says. */
#ifndef MW_MQTT_CLIENT_TEST_RUN_H
#define MW_MQTT_CLIENT_TEST_RUN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/test_loop.h"
#include "lib/mqtt/client_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a client's callbacks have seen. */
struct seen {
    struct mw_mqtt *client;
    int connects, disconnects, idles, writables, messages;
    bool session_present;
    char reason[320];
    int next;       /* number of the message that is expected next */
    int duplicates; /* numbers below it */
    int ack_until;  /* with manual acknowledgement: messages from this number on are kept back */
    size_t payload, cut;
    char last[64]; /* topic and payload of the last message, "topic=payload" */
    bool retained, duplicate;
};

static inline void seen_message(void *context, const struct mw_mqtt_message *message)
{
    struct seen *seen = context;
    char text[16] = {0};
    seen->messages++;
    seen->payload = message->payload.size;
    seen->cut = message->cut;
    seen->retained = message->retained;
    seen->duplicate = message->duplicate;
    (void)snprintf(
        seen->last, sizeof(seen->last), "%.*s=%.*s", (int)message->topic.size, message->topic.data,
        message->payload.size < 20 ? (int)message->payload.size : 20, message->payload.data);
    memcpy(text, message->payload.data, message->payload.size < 15 ? message->payload.size : 15);
    int number = atoi(text);
    if (number == seen->next) {
        seen->next++;
    } else if (number < seen->next) {
        seen->duplicates++;
    }
    if (seen->client->options.manual_ack && number < seen->ack_until) {
        mw_mqtt_acknowledge(seen->client, mw_mqtt_connection(seen->client), message->id);
    }
}

static inline void seen_connect(void *context, bool session_present)
{
    struct seen *seen = context;
    seen->connects++;
    seen->session_present = session_present;
}

static inline void seen_disconnect(void *context, const char *reason)
{
    struct seen *seen = context;
    seen->disconnects++;
    (void)snprintf(seen->reason, sizeof(seen->reason), "%s", reason);
}

static inline void seen_idle(void *context)
{
    ((struct seen *)context)->idles++;
}

static inline void seen_writable(void *context)
{
    ((struct seen *)context)->writables++;
}

/* Makes a client whose callbacks count in *seen. */
static inline void seen_new(struct seen *seen, struct mw_loop *loop, struct mw_mqtt_options options)
{
    struct mw_error error = {0};
    *seen = (struct seen){.ack_until = 1000000000};
    options.on_message = seen_message;
    options.on_connect = seen_connect;
    options.on_disconnect = seen_disconnect;
    options.on_idle = seen_idle;
    options.on_writable = seen_writable;
    options.context = seen;
    if (mw_mqtt_new(&seen->client, loop, &options, &error) != MW_OK) {
        fail_msg("%s", error.text);
    }
}

static inline mw_err seen_publish(struct seen *seen, const char *topic, int number, uint8_t qos)
{
    char text[16];
    (void)snprintf(text, sizeof(text), "%d", number);
    return mw_mqtt_publish(seen->client, topic, mw_span_of(text), qos, false);
}

static inline bool is_up(void *context)
{
    const struct seen *seen = context;
    return seen->connects > seen->disconnects;
}

static inline bool is_down(void *context)
{
    return !is_up(context);
}

static inline bool is_sent(void *context)
{
    const struct seen *seen = context;
    return mw_mqtt_queued(seen->client) == 0;
}

#endif
