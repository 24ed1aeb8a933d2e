/* bundle.h - a model with all that is needed to run, watch and trust it.
 *
 * An OCI manifest of artifactType application/vnd.millwright.bundle.v1: its config is the bundle's
 * manifest (JSON, below), its layers are model.int8.tflite, model.float32.tflite, golden.bin and
 * report.json. The digest of the OCI manifest is the bundle's digest.
 *
 * bundle.json: {"v":1,"kind","features":[names],"base_rate","horizon_us","seed","dataset","code",
 *   "parent","created","machine"?,"reference":{"mean":[],"std":[]},"baselines":[baseline.h]?,
 *   "edges":{"features":[[15]..],"score":[15]},"sketch":{"features":[[17]..],"score":[17]},
 *   "gates":{name:"text"},"metrics":{...},"int8_auc_loss"}
 *
 * golden.bin: "MWG1", uint32 count, uint32 features; then per vector float32 inputs and float32
 * score, little-endian. The built-in engine must reproduce every score exactly before a bundle may
 * serve. */
#ifndef MW_ARTIFACT_BUNDLE_H
#define MW_ARTIFACT_BUNDLE_H

#include "core/drift/sketch.h"
#include "core/model/model.h"
#include "lib/artifact/baseline.h"
#include "lib/artifact/store.h"

#include <jansson.h>

#define MW_BUNDLE_TYPE "application/vnd.millwright.bundle.v1"
#define MW_BUNDLE_FEATURES_MAX 128

struct mw_bundle {
    char digest[MW_DIGEST_TEXT]; /* of the OCI manifest; empty until stored */
    char *kind;                  /* "logistic", "mlp", "autoencoder" */
    size_t n_features;
    char **features;  /* names, in the model's order */
    double base_rate; /* share of positives in training, weighted; 0 for an autoencoder */
    int64_t horizon;  /* microseconds; 0 when it has none */
    int64_t seed, created;
    char *dataset; /* digest of the training data */
    char *code;    /* version of the program that made it */
    char *parent;  /* digest of the bundle it replaces, or NULL */
    char *machine; /* the machine it is for (model.scope: machine), or NULL */
    double int8_auc_loss;
    float *reference_mean, *reference_std; /* n_features: what baselines map onto */
    struct mw_baseline_list baselines;     /* taken anew since the plant moved; mostly empty */
    struct mw_sketch_edges *edges;         /* n_features */
    struct mw_sketch *sketch;              /* n_features: the reference data in those bins */
    struct mw_sketch_edges score_edges;
    struct mw_sketch score_sketch;
    char *gates_json, *metrics_json;                  /* JSON texts of objects; may be NULL */
    struct mw_buffer int8_model, float_model, golden; /* the layers' bytes */
};

/* Stores all parts and the manifest; sets bundle->digest and *length (of the OCI manifest). */
mw_err mw_bundle_put(struct mw_store *store, struct mw_bundle *bundle, uint64_t *length,
                     struct mw_error *error);
/* Reads a bundle by digest; every part is checked against its hash and its own format. */
mw_err mw_bundle_get(struct mw_store *store, const char *digest, struct mw_bundle *bundle,
                     struct mw_error *error);
/* The same from parts in memory, as a device received them. `manifest` is the OCI manifest. `blob`
 * gives the bytes of a digest (borrowed) or NOT_FOUND. A device may leave float_model out. */
typedef mw_err mw_bundle_blob_fn(void *context, const char *digest, struct mw_span *bytes);
mw_err mw_bundle_read(struct mw_span manifest, mw_bundle_blob_fn *blob, void *context,
                      struct mw_bundle *bundle, struct mw_error *error);
void mw_bundle_clear(struct mw_bundle *bundle);

/* bundle.json alone, both ways: what pipeline steps pass on as files. */
/* Printing appends; ARGUMENT when a part is missing, not finite or not UTF-8. Parsing overwrites
 * *bundle whole (no layers) and leaves it empty on an error: PARSE, VERSION, TOO_LARGE, MEMORY. */
mw_err mw_bundle_print_json(const struct mw_bundle *bundle, struct mw_buffer *json);
mw_err mw_bundle_parse_json(struct mw_span json, struct mw_bundle *bundle, struct mw_error *error);

/* A model ready to run: what scorers, things and gates share. */
struct mw_runner {
    struct mw_bundle bundle; /* owned */
    struct mw_model *model;
    void *memory;
};
/* Takes the bundle, builds its int8 model, checks inputs against features and reproduces the golden
 * vectors bit for bit. Errors name what differed. On an error the bundle is cleared. */
mw_err mw_runner_init(struct mw_runner *runner, struct mw_bundle *bundle, struct mw_error *error);
void mw_runner_clear(struct mw_runner *runner);

/* Reads a baseline record,
 * {"v":1,"machine":..,"count":200,"since":T,"features":{"current_rms":[mean,std],...}}, for the
 * features of this bundle; since may be missing. A feature that the record lacks gets the
 * reference's own mean and deviation (identity). Overwrites *baseline; free with
 * mw_baseline_clear. PARSE, VERSION, MEMORY. */
mw_err mw_baseline_parse(struct mw_baseline *baseline, const struct mw_bundle *bundle,
                         struct mw_span json, struct mw_error *error);
/* Reads what mw_baseline_list_print printed, a JSON array of at most 65,536 entries of n features.
 * Overwrites *list and leaves it empty on an error: PARSE, MEMORY. */
mw_err mw_baseline_list_parse(struct mw_baseline_list *list, size_t n, const json_t *json,
                              struct mw_error *error);

/* Writes x' = (x - mean_m) * std_ref / std_m + mean_ref to `mapped` (n_features), which may be x; x
 * itself when baseline is NULL. Where std_m is 0 the machine's value never moved: x' = x - mean_m +
 * mean_ref. */
void mw_runner_map(const struct mw_runner *runner, const struct mw_baseline *baseline,
                   const float *x, float *mapped);
/* The score of mapped features, in [0,1]. */
float mw_runner_score(struct mw_runner *runner, const float *mapped);

#endif
