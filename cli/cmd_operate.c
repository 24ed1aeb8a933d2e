#include "cli/command.h"
#include "cli/roles.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/kube/yaml.h"
#include "tiers/platform/operate.h"
#include "tiers/platform/operate_schema.h"
#include "tiers/training/pipeline_export.h"

#include <stdio.h>
#include <string.h>

enum { ROLES_MOST = 16 };

struct values {
    char *kubeconfig, *space, *image, *lease;
    int64_t lease_duration;
    bool crds;
    int level, format;
};

static const struct mw_option options[] = {
    {"kubeconfig", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "file that says where the API server is; empty: this pod's own service account",
     offsetof(struct values, kubeconfig)},
    {"namespace", MW_OPTION_STRING, NULL, 0, 0, "", NULL, "namespace to look after; empty: all",
     offsetof(struct values, space)},
    {"image", MW_OPTION_STRING, NULL, 0, 0, "millwright", NULL,
     "image of the roles of Plants that name none", offsetof(struct values, image)},
    {"lease", MW_OPTION_STRING, NULL, 0, 0, "millwright-operator", NULL,
     "name of the Lease by which one of several operators acts; empty: no election",
     offsetof(struct values, lease)},
    {"lease-duration", MW_OPTION_DURATION, NULL, 3e6, 3600e6, "15s", NULL,
     "after which another one may take the Lease", offsetof(struct values, lease_duration)},
    {"crds", MW_OPTION_BOOL, NULL, 0, 0, "false", NULL,
     "print the CustomResourceDefinitions and end", offsetof(struct values, crds)},
    {"log-level", MW_OPTION_ENUM, "debug|info|warn|error", 0, 0, "info", NULL,
     "least important message that is written", offsetof(struct values, level)},
    {"log-format", MW_OPTION_ENUM, "text|json", 0, 0, "text", NULL, "form of the log",
     offsetof(struct values, format)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

static mw_err print_crds(struct mw_error *error)
{
    json_t *crds = mw_operate_schema_crds();
    struct mw_buffer text = {0};
    size_t index;
    json_t *crd;
    mw_err err = crds == NULL ? MW_ERR_MEMORY : MW_OK;
    json_array_foreach(crds, index, crd)
    {
        err = err == MW_OK ? mw_buffer_printf(&text, "---\n") : err;
        err = err == MW_OK ? mw_kube_yaml_print(crd, &text) : err;
    }
    if (err == MW_OK) {
        fwrite(text.data, 1, text.size, stdout);
    }
    mw_buffer_free(&text);
    json_decref(crds);
    return err == MW_OK ? MW_OK : mw_error_set(error, err, "out of memory");
}

/* The built-in pipeline. */
static mw_err export(const struct mw_operate_export *with, char **text, struct mw_error *error)
{
    struct mw_pipeline pipeline = {0};
    char claim[80];
    const struct mw_operate_run *run = with->run;
    snprintf(claim, sizeof claim, "%s-data", with->name);
    const struct mw_pipeline_export_options how = {.plant = with->plant,
                                                   .name = with->name,
                                                   .image = with->image,
                                                   .claim = claim,
                                                   .config = with->name,
                                                   .service_account = with->service_account,
                                                   .cause = run->cause,
                                                   .since = run->since,
                                                   .machine = run->machine,
                                                   .run = run->name};
    mw_err err = mw_pipeline_read(&pipeline, NULL, error);
    if (err == MW_OK) {
        err = (with->argo ? mw_pipeline_export_argo : mw_pipeline_export_jobs)(&pipeline, &how,
                                                                               text, error);
    }
    mw_pipeline_clear(&pipeline);
    return err;
}

static int run(void *values, int n, char **argv, struct mw_error *error)
{
    const struct values *v = values;
    struct mw_operate_role roles[ROLES_MOST] = {{NULL, NULL}};
    (void)n;
    (void)argv;
    if (v->crds) {
        return print_crds(error) == MW_OK ? 0 : 1;
    }
    for (size_t i = 0; mw_roles[i].name != NULL && i + 1 < ROLES_MOST; i++) {
        roles[i] = (struct mw_operate_role){mw_roles[i].name, mw_roles[i].sections};
    }
    mw_log_init("operate", (enum mw_log_level)v->level, (enum mw_log_format)v->format);
    struct mw_operate_options run = {.kubeconfig = v->kubeconfig,
                                     .space = v->space,
                                     .image = v->image,
                                     .lease = v->lease,
                                     .lease_duration = v->lease_duration,
                                     .roles = roles,
                                     .export = export};
    return mw_operate_run(&run, error) == MW_OK ? 0 : 1;
}

const struct mw_subcommand mw_command_operate = {
    .name = "operate",
    .synopsis = "[--kubeconfig FILE] [--namespace NAME] [--image IMAGE] | --crds",
    .summary = "role: turn Plant resources of Kubernetes into running plants",
    .options = options,
    .values_size = sizeof(struct values),
    .run = run,
};
