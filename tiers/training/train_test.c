#include "tiers/training/train.h"

#include "lib/base/csv.h"
#include "lib/base/test.h"
#include "tiers/training/evaluate.h"
#include "tiers/training/random.h"

#include <jansson.h>
#include <math.h>

#define ROWS 1200
#define COLUMNS 4

static char *names[COLUMNS] = {"a", "b", "steady", "d"};
static float x[ROWS * COLUMNS];
static uint8_t label[ROWS];
static uint32_t machine[ROWS];
static struct mw_error error;

/* Twelve machines; positive where a + 2 b is large, with a margin; "steady" never changes. */
static struct mw_dataset make(void)
{
    static char *machines[12] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"};
    struct mw_random random = {31};
    for (size_t i = 0; i < ROWS; i++) {
        float *row = x + i * COLUMNS;
        do {
            row[0] = 20.0f + 4.0f * (float)mw_random_unit(&random);
            row[1] = -1.0f + 2.0f * (float)mw_random_unit(&random);
        } while (fabsf((row[0] - 22.0f) / 2.0f + 2.0f * row[1] - 1.0f) < 0.1f);
        row[2] = 42.0f;
        row[3] = 1e-4f * (float)mw_random_unit(&random);
        label[i] = (row[0] - 22.0f) / 2.0f + 2.0f * row[1] > 1.0f;
        machine[i] = (uint32_t)(i % 12);
    }
    error = (struct mw_error){0};
    return (struct mw_dataset){.rows = ROWS,
                               .columns = COLUMNS,
                               .names = names,
                               .x = x,
                               .label = label,
                               .machine = machine,
                               .machines = machines,
                               .n_machines = 12};
}

static void train(const struct mw_dataset *set, const struct mw_train_options *options,
                  struct mw_train_result *result)
{
    if (mw_train(set, options, result, &error) != MW_OK) {
        fail_msg("%s", error.text);
    }
}

static void test_separable_set(void **state)
{
    (void)state;
    static const int64_t hidden[1] = {8};
    struct mw_dataset set = make();
    for (int kind = MW_MODEL_LOGISTIC; kind <= MW_MODEL_MLP; kind++) {
        struct mw_train_options options = mw_train_defaults;
        struct mw_train_result result;
        options.kind = (enum mw_model_kind)kind;
        options.hidden = hidden;
        options.n_hidden = 1;
        train(&set, &options, &result);
        assert_true(result.labelled);
        assert_true(result.int8_validation.roc_auc > 0.995);
        assert_true(result.int8_auc_loss < 0.001 && result.int8_difference < 0.02);
        assert_int_equal(result.n_constant, 1);
        assert_int_equal(result.constant[0], 2);
        assert_int_equal(result.training + result.validation, ROWS);
        double score[ROWS], auc;
        assert_int_equal(mw_evaluate(&result.int8_model, x, ROWS, COLUMNS, score, &error), MW_OK);
        assert_int_equal(mw_metrics_roc_auc(score, label, NULL, ROWS, &auc), MW_OK);
        assert_true(auc > 0.998);
        /* Calibrated at equal priors: the bands fall on the right sides. */
        assert_true(mw_metrics_f1(score, label, NULL, ROWS, MW_BAND_IMPENDING) > 0.93);
        mw_train_result_clear(&result);
    }
}

static void test_same_seed_same_bytes(void **state)
{
    (void)state;
    struct mw_dataset set = make();
    for (int kind = MW_MODEL_LOGISTIC; kind <= MW_MODEL_AUTOENCODER; kind++) {
        struct mw_train_options options = mw_train_defaults;
        struct mw_train_result result[3];
        options.kind = (enum mw_model_kind)kind;
        options.epochs = 5;
        options.int8_auc_loss = -1.0;
        for (int k = 0; k < 3; k++) {
            options.seed = k < 2 ? 1 : 2;
            train(&set, &options, &result[k]);
        }
        assert_int_equal(result[0].int8_model.size, result[1].int8_model.size);
        assert_memory_equal(result[0].int8_model.data, result[1].int8_model.data,
                            result[0].int8_model.size);
        assert_memory_equal(result[0].float_model.data, result[1].float_model.data,
                            result[0].float_model.size);
        if (kind != MW_MODEL_LOGISTIC) {
            assert_memory_not_equal(result[0].float_model.data, result[2].float_model.data,
                                    result[0].float_model.size);
        }
        for (int k = 0; k < 3; k++) {
            mw_train_result_clear(&result[k]);
        }
    }
}

/* A record of weight 3 is three records: the same base rate, nearly the same model. */
static void test_record_weights(void **state)
{
    (void)state;
    struct mw_dataset set = make();
    double weight[ROWS], positive = 0.0, total = 0.0;
    struct mw_train_result result;
    for (size_t i = 0; i < ROWS; i++) {
        weight[i] = label[i] ? 1.0 : 3.0;
        positive += label[i] ? weight[i] : 0.0;
        total += weight[i];
    }
    set.weight = weight;
    train(&set, &mw_train_defaults, &result);
    assert_true(fabs(result.base_rate - positive / total) < 1e-12);
    assert_true(result.int8_validation.base_rate == result.base_rate);
    mw_train_result_clear(&result);
}

/* Healthy records near a plane, faults off it; without labels in training the faults still rank. */
static void test_autoencoder(void **state)
{
    (void)state;
    static float healthy[ROWS * COLUMNS];
    struct mw_random random = {41};
    struct mw_dataset set = make();
    for (size_t i = 0; i < ROWS; i++) {
        float u = (float)mw_random_unit(&random), noise = 0.05f * (float)mw_random_unit(&random);
        float *row = healthy + i * COLUMNS;
        row[0] = 10.0f * u;
        row[1] = 5.0f - 3.0f * u + noise;
        row[2] = 1.0f;
        row[3] = u + noise;
    }
    set.x = healthy;
    set.label = NULL;
    struct mw_train_options options = mw_train_defaults;
    struct mw_train_result result;
    options.kind = MW_MODEL_AUTOENCODER;
    options.epochs = 60;
    options.quantile = 0.95;
    options.int8_auc_loss = -1.0;
    train(&set, &options, &result);
    assert_false(result.labelled);
    double score[2 * ROWS], auc;
    size_t above = 0;
    assert_int_equal(mw_evaluate(&result.int8_model, healthy, ROWS, COLUMNS, score, &error), MW_OK);
    for (size_t i = 0; i < ROWS; i++) {
        above += score[i] > 0.5;
        healthy[i * COLUMNS + 1] += 2.0f; /* the fault: b no longer follows a */
    }
    assert_true(above > ROWS / 25 &&
                above < ROWS * 6 / 100); /* one in twenty, as the quantile says */
    assert_int_equal(mw_evaluate(&result.int8_model, healthy, ROWS, COLUMNS, score + ROWS, &error),
                     MW_OK);
    uint8_t fault[2 * ROWS] = {0};
    memset(fault + ROWS, 1, ROWS);
    assert_int_equal(mw_metrics_roc_auc(score, fault, NULL, 2 * ROWS, &auc), MW_OK);
    assert_true(auc > 0.95);
    mw_train_result_clear(&result);
}

static void test_refusals(void **state)
{
    (void)state;
    static const int64_t zero[1] = {0};
    struct mw_dataset set = make();
    struct mw_train_options options = mw_train_defaults;
    struct mw_train_result result;
    set.label = NULL;
    assert_int_equal(mw_train(&set, &options, &result, &error), MW_ERR_ARGUMENT);
    assert_non_null(strstr(error.text, "needs a label"));
    set = make();
    options.kind = MW_MODEL_MLP;
    options.hidden = zero;
    options.n_hidden = 1;
    assert_int_equal(mw_train(&set, &options, &result, &error), MW_ERR_RANGE);
    options = mw_train_defaults;
    memset(label, 0, sizeof label);
    assert_int_equal(mw_train(&set, &options, &result, &error), MW_ERR_RANGE);
    assert_non_null(strstr(error.text, "all negative"));
    options.kind = MW_MODEL_AUTOENCODER;
    options.quantile = 1.0;
    assert_int_equal(mw_train(&set, &options, &result, &error), MW_ERR_RANGE);
}

/* The gate says no, and leaves the figures for the report. */
static void test_gate(void **state)
{
    (void)state;
    struct mw_dataset set = make();
    struct mw_random random = {51};
    for (size_t i = 0; i < ROWS; i++) {
        label[i] = label[i] != (mw_random_unit(&random) < 0.2); /* noise: int8 must lose a little */
    }
    struct mw_train_options options = mw_train_defaults;
    struct mw_train_result result;
    options.int8_auc_loss = -1.0;
    train(&set, &options, &result);
    double loss = result.int8_auc_loss;
    mw_train_result_clear(&result);
    if (loss <= 0.0) {
        print_message("int8 lost nothing on this set; no gate to test\n");
        skip();
    }
    options.int8_auc_loss = loss / 2.0;
    assert_int_equal(mw_train(&set, &options, &result, &error), MW_ERR_DENIED);
    assert_non_null(strstr(error.text, "loses"));
    assert_true(result.int8_auc_loss == loss);
    mw_train_result_clear(&result);
}

static void test_json(void **state)
{
    (void)state;
    struct mw_dataset set = make();
    struct mw_train_result result;
    struct mw_buffer text = {0};
    train(&set, &mw_train_defaults, &result);
    assert_int_equal(mw_train_print_json(&result, &text), MW_OK);
    json_t *json = json_loadb(text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "kind")), "logistic");
    assert_int_equal(json_array_size(json_object_get(json, "features")), COLUMNS);
    json_t *int8 = json_object_get(json_object_get(json, "validation"), "int8");
    assert_true(fabs(json_number_value(json_object_get(int8, "roc_auc")) -
                     result.int8_validation.roc_auc) < 1e-8);
    /* Records without a time tell of no alarms a day. */
    assert_true(json_is_null(json_object_get(int8, "alarms_per_machine_day")));
    assert_true(json_is_null(json_object_get(int8, "lead_time_median_s")));
    json_t *constant = json_object_get(json, "constant_features");
    assert_string_equal(json_string_value(json_array_get(constant, 0)), "steady");
    json_decref(json);
    mw_buffer_free(&text);
    mw_train_result_clear(&result);
}

/* The turbofan recording: engines 1 to 70 teach, 71 to 100 judge. */
struct engines {
    struct mw_dataset set;
    char name[24][8], *names[24];
};

static void read_engines(const char *path, struct engines *e, uint32_t first, uint32_t last)
{
    struct mw_csv *csv;
    struct mw_csv_format format = {.delimiter = ' ', .decimal = '.', .header = false};
    size_t from = 0;
    *e =
        (struct engines){.set = {.columns = 24, .names = e->names, .n_machines = last - first + 1}};
    assert_int_equal(mw_csv_open(&csv, path, format, &error), MW_OK);
    e->set.x = calloc(21000 * 24, sizeof *e->set.x);
    e->set.label = calloc(21000, 1);
    e->set.machine = calloc(21000, sizeof *e->set.machine);
    while (mw_csv_next(csv, &error) == MW_OK) {
        double unit, value;
        assert_int_equal(mw_csv_number(csv, 0, &unit, &error), MW_OK);
        if (unit < first || unit > last) {
            continue;
        }
        struct mw_dataset *set = &e->set;
        for (size_t j = 0; j < 24; j++) {
            assert_int_equal(mw_csv_number(csv, j + 2, &value, &error), MW_OK);
            set->x[set->rows * 24 + j] = (float)value;
            (void)snprintf(e->name[j], sizeof e->name[j], "s%zu", j);
            e->names[j] = e->name[j];
        }
        set->machine[set->rows++] = (uint32_t)unit - first;
    }
    for (size_t i = 1; i <= e->set.rows; i++) { /* the last 31 records of each engine */
        if (i == e->set.rows || e->set.machine[i] != e->set.machine[i - 1]) {
            from = i > 31 ? i - 31 : 0;
            memset(e->set.label + from, 1, i - from);
        }
    }
    mw_csv_close(csv);
}

static void clear_engines(struct engines *e)
{
    free(e->set.x);
    free(e->set.label);
    free(e->set.machine);
}

static void test_turbofan(void **state)
{
    (void)state;
    static struct engines teach, judge;
    char path[512];
    const char *data = getenv("MILLWRIGHT_DATA");
    (void)snprintf(path, sizeof path, "%s/cmapss/train_FD001.txt",
                   data != NULL ? data : MW_SOURCE_DIR "/../shared/data");
    if (access(path, R_OK) != 0) {
        print_message("skipped: no %s (set MILLWRIGHT_DATA)\n", path);
        skip();
    }
    read_engines(path, &teach, 1, 70);
    read_engines(path, &judge, 71, 100);
    struct mw_train_result result;
    train(&teach.set, &mw_train_defaults, &result);
    double *score = calloc(judge.set.rows, sizeof *score), auc, ap;
    assert_int_equal(
        mw_evaluate(&result.int8_model, judge.set.x, judge.set.rows, 24, score, &error), MW_OK);
    assert_int_equal(mw_metrics_roc_auc(score, judge.set.label, NULL, judge.set.rows, &auc), MW_OK);
    assert_int_equal(
        mw_metrics_average_precision(score, judge.set.label, NULL, judge.set.rows, &ap), MW_OK);
    print_message("turbofan, int8: ROC AUC %.4f, average precision %.4f\n", auc, ap);
    assert_true(auc >= 0.988 && ap >= 0.943);
    free(score);
    clear_engines(&teach);
    clear_engines(&judge);
    mw_train_result_clear(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_separable_set),  cmocka_unit_test(test_same_seed_same_bytes),
        cmocka_unit_test(test_record_weights), cmocka_unit_test(test_autoencoder),
        cmocka_unit_test(test_refusals),       cmocka_unit_test(test_gate),
        cmocka_unit_test(test_json),           cmocka_unit_test(test_turbofan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
