/* The bytes are those that Google's own protobuf for Python makes of the same messages
 * (tests/node/device_plugin.proto). */
#include "lib/kubelet/device_plugin.h"

#include "lib/base/test.h"

#define BYTES(text) ((struct mw_span){text, sizeof(text) - 1})

static void expect(struct mw_buffer *out, struct mw_span bytes)
{
    assert_int_equal(out->size, bytes.size);
    assert_memory_equal(out->data, bytes.data, bytes.size);
    mw_buffer_free(out);
}

static void test_what_a_plugin_says(void **state)
{
    struct mw_buffer out = {0};
    (void)state;
    assert_int_equal(mw_kubelet_write_register(&out, "a.sock", "m.dev/x", true, true), MW_OK);
    expect(&out, BYTES("\x0a\x07v1beta1\x12\x06"
                       "a.sock\x1a\x07m.dev/x\x22\x04\x08\x01\x10\x01"));
    assert_int_equal(mw_kubelet_write_device(&out, "u1", true, -1), MW_OK);
    assert_int_equal(mw_kubelet_write_device(&out, "u2", false, 0), MW_OK);
    assert_int_equal(mw_kubelet_write_device(&out, "u3", true, 1), MW_OK);
    expect(&out, BYTES("\x0a\x0d\x0a\x02u1\x12\x07Healthy"
                       "\x0a\x13\x0a\x02u2\x12\x09Unhealthy\x1a\x02\x0a\x00"
                       "\x0a\x13\x0a\x02u3\x12\x07Healthy\x1a\x04\x0a\x02\x08\x01"));
    struct mw_buffer container = {0};
    assert_int_equal(mw_kubelet_write_environment(&container, "K", "v"), MW_OK);
    assert_int_equal(mw_kubelet_write_mount(&container, "/c", "/h", true), MW_OK);
    assert_int_equal(mw_kubelet_write_node(&container, "/d", "/e", "rw"), MW_OK);
    assert_int_equal(mw_kubelet_write_cdi(&container, "m/x=u"), MW_OK);
    assert_int_equal(
        mw_kubelet_write_container(&out, (struct mw_span){container.data, container.size}), MW_OK);
    mw_buffer_free(&container);
    expect(&out, BYTES("\x0a\x2b\x0a\x06\x0a\x01K\x12\x01v"
                       "\x12\x0a\x0a\x02/c\x12\x02/h\x18\x01"
                       "\x1a\x0c\x0a\x02/d\x12\x02/e\x1a\x02rw"
                       "\x2a\x07\x0a\x05m/x=u"));
}

static void test_an_allocate_request(void **state)
{
    struct mw_span request =
        BYTES("\x0a\x08\x0a\x02u1\x0a\x02u2\x0a\x00\x12\x01?\x0a\x04\x0a\x02u3");
    static struct mw_kubelet_container container;
    size_t at = 0;
    (void)state;
    assert_int_equal(mw_kubelet_check_request(request, false, NULL), MW_OK);
    assert_true(mw_kubelet_next_container(request, false, &at, &container));
    assert_int_equal(container.n, 2);
    assert_true(mw_span_is(container.ids[1], "u2"));
    assert_true(mw_kubelet_next_container(request, false, &at, &container));
    assert_int_equal(container.n, 0);
    assert_true(mw_kubelet_next_container(request, false, &at, &container));
    assert_true(mw_span_is(container.ids[0], "u3"));
    assert_false(mw_kubelet_next_container(request, false, &at, &container));
    assert_int_equal(mw_kubelet_check_request(BYTES(""), false, NULL), MW_OK);
}

static void test_a_preferred_request(void **state)
{
    struct mw_span request = BYTES("\x0a\x0e\x0a\x02u1\x12\x02u2\x0a\x02u2\x18\x02");
    static struct mw_kubelet_container container;
    size_t at = 0;
    (void)state;
    assert_int_equal(mw_kubelet_check_request(request, true, NULL), MW_OK);
    assert_true(mw_kubelet_next_container(request, true, &at, &container));
    assert_int_equal(container.n, 2);
    assert_int_equal(container.n_must, 1);
    assert_true(mw_span_is(container.must[0], "u2"));
    assert_int_equal(container.size, 2);
}

static void test_bytes_that_are_no_request(void **state)
{
    static const struct {
        struct mw_span bytes;
        size_t where;
    } bad[] = {
        {BYTES("\x0a\x09\x0a\x02u1"), 0},       /* longer than it is */
        {BYTES("\x0a\x04\x0a\x00\x00\x00"), 0}, /* an empty id */
        {BYTES("\x0a\x04\x0a\x02u "), 0},
        {BYTES("\x08\x01"), 0}, /* of another wire type */
        {BYTES("\x0a\x00\x07"), 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct mw_why why = {0};
        assert_int_equal(mw_kubelet_check_request(bad[i].bytes, false, &why), MW_ERR_PARSE);
        assert_non_null(why.text);
        assert_int_equal(why.where, bad[i].where);
    }
    char many[2 * (MW_KUBELET_CONTAINERS + 1)];
    for (size_t i = 0; i < sizeof many; i += 2) {
        memcpy(many + i, "\x0a\x00", 2);
    }
    assert_int_equal(mw_kubelet_check_request((struct mw_span){many, sizeof many}, false, NULL),
                     MW_ERR_TOO_LARGE);
    assert_int_equal(mw_kubelet_check_request((struct mw_span){many, sizeof many - 2}, false, NULL),
                     MW_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_plugin_says),
        cmocka_unit_test(test_an_allocate_request),
        cmocka_unit_test(test_a_preferred_request),
        cmocka_unit_test(test_bytes_that_are_no_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
