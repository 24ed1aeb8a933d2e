#include "lib/base/progress.h"

#include "lib/base/test.h"

static void without_a_terminal_only_the_end_is_said(void **state)
{
    (void)state;
    FILE *file;
    char text[512];
    int kept = test_stderr_begin(&file);
    struct mw_progress progress;
    mw_progress_start(&progress, "train", 200);
    for (uint64_t i = 0; i < 200; i++) {
        mw_progress_update(&progress, i);
    }
    mw_progress_end(&progress, 200);
    test_stderr_end(file, kept, text, sizeof text);
    assert_memory_equal(text, "train [##############################] 100%  200 of 200  ", 56);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void an_unknown_total_has_no_bar(void **state)
{
    (void)state;
    FILE *file;
    char text[512];
    int kept = test_stderr_begin(&file);
    struct mw_progress progress;
    mw_progress_start(&progress, "replay", 0);
    progress.terminal = 1; /* as on a terminal */
    mw_progress_update(&progress, 5);
    mw_progress_end(&progress, 12);
    test_stderr_end(file, kept, text, sizeof text);
    assert_non_null(strstr(text, "\rreplay 5  "));
    assert_non_null(strstr(text, "\rreplay 12  "));
    assert_null(strstr(text, "[#"));
}

static void what_is_hidden_is_drawn_anew(void **state)
{
    (void)state;
    FILE *file;
    char text[512];
    int kept = test_stderr_begin(&file);
    struct mw_progress none = {0}, progress;
    mw_progress_hide(&none);
    mw_progress_start(&progress, "records", 0);
    mw_progress_hide(&progress); /* stderr is no terminal here */
    progress.terminal = 1;
    mw_progress_hide(&progress); /* nothing is drawn */
    mw_progress_update(&progress, 5);
    mw_progress_hide(&progress);
    mw_progress_hide(&progress);
    mw_progress_update(&progress, 6); /* however soon */
    test_stderr_end(file, kept, text, sizeof text);
    assert_int_equal(strncmp(text, "\rrecords 5  ", 12), 0);
    const char *hidden = strstr(text, "\033[K\r\033[K");
    assert_non_null(hidden);
    assert_int_equal(strncmp(hidden + 7, "\rrecords 6  ", 12), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_terminal_only_the_end_is_said),
        cmocka_unit_test(an_unknown_total_has_no_bar),
        cmocka_unit_test(what_is_hidden_is_drawn_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
