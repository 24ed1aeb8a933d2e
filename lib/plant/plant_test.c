#include "lib/plant/plant.h"

#include "lib/base/file.h"
#include "lib/base/test.h"
#include "lib/plant/broker.h"
#include "lib/plant/change.h"

#include <sys/stat.h>

struct place {
    char folder[64], file[128];
    struct mw_plant plant;
    struct mw_error error;
};

static int set_up(void **state)
{
    static struct place place;
    place = (struct place){0};
    test_folder_make(place.folder);
    snprintf(place.file, sizeof place.file, "%s/plant.yaml", place.folder);
    *state = &place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    mw_plant_clear(&place->plant);
    test_folder_remove(place->folder);
    return 0;
}

static mw_err read_text(struct place *place, struct mw_plant *plant, const char *text)
{
    assert_int_equal(mw_file_write(place->file, text, strlen(text), 0600, &place->error), MW_OK);
    place->error = (struct mw_error){0};
    return mw_plant_read(plant, place->file, &place->error);
}

static void give(struct place *place, const char *text)
{
    mw_plant_clear(&place->plant);
    if (read_text(place, &place->plant, text) != MW_OK) {
        fail_msg("%s", place->error.text);
    }
}

static void assert_wrong(struct place *place, const char *text, const char *words)
{
    struct mw_plant plant;
    assert_int_equal(mw_error_exit_status(read_text(place, &plant, text)), 2);
    if (strstr(place->error.text, words) == NULL) {
        fail_msg("no '%s' in: %s", words, place->error.text);
    }
}

static void defaults_are_complete(void **state)
{
    struct place *place = *state;
    assert_int_equal(mw_plant_read(&place->plant, NULL, &place->error), MW_OK);
    const struct mw_plant *plant = &place->plant;
    assert_null(plant->file);
    assert_string_equal(plant->plant, "plant");
    assert_int_equal(plant->http.port, 8080);
    assert_true(plant->http.enabled && plant->level2.enabled && plant->columns.header);
    assert_int_equal(plant->time.tolerance, INT64_C(86400000000));
    assert_int_equal(plant->model.kind, MW_MODEL_LOGISTIC);
    assert_int_equal(plant->model.hidden.n, 2);
    assert_int_equal(plant->simulate.machines, 0);
    assert_int_equal(plant->stream.retention_size, INT64_C(8) << 30);
}

/* Every row of the table has a place of its own in the struct, and a help text. */
static void keys_are_no_two_at_one_place(void **state)
{
    (void)state;
    for (const struct mw_option *a = mw_plant_options; a->key != NULL; a++) {
        assert_true(a->offset < sizeof(struct mw_plant));
        assert_true(a->help != NULL && a->help[0] != '\0');
        for (const struct mw_option *b = mw_plant_options; b < a; b++) {
            assert_string_not_equal(a->key, b->key);
            if (a->offset == b->offset) {
                fail_msg("%s and %s are the same field", a->key, b->key);
            }
        }
    }
}

static void paths_are_relative_to_the_file(void **state)
{
    struct place *place = *state;
    char expected[256], path[256];
    give(place, "data: here\nbroker: {password_file: secret}\nsimulate: {script: /abs/world}\n");
    snprintf(expected, sizeof expected, "%s/here", place->folder);
    assert_string_equal(place->plant.data, expected);
    snprintf(expected, sizeof expected, "%s/secret", place->folder);
    assert_string_equal(place->plant.broker.password_file, expected);
    assert_string_equal(place->plant.simulate.script, "/abs/world");
    assert_string_equal(place->plant.file, place->file);

    assert_int_equal(mw_plant_path(&place->plant, "keys", "root.pem", path, sizeof path, NULL),
                     MW_OK);
    snprintf(expected, sizeof expected, "%s/here/keys/root.pem", place->folder);
    assert_string_equal(path, expected);
    struct stat status;
    snprintf(expected, sizeof expected, "%s/here/keys", place->folder);
    assert_int_equal(stat(expected, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    char small[24];
    assert_int_equal(mw_plant_path(&place->plant, "keys", "root.pem", small, sizeof small, NULL),
                     MW_ERR_TOO_LARGE);
}

static void stream_is_where_the_data_is_unless_named(void **state)
{
    struct place *place = *state;
    char uri[256], expected[256], small[8];
    give(place, "data: /tmp/x\n");
    assert_int_equal(mw_plant_stream_uri(&place->plant, uri, sizeof uri), MW_OK);
    assert_string_equal(uri, "sqlite:/tmp/x/stream");
    assert_int_equal(mw_plant_stream_uri(&place->plant, small, sizeof small), MW_ERR_TOO_LARGE);
    give(place, "stream: {url: 'kafka://host:9092'}\n");
    assert_int_equal(mw_plant_stream_uri(&place->plant, uri, sizeof uri), MW_OK);
    assert_string_equal(uri, "kafka://host:9092?create=true&partitions=4&replication=0"
                             "&retention_age=7776000000&retention_size=8589934592");
    give(place, "stream: {url: 'kafka://a,b?partitions=7', create: false, replication: 3,\n"
                "         retention_age: off, retention_size: off, config: 'a b&c'}\n");
    assert_int_equal(mw_plant_stream_uri(&place->plant, uri, sizeof uri), MW_OK);
    snprintf(expected, sizeof expected,
             "kafka://a,b?create=false&partitions=4&replication=3&retention_age=-1"
             "&retention_size=-1&config=%s/a%%20b%%26c&partitions=7",
             place->folder);
    assert_string_equal(uri, expected);
    for (size_t i = 0; i < strlen(expected); i++) {
        assert_int_equal(mw_plant_stream_uri(&place->plant, uri, i), MW_ERR_TOO_LARGE);
    }
}

static void what_no_row_can_say_is_checked(void **state)
{
    struct place *place = *state;
    assert_wrong(place, "watch: {window: 30, minimum: 50}\n", "watch.minimum (50)");
    assert_wrong(place, "columns: {features: [a, b], names: [c]}\n", "columns.names has 1");
    assert_wrong(place, "plant: a\nwacth: {window: 30}\n", "plant.yaml:2");
}

static void changes_are_found_by_section(void **state)
{
    struct place *place = *state;
    struct mw_plant other;
    give(place, "model: {hidden: [5, 4], features: [a, b]}\nwatch: {psi: 0.2}\n");
    static const struct {
        const char *text, *section;
    } changes[] = {
        {"model: {hidden: [5, 3], features: [a, b]}\nwatch: {psi: 0.2}\n", "model"},
        {"model: {hidden: [5], features: [a, b]}\nwatch: {psi: 0.2}\n", "model"},
        {"model: {hidden: [5, 4], features: [a, c]}\nwatch: {psi: 0.2}\n", "model"},
        {"model: {hidden: [5, 4]}\nwatch: {psi: 0.2}\n", "model"},
        {"model: {hidden: [5, 4], features: [a, b]}\nwatch: {psi: 0.3}\n", "watch"},
        {"model: {hidden: [5, 4], features: [a, b]}\nwatch: {psi: 0.2}\nplant: x\n", "plant"},
        {"model: {hidden: [5, 4], features: [a, b]}\nwatch: {psi: 0.2}\n"
         "level2: {enabled: false}\n",
         "level2"},
        {"model: {hidden: [5, 4], features: [a, b], kind: mlp}\nwatch: {psi: 0.2}\n", "model"},
        {"model: {hidden: [5, 4], features: [a, b]}\nwatch: {psi: 0.2}\ntopics: {a: b}\n",
         "topics"},
    };
    static const char *const sections[] = {"model",  "watch", "plant", "level2",
                                           "broker", "data",  "topics"};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        assert_int_equal(read_text(place, &other, changes[i].text), MW_OK);
        for (size_t k = 0; k < sizeof sections / sizeof *sections; k++) {
            assert_int_equal(mw_plant_differs(&place->plant, &other, sections[k]),
                             strcmp(sections[k], changes[i].section) == 0);
        }
        mw_plant_clear(&other);
    }
    assert_false(mw_plant_differs(&place->plant, &place->plant, "model"));
}

static void broker_of_the_plant_or_of_up(void **state)
{
    struct place *place = *state;
    struct mw_broker_address address,
        written = {.url = "mqtt://127.0.0.1:1", .username = "millwright", .password = "pass\"word"};
    char path[128];
    give(place, "data: d\n");
    assert_int_equal(mw_plant_broker(&place->plant, &address, &place->error), MW_ERR_NOT_FOUND);
    assert_non_null(strstr(place->error.text, "millwright up"));
    assert_int_equal(mw_plant_broker_write(&place->plant, &written, &place->error), MW_OK);
    assert_int_equal(mw_plant_broker(&place->plant, &address, &place->error), MW_OK);
    assert_string_equal(address.url, written.url);
    assert_string_equal(address.password, written.password);
    struct stat status;
    snprintf(path, sizeof path, "%s/d/run/broker.json", place->folder);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(mw_file_write(path, "[]", 2, 0600, &place->error), MW_OK);
    assert_int_equal(mw_plant_broker(&place->plant, &address, &place->error), MW_ERR_PARSE);

    /* A URL goes before what `up` left; the password is a file's first line. */
    snprintf(path, sizeof path, "%s/secret", place->folder);
    assert_int_equal(mw_file_write(path, "sesame\r\nno more\n", 16, 0600, &place->error), MW_OK);
    give(place, "data: d\nbroker: {url: 'mqtt://h', username: u, password_file: secret}\n");
    assert_int_equal(mw_plant_broker(&place->plant, &address, &place->error), MW_OK);
    assert_string_equal(address.url, "mqtt://h");
    assert_string_equal(address.username, "u");
    assert_string_equal(address.password, "sesame");
    assert_int_equal(address.version, MW_BROKER_AUTO);
    assert_string_equal(address.ca_file, "");
    give(place,
         "broker: {url: 'mqtts://h', version: 3.1.1, ca_file: ca.pem, certificate_file: c.pem, "
         "key_file: /keys/c.key}\n");
    assert_int_equal(mw_plant_broker(&place->plant, &address, &place->error), MW_OK);
    assert_int_equal(address.version, MW_BROKER_3_1_1);
    snprintf(path, sizeof path, "%s/ca.pem", place->folder);
    assert_string_equal(address.ca_file, path);
    snprintf(path, sizeof path, "%s/c.pem", place->folder);
    assert_string_equal(address.certificate_file, path);
    assert_string_equal(address.key_file, "/keys/c.key");
    give(place, "broker: {url: 'mqtt://h', password_file: none}\n");
    assert_int_equal(mw_plant_broker(&place->plant, &address, &place->error), MW_ERR_NOT_FOUND);
}

static void reference_is_a_map_of_topics(void **state)
{
    struct place *place = *state;
    char path[128];
    give(place, "reference: {certificate_file: c.pem}\n");
    assert_int_equal(place->plant.topics.n, 0); /* not enabled */
    give(place, "topics: {hall: 'acme/{device}'}\n"
                "reference: {enabled: true, certificate_file: c.pem, devices: [14333616, -7]}\n");
    assert_int_equal(place->plant.topics.n, 2);
    assert_string_equal(place->plant.topics.map[1].name, MW_PLANT_REFERENCE);
    assert_string_equal(place->plant.topics.map[1].pattern, "shaded-pole-motor-sensor_data");
    assert_string_equal(place->plant.reference.control, "control-message");
    assert_string_equal(place->plant.reference.devices.item[1], "-7");
    snprintf(path, sizeof path, "%s/c.pem", place->folder);
    assert_string_equal(place->plant.reference.certificate_file, path);
    assert_wrong(place, "reference: {enabled: true}\nmodel: {scope: machine}\n", "scope plant");
    assert_wrong(place, "reference: {enabled: true, data: '{x}'}\n", "reference.data");
    assert_wrong(place,
                 "reference: {enabled: true}\n"
                 "topics: {mine: shaded-pole-motor-sensor_data}\n",
                 "topics.mine takes some of the same");
    assert_wrong(place, "reference: {enabled: true, control: 'a/#'}\n", "reference.control");
    assert_wrong(place, "reference: {enabled: true, control: mw/plant/status/a}\n",
                 "reference.control");
    assert_wrong(place, "reference: {enabled: true, control: ''}\n", "reference.control");
    assert_wrong(place, "reference: {enabled: true, data: c}\ntopics: {a: 'control-message'}\n",
                 "a map of topics takes it already");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults_are_complete),          TEST(keys_are_no_two_at_one_place),
        TEST(paths_are_relative_to_the_file), TEST(stream_is_where_the_data_is_unless_named),
        TEST(what_no_row_can_say_is_checked), TEST(changes_are_found_by_section),
        TEST(broker_of_the_plant_or_of_up),   TEST(reference_is_a_map_of_topics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
