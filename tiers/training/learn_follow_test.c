/* What a learner that starts anew makes of the stream that the one before has left. */
#include "tiers/training/learn_internal.h"

#include "lib/base/log.h"
#include "lib/base/test.h"

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

struct scene {
    struct mw_plant plant;
    struct mw_learn learn;
};

static int set_up(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    if (s == NULL || mw_plant_read(&s->plant, NULL, NULL) != MW_OK ||
        mw_facts_new(&s->learn.facts, NULL) != MW_OK ||
        mw_own_models_new(&s->learn.own, &s->plant, s->learn.facts, NULL) != MW_OK ||
        mw_commission_new(&s->learn.commission, &s->plant, NULL) != MW_OK) {
        return -1;
    }
    size_t size = mw_wire_parser_size(256);
    s->learn.parser_memory = malloc(size);
    if (s->learn.parser_memory == NULL ||
        mw_wire_parser_init(s->learn.parser_memory, size, &s->learn.parser) != MW_OK) {
        return -1;
    }
    s->plant.retrain.minimum_records = 100;
    s->plant.retrain.minimum_positives = 10;
    s->plant.retrain.attempts_gap = 20;
    s->learn.plant = &s->plant;
    s->learn.newest = 77;
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;
    mw_own_models_free(s->learn.own);
    mw_facts_free(s->learn.facts);
    mw_commission_free(s->learn.commission);
    free(s->learn.parser_memory);
    free(s->learn.request);
    mw_plant_clear(&s->plant);
    free(s);
    return 0;
}

static void take(struct scene *s, const char *topic, const char *value)
{
    struct mw_stream_record record = {.topic = topic, .value = mw_span_of(value)};
    assert_int_equal(mw_learn_take(&s->learn, &record, NULL), MW_OK);
}

static enum mw_policy_cause decide(const struct scene *s, uint64_t labelled)
{
    return mw_policy_decide(&s->learn.policy, &s->plant, (struct mw_policy_counts){labelled, 10});
}

static void test_a_refusal_is_remembered(void **state)
{
    struct scene *s = *state;
    take(s, "model", "{\"v\":1,\"started\":true,\"records\":110,\"positives\":10}");
    take(s, "model", "{\"v\":1,\"refused\":\"chance\",\"records\":110,\"positives\":10}");
    assert_int_equal(decide(s, 129), MW_POLICY_NOTHING);
    assert_int_equal(decide(s, 130), MW_POLICY_FIRST);
}

static void test_a_training_that_died_is_begun_again(void **state)
{
    struct scene *s = *state;
    take(s, "model", "{\"v\":1,\"started\":true,\"records\":110,\"positives\":10}");
    assert_int_equal(decide(s, 110), MW_POLICY_FIRST);
}

static void test_a_request_is_met_once(void **state)
{
    struct scene *s = *state;
    static const char request[] = "{\"v\":1,\"command\":\"train-model\",\"payload\":\"x.csv\","
                                  "\"time\":1795431600.25}";
    take(s, "model", "{\"v\":1,\"bundle\":\"" A "\",\"cause\":\"first\"}");
    take(s, "request", "[]");
    assert_int_equal(decide(s, 20), MW_POLICY_NOTHING);
    take(s, "request", request);
    assert_int_equal(decide(s, 19), MW_POLICY_NOTHING);
    assert_int_equal(decide(s, 20), MW_POLICY_ASKED);
    assert_non_null(strstr(s->learn.request, "x.csv"));
    /* Begun before that, or died: it is still asked for. */
    take(s, "model", "{\"v\":1,\"started\":true,\"time\":1795431600.0,\"records\":20}");
    take(s, "model", "{\"v\":1,\"bundle\":\"" B "\",\"cause\":\"schedule\"}");
    assert_int_equal(decide(s, 20), MW_POLICY_ASKED);
    take(s, "model", "{\"v\":1,\"started\":true,\"time\":1795431600.5,\"records\":20}");
    assert_int_equal(decide(s, 20), MW_POLICY_ASKED);
    take(s, "model", "{\"v\":1,\"bundle\":\"" A "\",\"cause\":\"asked\"}");
    assert_int_equal(decide(s, 1000), MW_POLICY_NOTHING);
    take(s, "request", request); /* as a learner that starts anew reads it */
    assert_int_equal(decide(s, 1000), MW_POLICY_NOTHING);
}

/* What a model has published may be read before its child is seen to end, or after. */
static void test_a_published_model_ends_the_waiting(void **state)
{
    struct scene *s = *state;
    s->learn.begun.labelled = 500;
    take(s, "model", "{\"v\":1,\"bundle\":\"" A "\",\"cause\":\"first\"}");
    mw_learn_ended(&s->learn, 0);
    assert_int_equal(s->learn.policy.next_attempt, 0);
    s->learn.told = false;
    mw_learn_ended(&s->learn, 0);
    assert_int_equal(s->learn.policy.next_attempt, 520);
    take(s, "model", "{\"v\":1,\"bundle\":\"" B "\",\"cause\":\"drift\"}");
    assert_int_equal(s->learn.policy.next_attempt, 0);
}

static void test_a_published_model_ends_the_asking(void **state)
{
    struct scene *s = *state;
    take(s, "model", "{\"v\":1,\"bundle\":\"" A "\",\"cause\":\"first\"}");
    assert_false(mw_policy_wants(&s->learn.policy, &s->plant));
    take(s, "drift", "{\"v\":1,\"scope\":\"machine\",\"machine\":\"m-1\",\"onset\":90}");
    assert_false(mw_policy_wants(&s->learn.policy, &s->plant));
    take(s, "drift", "{\"v\":1,\"scope\":\"plant\",\"onset\":90}");
    assert_true(mw_policy_wants(&s->learn.policy, &s->plant));
    assert_int_equal(mw_policy_since(&s->learn.policy), 90 * INT64_C(1000000));
}

static void test_a_first_model_that_was_taken_back_is_asked_for_again(void **state)
{
    struct scene *s = *state;
    take(s, "model", "{\"v\":1,\"started\":true,\"records\":110,\"positives\":10}");
    take(s, "model", "{\"v\":1,\"bundle\":\"" A "\",\"cause\":\"first\"}");
    take(s, "rollout", "{\"v\":1,\"bundle\":\"" A "\",\"previous\":\"\",\"state\":\"canary\"}");
    assert_false(mw_policy_wants(&s->learn.policy, &s->plant));
    take(s, "rollout",
         "{\"v\":1,\"bundle\":\"" A "\",\"previous\":\"\",\"state\":\"rolled-back\"}");
    assert_true(mw_policy_wants(&s->learn.policy, &s->plant));
    assert_int_equal(decide(s, 129), MW_POLICY_NOTHING);
    assert_int_equal(decide(s, 130), MW_POLICY_FIRST);
}

static void test_one_that_was_taken_back_to_another_is_not(void **state)
{
    struct scene *s = *state;
    take(s, "model", "{\"v\":1,\"bundle\":\"" B "\",\"cause\":\"drift\"}");
    take(s, "rollout",
         "{\"v\":1,\"bundle\":\"" B "\",\"previous\":\"" A "\",\"state\":\"rolled-back\"}");
    take(s, "rollout",
         "{\"v\":1,\"bundle\":\"" A "\",\"previous\":\"\",\"state\":\"rolled-back\"}");
    assert_false(mw_policy_wants(&s->learn.policy, &s->plant));
}

static void test_machines_with_models_of_their_own(void **state)
{
    struct scene *s = *state;
    s->plant.model.scope = MW_SCOPE_MACHINE;
    s->plant.model.kind = MW_MODEL_AUTOENCODER;
    for (int i = 1; i <= 3; i++) {
        char name[8];
        snprintf(name, sizeof name, "p-%d", i);
        assert_int_equal(mw_own_models_commissioned(s->learn.own, mw_span_of(name), NULL), MW_OK);
    }
    take(s, "model", "{\"v\":1,\"started\":true,\"machine\":\"p-1\"}");
    take(s, "model", "{\"v\":1,\"bundle\":\"" A "\",\"machine\":\"p-1\"}");
    take(s, "model", "{\"v\":1,\"started\":true,\"machine\":\"p-2\"}");
    take(s, "model", "{\"v\":1,\"refused\":\"chance\",\"machine\":\"p-2\"}");
    take(s, "model", "{\"v\":1,\"started\":true,\"machine\":\"p-3\"}");
    assert_string_equal(mw_own_models_next(s->learn.own), "p-3");
    assert_false(s->learn.policy.have_model);
    take(s, "model", "{\"v\":1,\"bundle\":\"" B "\",\"machine\":\"p-3\"}");
    assert_null(mw_own_models_next(s->learn.own));
    take(s, "rollout",
         "{\"v\":1,\"bundle\":\"" B "\",\"machine\":\"p-3\",\"previous\":\"\","
         "\"state\":\"rolled-back\"}");
    for (int i = 0; i < 20; i++) {
        mw_own_models_record(s->learn.own, mw_span_of("p-3"), 80);
    }
    assert_string_equal(mw_own_models_next(s->learn.own), "p-3");
}

static void test_a_machine_that_drifted_waits_for_what_is_found(void **state)
{
    struct scene *s = *state;
    int64_t since;
    s->plant.model.scope = MW_SCOPE_MACHINE;
    s->plant.model.kind = MW_MODEL_AUTOENCODER;
    take(s, "model", "{\"v\":1,\"bundle\":\"" A "\",\"machine\":\"p-1\"}");
    take(s, "drift", "{\"v\":1,\"scope\":\"plant\",\"onset\":90}"); /* of an earlier scope */
    assert_int_equal(mw_own_models_sum_up(s->learn.own).drifted, 0);
    take(s, "drift", "{\"v\":1,\"scope\":\"machine\",\"machine\":\"p-1\",\"onset\":90}");
    assert_int_equal(mw_own_models_sum_up(s->learn.own).waiting, 1);
    assert_null(mw_own_models_to_count(s->learn.own, &since));
    take(s, "event",
         "{\"v\":1,\"id\":\"e\",\"machine\":\"p-1\",\"type\":\"inspection\","
         "\"finding\":\"no_fault\",\"time\":95,\"by\":\"x\"}");
    assert_int_equal(mw_own_models_sum_up(s->learn.own).waiting, 0);
    assert_string_equal(mw_own_models_to_count(s->learn.own, &since), "p-1");
    assert_int_equal(since, 90 * INT64_C(1000000));
}

static void test_so_does_a_plant_of_autoencoders(void **state)
{
    struct scene *s = *state;
    s->plant.model.kind = MW_MODEL_AUTOENCODER;
    take(s, "model", "{\"v\":1,\"bundle\":\"" A "\",\"cause\":\"first\"}");
    take(s, "drift", "{\"v\":1,\"scope\":\"plant\",\"onset\":90}");
    assert_true(mw_policy_waits(&s->learn.policy, &s->plant));
    take(s, "event",
         "{\"v\":1,\"id\":\"e\",\"machine\":\"p-1\",\"type\":\"repair\","
         "\"finding\":\"fault\",\"time\":95,\"by\":\"x\"}");
    assert_false(mw_policy_waits(&s->learn.policy, &s->plant));
    assert_int_equal(mw_policy_since(&s->learn.policy), 95 * INT64_C(1000000));
}

static void test_a_run_that_was_asked_for_is_waited_for(void **state)
{
    struct scene *s = *state;
    take(s, "model", "{\"v\":1,\"time\":5,\"started\":true,\"run\":\"ab\"}");
    assert_false(mw_learn_trains(&s->learn)); /* the learner runs it itself now */
    s->plant.retrain.where = MW_RETRAIN_PIPELINE;
    assert_true(mw_learn_trains(&s->learn));
    take(s, "model", "{\"v\":1,\"time\":6,\"refused\":\"chance\",\"run\":\"other\"}");
    assert_true(mw_learn_trains(&s->learn));
    take(s, "model",
         "{\"v\":1,\"time\":7,\"refused\":\"chance\",\"run\":\"ab\",\"records\":110,"
         "\"positives\":10}");
    assert_false(mw_learn_trains(&s->learn));
    assert_int_equal(decide(s, 129), MW_POLICY_NOTHING); /* as after a refusal of our own */
    assert_int_equal(decide(s, 130), MW_POLICY_FIRST);
}

static void test_a_model_ends_the_run_of_its_machine(void **state)
{
    struct scene *s = *state;
    s->plant.retrain.where = MW_RETRAIN_PIPELINE;
    take(s, "model", "{\"v\":1,\"time\":5,\"started\":true,\"run\":\"ab\",\"machine\":\"p-1\"}");
    take(s, "model", "{\"v\":1,\"time\":6,\"bundle\":\"" A "\",\"machine\":\"p-2\"}");
    assert_true(mw_learn_trains(&s->learn));
    take(s, "model", "{\"v\":1,\"time\":7,\"bundle\":\"" A "\",\"machine\":\"p-1\"}");
    assert_false(mw_learn_trains(&s->learn));
    /* Kafka may tell of the asking later. */
    take(s, "model", "{\"v\":1,\"time\":6.5,\"started\":true,\"run\":\"cd\"}");
    assert_false(mw_learn_trains(&s->learn));
}

static void test_the_same_alarm_asks_for_the_same_run(void **state)
{
    struct scene *s = *state;
    char first[MW_LEARN_RUN], second[MW_LEARN_RUN];
    s->learn.cause = MW_POLICY_DRIFT;
    s->learn.since = 90;
    mw_learn_name_run(&s->learn, first);
    mw_learn_name_run(&s->learn, second);
    assert_string_equal(first, second);
    assert_int_equal(strlen(first), MW_LEARN_RUN - 1);
    s->learn.begun.labelled = 7;
    mw_learn_name_run(&s->learn, second);
    assert_string_not_equal(first, second);
}

static void test_what_is_no_json_changes_nothing(void **state)
{
    struct scene *s = *state;
    static const char *const topics[] = {"model", "rollout", "drift"};
    static const char *const values[] = {"",
                                         "{",
                                         "[]",
                                         "7",
                                         "{\"bundle\":7,\"machine\":[]}",
                                         "{\"state\":\"rolled-back\"}",
                                         "{\"scope\":1}"};
    for (size_t t = 0; t < sizeof topics / sizeof *topics; t++) {
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            take(s, topics[t], values[v]);
        }
    }
    assert_false(s->learn.policy.have_model || s->learn.policy.drifted);
    assert_null(mw_own_models_next(s->learn.own));
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_a_refusal_is_remembered),
        ROW(test_a_training_that_died_is_begun_again),
        ROW(test_a_request_is_met_once),
        ROW(test_a_published_model_ends_the_waiting),
        ROW(test_a_published_model_ends_the_asking),
        ROW(test_a_first_model_that_was_taken_back_is_asked_for_again),
        ROW(test_one_that_was_taken_back_to_another_is_not),
        ROW(test_machines_with_models_of_their_own),
        ROW(test_a_machine_that_drifted_waits_for_what_is_found),
        ROW(test_so_does_a_plant_of_autoencoders),
        ROW(test_a_run_that_was_asked_for_is_waited_for),
        ROW(test_a_model_ends_the_run_of_its_machine),
        ROW(test_the_same_alarm_asks_for_the_same_run),
        ROW(test_what_is_no_json_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
