#include "tiers/inference/score_test_plant.h"

#include "tiers/inference/score.h"

#include <signal.h>
#include <sys/resource.h>

static void test_scores_every_record_once(void **state)
{
    struct test_plant *test = *state;
    struct mw_buffer lines = {0};
    char digest[MW_DIGEST_TEXT], name[32];
    test_plant_publish(test, 1.0F, digest);
    test_plant_begin(test);
    test_plant_update(test, "*", digest);
    for (unsigned i = 0; i < 3000; i++) {
        (void)snprintf(name, sizeof name, "motor-%u", i % 5);
        test_plant_record(test, name, 1, i / 5, 0.125F, (float)(i % 4) / 8.0F);
    }
    test_plant_commit(test);
    struct mw_scorer *scorer = test_plant_open(test);
    test_plant_run(scorer);
    test_plant_run(scorer);
    assert_int_equal(scorer->committed.scored, 3000);
    assert_int_equal(scorer->committed.records, 3000);
    mw_scorer_close(scorer);
    assert_int_equal(test_plant_all(test, "score", &lines), 3000);
    /* (0.125 + 3 / 8) / 2, by this bundle at level 3 */
    assert_non_null(strstr(lines.data, "\"score\":0.25,\"band\":\"normal\""));
    assert_int_equal(test_plant_count(lines.data, digest), 3000);
    assert_int_equal(test_plant_count(lines.data, "\"level\":3"), 3000);
    assert_non_null(
        strstr(lines.data, "\"device\":\"motor-4\",\"boot\":1,\"seq\":599,\"time\":1599"));
    assert_int_equal(test_plant_all(test, "status", &lines), 1);
    assert_non_null(strstr(lines.data, digest));
    mw_buffer_free(&lines);
}

static void test_swaps_between_two_records(void **state)
{
    struct test_plant *test = *state;
    struct mw_buffer lines = {0};
    char one[MW_DIGEST_TEXT], half[MW_DIGEST_TEXT];
    test_plant_publish(test, 1.0F, one);
    test_plant_publish(test, 0.5F, half);
    test_plant_begin(test);
    test_plant_record(test, "motor-1", 1, 0, 0.25F, 0.25F); /* nothing serves it yet */
    test_plant_update(test, "*", one);
    test_plant_record(test, "motor-1", 1, 1, 0.25F, 0.25F);
    test_plant_update(test, "motor-2", half); /* a canary */
    test_plant_record(test, "motor-1", 1, 2, 0.25F, 0.25F);
    test_plant_record(test, "motor-2", 1, 3, 0.25F, 0.25F);
    test_plant_update(test, "*", half);
    test_plant_record(test, "motor-1", 1, 4, 0.25F, 0.25F);
    test_plant_update(test, "motor-2", one); /* rolled back */
    test_plant_record(test, "motor-2", 1, 5, 0.25F, 0.25F);
    test_plant_update(test, "motor-2", ""); /* and served as all are */
    test_plant_record(test, "motor-2", 1, 6, 0.25F, 0.25F);
    test_plant_commit(test);
    struct mw_scorer *scorer = test_plant_open(test);
    test_plant_run(scorer);
    assert_int_equal(scorer->committed.unserved, 1);
    assert_int_equal(scorer->committed.loads, 2);
    assert_int_equal(scorer->n_models, 1); /* the first one serves nobody any more */
    mw_scorer_close(scorer);
    assert_int_equal(test_plant_all(test, "score", &lines), 6);
    static const char *const expected[] = {
        "\"seq\":1,\"time\":1001,\"score\":0.25",  "\"seq\":2,\"time\":1002,\"score\":0.25",
        "\"seq\":3,\"time\":1003,\"score\":0.125", "\"seq\":4,\"time\":1004,\"score\":0.125",
        "\"seq\":5,\"time\":1005,\"score\":0.25",  "\"seq\":6,\"time\":1006,\"score\":0.125"};
    for (size_t i = 0; i < 6; i++) {
        assert_non_null(strstr(lines.data, expected[i]));
    }
    mw_buffer_free(&lines);
}

/* Signs what `bundle` holds, good or not. */
static void publish_as_is(struct test_plant *test, struct mw_bundle *bundle, bool sign,
                          char digest[MW_DIGEST_TEXT])
{
    uint64_t length;
    assert_ok(mw_bundle_put(test->place->store, bundle, &length, error));
    (void)snprintf(digest, MW_DIGEST_TEXT, "%s", bundle->digest);
    if (sign) {
        assert_ok(mw_trust_sign(test->place->store, test->place->keys, "bundle/odd", digest, length,
                                NULL, error));
    }
    mw_bundle_clear(bundle);
}

static void test_refuses_a_bad_bundle_and_keeps_the_old(void **state)
{
    struct test_plant *test = *state;
    struct mw_buffer lines = {0};
    struct mw_bundle bundle;
    char good[MW_DIGEST_TEXT], unsigned_one[MW_DIGEST_TEXT], wrong[MW_DIGEST_TEXT];
    test_plant_publish(test, 1.0F, good);
    test_bundle_build(&bundle, 0.75F);
    publish_as_is(test, &bundle, false, unsigned_one);
    test_bundle_build(&bundle, 0.625F);
    bundle.golden.data[bundle.golden.size - 1] ^= 1;
    publish_as_is(test, &bundle, true, wrong);
    test_plant_begin(test);
    test_plant_update(test, "*", good);
    test_plant_update(test, "*", unsigned_one);
    test_plant_record(test, "motor-1", 1, 0, 0.5F, 0.5F);
    test_plant_update(test, "*", wrong);
    test_plant_record(test, "motor-1", 1, 1, 0.5F, 0.5F);
    test_plant_append(test, "update", "*", "{\"v\":1,\"desired\":{\"bundle\":\"sha256:12\"}}");
    test_plant_append(test, "update", "motor-1", "{\"v\":1,\"desired\":[]}");
    test_plant_record(test, "motor-1", 1, 2, 0.5F, 0.5F);
    test_plant_commit(test);
    struct mw_scorer *scorer = test_plant_open(test);
    test_plant_run(scorer);
    assert_int_equal(scorer->committed.refused, 2);
    mw_scorer_close(scorer);
    assert_int_equal(test_plant_all(test, "score", &lines), 3);
    assert_int_equal(test_plant_count(lines.data, good), 3);
    assert_int_equal(test_plant_all(test, "status", &lines), 3);
    char part[512];
    (void)snprintf(part, sizeof part, "\"bundle\":\"%s\",\"refused\":\"%s\",\"reason\":\"%s is not",
                   good, unsigned_one, unsigned_one);
    assert_non_null(strstr(lines.data, part));
    (void)snprintf(part, sizeof part, "\"refused\":\"%s\",\"reason\":\"golden.bin: vector 1",
                   wrong);
    assert_non_null(strstr(lines.data, part));
    assert_int_equal(test_plant_all(test, "dead", &lines), 2);
    assert_int_equal(test_plant_count(lines.data, "not an update"), 2);
    mw_buffer_free(&lines);
}

static void test_dead_letters_do_not_stop_it(void **state)
{
    struct test_plant *test = *state;
    struct mw_buffer lines = {0};
    char digest[MW_DIGEST_TEXT];
    test_plant_publish(test, 1.0F, digest);
    test_plant_begin(test);
    test_plant_update(test, "*", digest);
    test_plant_append(test, "telemetry", "motor-1",
                      "{\"v\":1,\"device\":\"motor-1\",\"boot\":7,\"seq\":8,\"time\":1,"
                      "\"features\":{\"a\":1}}");
    test_plant_append(test, "telemetry", "motor-2", "{\"v\":1,\"device\":");
    test_plant_append(test, "telemetry", "motor-3",
                      "{\"v\":9,\"device\":\"motor-3\",\"boot\":1,\"seq\":1,\"time\":1,"
                      "\"features\":{\"a\":1,\"b\":1}}");
    test_plant_record(test, "motor-4", 1, 4, 100.0F, 100.0F); /* a score of 100 */
    test_plant_append(test, "baseline", "motor-1", "7");
    test_plant_append(test, "event", "motor-1", "{}");
    test_plant_record(test, "motor-1", 1, 5, 0.5F, 0.5F);
    test_plant_commit(test);
    struct mw_scorer *scorer = test_plant_open(test);
    test_plant_run(scorer);
    assert_int_equal(scorer->committed.dead, 6);
    mw_scorer_close(scorer);
    assert_int_equal(test_plant_all(test, "score", &lines), 1);
    assert_int_equal(test_plant_all(test, "dead", &lines), 6);
    assert_non_null(strstr(lines.data, "\"topic\":\"telemetry\",\"device\":\"motor-1\",\"boot\":7,"
                                       "\"seq\":8,\"reason\":\"feature b of the model is missing"));
    assert_non_null(strstr(lines.data, "\"device\":\"motor-2\",\"reason\":"));
    assert_non_null(strstr(lines.data, "the model's answer is not in [0,1]"));
    assert_non_null(strstr(lines.data, "not a baseline"));
    mw_buffer_free(&lines);
}

static void test_baseline_and_bundle_survive_a_restart(void **state)
{
    struct test_plant *test = *state;
    struct mw_buffer lines = {0};
    char digest[MW_DIGEST_TEXT];
    test_plant_publish(test, 1.0F, digest);
    test_plant_begin(test);
    test_plant_update(test, "*", digest);
    /* The reference is 0.5 +- 0.25 for a; b keeps its own. */
    test_plant_append(test, "baseline", "motor-1",
                      "{\"v\":1,\"machine\":\"motor-1\",\"count\":9,\"features\":{\"a\":[8,2]}}");
    test_plant_record(test, "motor-1", 1, 1, 10.0F, 0.0F);
    test_plant_record(test, "motor-2", 1, 1, 0.5F, 0.0F);
    test_plant_commit(test);
    struct mw_scorer *scorer = test_plant_open(test);
    test_plant_run(scorer);
    mw_scorer_close(scorer);
    test_plant_begin(test);
    test_plant_record(test, "motor-1", 1, 2, 8.0F, 0.0F);
    test_plant_commit(test);
    scorer = test_plant_open(test);
    test_plant_run(scorer);
    assert_int_equal(scorer->committed.records, 1); /* and not those before again */
    mw_scorer_close(scorer);
    assert_int_equal(test_plant_all(test, "score", &lines), 3);
    assert_non_null(strstr(lines.data, "\"seq\":1,\"time\":1001,\"score\":0.375"));
    assert_non_null(strstr(lines.data, "\"device\":\"motor-2\",\"boot\":1,\"seq\":1,\"time\":1001,"
                                       "\"score\":0.25"));
    assert_non_null(strstr(lines.data, "\"seq\":2,\"time\":1002,\"score\":0.25"));
    mw_buffer_free(&lines);
}

/* The baseline that a bundle brings is swapped in with it, and out again. */
static void test_a_bundle_brings_its_own_baselines(void **state)
{
    struct test_plant *test = *state;
    struct mw_buffer lines = {0};
    struct mw_bundle bundle;
    char plain[MW_DIGEST_TEXT], own[MW_DIGEST_TEXT];
    test_plant_publish(test, 1.0F, plain);
    test_bundle_build(&bundle, 1.0F);
    const float mean[2] = {20, bundle.reference_mean[1]}, std[2] = {4, bundle.reference_std[1]};
    assert_ok(mw_baseline_list_add(&bundle.baselines, "motor-1", 100, 60, mean, std, 2));
    assert_ok(
        test_bundle_sign(test->place->store, test->place->keys, &bundle, "bundle/own", own, error));
    test_plant_begin(test);
    test_plant_append(test, "baseline", "motor-1",
                      "{\"v\":1,\"machine\":\"motor-1\",\"count\":9,\"features\":{\"a\":[8,2]}}");
    test_plant_update(test, "*", plain);
    test_plant_record(test, "motor-1", 1, 1, 10.0F, 0.0F);
    test_plant_update(test, "*", own);
    test_plant_record(test, "motor-1", 1, 2, 24.0F, 0.0F); /* one deviation above, as before */
    test_plant_update(test, "*", plain);
    test_plant_record(test, "motor-1", 1, 3, 10.0F, 0.0F);
    test_plant_commit(test);
    struct mw_scorer *scorer = test_plant_open(test);
    test_plant_run(scorer);
    mw_scorer_close(scorer);
    assert_int_equal(test_plant_all(test, "score", &lines), 3);
    assert_non_null(strstr(lines.data, "\"seq\":1,\"time\":1001,\"score\":0.375"));
    assert_non_null(strstr(lines.data, "\"seq\":2,\"time\":1002,\"score\":0.375"));
    assert_non_null(strstr(lines.data, "\"seq\":3,\"time\":1003,\"score\":0.375"));
    mw_buffer_free(&lines);
}

static void test_remembers_the_newest_metadata(void **state)
{
    struct test_plant *test = *state;
    struct mw_buffer lines = {0};
    char one[MW_DIGEST_TEXT], two[MW_DIGEST_TEXT];
    test_plant_publish(test, 1.0F, one);
    place_copy(test->place, "metadata/timestamp.json", "older");
    test_plant_publish(test, 0.5F, two);
    test_plant_begin(test);
    test_plant_update(test, "*", two);
    test_plant_commit(test);
    struct mw_scorer *scorer = test_plant_open(test);
    test_plant_run(scorer);
    mw_scorer_close(scorer);
    place_copy(test->place, "older", "metadata/timestamp.json");
    test_plant_begin(test);
    test_plant_update(test, "*", one);
    test_plant_commit(test);
    scorer = test_plant_open(test);
    test_plant_run(scorer);
    mw_scorer_close(scorer);
    (void)test_plant_all(test, "status", &lines);
    assert_non_null(strstr(lines.data, "is older than"));
    mw_buffer_free(&lines);
}

static void set_action(struct test_plant *test)
{
    free(test->plant.action.immediate);
    test->plant.action.immediate = strdup("stop");
    test->plant.action.confirm = 2;
    test->plant.action.expires = 600 * MW_SECOND;
}

static void test_commands_once(void **state)
{
    struct test_plant *test = *state;
    struct mw_buffer lines = {0};
    char digest[MW_DIGEST_TEXT];
    unsigned seq = 0;
    set_action(test);
    test_plant_publish(test, 1.0F, digest);
    test_plant_begin(test);
    test_plant_update(test, "*", digest);
    for (; seq < 4; seq++) {
        test_plant_record(test, "motor-1", 3, seq, 0.9F, 0.9F);
        test_plant_record(test, "motor-2", 3, seq, 0.9F, seq == 1 ? 0.0F : 0.9F);
    }
    test_plant_commit(test);
    struct mw_scorer *scorer = test_plant_open(test);
    test_plant_run(scorer);
    mw_scorer_close(scorer);
    assert_int_equal(test_plant_all(test, "command", &lines), 2);
    assert_non_null(strstr(lines.data, "\"id\":\"motor-1-3-1\",\"action\":\"stop\",\"time\":1001,"
                                       "\"expires\":1601"));
    assert_non_null(strstr(lines.data, "\"id\":\"motor-2-3-3\""));
    assert_non_null(strstr(lines.data, "2 in a row"));
    /* Held over a restart, until somebody has looked at it. */
    test_plant_begin(test);
    test_plant_record(test, "motor-1", 3, seq++, 0.9F, 0.9F);
    test_plant_append(test, "event", "motor-1",
                      "{\"v\":1,\"id\":\"e-1\",\"machine\":\"motor-1\",\"type\":\"repair\","
                      "\"finding\":\"fault\",\"time\":2000,\"by\":\"anna\"}");
    test_plant_record(test, "motor-1", 3, seq++, 0.9F, 0.9F);
    test_plant_record(test, "motor-1", 3, seq++, 0.9F, 0.9F);
    test_plant_commit(test);
    scorer = test_plant_open(test);
    test_plant_run(scorer);
    mw_scorer_close(scorer);
    assert_int_equal(test_plant_all(test, "command", &lines), 3);
    assert_non_null(strstr(lines.data, "\"id\":\"motor-1-3-6\""));
    mw_buffer_free(&lines);
}

/* A thing whose clock says 1970: its command must not have expired before it is sent, and one look
 * by a person must not silence it for ever. */
static void test_a_time_that_is_not_to_be_believed_sets_no_deadline(void **state)
{
    struct test_plant *test = *state;
    struct mw_buffer lines = {0};
    char digest[MW_DIGEST_TEXT], text[256];
    double expires = 0;
    set_action(test);
    test->plant.action.quiet = MW_SECOND;
    test_plant_publish(test, 1.0F, digest);
    test_plant_begin(test);
    test_plant_update(test, "*", digest);
    test_plant_record(test, "motor-1", 1, 0, 0.1F, 0.1F);
    test_plant_append(test, "event", "motor-1",
                      "{\"v\":1,\"id\":\"e-1\",\"machine\":\"motor-1\",\"type\":\"inspection\","
                      "\"finding\":\"no_fault\",\"time\":1000000000,\"by\":\"anna\"}");
    for (unsigned seq = 1; seq < 3; seq++) {
        (void)snprintf(text, sizeof text,
                       "{\"v\":1,\"device\":\"motor-1\",\"boot\":1,\"seq\":%u,\"time\":%u,"
                       "\"features\":{\"a\":0.9,\"b\":0.9},\"time_suspect\":true}",
                       seq, 5 + seq);
        test_plant_append(test, "telemetry", "motor-1", text);
    }
    test_plant_commit(test);
    struct mw_scorer *scorer = test_plant_open(test);
    test_plant_run(scorer);
    mw_scorer_close(scorer);
    assert_int_equal(test_plant_all(test, "command", &lines), 1);
    const char *at = strstr(lines.data, "\"expires\":");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "\"expires\":%lf", &expires), 1);
    assert_true(expires > 1000000000);
    mw_buffer_free(&lines);
}

/* No byte can be written for a while: nothing half done is seen, and nothing is done twice. */
static void test_goes_on_when_space_returns(void **state)
{
    struct test_plant *test = *state;
    struct mw_buffer lines = {0};
    struct rlimit before, none;
    char digest[MW_DIGEST_TEXT];
    size_t count = 1;
    set_action(test);
    test_plant_publish(test, 1.0F, digest);
    test_plant_begin(test);
    test_plant_update(test, "*", digest);
    test_plant_record(test, "motor-1", 3, 0, 0.9F, 0.9F);
    test_plant_commit(test);
    struct mw_scorer *scorer = test_plant_open(test);
    test_plant_run(scorer);
    test_plant_begin(test);
    for (unsigned seq = 1; seq < 2000; seq++) {
        test_plant_record(test, "motor-1", 3, seq, 0.9F, 0.9F);
    }
    test_plant_commit(test);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = (struct rlimit){0, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_not_equal(mw_scorer_step(scorer, &count, NULL), MW_OK);
        assert_int_equal(count, 0);
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(test_plant_all(test, "score", &lines), 1);
    test_plant_run(scorer);
    assert_int_equal(scorer->committed.scored, 2000);
    assert_int_equal(scorer->committed.commands, 4);
    mw_scorer_close(scorer);
    assert_int_equal(test_plant_all(test, "score", &lines), 2000);
    /* At records 1, 601, 1201 and 1801: each time the one before had expired. */
    (void)test_plant_all(test, "command", &lines);
    assert_int_equal(test_plant_count(lines.data, "\"id\":\"motor-1-3-1\""), 1);
    mw_buffer_free(&lines);
}

int main(void)
{
    (void)signal(SIGXFSZ, SIG_IGN);
#define PLACED(test) cmocka_unit_test_setup_teardown(test, test_plant_set_up, test_plant_tear_down)
    const struct CMUnitTest tests[] = {
        PLACED(test_scores_every_record_once),
        PLACED(test_swaps_between_two_records),
        PLACED(test_refuses_a_bad_bundle_and_keeps_the_old),
        PLACED(test_dead_letters_do_not_stop_it),
        PLACED(test_baseline_and_bundle_survive_a_restart),
        PLACED(test_a_bundle_brings_its_own_baselines),
        PLACED(test_remembers_the_newest_metadata),
        PLACED(test_commands_once),
        PLACED(test_a_time_that_is_not_to_be_believed_sets_no_deadline),
        PLACED(test_goes_on_when_space_returns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
