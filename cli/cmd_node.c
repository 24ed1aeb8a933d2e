#include "cli/command.h"
#include "lib/base/log.h"
#include "tiers/platform/node.h"

struct values {
    struct mw_node_options node;
    int log_level, log_format;
    bool list, json;
};

#define AT(field) offsetof(struct values, field)

static const struct mw_option options[] = {
    {"sysfs-root", MW_OPTION_STRING, NULL, 0, 0, "/", NULL,
     "folder with sys, dev and proc of the machine to look at", AT(node.sysfs_root)},
    {"accelerators", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "YAML file with further accelerators (docs/accelerators.md)", AT(node.accelerators)},
    {"list", MW_OPTION_BOOL, NULL, 0, 0, "false", NULL, "print what is found, and end", AT(list)},
    {"json", MW_OPTION_BOOL, NULL, 0, 0, "false", NULL, "print it as JSON", AT(json)},
    {"host-root", MW_OPTION_STRING, NULL, 0, 0, "/", NULL,
     "what the kubelet has to put before dev/... to find a device node", AT(node.host_root)},
    {"kubelet", MW_OPTION_STRING, NULL, 0, 0, "/var/lib/kubelet/device-plugins", NULL,
     "folder of the kubelet's socket and the device plugins'", AT(node.kubelet)},
    {"cdi", MW_OPTION_STRING, NULL, 0, 0, "/var/run/cdi", NULL, "folder for CDI files; empty: none",
     AT(node.cdi)},
    {"node-name", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "node of the cluster to label with what is found; empty: none", AT(node.node_name)},
    {"service-account", MW_OPTION_STRING, NULL, 0, 0,
     "/var/run/secrets/kubernetes.io/serviceaccount", NULL,
     "folder with token and ca.crt of who may label it", AT(node.account)},
    {"interval", MW_OPTION_DURATION, NULL, 1e4, 6e8, "1s", NULL, "between two looks",
     AT(node.interval)},
    {"patience", MW_OPTION_DURATION, NULL, 1e5, 6e8, "10s", NULL,
     "a look that takes longer makes all devices unhealthy", AT(node.patience)},
    {"forget", MW_OPTION_DURATION, NULL, 0, 8.64e10, "1m", NULL,
     "after which a device that has gone is not counted as an unhealthy one any more",
     AT(node.forget)},
    {"log-level", MW_OPTION_ENUM, "debug|info|warn|error", 0, 0, "info", NULL,
     "least important message that is written", AT(log_level)},
    {"log", MW_OPTION_ENUM, "text|json", 0, 0, "text", NULL, "form of the log", AT(log_format)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

static int run(void *data, int n, char **argv, struct mw_error *error)
{
    const struct values *values = data;
    (void)n;
    (void)argv;
    if (values->list || values->json) {
        return mw_error_exit_status(mw_node_list(&values->node, values->json, error));
    }
    mw_log_init("node", (enum mw_log_level)values->log_level,
                (enum mw_log_format)values->log_format);
    return mw_error_exit_status(mw_node_run(&values->node, error));
}

const struct mw_subcommand mw_command_node = {
    .name = "node",
    .synopsis = "[--list [--json]] [--sysfs-root DIR]",
    .summary = "role: find the accelerators of a Kubernetes node and serve them to its kubelet",
    .options = options,
    .values_size = sizeof(struct values),
    .run = run,
};
