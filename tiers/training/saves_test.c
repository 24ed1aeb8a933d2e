/* saves_test.c - ten failures in a row are prevented, and the model that learns from those days
 * still predicts them.
 *
 * Machines have two faults. Feature b shows one that nobody acts upon: it ends in a failure.
 * Feature a shows one on which the model stops the machine every time; an inspection finds the
 * fault, a repair follows, and no such failure ever happens. Who labels by failures alone learns
 * from this that a says nothing. */
#include "tiers/training/evaluate.h"
#include "tiers/training/extract.h"
#include "tiers/training/metrics.h"
#include "tiers/training/train.h"
#include "tiers/training/training_test_plant.h"

#define SAVES 10
#define GROWTH 20  /* records from a fault's start to its end */
#define HEALTHY 60 /* records before it */
#define STEP 10    /* seconds between records */
#define LATER 2000 /* records of the days after */

/* One life of a machine: healthy, then a fault that grows in a or b, then its end at the returned
 * time. */
static double live(struct test_plant *test, const char *machine, double time, bool in_a)
{
    for (int i = 0; i < HEALTHY + GROWTH; i++, time += STEP) {
        double growth = i < HEALTHY ? 0 : 4.0 * (i - HEALTHY + 1) / GROWTH;
        double a = test_plant_normal(test) + (in_a ? growth : 0);
        double b = test_plant_normal(test) + (in_a ? 0 : growth);
        test_plant_record(test, machine, time, 1, a, b, "");
    }
    return time;
}

enum days {
    SAVED,      /* stopped, found faulty, repaired */
    SAVED_MUTE, /* the same, and nobody told of it: as if nothing had been */
    BROKEN      /* nobody stopped it: a failure like those in b */
};

static void write_days(struct test_plant *test, enum days days)
{
    for (int i = 0; i < SAVES; i++) {
        char machine[16];
        double start = i * 3000;
        snprintf(machine, sizeof machine, "motor-%d", i);
        double end = live(test, machine, start, true);
        if (days == SAVED) {
            test_plant_stop(test, machine, end);
            test_plant_event(test, machine, "inspection", "fault", end + 300);
            test_plant_event(test, machine, "repair", NULL, end + 400);
        } else if (days == BROKEN) {
            test_plant_event(test, machine, "failure", NULL, end);
            test_plant_event(test, machine, "repair", NULL, end + 400);
        }
        end = live(test, machine, end + 500, false);
        test_plant_event(test, machine, "failure", NULL, end);
        test_plant_event(test, machine, "repair", NULL, end + 100);
        for (int k = 0; k < HEALTHY; k++) {
            test_plant_record(test, machine, end + 110 + k * STEP, 1, test_plant_normal(test),
                              test_plant_normal(test), "");
        }
    }
    test_plant_commit(test);
}

/* ROC AUC of a model at telling later faults in a from health. */
static double judge(struct test_plant *test, const struct mw_buffer *model)
{
    static float x[LATER][2];
    static uint8_t label[LATER];
    static double score[LATER];
    double auc = NAN;
    for (int i = 0; i < LATER; i++) {
        label[i] = i % 4 == 0;
        double growth = label[i] ? 4 * test_plant_uniform(test) : 0;
        x[i][0] = (float)(test_plant_normal(test) + growth);
        x[i][1] = (float)test_plant_normal(test);
    }
    assert_ok(mw_evaluate(model, x[0], LATER, 2, score, error));
    assert_int_equal(mw_metrics_roc_auc(score, label, NULL, LATER, &auc), MW_OK);
    return auc;
}

/* Extracts, retrains and judges. */
static double retrain(enum days days)
{
    static struct mw_extract_result extracted; /* large */
    struct test_plant test;
    struct mw_dataset set;
    struct mw_train_result trained;
    struct mw_train_options with = mw_train_defaults;
    const struct mw_dataset_columns columns = {.label = "label",
                                               .weight = "weight",
                                               .machine = "machine",
                                               .time = "time",
                                               .split = "split"};
    test_plant_open(&test, "model:\n  horizon: 200s\n");
    write_days(&test, days);
    struct mw_extract_options options = {.since = INT64_MIN, .fresh = INT64_MIN};
    options.out = test_plant_path(&test, "out.csv");
    assert_ok(mw_extract(&test.plant, &options, &extracted, error));
    assert_ok(mw_dataset_read(&set, options.out, &columns, error));
    assert_ok(mw_train(&set, &with, &trained, error));
    size_t faults = days == SAVED_MUTE ? SAVES : 2 * SAVES; /* every save adds its own positives */
    assert_in_range(extracted.positives, faults * GROWTH, faults * (GROWTH + 1));
    double auc = judge(&test, &trained.int8_model);
    mw_train_result_clear(&trained);
    mw_dataset_clear(&set);
    test_plant_close(&test);
    return auc;
}

static void test_ten_saves_in_a_row_are_not_unlearned(void **state)
{
    (void)state;
    double saved = retrain(SAVED), broken = retrain(BROKEN), mute = retrain(SAVED_MUTE);
    print_message("ROC AUC on later faults: %.4f after ten saves, %.4f after ten failures, %.4f "
                  "by labels from failures alone\n",
                  saved, broken, mute);
    assert_true(saved > 0.75);
    assert_true(saved > broken - 0.01); /* as good as if they had really happened */
    assert_true(mute < 0.55);           /* it has learned that a says nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ten_saves_in_a_row_are_not_unlearned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
