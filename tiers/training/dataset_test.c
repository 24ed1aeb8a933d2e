#include "tiers/training/dataset.h"

#include "lib/base/file.h"
#include "lib/base/test.h"

static char folder[64], path[96];
static struct mw_dataset set;
static struct mw_error error;

static int make_folder(void **state)
{
    (void)state;
    test_folder_make(folder);
    (void)snprintf(path, sizeof path, "%s/rows.csv", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    test_folder_remove(folder);
    return 0;
}

static mw_err read_text(const char *text, struct mw_dataset_columns columns)
{
    mw_dataset_clear(&set);
    error = (struct mw_error){0};
    assert_int_equal(mw_file_write(path, text, strlen(text), 0600, &error), MW_OK);
    return mw_dataset_read(&set, path, &columns, &error);
}

static void assert_error(const char *part)
{
    if (strstr(error.text, part) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", error.text, part);
    }
    assert_null(set.x); /* empty after an error */
    assert_int_equal(set.rows, 0);
}

static void test_all_columns(void **state)
{
    (void)state;
    const char *text = "when,engine,side,a,note,b,p,bad\n"
                       "10,e1,train,1.5,text,-2,0.5,0\n"
                       "11.25,e2,validation,2.5,more,3e2,1,1\n"
                       "12,e1,1,0.1,,7,2,0\n";
    struct mw_dataset_columns columns = {
        .label = "bad", .weight = "p", .machine = "engine", .time = "when", .split = "side"};
    assert_int_equal(read_text(text, columns), MW_OK);
    assert_int_equal(set.rows, 3);
    assert_int_equal(set.columns, 2); /* note is no number, the others have a meaning */
    assert_string_equal(set.names[0], "a");
    assert_string_equal(set.names[1], "b");
    const float x[6] = {1.5f, -2.0f, 2.5f, 300.0f, 0.1f, 7.0f};
    assert_memory_equal(set.x, x, sizeof x);
    assert_true(set.label[0] == 0 && set.label[1] == 1 && set.label[2] == 0);
    assert_true(mw_dataset_weight(&set, 0) == 0.5 && mw_dataset_weight(&set, 2) == 2.0);
    assert_int_equal(set.n_machines, 2);
    assert_string_equal(set.machines[1], "e2");
    assert_true(set.machine[0] == 0 && set.machine[1] == 1 && set.machine[2] == 0);
    assert_int_equal(set.time[1], 11250000);
    assert_true(set.held_out[0] == 0 && set.held_out[1] == 1 && set.held_out[2] == 1);
}

static void test_chosen_features(void **state)
{
    (void)state;
    char *wanted[] = {"c", "a"};
    struct mw_dataset_columns columns = {.features = {wanted, 2}};
    assert_int_equal(read_text("a,b,c\n1,2,3\n4,5,6\n", columns), MW_OK);
    const float x[4] = {3.0f, 1.0f, 6.0f, 4.0f};
    assert_int_equal(set.columns, 2);
    assert_memory_equal(set.x, x, sizeof x);
    assert_null(set.label);
    assert_true(mw_dataset_weight(&set, 1) == 1.0);
}

static void test_many_rows(void **state)
{
    (void)state;
    struct mw_buffer text = {0};
    assert_int_equal(mw_buffer_printf(&text, "a,m\n"), MW_OK);
    for (int i = 0; i < 5000; i++) {
        assert_int_equal(mw_buffer_printf(&text, "%d,m%d\n", i, i % 7), MW_OK);
    }
    assert_int_equal(read_text(text.data, (struct mw_dataset_columns){.machine = "m"}), MW_OK);
    assert_int_equal(set.rows, 5000);
    assert_int_equal(set.n_machines, 7);
    assert_true(set.x[4999] == 4999.0f && set.machine[4999] == 4999 % 7);
    mw_buffer_free(&text);
}

static void test_refusals(void **state)
{
    (void)state;
    struct mw_dataset_columns label = {.label = "bad"}, weight = {.weight = "w"};
    assert_int_equal(read_text("a,bda\n1,0\n", label), MW_ERR_NOT_FOUND);
    assert_error("bda"); /* the nearest name */
    assert_int_equal(read_text("a,bad\n1,0\n2,3\n", label), MW_ERR_RANGE);
    assert_error("rows.csv:3: column bad: 3 is not 0 or 1");
    assert_int_equal(read_text("a,bad\n1,0\nx,1\n", label), MW_ERR_PARSE);
    assert_error("rows.csv:3: column a");
    assert_int_equal(read_text("a,bad\n1,0\n1e39,1\n", label), MW_ERR_RANGE);
    assert_error("rows.csv:3: column a: 1e39 is not a number that float32 can hold");
    assert_int_equal(read_text("a,w\n1,0\n", weight), MW_ERR_RANGE);
    assert_error("rows.csv:2: column w: 0 is not above 0");
    assert_int_equal(read_text("a,bad\n", label), MW_ERR_PARSE);
    assert_error("no rows");
    assert_int_equal(read_text("bad\n1\n", label), MW_ERR_PARSE);
    assert_error("no column of numbers");
    assert_int_equal(read_text("a,bad\n1,0\n1\n", label), MW_ERR_PARSE);
    assert_error("rows.csv:3");
    char *with_label[] = {"a", "bad"}, *twice[] = {"a", "a"};
    label.features = (struct mw_list){with_label, 2};
    assert_int_equal(read_text("a,bad\n1,0\n", label), MW_ERR_ARGUMENT);
    assert_error("rows.csv:1: column bad: is the label");
    label.features = (struct mw_list){twice, 2};
    assert_int_equal(read_text("a,bad\n1,0\n", label), MW_ERR_ARGUMENT);
    assert_error("rows.csv:1: column a: is named twice");
    assert_int_equal(mw_dataset_read(&set, "/nowhere/at/all.csv", &label, &error),
                     MW_ERR_NOT_FOUND);
    assert_error("/nowhere/at/all.csv");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_columns),
        cmocka_unit_test(test_chosen_features),
        cmocka_unit_test(test_many_rows),
        cmocka_unit_test(test_refusals),
    };
    int failed = cmocka_run_group_tests(tests, make_folder, remove_folder);
    mw_dataset_clear(&set);
    return failed;
}
