#include "tiers/inference/relay_role.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/role.h"
#include "lib/stream/relay.h"

#include <stdio.h>
#include <sys/epoll.h>

#define TELL_EVERY MW_SECOND

struct relay_role {
    struct mw_role role;
    struct mw_relay *relay;
};

static void on_connection(void *context, uint32_t events)
{
    struct relay_role *role = context;
    (void)events;
    mw_relay_accept(role->relay);
}

static void on_tell(void *context)
{
    struct relay_role *role = context;
    char json[128];
    int n = snprintf(json, sizeof json, "{\"connections\":%zu}", mw_relay_connections(role->relay));
    mw_role_tell(&role->role, (struct mw_span){json, (size_t)n});
}

mw_err mw_relay_run(const struct mw_plant *plant, const char *path, struct mw_error *error)
{
    struct relay_role role = {0};
    char uri[4096];
    if (mw_plant_stream_uri(plant, uri, sizeof uri) != MW_OK) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "stream.url: too long");
    }
    mw_err err = mw_role_init(&role.role, "relay", error);
    if (err != MW_OK) {
        return err;
    }
    err = mw_relay_new(&role.relay, path, uri, plant->plant, error);
    if (err == MW_OK) {
        err = mw_loop_add_fd(role.role.loop, mw_relay_fd(role.relay), EPOLLIN, on_connection, &role,
                             NULL, error);
    }
    if (err == MW_OK) {
        err =
            mw_loop_add_timer(role.role.loop, TELL_EVERY, TELL_EVERY, on_tell, &role, NULL, error);
    }
    if (err == MW_OK) {
        mw_log(MW_LOG_INFO, NULL, "holds the stream for who connects", MW_KS("socket", path));
        err = mw_role_run(&role.role, error);
    }
    mw_relay_free(role.relay);
    mw_role_clear(&role.role);
    return err;
}
