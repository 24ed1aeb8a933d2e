#include "lib/artifact/fold.h"

#include "lib/artifact/test_bundle.h"
#include "lib/artifact/test_place.h"

#define SECOND 0.125F /* the model's weight of its second feature */

static char *names[TEST_FEATURES] = {"a", "b"};

/* The test's model, with another weight for each feature. */
static void build(struct mw_buffer *file)
{
    const float weights[2] = {0.5F, 0.5F}, second = SECOND;
    test_model_build(file, weights[0]);
    size_t at = 0;
    while (memcmp(file->data + at, weights, sizeof weights) != 0) {
        at += 4;
        assert_true(at + sizeof weights <= file->size);
    }
    memcpy(file->data + at + 4, &second, sizeof second);
}

static float run(const struct mw_buffer *file, float first, float second)
{
    struct mw_why why = {"", 0};
    struct mw_model *model;
    size_t bytes;
    float score;
    if (mw_model_size(file->data, file->size, &bytes, &why) != MW_OK) {
        fail_msg("%s at %zu", why.text, (size_t)why.where);
    }
    void *memory = aligned_alloc(MW_MODEL_ALIGN, (bytes + 15) / 16 * 16);
    assert_int_equal(mw_model_init(memory, bytes, file->data, file->size, &model, &why), MW_OK);
    memcpy(mw_model_input(model, 0)->data, (float[]){first, second}, 2 * sizeof(float));
    assert_int_equal(mw_model_run(model), MW_OK);
    memcpy(&score, mw_model_output(model, 0)->data, sizeof score);
    free(memory);
    return score;
}

static void test_without_anything_to_fold(void **state)
{
    struct mw_buffer file = {0}, folded = {0};
    const size_t same[] = {0, 1};
    (void)state;
    build(&file);
    struct mw_fold fold = {.n = 2, .features = names, .order = same};
    assert_ok(mw_fold_model((struct mw_span){file.data, file.size}, &fold, &folded, error));
    assert_int_equal(folded.size, file.size);
    assert_memory_equal(folded.data, file.data, file.size);
    mw_buffer_free(&folded);
    mw_buffer_free(&file);
}

/* Zeros behind the file are no part of it. */
static void test_another_order(void **state)
{
    struct mw_buffer file = {0}, folded = {0};
    static const char zeros[1000];
    const size_t order[] = {1, 0};
    (void)state;
    build(&file);
    struct mw_fold fold = {.n = 2, .features = names, .order = order};
    assert_ok(mw_fold_model((struct mw_span){file.data, file.size}, &fold, &folded, error));
    assert_true(run(&file, 3.0F, 7.0F) == (3.0F * 0.5F + 7.0F * SECOND) / 2.0F);
    assert_true(run(&folded, 7.0F, 3.0F) == run(&file, 3.0F, 7.0F));
    assert_true(run(&folded, 3.0F, 7.0F) != run(&file, 3.0F, 7.0F));
    assert_int_equal(mw_buffer_add(&folded, zeros, sizeof zeros), MW_OK);
    assert_true(run(&folded, 7.0F, 3.0F) == run(&file, 3.0F, 7.0F));
    mw_buffer_free(&folded);
    mw_buffer_free(&file);
}

/* To the last bit what mw_baseline_map and the model say one after the other. */
static void test_a_baseline(void **state)
{
    struct mw_buffer file = {0}, folded = {0};
    float mean[] = {4.7F, 39.1F}, std[] = {0.3F, 0.0F}, mapped[2];
    const float reference_mean[] = {0.51F, 0.23F}, reference_std[] = {0.17F, 0.41F};
    const size_t order[] = {1, 0};
    struct mw_baseline baseline = {.count = 200, .mean = mean, .std = std};
    (void)state;
    build(&file);
    struct mw_fold fold = {.n = 2,
                           .features = names,
                           .order = order,
                           .baseline = &baseline,
                           .reference_mean = reference_mean,
                           .reference_std = reference_std};
    assert_ok(mw_fold_model((struct mw_span){file.data, file.size}, &fold, &folded, error));
    for (int i = 0; i < 1000; i++) {
        const float x[] = {4.0F + 0.0013F * (float)i, 39.0F + 0.0007F * (float)(i * i % 997)};
        mw_baseline_map(&baseline, reference_mean, reference_std, 2, x, mapped);
        float expected = run(&file, mapped[0], mapped[1]), score = run(&folded, x[1], x[0]);
        assert_memory_equal(&score, &expected, sizeof score);
    }
    mw_buffer_free(&folded);
    mw_buffer_free(&file);
}

static void test_refusals(void **state)
{
    struct mw_buffer file = {0}, folded = {0};
    const size_t twice[] = {1, 1}, beyond[] = {0, 2};
    (void)state;
    build(&file);
    struct mw_span bytes = {file.data, file.size};
    struct mw_fold fold = {.n = 2, .features = names, .order = twice};
    assert_refused(mw_fold_model(bytes, &fold, &folded, error), MW_ERR_ARGUMENT, "order");
    fold.order = beyond;
    assert_refused(mw_fold_model(bytes, &fold, &folded, error), MW_ERR_ARGUMENT, "order");
    fold = (struct mw_fold){.n = 3, .features = names};
    assert_refused(mw_fold_model(bytes, &fold, &folded, error), MW_ERR_UNSUPPORTED, "3 features");
    bytes.size /= 2;
    fold.n = 2;
    struct mw_error error = {0};
    assert_int_not_equal(mw_fold_model(bytes, &fold, &folded, &error), MW_OK);
    assert_true(error.text[0] != '\0');
    assert_int_equal(folded.size, 0);
    mw_buffer_free(&folded);
    mw_buffer_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_anything_to_fold),
        cmocka_unit_test(test_another_order),
        cmocka_unit_test(test_a_baseline),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
