#include "lib/artifact/tar.h"

#include "lib/base/test.h"

#include <stdlib.h>

/* The sum of a header's bytes with eight spaces in the place of the sum (POSIX.1-1988). */
static unsigned sum_of(const char *header)
{
    unsigned sum = 8U * ' ';
    for (size_t i = 0; i < 512; i++) {
        sum += i >= 148 && i < 156 ? 0 : (unsigned char)header[i];
    }
    return sum;
}

static void a_file_is_header_content_and_padding(void **state)
{
    struct mw_buffer out = {0};
    char content[513];
    (void)state;
    memset(content, 'x', sizeof content);
    assert_ok(mw_tar_add_folder(&out, "blobs/sha256", error));
    assert_ok(mw_tar_add_file(&out, "blobs/sha256/ab", (struct mw_span){content, 513}, error));
    assert_ok(mw_tar_add_file(&out, "empty", (struct mw_span){NULL, 0}, error));
    assert_ok(mw_tar_end(&out, error));
    assert_int_equal(out.size, 512 + 512 + 1024 + 512 + 1024);
    const char *folder = out.data, *file = out.data + 512, *empty = out.data + 2048;
    assert_string_equal(folder, "blobs/sha256/");
    assert_int_equal(folder[156], '5');
    assert_string_equal(folder + 100, "0000755");
    assert_string_equal(file, "blobs/sha256/ab");
    assert_int_equal(file[156], '0');
    assert_string_equal(file + 100, "0000644");
    assert_string_equal(file + 124, "00000001001");
    assert_string_equal(file + 136, "00000000000");
    assert_string_equal(file + 257, "ustar");
    assert_memory_equal(file + 263, "00", 2);
    assert_int_equal(strtoul(file + 148, NULL, 8), sum_of(file));
    assert_int_equal(strtoul(folder + 148, NULL, 8), sum_of(folder));
    assert_memory_equal(file + 512, content, 513);
    for (size_t i = 513; i < 1024; i++) {
        assert_int_equal(file[512 + i], 0);
    }
    assert_string_equal(empty, "empty");
    mw_buffer_free(&out);
}

static void names_have_a_form(void **state)
{
    struct mw_buffer out = {0};
    char name[101];
    (void)state;
    memset(name, 'n', sizeof name);
    name[99] = '\0';
    assert_ok(mw_tar_add_file(&out, name, mw_span_of("x"), error));
    assert_refused(mw_tar_add_folder(&out, name, error), MW_ERR_ARGUMENT, "not a name");
    name[99] = 'n';
    name[100] = '\0';
    assert_refused(mw_tar_add_file(&out, name, mw_span_of("x"), error), MW_ERR_ARGUMENT,
                   "not a name");
    assert_refused(mw_tar_add_folder(&out, name, error), MW_ERR_ARGUMENT, "too long");
    assert_refused(mw_tar_add_file(&out, "", mw_span_of("x"), error), MW_ERR_ARGUMENT,
                   "not a name");
    assert_refused(mw_tar_add_file(&out, "/etc", mw_span_of("x"), error), MW_ERR_ARGUMENT,
                   "not a name");
    mw_buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_header_content_and_padding),
        cmocka_unit_test(names_have_a_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
