#include "lib/base/metrics.h"

#include <ctype.h>

#include "lib/base/test.h"

static const struct mw_metrics_row rows[] = {
    {.key = "records", .name = "records_total", .help = "Records"},
    {.key = "paused", .name = "paused", .help = "1 while paused"},
    {.key = "latency.p50",
     .name = "latency_seconds",
     .help = "Latency",
     .labels = "quantile=\"0.5\"",
     .scale = 1e-3},
    {.key = "latency.max",
     .name = "latency_seconds",
     .help = "Latency",
     .labels = "quantile=\"1\"",
     .scale = 1e-3},
    {.key = "devices.*.waiting", .name = "waiting", .help = "Waiting"},
    {.key = "free.{class}", .name = "free", .help = "Free"},
    {.key = "bundles", .name = "bundles", .help = "Bundles"},
    {.key = "missing", .name = "missing", .help = "Not there"},
};

static void print(struct mw_buffer *text, const char *const *said, const char *const *share,
                  size_t n)
{
    struct mw_metrics_source source[2] = {0};
    for (size_t i = 0; i < n; i++) {
        source[i] = (struct mw_metrics_source){json_loads(said[i], 0, NULL), share[i]};
        assert_non_null(source[i].said);
    }
    assert_int_equal(
        mw_metrics_print_rows(text, "mill", rows, sizeof rows / sizeof *rows, source, n), MW_OK);
    for (size_t i = 0; i < n; i++) {
        json_decref((json_t *)(uintptr_t)source[i].said);
    }
}

static void figures_become_samples(void **state)
{
    static const char *const said[] = {
        "{\"records\":12345678901,\"paused\":true,\"latency\":{\"p50\":250,\"max\":4},"
        "\"devices\":{\"a\":{\"waiting\":2},\"b\":{\"waiting\":3},\"c\":{}},"
        "\"free\":{\"cpu\":1,\"a\\\"b\\\\c\\nd\":2,\"no\":\"text\"},\"bundles\":[\"x\",\"y\"]}"};
    static const char *const share[] = {NULL};
    struct mw_buffer text = {0};
    (void)state;
    print(&text, said, share, 1);
    assert_string_equal(text.data, "# HELP millwright_mill_records_total Records\n"
                                   "# TYPE millwright_mill_records_total counter\n"
                                   "millwright_mill_records_total 12345678901\n"
                                   "# HELP millwright_mill_paused 1 while paused\n"
                                   "# TYPE millwright_mill_paused gauge\n"
                                   "millwright_mill_paused 1\n"
                                   "# HELP millwright_mill_latency_seconds Latency\n"
                                   "# TYPE millwright_mill_latency_seconds gauge\n"
                                   "millwright_mill_latency_seconds{quantile=\"0.5\"} 0.25\n"
                                   "millwright_mill_latency_seconds{quantile=\"1\"} 0.004\n"
                                   "# HELP millwright_mill_waiting Waiting\n"
                                   "# TYPE millwright_mill_waiting gauge\n"
                                   "millwright_mill_waiting 5\n"
                                   "# HELP millwright_mill_free Free\n"
                                   "# TYPE millwright_mill_free gauge\n"
                                   "millwright_mill_free{class=\"cpu\"} 1\n"
                                   "millwright_mill_free{class=\"a\\\"b\\\\c\\nd\"} 2\n"
                                   "# HELP millwright_mill_bundles Bundles\n"
                                   "# TYPE millwright_mill_bundles gauge\n"
                                   "millwright_mill_bundles 2\n");
    mw_buffer_free(&text);
}

static void shares_stand_side_by_side(void **state)
{
    static const char *const said[] = {"{\"records\":1,\"paused\":false}", "{\"records\":2}"};
    static const char *const share[] = {"0", "1"};
    struct mw_buffer text = {0};
    (void)state;
    print(&text, said, share, 2);
    assert_string_equal(text.data, "# HELP millwright_mill_records_total Records\n"
                                   "# TYPE millwright_mill_records_total counter\n"
                                   "millwright_mill_records_total{share=\"0\"} 1\n"
                                   "millwright_mill_records_total{share=\"1\"} 2\n"
                                   "# HELP millwright_mill_paused 1 while paused\n"
                                   "# TYPE millwright_mill_paused gauge\n"
                                   "millwright_mill_paused{share=\"0\"} 0\n");
    mw_buffer_free(&text);
}

static void a_long_label_is_cut_and_closed(void **state)
{
    char said[700];
    const char *const share = "7", *text_of = said;
    struct mw_buffer text = {0};
    (void)state;
    int n = snprintf(said, sizeof said, "{\"free\":{\"");
    for (size_t i = 0; i < 300; i++) {
        n += snprintf(said + n, sizeof said - (size_t)n, "\\\"");
    }
    (void)snprintf(said + n, sizeof said - (size_t)n, "\":1}}");
    print(&text, &text_of, &share, 1);
    const char *line = strstr(text.data, "{class=");
    assert_non_null(line);
    size_t quotes = 0;
    for (const char *c = line; *c != '\n'; c++) {
        quotes += *c == '"' && c[-1] != '\\';
    }
    assert_int_equal(quotes % 2, 0);
    assert_non_null(strstr(line, "\"} 1\n"));
    mw_buffer_free(&text);
}

/* Names and help of all roles, as the format and Prometheus' rules of naming want them. */
static void the_tables_are_well_formed(void **state)
{
    static const char *const roles[] = {"bridge", "score", "watch",   "learn", "thing",
                                        "serve",  "node",  "operate", "relay"};
    (void)state;
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        size_t n = 0;
        const struct mw_metrics_row *row = mw_metrics_rows(roles[i], &n);
        assert_true(n > 0);
        for (size_t j = 0; j < n; j++) {
            for (const char *c = row[j].name; *c != '\0'; c++) {
                assert_true(islower(*c) || isdigit(*c) || *c == '_');
            }
            assert_null(strpbrk(row[j].help, "\\\n"));
            for (size_t k = 0; k + 1 < j; k++) { /* only neighbours share a name */
                bool same = strcmp(row[k].name, row[j].name) == 0;
                assert_true(!same || strcmp(row[j - 1].name, row[j].name) == 0);
            }
        }
    }
    size_t n = 1;
    assert_null(mw_metrics_rows("replay", &n));
    assert_int_equal(n, 0);
}

static void a_process_tells_its_own(void **state)
{
    struct mw_buffer text = {0};
    (void)state;
    assert_int_equal(mw_metrics_print_process(&text, "mill"), MW_OK);
    assert_non_null(strstr(text.data, "\nmillwright_role_info{role=\"mill\"} 1\n"));
    const char *memory = strstr(text.data, "\nprocess_resident_memory_bytes ");
    assert_non_null(memory);
    assert_true(strtod(memory + 31, NULL) > 100e3 && strtod(memory + 31, NULL) < 1e9);
    const char *start = strstr(text.data, "\nprocess_start_time_seconds ");
    assert_non_null(start);
    assert_true(strtod(start + 28, NULL) > 1e9);
    mw_buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_become_samples),
        cmocka_unit_test(shares_stand_side_by_side),
        cmocka_unit_test(a_long_label_is_cut_and_closed),
        cmocka_unit_test(the_tables_are_well_formed),
        cmocka_unit_test(a_process_tells_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
