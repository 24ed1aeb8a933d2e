#include "cli/up.h"

#include "cli/command.h"
#include "cli/roles.h"
#include "lib/artifact/store.h"
#include "lib/artifact/trust.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/process.h"
#include "lib/base/supervise.h"
#include "lib/http/server.h"
#include "lib/mqtt/client.h"
#include "lib/mqtt/mosquitto.h"
#include "lib/plant/broker.h"
#include "lib/plant/change.h"
#include "lib/plant/share.h"
#include "tiers/iot/thing.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROLES_MAX 8
#define WORDS_MAX 7

struct up {
    const struct mw_up_options *options;
    struct mw_plant plant;
    uint64_t devices; /* hash of the files of gateway.devices */
    char config[PATH_MAX];
    struct mw_loop *loop;
    struct mw_supervisor *supervisor;
    struct mw_mosquitto mosquitto;
    bool own_broker;
    int lock;
    char *argv[ROLES_MAX][WORDS_MAX];

    /* The bridges of shares 1 and up: that of share 0 is a role like the others. */
    char share_name[MW_SHARES_MAX][MW_SHARE_NAME], share_number[MW_SHARES_MAX][4];
    char *share_argv[MW_SHARES_MAX][WORDS_MAX];
};

static bool broker_accepts(void *context)
{
    return mw_mosquitto_accepts(context);
}

static void print_ready(void *context)
{
    struct up *up = context;
    mw_process_ready();
    if (up->options->quiet) {
        return;
    }
    printf("plant %s is up, data in %s\n", up->plant.plant, up->plant.data);
    struct mw_broker_address broker;
    struct mw_error error = {0};
    if (mw_plant_broker(&up->plant, &broker, &error) == MW_OK) {
        printf("MQTT  %s", broker.url);
        if (up->own_broker) {
            printf("  (user and password in %s/run/broker.json)", up->plant.data);
        }
        printf("\n");
    }
    if (up->plant.http.enabled) {
        char path[PATH_MAX];
        struct mw_buffer port = {0};
        if (mw_plant_path(&up->plant, "run", "http", path, sizeof path, &error) == MW_OK &&
            mw_file_read(path, 64, &port, &error) == MW_OK) {
            printf("page  http://localhost:%d/\n", atoi(port.data));
        }
        mw_buffer_free(&port);
    }
    printf("stop it with Ctrl-C\n");
    fflush(stdout);
}

static void on_stopped(void *context)
{
    struct up *up = context;
    mw_loop_stop(up->loop);
}

static bool wanted(const struct mw_plant *plant, const struct mw_role_entry *role)
{
    return strcmp(role->name, "thing") != 0 || plant->simulate.machines > 0 ||
           plant->gateway.devices.n > 0;
}

static bool is_bridge(const struct mw_role_entry *role)
{
    return strcmp(role->name, "bridge") == 0;
}

static mw_err start_share(struct up *up, const struct mw_role_entry *role, size_t share,
                          struct mw_error *error)
{
    static char config[] = "-c", option[] = "--share";
    char *const words[] = {(char *)(uintptr_t)mw_process_self(),
                           (char *)(uintptr_t)role->name,
                           config,
                           up->config,
                           option,
                           up->share_number[share]};
    mw_share_name(share, up->share_name[share]);
    snprintf(up->share_number[share], sizeof up->share_number[share], "%u", (unsigned)share % 100);
    memcpy(up->share_argv[share], words, sizeof words);
    struct mw_child_spec spec = {.name = up->share_name[share],
                                 .argv = up->share_argv[share],
                                 .output = up->options->output,
                                 .nice = role->nice};
    return mw_supervisor_add(up->supervisor, &spec, error);
}

static mw_err start_role(struct up *up, size_t i, struct mw_error *error)
{
    static char option[] = "-c";
    up->argv[i][0] = (char *)(uintptr_t)mw_process_self();
    up->argv[i][1] = (char *)(uintptr_t)mw_roles[i].name;
    up->argv[i][2] = option;
    up->argv[i][3] = up->config;
    struct mw_child_spec spec = {.name = mw_roles[i].name,
                                 .argv = up->argv[i],
                                 .output = up->options->output,
                                 .nice = mw_roles[i].nice,
                                 .apart = mw_roles[i].apart};
    mw_err err = mw_supervisor_add(up->supervisor, &spec, error);
    size_t shares = is_bridge(&mw_roles[i]) ? (size_t)up->plant.bridge.shares : 1;
    for (size_t share = 1; share < shares && err == MW_OK; share++) {
        err = start_share(up, &mw_roles[i], share, error);
    }
    return err;
}

static mw_err start_roles(struct up *up, struct mw_error *error)
{
    mw_err err = MW_OK;
    for (size_t i = 0; err == MW_OK && mw_roles[i].name != NULL; i++) {
        err = wanted(&up->plant, &mw_roles[i]) ? start_role(up, i, error) : MW_OK;
    }
    return err;
}

static bool has_own_broker(const struct mw_plant *plant)
{
    return plant->broker.url == NULL || plant->broker.url[0] == '\0';
}

/* plant.yaml with a broker and devices that the roles can use: they would end and be started for
 * ever. */
static mw_err read_plant(struct mw_plant *plant, uint64_t *devices, const char *path,
                         struct mw_error *error)
{
    mw_err err = mw_plant_read(plant, path, error);
    if (err != MW_OK) {
        return err;
    }
    err = plant->retrain.where == MW_RETRAIN_PROCESS
              ? mw_thing_check(plant, devices, error)
              : mw_error_set(error, MW_ERR_PARSE,
                             "%s: retrain.where: pipeline: nobody would run it, process was "
                             "expected; pipeline is for the operator of a cluster",
                             path);
    if (err != MW_OK) {
        mw_plant_clear(plant);
        return err;
    }
    if (has_own_broker(plant)) {
        return MW_OK;
    }
    struct mw_broker_address address;
    err = mw_plant_broker(plant, &address, error);
    if (err == MW_OK) {
        struct mw_mqtt_tls_files files = {address.ca_file, address.certificate_file,
                                          address.key_file};
        err = mw_mqtt_check_address(address.url, &files, error);
    }
    if (err != MW_OK) {
        err = mw_error_wrap(error, "%s: broker", path);
        mw_plant_clear(plant);
    }
    return err;
}

/* The page's port, before `serve` would end for want of it and be started for ever. */
static mw_err check_http(const struct mw_plant *plant, const char *path, struct mw_error *error)
{
    if (!plant->http.enabled || plant->http.port == 0) {
        return MW_OK;
    }
    mw_err err = mw_http_server_probe(plant->http.listen, (uint16_t)plant->http.port, error);
    return err == MW_OK ? MW_OK : mw_error_wrap(error, "%s: http.listen, http.port", path);
}

/* The same of what is served to firmware; `port`: that has to be free. */
static mw_err check_reference(const struct mw_plant *plant, const char *path, bool port,
                              struct mw_error *error)
{
    const char *certificate = plant->reference.certificate_file, *key = plant->reference.key_file;
    struct mw_buffer text = {0};
    if (!plant->reference.enabled || certificate[0] == '\0') {
        return MW_OK;
    }
    mw_err err = mw_file_read(certificate, 1U << 20, &text, error);
    err = err == MW_OK && key[0] != '\0' ? mw_file_read(key, 1U << 20, &text, error) : err;
    mw_buffer_free(&text);
    if (err == MW_OK && port && plant->reference.port != 0) {
        err = mw_http_server_probe(plant->reference.listen, (uint16_t)plant->reference.port, error);
    }
    return err == MW_OK ? MW_OK : mw_error_wrap(error, "%s: reference", path);
}

static bool moves_http(const struct up *up, const struct mw_plant *fresh)
{
    const struct mw_plant *plant = &up->plant;
    return !plant->http.enabled || plant->http.port != fresh->http.port ||
           strcmp(plant->http.listen, fresh->http.listen) != 0;
}

static bool moves_reference(const struct up *up, const struct mw_plant *fresh)
{
    const struct mw_plant *plant = &up->plant;
    return !plant->reference.enabled || plant->reference.certificate_file[0] == '\0' ||
           plant->reference.port != fresh->reference.port ||
           strcmp(plant->reference.listen, fresh->reference.listen) != 0;
}

/* The first section that a role reads and that changed; "" when none did. */
static void changed_section(const struct up *up, const struct mw_plant *fresh,
                            const struct mw_role_entry *role, char section[static 64])
{
    const char *at = role->sections;
    while (*at != '\0') {
        int length = (int)strcspn(at, " ");
        snprintf(section, 64, "%.*s", length, at);
        if (mw_plant_differs(&up->plant, fresh, section)) {
            return;
        }
        at += length;
        at += *at == ' ';
    }
    section[0] = '\0';
}

/* Restarts the roles that read a section that changed; the things come and go with
 * simulate.machines and gateway.devices. */
static void apply(struct up *up, const struct mw_plant *fresh, uint64_t devices)
{
    for (size_t i = 0; mw_roles[i].name != NULL; i++) {
        const struct mw_role_entry *role = &mw_roles[i];
        bool was = wanted(&up->plant, role), is = wanted(fresh, role);
        char section[64];
        changed_section(up, fresh, role, section);
        if (section[0] == '\0' && strcmp(role->name, "thing") == 0 && devices != up->devices) {
            snprintf(section, sizeof section, "gateway.devices");
        }
        if (was && is && section[0] != '\0') {
            mw_log(MW_LOG_INFO, role->name, "restarting for a changed section",
                   MW_KS("section", section));
            mw_supervisor_restart(up->supervisor, role->name);
            for (size_t k = 1; is_bridge(role) && k < (size_t)fresh->bridge.shares; k++) {
                mw_supervisor_restart(up->supervisor, up->share_name[k]);
            }
        } else if (was && !is) {
            mw_log(MW_LOG_INFO, role->name, "not wanted any more", MW_KS("section", section));
            mw_supervisor_remove(up->supervisor, role->name);
        } else if (!was && is) {
            struct mw_error error = {0};
            mw_log(MW_LOG_INFO, role->name, "wanted now", MW_KS("section", section));
            if (start_role(up, i, &error) != MW_OK) {
                mw_log(MW_LOG_ERROR, role->name, "could not start", MW_KS("reason", error.text));
            }
        }
    }
}

static void reload(struct up *up)
{
    struct mw_plant fresh;
    uint64_t devices;
    struct mw_error error = {0};
    if (read_plant(&fresh, &devices, up->config, &error) != MW_OK) {
        mw_log(MW_LOG_ERROR, NULL, "plant.yaml is not valid, the old one stays in force",
               MW_KS("reason", error.text));
        return;
    }
    if (mw_plant_differs(&up->plant, &fresh, "plant") ||
        mw_plant_differs(&up->plant, &fresh, "data") ||
        mw_plant_differs(&up->plant, &fresh, "bridge") ||
        has_own_broker(&fresh) != up->own_broker) {
        mw_log(MW_LOG_ERROR, NULL,
               "plant, data, bridge.shares, and whose the broker is change only with a new start, "
               "the old plant.yaml stays in force",
               MW_KS("file", up->config));
        mw_plant_clear(&fresh);
        return;
    }
    if ((moves_http(up, &fresh) && check_http(&fresh, up->config, &error) != MW_OK) ||
        check_reference(&fresh, up->config, moves_reference(up, &fresh), &error) != MW_OK) {
        mw_log(MW_LOG_ERROR, NULL, "plant.yaml is not valid, the old one stays in force",
               MW_KS("reason", error.text));
        mw_plant_clear(&fresh);
        return;
    }
    apply(up, &fresh, devices);
    mw_plant_clear(&up->plant);
    up->plant = fresh;
    up->devices = devices;
    mw_log_init("up", (enum mw_log_level)up->plant.log.level,
                (enum mw_log_format)up->plant.log.format);
}

static void on_signal(void *context, int signal)
{
    struct up *up = context;
    if (signal == SIGHUP) {
        reload(up);
    } else {
        mw_supervisor_stop(up->supervisor);
    }
}

static mw_err start_broker(struct up *up, struct mw_error *error)
{
    up->own_broker = has_own_broker(&up->plant);
    if (!up->own_broker) {
        return MW_OK;
    }
    char folder[PATH_MAX];
    mw_err err = mw_plant_path(&up->plant, "run", NULL, folder, sizeof folder, error);
    if (err == MW_OK) {
        err = mw_mosquitto_prepare(&up->mosquitto, folder, error);
    }
    if (err != MW_OK) {
        return err;
    }
    struct mw_broker_address address = {0};
    snprintf(address.url, sizeof address.url, "mqtt://127.0.0.1:%u", up->mosquitto.port);
    snprintf(address.username, sizeof address.username, "%s", up->mosquitto.username);
    snprintf(address.password, sizeof address.password, "%s", up->mosquitto.password);
    err = mw_plant_broker_write(&up->plant, &address, error);
    if (err != MW_OK) {
        return err;
    }
    struct mw_child_spec spec = {.name = "mosquitto",
                                 .argv = up->mosquitto.argv,
                                 .output = up->options->output,
                                 .nice = MW_NICE_ACTS,
                                 .probe = broker_accepts,
                                 .context = &up->mosquitto};
    return mw_supervisor_add(up->supervisor, &spec, error);
}

mw_err mw_up_prepare(const struct mw_plant *plant, struct mw_error *error)
{
    char path[PATH_MAX], keys[PATH_MAX], uri[PATH_MAX + 4];
    mw_err err = mw_plant_path(plant, "keys", NULL, keys, sizeof keys, error);
    if (err == MW_OK) {
        err = mw_plant_path(plant, "artifacts", NULL, path, sizeof path, error);
    }
    if (err != MW_OK) {
        return err;
    }
    snprintf(uri, sizeof uri, "oci:%s", path);
    struct mw_store *store = NULL;
    err = mw_store_open(&store, uri, true, error);
    if (err == MW_OK) {
        err = mw_trust_init(store, keys, error);
        mw_store_close(store);
    }
    return err;
}

/* The data folder's lock, store, keys and first metadata. */
static mw_err prepare_data(struct up *up, struct mw_error *error)
{
    char path[PATH_MAX];
    mw_err err = mw_plant_path(&up->plant, "run", "lock", path, sizeof path, error);
    if (err == MW_OK) {
        err = mw_process_lock(path, &up->lock, error);
        if (err == MW_ERR_BUSY) {
            err = mw_error_wrap(error, "another 'millwright up' runs on this data folder");
        }
    }
    return err == MW_OK ? mw_up_prepare(&up->plant, error) : err;
}

static mw_err run(struct up *up, struct mw_error *error)
{
    struct mw_supervisor_options options = {
        .on_ready = print_ready, .on_stopped = on_stopped, .context = up};
    int signals[] = {SIGTERM, SIGINT, SIGHUP};
    mw_err err = mw_loop_new(&up->loop, error);
    if (err == MW_OK) {
        err = mw_loop_add_signals(up->loop, signals, 3, on_signal, up, error);
    }
    if (err == MW_OK) {
        err = mw_supervisor_new(&up->supervisor, up->loop, &options, error);
    }
    if (err == MW_OK) {
        err = start_broker(up, error);
    }
    if (err == MW_OK) {
        err = start_roles(up, error);
    }
    if (err == MW_OK) {
        err = mw_loop_run(up->loop, error);
    }
    mw_supervisor_free(up->supervisor);
    mw_loop_free(up->loop);
    return err;
}

mw_err mw_up_run(const struct mw_up_options *options, struct mw_error *error)
{
    struct up up = {.options = options, .lock = -1};
    if (realpath(options->config, up.config) == NULL) {
        return mw_error_errno(error, errno == ENOENT ? MW_ERR_NOT_FOUND : MW_ERR_IO, "%s",
                              options->config);
    }
    mw_err err = read_plant(&up.plant, &up.devices, up.config, error);
    if (err != MW_OK) {
        return err;
    }
    mw_log_init("up", (enum mw_log_level)up.plant.log.level,
                (enum mw_log_format)up.plant.log.format);
    err = prepare_data(&up, error);
    if (err == MW_OK) {
        err = check_http(&up.plant, up.config, error);
    }
    if (err == MW_OK) {
        err = check_reference(&up.plant, up.config, true, error);
    }
    if (err == MW_OK) {
        err = run(&up, error);
    }
    if (up.lock >= 0) {
        close(up.lock);
    }
    mw_plant_clear(&up.plant);
    return err;
}

struct values {
    char *config;
};

static const struct mw_option table[] = {
    MW_OPTION_CONFIG(struct values),
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

static int run_command(void *values, int n, char **argv, struct mw_error *error)
{
    (void)n;
    (void)argv;
    const struct values *v = values;
    struct mw_up_options options = {.config = v->config};
    return mw_up_run(&options, error) == MW_OK ? 0 : 1;
}

const struct mw_subcommand mw_command_up = {
    .name = "up",
    .synopsis = "-c plant.yaml",
    .summary = "run a whole plant on this machine",
    .shorts = "c=config",
    .options = table,
    .values_size = sizeof(struct values),
    .run = run_command,
};
