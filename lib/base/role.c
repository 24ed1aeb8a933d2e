#include "lib/base/role.h"

#include "lib/base/health.h"
#include "lib/base/metrics.h"
#include "lib/base/process.h"

#include <signal.h>
#include <stdlib.h>

static void on_signal(void *context, int number)
{
    struct mw_role *role = context;
    (void)number;
    mw_loop_stop(role->loop);
}

static mw_err print_metrics(void *context, struct mw_buffer *text)
{
    const struct mw_role *role = context;
    json_t *said =
        role->said.size == 0 ? NULL : json_loadb(role->said.data, role->said.size, 0, NULL);
    struct mw_metrics_source source = {.said = said};
    mw_err err = mw_metrics_print_process(text, role->name);
    if (err == MW_OK && said != NULL) {
        err = mw_metrics_print_role(text, role->name, &source, 1);
    }
    json_decref(said);
    return err;
}

void mw_role_tell(struct mw_role *role, struct mw_span json)
{
    if (role->health != NULL) {
        mw_buffer_clear(&role->said);
        (void)mw_buffer_add(&role->said, json.data, json.size);
    }
}

static mw_err open_health(struct mw_role *role, struct mw_error *error)
{
    const char *text = getenv("MILLWRIGHT_HEALTH");
    if (text == NULL || text[0] == '\0') {
        return MW_OK;
    }
    char *end = NULL;
    unsigned long port = strtoul(text, &end, 10);
    if (*end != '\0' || port == 0 || port > 65535) {
        return mw_error_set(error, MW_ERR_ARGUMENT,
                            "MILLWRIGHT_HEALTH: %s: a port from 1 to 65535 was expected", text);
    }
    mw_err err = mw_health_new(&role->health, role->loop, (uint16_t)port, error);
    mw_health_set_metrics(role->health, print_metrics, role);
    return err;
}

mw_err mw_role_init(struct mw_role *role, const char *name, struct mw_error *error)
{
    static const int stops[] = {SIGTERM, SIGINT};
    *role = (struct mw_role){.name = name};
    mw_err err = mw_loop_new(&role->loop, error);
    if (err != MW_OK) {
        return err;
    }
    /* A peer that hangs up is an error of its write, not the end of the role. */
    signal(SIGPIPE, SIG_IGN);
    err = mw_loop_add_signals(role->loop, stops, 2, on_signal, role, error);
    if (err == MW_OK) {
        err = open_health(role, error);
    }
    if (err != MW_OK) {
        mw_role_clear(role);
    }
    return err;
}

mw_err mw_role_run(struct mw_role *role, struct mw_error *error)
{
    mw_process_ready();
    mw_health_set_ready(role->health, true);
    return mw_loop_run(role->loop, error);
}

void mw_role_clear(struct mw_role *role)
{
    mw_health_free(role->health);
    role->health = NULL;
    mw_loop_free(role->loop);
    role->loop = NULL;
    mw_buffer_free(&role->said);
}
