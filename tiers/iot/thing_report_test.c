#include "tiers/iot/thing_report.h"

#include "lib/base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* What the simulation tells must not fill the disk of a plant that runs for years. */
static void a_long_log_starts_anew(void **state)
{
    char folder[] = "/tmp/mw-report-XXXXXX", path[128], before[160], command[128];
    struct mw_plant plant = {.plant = "p", .simulate = {.machines = 1}};
    struct mw_thing_report *report = NULL;
    struct mw_error error = {0};
    struct stat status;
    (void)state;
    assert_non_null(mkdtemp(folder));
    plant.data = folder;
    snprintf(path, sizeof path, "%s/things", folder);
    assert_int_equal(mw_file_make_folder(path, &error), MW_OK);
    snprintf(path, sizeof path, "%s/things/truth.jsonl", folder);
    snprintf(before, sizeof before, "%s.1", path);
    const struct mw_world_truth truth = {.name = "motor-1", .saved = true};
    for (int i = 0; i < 2; i++) { /* the second time over the one that was moved before */
        assert_int_equal(mw_thing_report_new(&report, &plant, &error), MW_OK);
        mw_thing_report_truth(report, &truth);
        assert_int_equal(stat(path, &status), 0);
        assert_true(status.st_size > 0 && status.st_size < 4096);
        assert_int_equal(truncate(path, 64 << 20), 0);
        mw_thing_report_truth(report, &truth);
        assert_int_equal(stat(before, &status), 0);
        assert_true(status.st_size > 64 << 20);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_size, 0);
        mw_thing_report_free(report);
    }
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_long_log_starts_anew)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
