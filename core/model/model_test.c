/* model_test.c - the door: what is read of a good file, and that a hostile one is refused or at
 * least harmless. Run it under the address and undefined-behaviour sanitizers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/model/golden_files.h"

#include <dirent.h>

#define MEMORY_MAX ((size_t)4 << 20)

/* Builds and runs a file that may be anything. The bytes are copied to an allocation of exactly
 * their size, so that a read past the end is seen. */
static mw_err try_file(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    struct mw_why why = {NULL, 0};
    struct mw_model *model = NULL;
    struct mw_span span;
    size_t bytes;
    mw_err err;

    assert_non_null(copy);
    memcpy(copy, data, size);
    err = mw_model_size(copy, size, &bytes, &why);
    assert_true(err == MW_OK || why.text != NULL);
    if (err == MW_OK && bytes <= MEMORY_MAX) {
        void *memory = aligned_alloc(MW_MODEL_ALIGN, bytes);
        assert_non_null(memory);
        assert_int_equal(mw_model_init(memory, bytes, copy, size, &model, &why), MW_OK);
        assert_int_equal(mw_model_run(model), MW_OK);
        free(memory);
    }
    mw_model_metadata(copy, size, "millwright.features", &span);
    mw_model_custom_operator(copy, size, &span);
    free(copy);
    return err;
}

static const char *const small_files[] = {
    "classifier",   "autoencoder", "mean_i8_image",   "softmax_i8", "add_i8_cross", "dense_relu6",
    "logistic_i16", "reshape_f32", "quantize_i16_i8", "relu_i8",    "near_tanh_f32"};

static void every_truncation_is_refused_or_harmless(void **state)
{
    (void)state;
    for (size_t f = 0; f < sizeof small_files / sizeof small_files[0]; f++) {
        struct bytes file = read_named(GOLDEN_FOLDER "model/", small_files[f], ".tflite");
        size_t refused = 0;

        assert_non_null(file.data);
        for (size_t size = 0; size < file.size; size++) {
            refused += try_file(file.data, size) != MW_OK;
        }
        /* The last bytes of a file may be padding, but not half of it. */
        assert_true(refused > file.size / 2);
        assert_int_equal(try_file(file.data, file.size), MW_OK);
        free(file.data);
    }
}

static void every_changed_byte_is_refused_or_harmless(void **state)
{
    static const uint8_t flips[] = {0xFF, 0x01, 0x80, 0x10};

    (void)state;
    for (size_t f = 0; f < sizeof small_files / sizeof small_files[0]; f++) {
        struct bytes file = read_named(GOLDEN_FOLDER "model/", small_files[f], ".tflite");
        size_t refused = 0;

        assert_non_null(file.data);
        for (size_t at = 0; at < file.size; at++) {
            for (size_t k = 0; k < sizeof flips; k++) {
                file.data[at] ^= flips[k];
                refused += try_file(file.data, file.size) != MW_OK;
                file.data[at] ^= flips[k];
            }
        }
        assert_true(refused > 0);
        free(file.data);
    }
}

static void misaligned_files_give_the_same_answer(void **state)
{
    struct bytes file = read_named(GOLDEN_FOLDER "model/", "autoencoder", ".tflite");
    float expected = 0.0F;

    (void)state;
    assert_non_null(file.data);
    for (size_t shift = 0; shift < 8; shift++) {
        uint8_t *copy = malloc(file.size + shift);
        struct bytes moved = {copy + shift, file.size};
        struct mw_model *model;
        void *memory;

        assert_non_null(copy);
        memcpy(moved.data, file.data, file.size);
        model = build_model(&moved, &memory);
        for (size_t i = 0; i < 8; i++) {
            ((float *)mw_model_input(model, 0)->data)[i] = (float)i * 0.3F;
        }
        assert_int_equal(mw_model_run(model), MW_OK);
        if (shift == 0) {
            expected = *(const float *)mw_model_output(model, 0)->data;
        }
        assert_true(*(const float *)mw_model_output(model, 0)->data == expected);
        free(memory);
        free(copy);
    }
    assert_true(expected > 0.0F && expected < 1.0F);
    free(file.data);
}

static void a_good_file_is_described(void **state)
{
    struct bytes file = read_named(GOLDEN_FOLDER "model/", "classifier", ".tflite");
    void *memory;
    struct mw_model *model = build_model(&file, &memory);
    const struct mw_tensor *in = mw_model_input(model, 0);

    (void)state;
    assert_int_equal(mw_model_inputs(model), 1);
    assert_int_equal(mw_model_outputs(model), 1);
    assert_null(mw_model_input(model, 1));
    assert_null(mw_model_output(model, 1));
    assert_int_equal(in->type, MW_TYPE_FLOAT32);
    assert_int_equal(in->rank, 2);
    assert_int_equal(in->shape[1], 24);
    assert_int_equal(in->count, 24);
    assert_int_equal(in->bytes, 96);
    assert_true(in->scale == 0.0F);
    assert_true(mw_span_is(in->name, "t0"));
    assert_int_equal(mw_model_operators(model), 8);
    assert_string_equal(mw_model_operator(model, 3).name, "FULLY_CONNECTED");
    assert_int_equal(mw_model_operator(model, 3).code, 9);
    assert_int_equal(mw_model_operator(model, 3).macs, 24 * 16);
    assert_null(mw_model_operator(model, 8).name);
    assert_int_equal(mw_model_run(NULL), MW_ERR_ARGUMENT);
    free(memory);
    free(file.data);
}

static void memory_is_checked(void **state)
{
    struct bytes file = read_named(GOLDEN_FOLDER "model/", "classifier", ".tflite");
    struct mw_model *model;
    struct mw_why why;
    size_t bytes;
    uint8_t *memory;

    (void)state;
    assert_int_equal(mw_model_size(file.data, file.size, &bytes, NULL), MW_OK);
    memory = aligned_alloc(MW_MODEL_ALIGN, bytes + MW_MODEL_ALIGN);
    assert_non_null(memory);
    assert_int_equal(mw_model_init(memory, bytes - 1, file.data, file.size, &model, &why),
                     MW_ERR_TOO_SMALL);
    assert_null(model);
    assert_int_equal(why.where, bytes);
    assert_int_equal(mw_model_init(memory + 4, bytes, file.data, file.size, &model, &why),
                     MW_ERR_ARGUMENT);
    assert_null(model);
    free(memory);
    free(file.data);
}

static void metadata_is_found_by_name(void **state)
{
    struct bytes file = read_named(GOLDEN_FOLDER "model/", "classifier", ".tflite");
    struct mw_span value;

    (void)state;
    assert_int_equal(mw_model_metadata(file.data, file.size, "millwright.features", &value), MW_OK);
    assert_true(mw_span_is(value, "current_rms\ntemperature\n"));
    assert_int_equal(mw_model_metadata(file.data, file.size, "millwright.feature", &value),
                     MW_ERR_NOT_FOUND);
    assert_int_equal(mw_model_metadata(file.data, 7, "millwright.features", &value), MW_ERR_PARSE);
    assert_int_equal(mw_model_metadata(NULL, 0, "millwright.features", &value), MW_ERR_PARSE);
    free(file.data);
}

static void custom_operators_are_named(void **state)
{
    static const char *const names[][2] = {{"split_concat_edgetpu", "edgetpu-custom-op"},
                                           {"fan_lcnn_quant_neutron", "NeutronGraph"},
                                           {"audio_preprocessor_int8", "SignalWindow"},
                                           {"model_invoking_error", "fake-op-double"}};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct bytes file = read_named(public_models(), names[i][0], ".tflite");
        struct mw_why why;
        struct mw_span name;
        size_t bytes;

        if (file.data == NULL) {
            print_message("no public models under %s\n", public_models());
            skip();
        }
        assert_int_equal(mw_model_size(file.data, file.size, &bytes, &why), MW_ERR_UNSUPPORTED);
        assert_int_equal(mw_model_custom_operator(file.data, file.size, &name), MW_OK);
        assert_true(mw_span_is(name, names[i][1]));
        free(file.data);
    }
}

/* Whatever others wrote is a well-formed file: it runs, or the operator, type or shape is refused.
 */
static void public_models_run_or_are_unsupported(void **state)
{
    DIR *folder = opendir(public_models());
    const struct dirent *entry;

    (void)state;
    if (folder == NULL) {
        print_message("no public models under %s\n", public_models());
        skip();
    }
    while ((entry = readdir(folder)) != NULL) {
        if (strstr(entry->d_name, ".tflite") != NULL) {
            struct bytes file = read_named(public_models(), entry->d_name, "");
            const mw_err err = try_file(file.data, file.size);
            if (err != MW_OK && err != MW_ERR_UNSUPPORTED) {
                fail_msg("%s: %s", entry->d_name, mw_err_text(err));
            }
            free(file.data);
        }
    }
    closedir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_truncation_is_refused_or_harmless),
        cmocka_unit_test(every_changed_byte_is_refused_or_harmless),
        cmocka_unit_test(misaligned_files_give_the_same_answer),
        cmocka_unit_test(a_good_file_is_described),
        cmocka_unit_test(memory_is_checked),
        cmocka_unit_test(metadata_is_found_by_name),
        cmocka_unit_test(custom_operators_are_named),
        cmocka_unit_test(public_models_run_or_are_unsupported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
