#include "tiers/training/network_file.h"

#include "lib/base/test.h"
#include "tiers/training/train.h"
#include "tiers/training/train_quantize.h"

#include <math.h>

#define ROWS 400
#define COLUMNS 3

static float x[ROWS * COLUMNS];
static uint8_t label[ROWS], held_out[ROWS];
static double weight[ROWS];
static char *names[COLUMNS] = {"a", "b \xC2\xB0", "c"};

static struct mw_dataset make_set(void)
{
    uint64_t seed = 3;
    for (size_t i = 0; i < ROWS; i++) {
        label[i] = i % 3 == 0;
        held_out[i] = i >= ROWS * 3 / 4;
        weight[i] = i % 5 == 0 ? 20 : 1;
        for (size_t k = 0; k < COLUMNS; k++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            x[i * COLUMNS + k] = (float)(seed >> 40) / 3e6F + (k == 0 && label[i] ? 2.5F : 0);
        }
    }
    return (struct mw_dataset){.rows = ROWS,
                               .columns = COLUMNS,
                               .names = names,
                               .x = x,
                               .label = label,
                               .weight = weight,
                               .held_out = held_out};
}

static struct mw_span span_of(const struct mw_buffer *buffer)
{
    return (struct mw_span){buffer->data, buffer->size};
}

/* Through the file and out of it: the same bytes as the trainer's own int8 model. */
static void check_kind(enum mw_model_kind kind)
{
    struct mw_dataset set = make_set();
    struct mw_train_options with = mw_train_defaults;
    struct mw_train_result trained;
    struct mw_network_file file, back;
    struct mw_buffer json = {0}, again = {0}, int8_model = {0};
    struct mw_train_int8 figures;
    struct mw_error error = {0};
    with.kind = kind;
    with.epochs = 5;
    with.quantile = 0.97;
    with.int8_auc_loss = -1;
    assert_int_equal(mw_train(&set, &with, &trained, &error), MW_OK);
    file = (struct mw_network_file){trained.network, trained.cut, with.quantile};
    assert_int_equal(mw_network_file_print(&file, &json), MW_OK);
    assert_int_equal(mw_network_file_parse(&back, span_of(&json), &error), MW_OK);
    assert_int_equal(mw_network_file_print(&back, &again), MW_OK);
    assert_int_equal(json.size, again.size);
    assert_memory_equal(json.data, again.data, json.size);

    assert_int_equal(mw_train_quantize(&set, &back, &int8_model, &figures, &error), MW_OK);
    assert_int_equal(int8_model.size, trained.int8_model.size);
    assert_memory_equal(int8_model.data, trained.int8_model.data, int8_model.size);
    assert_true(figures.auc_loss == trained.int8_auc_loss);
    assert_true(figures.difference == trained.int8_difference);

    set.names = (char *[]){"a", "c", "b \xC2\xB0"};
    assert_int_equal(mw_train_quantize(&set, &back, &int8_model, &figures, &error),
                     MW_ERR_ARGUMENT);
    mw_network_clear(&back.network);
    mw_train_result_clear(&trained);
    mw_buffer_free(&json);
    mw_buffer_free(&again);
    mw_buffer_free(&int8_model);
}

static void test_a_step_of_its_own_gives_the_trainers_bytes(void **state)
{
    (void)state;
    check_kind(MW_MODEL_LOGISTIC);
    check_kind(MW_MODEL_MLP);
    check_kind(MW_MODEL_AUTOENCODER);
}

#define GOOD_HEAD "{\"v\":1,\"kind\":\"logistic\",\"c\":0,\"quantile\":0.9,"
#define GOOD_CUT "\"cut\":{\"input\":8,\"hidden\":1,\"output\":0},"
#define GOOD_FEATURES "\"features\":[\"a\"],\"mean\":[1],\"factor\":[2],"
#define GOOD_LAYER "{\"inputs\":1,\"outputs\":1,\"relu\":false,\"weight\":[1],\"bias\":[0]}"

static mw_err parse(const char *text)
{
    struct mw_network_file file;
    struct mw_error error = {0};
    mw_err err = mw_network_file_parse(&file, mw_span_of(text), &error);
    assert_int_equal(err, error.code);
    mw_network_clear(&file.network);
    return err;
}

static void test_a_file_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    assert_int_equal(parse(GOOD_HEAD GOOD_CUT GOOD_FEATURES "\"layers\":[" GOOD_LAYER "]}"), MW_OK);
    assert_int_equal(parse(""), MW_ERR_PARSE);
    assert_int_equal(parse("[]"), MW_ERR_PARSE);
    assert_int_equal(parse("{\"v\":2}"), MW_ERR_VERSION);
    assert_int_equal(parse(GOOD_HEAD GOOD_CUT GOOD_FEATURES "\"layers\":[]}"), MW_ERR_PARSE);
    assert_int_equal(parse(GOOD_HEAD GOOD_FEATURES "\"layers\":[" GOOD_LAYER "]}"), MW_ERR_RANGE);
    assert_int_equal(
        parse(GOOD_HEAD GOOD_CUT GOOD_FEATURES "\"layers\":[" GOOD_LAYER "," GOOD_LAYER "]}"),
        MW_OK);
    assert_int_equal(parse(GOOD_HEAD GOOD_CUT GOOD_FEATURES
                           "\"layers\":[{\"inputs\":2,\"outputs\":1,\"weight\":[1,1],"
                           "\"bias\":[0]}]}"),
                     MW_ERR_PARSE);
    assert_int_equal(parse(GOOD_HEAD GOOD_CUT GOOD_FEATURES
                           "\"layers\":[{\"inputs\":1,\"outputs\":1,\"weight\":[1e39],"
                           "\"bias\":[0]}]}"),
                     MW_ERR_RANGE);
    assert_int_equal(parse(GOOD_HEAD GOOD_CUT GOOD_FEATURES
                           "\"layers\":[{\"inputs\":1,\"outputs\":99999999,\"weight\":[1],"
                           "\"bias\":[0]}]}"),
                     MW_ERR_PARSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_step_of_its_own_gives_the_trainers_bytes),
        cmocka_unit_test(test_a_file_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
