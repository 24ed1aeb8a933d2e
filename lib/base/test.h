/* test.h - what the tests of this folder share: cmocka with its includes, and a folder of their
 * own. */
#ifndef MW_BASE_TEST_H
#define MW_BASE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A new folder under /tmp; test_folder_remove takes it away with the files in it. */
static inline void test_folder_make(char path[64])
{
    snprintf(path, 64, "/tmp/mw-test-XXXXXX");
    assert_non_null(mkdtemp(path));
}

static inline void test_folder_remove(const char *path)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
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
