#include "tiers/platform/node_choose.h"

#include "lib/base/test.h"

static const struct mw_accelerator devices[] = {
    {.id = "usb-1-1", .numa = 0, .bus = 1},
    {.id = "usb-1-2", .numa = 0, .bus = 1},
    {.id = "usb-2-1", .numa = 0, .bus = 2},
    {.id = "usb-2-10", .numa = 0, .bus = 2},
    {.id = "pci-3", .numa = 1},
    {.id = "pci-4", .numa = 1},
};
enum { DEVICES = sizeof devices / sizeof *devices };

/* Ids with blanks between them. */
static size_t split(const char *text, struct mw_span *ids)
{
    size_t n = 0;
    while (*text != '\0') {
        ids[n++] = (struct mw_span){text, strcspn(text, " ")};
        text += ids[n - 1].size;
        text += *text == ' ';
    }
    return n;
}

static void choose(const char *available, const char *must, size_t size, const char *expected)
{
    struct mw_span ids[8], musts[8], chosen[8];
    struct mw_node_wish wish = {.available = ids, .must = musts, .size = size};
    const char *reason = NULL;
    char text[256] = "";
    wish.n = split(available, ids);
    wish.n_must = split(must, musts);
    size_t n = mw_node_choose(devices, DEVICES, &wish, chosen, &reason);
    for (size_t i = 0; i < n; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%.*s", i == 0 ? "" : " ",
                 (int)chosen[i].size, chosen[i].data);
    }
    assert_string_equal(text, expected);
    assert_non_null(reason);
}

static void test_one(void **state)
{
    (void)state;
    choose("usb-2-10 usb-2-1 pci-3", "", 1, "pci-3");
    choose("usb-2-10 usb-2-1", "", 1, "usb-2-1");
    choose("usb-2-10", "", 0, "");
}

static void test_of_one_numa_node(void **state)
{
    (void)state;
    choose("usb-1-1 pci-3 pci-4", "", 2, "pci-3 pci-4");
    choose("usb-1-1 pci-3 usb-1-2", "", 2, "usb-1-1 usb-1-2");
    choose("usb-1-1 pci-3 usb-1-2", "pci-3", 2, "pci-3 usb-1-1");
}

static void test_over_usb_buses(void **state)
{
    (void)state;
    choose("usb-1-1 usb-1-2 usb-2-1 usb-2-10", "", 2, "usb-1-1 usb-2-1");
    choose("usb-1-1 usb-1-2 usb-2-1 usb-2-10", "", 3, "usb-1-1 usb-2-1 usb-1-2");
    choose("usb-1-1 usb-1-2 usb-2-1 usb-2-10", "usb-2-10", 2, "usb-2-10 usb-1-1");
}

static void test_what_there_is(void **state)
{
    (void)state;
    choose("usb-1-1", "", 2, "usb-1-1");
    choose("usb-9-9 usb-1-1", "", 2, "usb-1-1 usb-9-9"); /* one that nobody knows comes last */
    choose("usb-1-1 usb-1-1", "", 2, "usb-1-1");
    choose("usb-1-1", "pci-3 pci-4", 1, "pci-3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one),
        cmocka_unit_test(test_of_one_numa_node),
        cmocka_unit_test(test_over_usb_buses),
        cmocka_unit_test(test_what_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
