/* pipeline_variables.c - the pipeline's own steps, and the variables that they name. */
#include "tiers/training/pipeline.h"

#include "lib/base/file.h"

#include <stdlib.h>
#include <string.h>

/* One row a variable, in the order of the enum. */
static const char *const names[MW_PIPELINE_VARIABLES] = {
    [MW_PIPELINE_PLANT] = "plant",                 /* path of plant.yaml */
    [MW_PIPELINE_WORK] = "work",                   /* this run's folder */
    [MW_PIPELINE_SINCE] = "since",                 /* judge by the records from then on */
    [MW_PIPELINE_HEALTHY_SINCE] = "healthy_since", /* for an autoencoder: learn from them alone */
    [MW_PIPELINE_MACHINE] = "machine",             /* only this machine */
    [MW_PIPELINE_CAUSE] = "cause",                 /* first, drift, schedule, manual */
    [MW_PIPELINE_PARENT] = "parent",               /* folder of the bundle in use */
    [MW_PIPELINE_PARENT_DIGEST] = "parent_digest", /* its digest */
    [MW_PIPELINE_HEALTHY] = "healthy",             /* --healthy for an autoencoder */
    [MW_PIPELINE_KIND] = "kind",                   /* the rest: as plant.yaml has it */
    [MW_PIPELINE_HIDDEN] = "hidden",
    [MW_PIPELINE_SEED] = "seed",
    [MW_PIPELINE_QUANTILE] = "quantile",
    [MW_PIPELINE_INT8_AUC_LOSS] = "int8_auc_loss",
};

const char mw_pipeline_default[] =
    "# From records to a published model. Every step is a subcommand of millwright on files in "
    "the\n"
    "# work folder; its standard output goes to <name>.json there. An argument whose variable is\n"
    "# empty is left out. 'parent' is the folder of the model in use, empty at first.\n"
    "steps:\n"
    "  - name: extract\n"
    "    run: [extract, --config, \"${plant}\", --out, \"${work}/dataset.csv\",\n"
    "          \"--fresh=${since}\", \"--since=${healthy_since}\", \"--machine=${machine}\",\n"
    "          \"${healthy}\", \"--reference=${parent}/bundle.json\", "
    "\"--in-use=${parent}/records.csv\",\n"
    "          --json]\n"
    "\n"
    "  - name: drift                 # for the record: how far the data is from the model in use\n"
    "    needs: [extract]\n"
    "    when: parent\n"
    "    accept: [0, 3]\n"
    "    run: [drift, --bundle, \"${parent}/bundle.json\", --current, "
    "\"${parent}/records.csv\",\n"
    "          --weight, weight, --json]\n"
    "\n"
    "  - name: train\n"
    "    needs: [extract, drift]\n"
    "    accelerator: cpu\n"
    "    run: [train, --data, \"${work}/dataset.csv\", --label, label, --weight, weight,\n"
    "          --machine, machine, --time, time, --split, split, --kind, \"${kind}\",\n"
    "          \"--hidden=${hidden}\", --seed, \"${seed}\", --quantile, \"${quantile}\",\n"
    "          --int8-auc-loss=-1, --out-float, \"${work}/model.float32.tflite\",\n"
    "          --out-network, \"${work}/network.json\", --json]\n"
    "\n"
    "  - name: quantize\n"
    "    needs: [train]\n"
    "    run: [quantize, --network, \"${work}/network.json\", --data, \"${work}/dataset.csv\",\n"
    "          --max-auc-loss, \"${int8_auc_loss}\", --out, \"${work}/model.int8.tflite\", "
    "--json]\n"
    "\n"
    "  - name: validate              # golden vectors, int8, and better than the model in use\n"
    "    needs: [quantize]\n"
    "    run: [validate, --config, \"${plant}\", --data, \"${work}/dataset.csv\",\n"
    "          --model, \"${work}/model.int8.tflite\", --float, \"${work}/model.float32.tflite\",\n"
    "          --train, \"${work}/train.json\", --extract, \"${work}/extract.json\",\n"
    "          \"--parent=${parent}\", \"--in-use=${parent}/records.csv\",\n"
    "          \"--parent-digest=${parent_digest}\",\n"
    "          \"--machine=${machine}\", --out, \"${work}/bundle\", --json]\n"
    "\n"
    "  - name: sign\n"
    "    needs: [validate]\n"
    "    run: [sign, --config, \"${plant}\", --bundle, \"${work}/bundle\", --json]\n"
    "\n"
    "  - name: publish\n"
    "    needs: [sign]\n"
    "    run: [publish, --config, \"${plant}\", --bundle, \"${work}/sign.json\",\n"
    "          --cause, \"${cause}\", --metrics, \"${work}/bundle/report.json\",\n"
    "          \"--machine=${machine}\", --json]\n";

int mw_pipeline_find_variable(struct mw_span name)
{
    for (int i = 0; i < MW_PIPELINE_VARIABLES; i++) {
        if (mw_span_is(name, names[i])) {
            return i;
        }
    }
    return -1;
}

const char *mw_pipeline_variable_name(enum mw_pipeline_variable variable)
{
    return names[variable];
}

mw_err mw_pipeline_expand(const char *argument, char *const values[MW_PIPELINE_VARIABLES],
                          char **text, struct mw_error *error)
{
    struct mw_buffer out = {0};
    bool empty = false;
    *text = NULL;
    mw_err err = mw_buffer_add(&out, "", 0);
    while (err == MW_OK && *argument != '\0') {
        const char *start = strstr(argument, "${");
        size_t plain = start == NULL ? strlen(argument) : (size_t)(start - argument);
        err = mw_buffer_add(&out, argument, plain);
        argument += plain;
        if (err != MW_OK || start == NULL) {
            continue;
        }
        const char *end = strchr(start, '}');
        if (end == NULL) {
            err = mw_error_set(error, MW_ERR_PARSE, "%s: no closing brace", start);
            continue;
        }
        struct mw_span name = {start + 2, (size_t)(end - start) - 2};
        int variable = mw_pipeline_find_variable(name);
        if (variable < 0) {
            err = mw_error_set(error, MW_ERR_NOT_FOUND, "${%.*s} is no variable", (int)name.size,
                               name.data);
            continue;
        }
        const char *value = values[variable] == NULL ? "" : values[variable];
        empty = empty || value[0] == '\0';
        err = mw_buffer_add(&out, value, strlen(value));
        argument = end + 1;
    }
    if (err == MW_ERR_MEMORY) {
        (void)mw_error_set(error, err, "out of memory");
    }
    if (err != MW_OK || empty) {
        mw_buffer_free(&out);
        return err;
    }
    *text = out.data;
    return MW_OK;
}
