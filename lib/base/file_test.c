#include "lib/base/file.h"

#include "lib/base/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], path[256];

static int make(void **state)
{
    (void)state;
    test_folder_make(folder);
    assert_int_equal(mw_file_join(path, sizeof path, folder, "file"), MW_OK);
    return 0;
}

static int take_away(void **state)
{
    (void)state;
    test_folder_remove(folder);
    return 0;
}

static void buffers_grow_and_end_in_nul(void **state)
{
    (void)state;
    struct mw_buffer buffer = {0};
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(mw_buffer_add(&buffer, "abc", 3), MW_OK);
        assert_int_equal(buffer.data[buffer.size], 0);
    }
    assert_int_equal(buffer.size, 3000);
    mw_buffer_clear(&buffer);
    assert_string_equal(buffer.data, "");
    assert_int_equal(mw_buffer_printf(&buffer, "%s", ""), MW_OK);
    for (int i = 0; i < 500; i++) {
        assert_int_equal(mw_buffer_printf(&buffer, "%04d", i), MW_OK);
    }
    assert_int_equal(buffer.size, 2000);
    assert_string_equal(buffer.data + 1996, "0499");
    assert_int_equal(mw_buffer_reserve(&buffer, SIZE_MAX - 100), MW_ERR_MEMORY);
    assert_int_equal(mw_buffer_add(&buffer, NULL, 0), MW_OK);
    mw_buffer_free(&buffer);
    assert_null(buffer.data);
}

static void writes_replace_whole_files(void **state)
{
    (void)state;
    struct mw_error error = {0};
    struct mw_buffer buffer = {0};
    struct stat status;
    assert_int_equal(mw_file_write(path, "first", 5, 0600, &error), MW_OK);
    assert_int_equal(mw_file_write(path, "2nd", 3, 0640, &error), MW_OK);
    assert_int_equal(mw_buffer_add(&buffer, "<", 1), MW_OK);
    assert_int_equal(mw_file_read(path, 3, &buffer, &error), MW_OK);
    assert_string_equal(buffer.data, "<2nd");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    /* Nothing temporary is left beside it. */
    DIR *list = opendir(folder);
    int n = 0;
    while (readdir(list) != NULL) {
        n++;
    }
    closedir(list);
    assert_int_equal(n, 3);
    mw_buffer_free(&buffer);
}

static void reading_is_limited_and_names_the_path(void **state)
{
    (void)state;
    struct mw_error error = {0};
    struct mw_buffer buffer = {0};
    assert_int_equal(mw_file_write(path, "12345", 5, 0600, &error), MW_OK);
    assert_int_equal(mw_file_read(path, 4, &buffer, &error), MW_ERR_TOO_LARGE);
    assert_non_null(strstr(error.text, path));
    assert_int_equal(buffer.size, 0);
    /* A file of the kernel's says that its size is 0; the limit holds all the same. */
    assert_int_equal(mw_file_read("/proc/self/maps", 10, &buffer, &error), MW_ERR_TOO_LARGE);
    assert_int_equal(buffer.size, 0);
    assert_int_equal(mw_file_read("/proc/self/maps", 1 << 24, &buffer, &error), MW_OK);
    assert_true(buffer.size > 100);
    assert_int_equal(mw_file_read("/nowhere/at/all", 10, &buffer, &error), MW_ERR_NOT_FOUND);
    assert_string_equal(error.text, "/nowhere/at/all: No such file or directory");
    assert_int_equal(mw_file_read(folder, 10, &buffer, &error), MW_ERR_IO);
    mw_buffer_free(&buffer);
}

static void failed_writes_leave_the_old_file(void **state)
{
    (void)state;
    struct mw_error error = {0};
    assert_int_equal(mw_file_write("/nowhere/at/all", "x", 1, 0600, &error), MW_ERR_NOT_FOUND);
    /* The name is a folder that is not empty, so the rename at the end fails. */
    char inner[300];
    snprintf(inner, sizeof inner, "%s/inner", path);
    assert_int_equal(mw_file_make_folder(inner, &error), MW_OK);
    assert_int_equal(mw_file_write(path, "x", 1, 0600, &error), MW_ERR_IO);
    assert_true(mw_file_exists(inner));
    DIR *list = opendir(folder);
    int n = 0;
    while (readdir(list) != NULL) {
        n++;
    }
    closedir(list);
    assert_int_equal(n, 3);
}

static void assert_kind(const char *name, mode_t kind)
{
    struct stat status;
    assert_int_equal(lstat(name, &status), 0);
    assert_int_equal(status.st_mode & S_IFMT, kind);
}

/* As root a rename would put a file in the place of /dev/null. */
static void devices_pipes_and_links_stay(void **state)
{
    (void)state;
    struct mw_error error = {0};
    struct mw_buffer buffer = {0};
    char link[300], pipe_path[300], text[8];
    snprintf(link, sizeof link, "%s/link", folder);
    snprintf(pipe_path, sizeof pipe_path, "%s/pipe", folder);
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    int fd = open(pipe_path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    assert_int_equal(mw_file_write(pipe_path, "piped", 5, 0600, &error), MW_OK);
    assert_int_equal(read(fd, text, sizeof text), 5);
    mw_file_discard(pipe_path);
    assert_kind(pipe_path, S_IFIFO);
    assert_int_equal(symlink(pipe_path, link), 0);
    assert_int_equal(mw_file_replace(link, "again", 5, 0600, &error), MW_OK);
    assert_int_equal(read(fd, text, sizeof text), 5);
    assert_kind(link, S_IFLNK);
    close(fd);

    assert_int_equal(unlink(link), 0);
    assert_int_equal(symlink("/dev/full", link), 0); /* through a link: no device is at risk */
    assert_int_equal(mw_file_write(link, "x", 1, 0600, &error), MW_ERR_FULL);
    assert_kind(link, S_IFLNK);

    assert_int_equal(unlink(link), 0);
    assert_int_equal(symlink(path, link), 0);
    assert_int_equal(mw_file_write(path, "old", 3, 0600, &error), MW_OK);
    assert_int_equal(mw_file_write(link, "new", 3, 0600, &error), MW_OK);
    assert_kind(link, S_IFLNK);
    assert_int_equal(mw_file_read(path, 10, &buffer, &error), MW_OK);
    assert_string_equal(buffer.data, "new");
    mw_file_discard(link);
    assert_kind(link, S_IFLNK);
    assert_false(mw_file_exists(path));
    mw_buffer_free(&buffer);
}

static void folders_are_made_with_their_parents(void **state)
{
    (void)state;
    struct mw_error error = {0};
    struct stat status;
    char deep[300];
    snprintf(deep, sizeof deep, "%s/a//b/c/", path);
    assert_int_equal(mw_file_make_folder(deep, &error), MW_OK);
    assert_int_equal(mw_file_make_folder(deep, &error), MW_OK);
    assert_int_equal(stat(deep, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    snprintf(deep, sizeof deep, "%s/file", path);
    assert_int_equal(mw_file_write(deep, "", 0, 0600, &error), MW_OK);
    assert_int_equal(mw_file_make_folder(deep, &error), MW_ERR_EXISTS);
    strcat(deep, "/below");
    assert_int_equal(mw_file_make_folder(deep, &error), MW_ERR_IO);
    assert_int_equal(mw_file_make_folder("", &error), MW_ERR_ARGUMENT);
}

static void joins_check_their_room(void **state)
{
    (void)state;
    char text[8];
    assert_int_equal(mw_file_join(text, sizeof text, "abc", "def"), MW_OK);
    assert_string_equal(text, "abc/def");
    assert_int_equal(mw_file_join(text, sizeof text, "abcd", "def"), MW_ERR_TOO_LARGE);
    assert_int_equal(mw_file_join(text, sizeof text, "/", "x"), MW_OK);
    assert_string_equal(text, "/x");
    assert_int_equal(mw_file_join(text, sizeof text, "", "x"), MW_OK);
    assert_string_equal(text, "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffers_grow_and_end_in_nul),
        cmocka_unit_test_setup_teardown(writes_replace_whole_files, make, take_away),
        cmocka_unit_test_setup_teardown(reading_is_limited_and_names_the_path, make, take_away),
        cmocka_unit_test_setup_teardown(failed_writes_leave_the_old_file, make, take_away),
        cmocka_unit_test_setup_teardown(devices_pipes_and_links_stay, make, take_away),
        cmocka_unit_test_setup_teardown(folders_are_made_with_their_parents, make, take_away),
        cmocka_unit_test(joins_check_their_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
