/* test.h - what tests share: cmocka with its includes, assertions on errors, and a folder of their
 * own. */
#ifndef MW_BASE_TEST_H
#define MW_BASE_TEST_H

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/error.h"

/* The call, which hands on `error`, succeeds. */
#define assert_ok(call)                                                             \
    do {                                                                            \
        struct mw_error test_error = {0};                                           \
        struct mw_error *error = &test_error;                                       \
        mw_err test_err = (call);                                                   \
        if (test_err != MW_OK) {                                                    \
            fail_msg("%s: %s (%s)", #call, test_error.text, mw_err_text(test_err)); \
        }                                                                           \
        (void)error;                                                                \
    } while (0)

/* The call fails with this code, and the message holds this text. */
#define assert_refused(call, expected, part)                                                     \
    do {                                                                                         \
        struct mw_error test_error = {0};                                                        \
        struct mw_error *error = &test_error;                                                    \
        mw_err test_err = (call);                                                                \
        if (test_err != (expected) || strstr(test_error.text, part) == NULL) {                   \
            fail_msg("%s: %d \"%s\", expected %d \"%s\"", #call, (int)test_err, test_error.text, \
                     (int)(expected), part);                                                     \
        }                                                                                        \
        assert_int_equal(test_error.code, (expected));                                           \
        (void)error;                                                                             \
    } while (0)

/* A new folder under $TMPDIR or /tmp; test_folder_remove takes it away with all that is in it. */
static inline void test_folder_make(char path[64])
{
    const char *parent = getenv("TMPDIR");
    int n = snprintf(path, 64, "%s/mw-test-XXXXXX", parent == NULL ? "/tmp" : parent);
    assert_in_range(n, 1, 63);
    assert_non_null(mkdtemp(path));
}

static inline int test_folder_remove_one(const char *path, const struct stat *status, int type,
                                         struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static inline void test_folder_remove(const char *path)
{
    (void)nftw(path, test_folder_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Everything written to stderr goes to a file until test_stderr_end, which puts it into text. */
static inline int test_stderr_begin(FILE **file)
{
    fflush(stderr);
    *file = tmpfile();
    assert_non_null(*file);
    int kept = dup(STDERR_FILENO);
    assert_true(kept >= 0 && dup2(fileno(*file), STDERR_FILENO) >= 0);
    return kept;
}

static inline void test_stderr_end(FILE *file, int kept, char *text, size_t capacity)
{
    fflush(stderr);
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    close(kept);
    rewind(file);
    size_t n = fread(text, 1, capacity - 1, file);
    text[n] = 0;
    fclose(file);
}

#endif
