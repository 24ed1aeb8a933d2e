/* Recordings of several habits, from text and from the public files themselves. */
#include "tiers/iot/recording.h"

#include "tiers/iot/test_place.h"

#define HOUR (3600 * MW_SECOND)

struct scene {
    struct place *place;
    struct mw_recording *recording;
    struct mw_recorded row;
    char path[4][512];
    char *paths[4];
    size_t n;
};

static struct scene *begin(void **state)
{
    static struct scene scene;
    scene = (struct scene){.place = *state};
    return &scene;
}

/* Adds a file with this text. */
static void add_file(struct scene *scene, const char *name, const char *text)
{
    place_write(scene->place, name, text);
    (void)snprintf(scene->path[scene->n], sizeof scene->path[0], "%s",
                   place_path(scene->place, name));
    scene->paths[scene->n] = scene->path[scene->n];
    scene->n++;
}

static struct mw_plant *plant_of(struct scene *scene)
{
    return &scene->place->plant;
}

static void set_list(struct mw_list *list, const char *items)
{
    char *copy = strdup(items), *rest = NULL;
    assert_non_null(copy);
    list->item = calloc(64, sizeof *list->item);
    assert_non_null(list->item);
    for (char *item = strtok_r(copy, ",", &rest); item != NULL; item = strtok_r(NULL, ",", &rest)) {
        list->item[list->n++] = strdup(item);
    }
    free(copy);
}

static mw_err open_recording(struct scene *scene, struct mw_error *error)
{
    return mw_recording_open(&scene->recording, plant_of(scene), scene->paths, scene->n, error);
}

static void next(struct scene *scene)
{
    assert_ok(mw_recording_next(scene->recording, &scene->row, error));
}

static void assert_end(struct scene *scene, uint64_t rows)
{
    struct mw_error error = {0};
    assert_int_equal(mw_recording_next(scene->recording, &scene->row, &error), MW_ERR_AGAIN);
    assert_int_equal(mw_recording_next(scene->recording, &scene->row, &error), MW_ERR_AGAIN);
    assert_int_equal(mw_recording_rows(scene->recording), rows);
    mw_recording_close(scene->recording);
}

static void assert_feature(const struct scene *scene, size_t i, const char *name, float value)
{
    const struct mw_feature *feature = &scene->row.telemetry.features[i];
    assert_true(i < scene->row.telemetry.n_features);
    if (!mw_span_is(feature->name, name) || feature->value != value) {
        fail_msg("%.*s=%g, expected %s=%g", (int)feature->name.size, feature->name.data,
                 (double)feature->value, name, (double)value);
    }
}

static void assert_row(const struct scene *scene, const char *device, int64_t time, bool failure)
{
    const struct mw_recorded *row = &scene->row;
    assert_string_equal(row->device, device);
    assert_true(mw_span_is(row->telemetry.device, device));
    assert_true(mw_span_is(row->telemetry.machine, row->machine));
    assert_int_equal(row->telemetry.time, time);
    assert_int_equal(row->failure, failure);
    assert_true(row->telemetry.numbered && row->telemetry.p == 1);
}

/* Columns by number, runs of blanks, cycles, a device's last row is its failure; two files. */
static void runs_to_failure_end_with_it(void **state)
{
    struct scene *scene = begin(state);
    struct mw_plant *plant = plant_of(scene);
    add_file(scene, "train_1.txt", "1 1 -0.5 10.25 \n1 2 0.25 11 \n2 1 1e-1 12 \n");
    add_file(scene, "train_2.txt", "2 2 0 13\n3 1 0 14\n");
    set_text(&plant->columns.device, "1");
    set_text(&plant->columns.prefix, "engine-");
    set_text(&plant->columns.time, "2");
    set_text(&plant->columns.start, "2026-01-01");
    set_text(&plant->columns.failure, "end");
    set_list(&plant->columns.features, "3,4");
    set_list(&plant->columns.names, "setting,T2");
    plant->columns.time_unit = MW_UNIT_CYCLES;
    plant->columns.header = false;
    plant->columns.delimiter = 4; /* space */
    assert_ok(open_recording(scene, error));
    int64_t start = INT64_C(1767225600) * MW_SECOND, cycle = 60 * MW_SECOND;
    next(scene);
    assert_row(scene, "engine-1", start + cycle, false);
    assert_int_equal(scene->row.telemetry.n_features, 2);
    assert_feature(scene, 0, "setting", -0.5F);
    assert_feature(scene, 1, "T2", 10.25F);
    assert_false(scene->row.inspected);
    next(scene);
    assert_row(scene, "engine-1", start + 2 * cycle, true);
    next(scene);
    assert_row(scene, "engine-2", start + cycle, false);
    next(scene); /* of the next file */
    assert_row(scene, "engine-2", start + 2 * cycle, true);
    assert_feature(scene, 1, "T2", 13);
    next(scene);
    assert_row(scene, "engine-3", start + cycle, true);
    assert_end(scene, 5);
}

static void a_device_that_comes_again_has_not_failed(void **state)
{
    struct scene *scene = begin(state);
    add_file(scene, "a.csv", "d,x\nA,1\nB,2\nA,3\n");
    set_text(&plant_of(scene)->columns.device, "d");
    set_text(&plant_of(scene)->columns.failure, "end");
    assert_ok(open_recording(scene, error));
    next(scene);
    assert_refused(mw_recording_next(scene->recording, &scene->row, error), MW_ERR_PARSE,
                   "a.csv:4: a comes again");
    mw_recording_close(scene->recording);
}

/* Semicolons, dates, a label that is no feature, and the file's name as the device. */
static void a_file_is_a_device(void **state)
{
    struct scene *scene = begin(state);
    add_file(scene, "Valve 1.csv",
             "datetime;Accelerometer1RMS;Pressure;anomaly\r\n"
             "2020-03-09 10:14:33;0.026588;-0.273216;0.0\r\n"
             "2020-03-09 10:14:34.5;0.026170;0.382638;1.0\r\n");
    set_text(&plant_of(scene)->columns.time, "datetime");
    set_text(&plant_of(scene)->columns.label, "anomaly");
    assert_ok(open_recording(scene, error));
    next(scene);
    assert_row(scene, "valve-1", INT64_C(1583748873000000), false);
    assert_int_equal(scene->row.telemetry.n_features, 2);
    assert_feature(scene, 0, "Accelerometer1RMS", 0.026588F);
    assert_feature(scene, 1, "Pressure", -0.273216F);
    next(scene);
    assert_row(scene, "valve-1", INT64_C(1583748874500000), false);
    assert_end(scene, 2);
}

/* A finding each row, named columns, the machine from a column, row numbers for times. */
static void findings_become_inspections(void **state)
{
    struct scene *scene = begin(state);
    struct mw_plant *plant = plant_of(scene);
    add_file(scene, "ai4i.csv",
             "\xef\xbb\xbfUDI,Product ID,Type,Air temperature [K],Torque [Nm],Machine failure\n"
             "1,M14860,M,298.1,42.8,0\n2,L47181,L,298.2,46.3,1\n");
    set_text(&plant->columns.machine, "Product ID");
    set_text(&plant->columns.finding, "Machine failure");
    set_text(&plant->columns.failure, "Machine failure");
    set_list(&plant->columns.features, "Torque [Nm],Air temperature [K]");
    plant->columns.time_unit = MW_UNIT_HOURS;
    assert_ok(open_recording(scene, error));
    next(scene);
    assert_row(scene, "ai4i", 0, false);
    assert_string_equal(scene->row.machine, "m14860");
    assert_true(scene->row.inspected && !scene->row.fault);
    assert_feature(scene, 0, "Torque [Nm]", 42.8F);
    assert_feature(scene, 1, "Air temperature [K]", 298.1F);
    next(scene);
    assert_row(scene, "ai4i", HOUR, true);
    assert_string_equal(scene->row.machine, "l47181");
    assert_true(scene->row.inspected && scene->row.fault);
    assert_end(scene, 2);
}

static void decimal_commas_are_read(void **state)
{
    struct scene *scene = begin(state);
    struct mw_plant *plant = plant_of(scene);
    add_file(scene, "a.csv", "t;x\n0,5;1,25\n1,000001;-2,5\n");
    set_text(&plant->columns.time, "t");
    plant->columns.decimal = 1;
    plant->columns.delimiter = 2; /* semicolon */
    assert_ok(open_recording(scene, error));
    next(scene);
    assert_row(scene, "a", MW_SECOND / 2, false);
    assert_feature(scene, 0, "x", 1.25F);
    next(scene);
    assert_row(scene, "a", 1000001, false);
    assert_feature(scene, 0, "x", -2.5F);
    assert_end(scene, 2);
}

/* Files of one name in two folders are two devices; in one folder (or the same file) a mistake. */
static void files_of_one_name_are_told_apart(void **state)
{
    struct scene *scene = begin(state);
    assert_ok(mw_file_make_folder(place_path(scene->place, "valve1"), error));
    assert_ok(mw_file_make_folder(place_path(scene->place, "other"), error));
    add_file(scene, "valve1/1.csv", "x\n1\n2\n");
    add_file(scene, "other/1.csv", "x\n3\n");
    assert_ok(open_recording(scene, error));
    next(scene);
    assert_row(scene, "valve1-1", 0, false);
    next(scene);
    assert_row(scene, "valve1-1", MW_SECOND, false);
    next(scene);
    assert_row(scene, "other-1", 0, false); /* its own rows */
    assert_end(scene, 3);
    add_file(scene, "other/1.txt", "x\n3\n");
    assert_refused(open_recording(scene, error), MW_ERR_ARGUMENT, "would be the same device");
}

/* One row of `text` is wrong; the message says where. */
static void refused(void **state, const char *text, const char *columns_time, mw_err err,
                    const char *part)
{
    struct scene *scene = begin(state);
    mw_err found = MW_OK;
    struct mw_error error = {0};
    add_file(scene, "bad.csv", text);
    set_text(&plant_of(scene)->columns.time, columns_time);
    set_text(&plant_of(scene)->columns.device, "d");
    set_text(&plant_of(scene)->columns.failure, "f");
    found = open_recording(scene, &error);
    while (found == MW_OK) {
        found = mw_recording_next(scene->recording, &scene->row, &error);
    }
    if (found != err || strstr(error.text, part) == NULL) {
        fail_msg("%d \"%s\", expected %d \"%s\"", (int)found, error.text, (int)err, part);
    }
    mw_recording_close(scene->recording);
    scene->recording = NULL;
}

static void bad_rows_are_named(void **state)
{
#define GOOD "d,t,f,x\na,1,0,1\n"
    refused(state, GOOD "a,2,0,one\n", "t", MW_ERR_PARSE, "bad.csv:3: column x");
    refused(state, GOOD "a,2,0\n", "t", MW_ERR_PARSE, "bad.csv:3: ");
    refused(state, GOOD "a,2,0,nan\n", "t", MW_ERR_PARSE, "bad.csv:3: column x");
    refused(state, GOOD "a,2,0,1e39\n", "t", MW_ERR_RANGE,
            "bad.csv:3: column x: 1e39 is beyond the range of float32");
    refused(state, GOOD "a,2,2,1\n", "t", MW_ERR_PARSE,
            "bad.csv:3: column f: 2 is neither 0 nor 1");
    refused(state, GOOD "a,soon,0,1\n", "t", MW_ERR_PARSE, "bad.csv:3: column t");
    refused(state, GOOD "a,1e300,0,1\n", "t", MW_ERR_RANGE,
            "bad.csv:3: column t: 1e300 is a time out of range");
    refused(state, GOOD "a,2026-13-01,0,1\n", "t", MW_ERR_RANGE, "bad.csv:3: column t");
    refused(state, GOOD ",2,0,1\n", "t", MW_ERR_PARSE, "bad.csv:3: \"\" is no name of a device");
    refused(state, GOOD, "time", MW_ERR_NOT_FOUND, "bad.csv");
    refused(state, "d,t,f,\"a\\b\"\na,1,0,1\n", "t", MW_ERR_PARSE, "bad.csv: column 4");
}

static void a_start_is_a_date(void **state)
{
    struct scene *scene = begin(state);
    add_file(scene, "a.csv", "x\n1\n");
    set_text(&plant_of(scene)->columns.start, "soon");
    assert_refused(open_recording(scene, error), MW_ERR_PARSE, "columns.start: \"soon\"");
    set_text(&plant_of(scene)->columns.start, "1970-01-01T00:00:10");
    assert_ok(open_recording(scene, error));
    next(scene);
    assert_row(scene, "a", 10 * MW_SECOND, false);
    assert_end(scene, 1);
    scene->n = 0;
    assert_refused(open_recording(scene, error), MW_ERR_ARGUMENT, "at least one CSV file");
}

/* --- the public files --- */

static void add_public(struct scene *scene, const char *name)
{
    const char *named = getenv("MILLWRIGHT_DATA");
    (void)snprintf(scene->path[scene->n], sizeof scene->path[0], "%s/%s",
                   named != NULL ? named : MW_SOURCE_DIR "/../shared/data", name);
    if (!mw_file_exists(scene->path[scene->n])) {
        print_message("%s is not there: skipped\n", scene->path[scene->n]);
        skip();
    }
    scene->paths[scene->n] = scene->path[scene->n];
    scene->n++;
}

static void all_turbofans_fail_in_the_end(void **state)
{
    struct scene *scene = begin(state);
    struct mw_plant *plant = plant_of(scene);
    unsigned failures = 0;
    add_public(scene, "cmapss/train_FD001.txt");
    set_text(&plant->columns.device, "1");
    set_text(&plant->columns.time, "2");
    set_text(&plant->columns.failure, "end");
    plant->columns.header = false;
    plant->columns.delimiter = 4; /* space */
    assert_ok(open_recording(scene, error));
    for (int i = 0; i < 20631; i++) {
        next(scene);
        assert_int_equal(scene->row.telemetry.n_features, 24);
        failures += scene->row.failure;
    }
    assert_row(scene, "100", 200 * MW_SECOND, true);
    assert_int_equal(failures, 100);
    assert_end(scene, 20631);
}

static void all_milling_rows_have_a_finding(void **state)
{
    struct scene *scene = begin(state);
    struct mw_plant *plant = plant_of(scene);
    unsigned faults = 0;
    add_public(scene, "ai4i2020/ai4i2020.csv");
    set_text(&plant->columns.finding, "Machine failure");
    set_list(&plant->columns.features,
             "Air temperature [K],Process temperature [K],Rotational speed [rpm],Torque [Nm],"
             "Tool wear [min]");
    assert_ok(open_recording(scene, error));
    for (int i = 0; i < 10000; i++) {
        next(scene);
        faults += scene->row.inspected && scene->row.fault;
    }
    assert_int_equal(faults, 339);
    assert_end(scene, 10000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_set_up, place_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(runs_to_failure_end_with_it),
        TEST(a_device_that_comes_again_has_not_failed),
        TEST(a_file_is_a_device),
        TEST(findings_become_inspections),
        TEST(decimal_commas_are_read),
        TEST(files_of_one_name_are_told_apart),
        TEST(bad_rows_are_named),
        TEST(a_start_is_a_date),
        TEST(all_turbofans_fail_in_the_end),
        TEST(all_milling_rows_have_a_finding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
