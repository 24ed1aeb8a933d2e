#include "lib/base/csv.h"

#include "lib/base/file.h"
#include "lib/base/test.h"

#include <fcntl.h>

static struct mw_csv *csv;
static struct mw_error error;

static int take_away(void **state)
{
    (void)state;
    mw_csv_close(csv);
    csv = NULL;
    return 0;
}

static mw_err open_bytes(const char *text, size_t size, struct mw_csv_format format)
{
    mw_csv_close(csv);
    error = (struct mw_error){0};
    return mw_csv_open_memory(&csv, "a.csv", text, size, format, &error);
}

static mw_err open_text(const char *text)
{
    return open_bytes(text, strlen(text), mw_csv_default);
}

static void assert_text(size_t column, const char *expected)
{
    struct mw_span text = mw_csv_text(csv, column);
    assert_int_equal(text.size, strlen(expected));
    assert_memory_equal(text.data, expected, text.size);
}

/* The rows of the open file, fields in brackets, a line a row. */
static const char *all_rows(void)
{
    static struct mw_buffer out;
    mw_buffer_clear(&out);
    mw_buffer_add(&out, "", 0);
    mw_err err;
    while ((err = mw_csv_next(csv, &error)) == MW_OK) {
        for (size_t i = 0; i < mw_csv_columns(csv); i++) {
            struct mw_span text = mw_csv_text(csv, i);
            mw_buffer_printf(&out, "[%.*s]", (int)text.size, text.data);
        }
        mw_buffer_printf(&out, "%llu\n", (unsigned long long)mw_csv_line(csv));
    }
    assert_int_equal(err, MW_ERR_AGAIN);
    assert_int_equal(error.code, MW_OK);
    static char text[65536];
    snprintf(text, sizeof text, "%s", out.data);
    mw_buffer_free(&out);
    return text;
}

static void rows_and_names(void **state)
{
    (void)state;
    double value;
    size_t column;
    assert_int_equal(open_text("time,temp,label\n1,20.5,a\n2,-3e2,b\n"), MW_OK);
    assert_int_equal(mw_csv_columns(csv), 3);
    assert_true(mw_span_is(mw_csv_name(csv, 1), "temp"));
    assert_int_equal(mw_csv_column(csv, "label", &column, &error), MW_OK);
    assert_int_equal(column, 2);
    assert_int_equal(mw_csv_next(csv, &error), MW_OK);
    assert_int_equal(mw_csv_line(csv), 2);
    assert_int_equal(mw_csv_row(csv), 0);
    assert_int_equal(mw_csv_number(csv, 1, &value, &error), MW_OK);
    assert_true(value == 20.5);
    assert_int_equal(mw_csv_next(csv, &error), MW_OK);
    assert_int_equal(mw_csv_row(csv), 1);
    assert_int_equal(mw_csv_number(csv, 1, &value, &error), MW_OK);
    assert_true(value == -300);
    assert_text(2, "b");
    assert_int_equal(mw_csv_next(csv, &error), MW_ERR_AGAIN);
    assert_int_equal(mw_csv_next(csv, &error), MW_ERR_AGAIN);
}

static void forms_that_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text, *rows;
    } cases[] = {
        {"a,b\r\n1,2\r\n\r\n3,4", "[1][2]2\n[3][4]4\n"},
        {"\xEF\xBB\xBF"
         "a;b\n1;2\n",
         "[1][2]2\n"},
        {"\n \n a , b \n\n 1 ,  2\n  \n", "[1][2]5\n"},
        {"a\tb\n1\t\n\t2\n", "[1][]2\n[][2]3\n"},
        {"a,b\n\"x,\"\"y\"\"\",\"1\n2\"\n3,4\n", "[x,\"y\"][1\n2]2\n[3][4]4\n"},
        {"a,b\n\"\",\"\"\"\"\n", "[][\"]2\n"},
        {"a,b\n\"1\" , \"2\"\r\n", "[1][2]2\n"},
        {"a,b\n1\"2,3\n", "[1\"2][3]2\n"},
        {"a b c\n1  2 3  \n   4 5 6\r\n", "[1][2][3]2\n[4][5][6]3\n"},
        {"a  \"b c\"\n1 \"2 3\"\n", "[1][2 3]2\n"},
        {"Motor current\n1.5\n2\n", "[1.5]2\n[2]3\n"},
        {",a\n0,x\n", "[0][x]2\n"},
        {"a,b\n", ""},
        {"\"a;b\",c\n1,2\n", "[1][2]2\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(open_text(cases[i].text), MW_OK);
        assert_string_equal(all_rows(), cases[i].rows);
    }
    assert_int_equal(open_text(",a\n0,x\n"), MW_OK);
    assert_true(mw_span_is(mw_csv_name(csv, 0), "1"));
}

static void without_a_header_columns_have_numbers(void **state)
{
    (void)state;
    struct mw_csv_format format = {.delimiter = 0, .decimal = '.', .header = false};
    size_t column;
    assert_int_equal(open_bytes("1 2  3 \n4 5 6\n", 14, format), MW_OK);
    assert_int_equal(mw_csv_columns(csv), 3);
    assert_int_equal(mw_csv_column(csv, "3", &column, &error), MW_OK);
    assert_int_equal(column, 2);
    assert_string_equal(all_rows(), "[1][2][3]1\n[4][5][6]2\n");
    assert_int_equal(open_bytes("", 0, format), MW_OK);
    assert_int_equal(mw_csv_columns(csv), 0);
    assert_string_equal(all_rows(), "");
}

static void a_decimal_comma(void **state)
{
    (void)state;
    struct mw_csv_format format = {.delimiter = 0, .decimal = ',', .header = true};
    double value;
    int64_t time;
    assert_int_equal(open_bytes("a;b;t\n1,5;2;3,25\n1.5;1.000,5;x\n", 32, format), MW_OK);
    assert_int_equal(mw_csv_next(csv, &error), MW_OK);
    assert_int_equal(mw_csv_number(csv, 0, &value, &error), MW_OK);
    assert_true(value == 1.5);
    assert_int_equal(mw_csv_time(csv, 2, &time, &error), MW_OK);
    assert_int_equal(time, 3250000);
    assert_int_equal(mw_csv_next(csv, &error), MW_OK);
    assert_int_equal(mw_csv_number(csv, 0, &value, &error), MW_ERR_PARSE);
    assert_string_equal(error.text, "a.csv:3: column a: 1.5 is not a finite number");
    assert_int_equal(mw_csv_number(csv, 1, &value, &error), MW_ERR_PARSE);
    format.delimiter = ',';
    assert_int_equal(open_bytes("a", 1, format), MW_ERR_ARGUMENT);
    format.delimiter = 'x';
    assert_int_equal(open_bytes("a", 1, format), MW_ERR_ARGUMENT);
}

static void values_that_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"abc",   "nan",  "NaN",   "inf", "-Infinity",
                                      "1e999", "0x1F", "1.2.3", "1 2"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[64], expected[128];
        double value;
        snprintf(text, sizeof text, "time,motor temp\n1,%s\n", bad[i]);
        snprintf(expected, sizeof expected, "a.csv:2: column motor temp: %s is not a finite number",
                 bad[i]);
        assert_int_equal(open_text(text), MW_OK);
        assert_int_equal(mw_csv_next(csv, &error), MW_OK);
        assert_int_not_equal(mw_csv_number(csv, 1, &value, &error), MW_OK);
        assert_string_equal(error.text, expected);
    }
    double value;
    assert_int_equal(open_text("a,b\n,\x01\n"), MW_OK);
    assert_int_equal(mw_csv_next(csv, &error), MW_OK);
    assert_int_equal(mw_csv_number(csv, 0, &value, &error), MW_ERR_PARSE);
    assert_string_equal(error.text, "a.csv:2: column a: is empty, expected a finite number");
    assert_int_equal(mw_csv_number(csv, 1, &value, &error), MW_ERR_PARSE);
    assert_string_equal(error.text, "a.csv:2: column b: ? is not a finite number");
}

static void times_are_seconds_or_dates(void **state)
{
    (void)state;
    int64_t time;
    assert_int_equal(open_text("t\n1767225600.000001\n2026-01-01 00:00:00.5\n2026-01-32\nnoon\n"),
                     MW_OK);
    assert_int_equal(mw_csv_next(csv, &error), MW_OK);
    assert_int_equal(mw_csv_time(csv, 0, &time, &error), MW_OK);
    assert_int_equal(time, INT64_C(1767225600000001));
    assert_int_equal(mw_csv_next(csv, &error), MW_OK);
    assert_int_equal(mw_csv_time(csv, 0, &time, &error), MW_OK);
    assert_int_equal(time, INT64_C(1767225600500000));
    assert_int_equal(mw_csv_next(csv, &error), MW_OK);
    assert_int_equal(mw_csv_time(csv, 0, &time, &error), MW_ERR_RANGE);
    assert_int_equal(mw_csv_next(csv, &error), MW_OK);
    assert_int_equal(mw_csv_time(csv, 0, &time, &error), MW_ERR_PARSE);
    assert_string_equal(error.text, "a.csv:5: column t: noon is not a time, as 1767225600.5 or "
                                    "2026-01-01 00:00:00");
}

static void files_that_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"a,b,c\n1,2,3\n4,5\n", "a.csv:3: column c: the row has 2 columns, expected 3"},
        {"a,b\n1,2,3,4\n", "a.csv:2: column 3: the row has 4 columns, expected 2"},
        {"a,b,a\n1,2,3\n", "a.csv:1: column a: the name is given twice, to columns 1 and 3"},
        {"", "a.csv:1: expected a header, the file is empty"},
        {"\n\r\n", "a.csv:1: expected a header, the file is empty"},
        {"a,b\n1,\"2\n3,4\n", "a.csv:2: column b: the quote that opens here is not closed"},
        {"a,b\n\"1\n\",\"2\n", "a.csv:3: column b: the quote that opens here is not closed"},
        {"a,b\n\"1\"x,2\n", "a.csv:2: column a: text behind a closing quote"},
        {"\xFF\xFE"
         "a",
         "a.csv:1: is UTF-16; only UTF-8 is read"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mw_err err = open_text(cases[i].text);
        while (err == MW_OK) {
            err = mw_csv_next(csv, &error);
        }
        assert_int_not_equal(err, MW_ERR_AGAIN);
        assert_string_equal(error.text, cases[i].message);
    }
    assert_int_equal(open_bytes("a,b\n1,2\0\n", 9, mw_csv_default), MW_OK);
    assert_int_equal(mw_csv_next(csv, &error), MW_ERR_PARSE);
    assert_string_equal(error.text, "a.csv:2: column b: a NUL byte");
}

static void reading_goes_on_behind_a_ragged_row(void **state)
{
    (void)state;
    assert_int_equal(open_text("a,b\n1\n2,3\n"), MW_OK);
    assert_int_equal(mw_csv_next(csv, &error), MW_ERR_PARSE);
    assert_int_equal(mw_csv_next(csv, &error), MW_OK);
    assert_text(1, "3");
    assert_int_equal(mw_csv_row(csv), 0);
}

static void missing_columns_name_the_nearest(void **state)
{
    (void)state;
    size_t column;
    assert_int_equal(open_text("time,temperature,label\n"), MW_OK);
    assert_int_equal(mw_csv_column(csv, "temprature", &column, &error), MW_ERR_NOT_FOUND);
    assert_string_equal(error.text,
                        "a.csv:1: column temprature: not there, did you mean temperature?");
    assert_int_equal(mw_csv_column(csv, "vibration", &column, &error), MW_ERR_NOT_FOUND);
    assert_string_equal(
        error.text, "a.csv:1: column vibration: not there; the file has time, temperature, label");
}

static void lines_have_a_limit(void **state)
{
    (void)state;
    struct mw_buffer text = {0};
    mw_buffer_printf(&text, "a\n");
    for (size_t i = 0; i < 1048575; i++) {
        mw_buffer_add(&text, "x", 1);
    }
    mw_buffer_printf(&text, "\n");
    assert_int_equal(open_text(text.data), MW_OK);
    assert_int_equal(mw_csv_next(csv, &error), MW_OK);
    text.data[text.size - 1] = 'x';
    assert_int_equal(open_text(text.data), MW_OK);
    assert_int_equal(mw_csv_next(csv, &error), MW_OK); /* the line end is what is missing */
    mw_buffer_printf(&text, "x");
    assert_int_equal(open_text(text.data), MW_OK);
    assert_int_equal(mw_csv_next(csv, &error), MW_ERR_TOO_LARGE);
    assert_string_equal(error.text, "a.csv:2: column a: the line is longer than 1 MiB");
    /* The same through a file, whose block has to grow, and with a quote that swallows the rest. */
    char folder[64], path[128];
    test_folder_make(folder);
    snprintf(path, sizeof path, "%s/long.csv", folder);
    text.data[2] = '"';
    assert_int_equal(mw_file_write(path, text.data, text.size, 0600, &error), MW_OK);
    mw_csv_close(csv);
    assert_int_equal(mw_csv_open(&csv, path, mw_csv_default, &error), MW_OK);
    assert_int_equal(mw_csv_next(csv, &error), MW_ERR_TOO_LARGE);
    assert_non_null(strstr(error.text, "is the quote that opens here closed?"));
    test_folder_remove(folder);
    mw_buffer_free(&text);
}

/* Reads a file through pipes and blocks: rows that lie across block ends have to come out whole. */
static void blocks_do_not_show(void **state)
{
    (void)state;
    char folder[64], path[128];
    struct mw_buffer text = {0};
    test_folder_make(folder);
    snprintf(path, sizeof path, "%s/blocks.csv", folder);
    mw_buffer_printf(&text, "n,text,more\n");
    for (int i = 0; i < 20000; i++) {
        mw_buffer_printf(&text, "%d,\"%*s\"\"\n\",x%d\r\n", i, i % 37, "", i);
    }
    assert_int_equal(mw_file_write(path, text.data, text.size, 0600, &error), MW_OK);
    assert_int_equal(mw_csv_open(&csv, path, mw_csv_default, &error), MW_OK);
    for (int i = 0; i < 20000; i++) {
        char expected[64];
        double value;
        assert_int_equal(mw_csv_next(csv, &error), MW_OK);
        assert_int_equal(mw_csv_number(csv, 0, &value, &error), MW_OK);
        assert_true(value == i);
        snprintf(expected, sizeof expected, "%*s\"\n", i % 37, "");
        assert_text(1, expected);
        snprintf(expected, sizeof expected, "x%d", i);
        assert_text(2, expected);
        assert_int_equal(mw_csv_line(csv), 2 + 2 * i);
    }
    assert_int_equal(mw_csv_next(csv, &error), MW_ERR_AGAIN);
    test_folder_remove(folder);
    mw_buffer_free(&text);
}

static void live_input_is_read_as_it_comes(void **state)
{
    (void)state;
    int fd[2], kept = dup(STDIN_FILENO);
    assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
    assert_true(dup2(fd[0], STDIN_FILENO) >= 0);
    close(fd[0]);
    alarm(30); /* waiting for more than a row here would be for ever */
    assert_int_equal(write(fd[1], "a,b\n", 4), 4);
    assert_int_equal(mw_csv_open(&csv, "-", mw_csv_default, &error), MW_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(write(fd[1], "1,2\n", 4), 4);
        assert_int_equal(mw_csv_next(csv, &error), MW_OK);
        assert_text(1, "2");
    }
    assert_int_equal(write(fd[1], "1\n", 2), 2);
    assert_int_equal(mw_csv_next(csv, &error), MW_ERR_PARSE);
    assert_memory_equal(error.text, "stdin:5: ", 9);
    close(fd[1]);
    assert_int_equal(mw_csv_next(csv, &error), MW_ERR_AGAIN);
    alarm(0);
    dup2(kept, STDIN_FILENO);
    close(kept);
}

static void files_that_are_not_there(void **state)
{
    (void)state;
    assert_int_equal(mw_csv_open(&csv, "/nowhere.csv", mw_csv_default, &error), MW_ERR_NOT_FOUND);
    assert_string_equal(error.text, "/nowhere.csv: No such file or directory");
    assert_null(csv);
    assert_int_equal(mw_csv_open(&csv, "/proc/self", mw_csv_default, &error), MW_ERR_IO);
}

#define TEST(name) cmocka_unit_test_teardown(name, take_away)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rows_and_names),
        TEST(forms_that_are_read),
        TEST(without_a_header_columns_have_numbers),
        TEST(a_decimal_comma),
        TEST(values_that_are_refused),
        TEST(times_are_seconds_or_dates),
        TEST(files_that_are_refused),
        TEST(reading_goes_on_behind_a_ragged_row),
        TEST(missing_columns_name_the_nearest),
        TEST(lines_have_a_limit),
        TEST(blocks_do_not_show),
        TEST(live_input_is_read_as_it_comes),
        TEST(files_that_are_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
