/* A plugin with a kubelet that our own gRPC plays; an independent one is in tests/node. */
#include "tiers/platform/node_plugin.h"

#include "lib/accelerator/test_tree.h"
#include "lib/base/test_loop.h"
#include "lib/grpc/client.h"
#include "lib/grpc/server.h"
#include "lib/kubelet/device_plugin.h"

struct fixture {
    struct test_tree tree;
    char folder[96], cdi[96], socket[128], kubelet_socket[128];
    struct mw_node_options options;
    struct mw_loop *loop;
    struct mw_node_plugin *plugin;
    struct mw_grpc_server *kubelet;
    struct mw_grpc_client *client;
    struct mw_accelerator_table table;

    unsigned registered;
    struct mw_buffer request; /* of the last registration */
    unsigned told;            /* lists of devices that came */
    struct mw_buffer devices; /* the last of them */
    bool ended;
    enum mw_grpc_status status;
    char text[256];
    struct mw_buffer answer;
};

static void on_register(void *context, struct mw_grpc_call *call, const char *method,
                        struct mw_span request)
{
    struct fixture *f = context;
    assert_string_equal(method, MW_KUBELET_REGISTER);
    mw_buffer_clear(&f->request);
    assert_int_equal(mw_buffer_add(&f->request, request.data, request.size), MW_OK);
    mw_grpc_call_answer(call, mw_span_of(""));
    f->registered++;
}

static void on_register_closed(void *context, struct mw_grpc_call *call)
{
    (void)context;
    (void)call;
}

static void start_kubelet(struct fixture *f)
{
    const struct mw_grpc_service service = {on_register, on_register_closed, f};
    assert_ok(mw_grpc_server_new(&f->kubelet, f->loop, f->kubelet_socket, &service, error));
}

static int set_up(void **state)
{
    static struct fixture f;
    f = (struct fixture){0};
    tree_make(&f.tree);
    snprintf(f.folder, sizeof f.folder, "%s/kubelet", f.tree.root);
    snprintf(f.cdi, sizeof f.cdi, "%s/cdi", f.tree.root);
    snprintf(f.socket, sizeof f.socket, "%s/millwright-edgetpu.sock", f.folder);
    snprintf(f.kubelet_socket, sizeof f.kubelet_socket, "%s/kubelet.sock", f.folder);
    f.options = (struct mw_node_options){.sysfs_root = f.tree.root,
                                         .host_root = "/",
                                         .kubelet = f.folder,
                                         .cdi = f.cdi,
                                         .forget = MW_SECOND * 3600};
    assert_ok(mw_file_make_folder(f.folder, error));
    assert_ok(mw_loop_new(&f.loop, error));
    assert_ok(mw_accelerator_table_make(&f.table, NULL, error));
    f.plugin = mw_node_plugin_new(f.loop, &f.options, "edgetpu");
    assert_non_null(f.plugin);
    start_kubelet(&f);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    mw_grpc_client_free(f->client);
    mw_node_plugin_free(f->plugin);
    mw_grpc_server_free(f->kubelet);
    mw_loop_free(f->loop);
    mw_accelerator_table_clear(&f->table);
    mw_buffer_free(&f->request);
    mw_buffer_free(&f->devices);
    mw_buffer_free(&f->answer);
    test_folder_remove(f->tree.root);
    return 0;
}

/* What a look of the role does. */
static void look(struct fixture *f)
{
    struct mw_accelerators found;
    assert_int_equal(mw_accelerators_find(&found, &f->table, f->tree.root), MW_OK);
    for (size_t i = 0; i < found.n; i++) {
        mw_accelerator_check(&found.item[i], f->tree.root);
    }
    mw_node_plugin_update(f->plugin, found.item, found.n);
    mw_accelerators_clear(&found);
    mw_node_plugin_tend(f->plugin);
}

static bool is_registered(void *context)
{
    return ((struct fixture *)context)->registered > 0;
}

static void take_devices(void *context, struct mw_span message)
{
    struct fixture *f = context;
    mw_buffer_clear(&f->devices);
    assert_int_equal(mw_buffer_add(&f->devices, message.data, message.size), MW_OK);
    f->told++;
}

static bool is_told(void *context)
{
    return ((struct fixture *)context)->told > 0;
}

/* Waits for the next list; its device's health is in it as text. */
static void expect_told(struct fixture *f, const char *health)
{
    run_until(f->loop, is_told, f);
    f->told = 0;
    assert_non_null(memmem(f->devices.data, f->devices.size, health, strlen(health)));
}

static void follow(struct fixture *f)
{
    const struct mw_grpc_reply reply = {take_devices, NULL, f};
    run_until(f->loop, is_registered, f);
    f->registered = 0;
    mw_grpc_client_free(f->client);
    assert_ok(mw_grpc_client_new(&f->client, f->loop, f->socket, error));
    assert_int_equal(
        mw_grpc_client_call(f->client, MW_KUBELET_PLUGIN "ListAndWatch", mw_span_of(""), 0, &reply),
        MW_OK);
    expect_told(f, "usb-1-1");
}

static void take_answer(void *context, struct mw_span message)
{
    struct fixture *f = context;
    assert_int_equal(mw_buffer_add(&f->answer, message.data, message.size), MW_OK);
}

static void take_end(void *context, enum mw_grpc_status status, const char *text)
{
    struct fixture *f = context;
    f->ended = true;
    f->status = status;
    snprintf(f->text, sizeof f->text, "%s", text);
}

static bool has_ended(void *context)
{
    return ((struct fixture *)context)->ended;
}

static enum mw_grpc_status ask(struct fixture *f, const char *method, const char *request,
                               size_t size)
{
    const struct mw_grpc_reply reply = {take_answer, take_end, f};
    char name[64];
    snprintf(name, sizeof name, MW_KUBELET_PLUGIN "%s", method);
    mw_buffer_clear(&f->answer);
    f->ended = false;
    assert_int_equal(
        mw_grpc_client_call(f->client, name, (struct mw_span){request, size}, 0, &reply), MW_OK);
    run_until(f->loop, has_ended, f);
    return f->status;
}

#define ASK(f, method, request) ask(f, method, request, sizeof(request) - 1)
#define ALLOCATE "\x0a\x09\x0a\x07usb-1-1"
#define PRE_START "\x0a\x07usb-1-1"

static bool has_text(const struct mw_buffer *buffer, const char *text)
{
    return memmem(buffer->data, buffer->size, text, strlen(text)) != NULL;
}

static void test_a_device_from_plug_to_unplug(void **state)
{
    struct fixture *f = *state;
    tree_usb(&f->tree, "1-1", "1a6e", "089a", 1, 4);
    look(f);
    follow(f);
    assert_true(has_text(&f->request, "millwright.dev/edgetpu"));
    assert_int_equal(mw_node_plugin_count(f->plugin), 1);
    assert_int_equal(ASK(f, "Allocate", ALLOCATE), MW_GRPC_OK);
    assert_true(has_text(&f->answer, "/dev/bus/usb/001/004"));
    assert_true(has_text(&f->answer, "millwright.dev/edgetpu=usb-1-1"));
    assert_int_equal(ASK(f, "PreStartContainer", PRE_START), MW_GRPC_OK);

    tree_remove(&f->tree, "sys/bus/usb/devices/1-1");
    look(f);
    expect_told(f, "Unhealthy");
    assert_int_equal(mw_node_plugin_count(f->plugin), 0);
    assert_int_equal(ASK(f, "Allocate", ALLOCATE), MW_GRPC_FAILED_PRECONDITION);
    assert_non_null(strstr(f->text, "has been unplugged"));

    tree_usb(&f->tree, "1-1", "18d1", "9302", 1, 5);
    look(f);
    expect_told(f, "Healthy");
    assert_int_equal(ASK(f, "PreStartContainer", PRE_START), MW_GRPC_FAILED_PRECONDITION);
    assert_non_null(strstr(f->text, "has come back as /dev/bus/usb/001/005"));
    assert_int_equal(ASK(f, "Allocate", ALLOCATE), MW_GRPC_OK);
    assert_true(has_text(&f->answer, "/dev/bus/usb/001/005"));
}

static void test_a_look_that_does_not_return(void **state)
{
    struct fixture *f = *state;
    tree_usb(&f->tree, "1-1", "18d1", "9302", 1, 4);
    look(f);
    follow(f);
    mw_node_plugin_doubt(f->plugin, "held up");
    expect_told(f, "Unhealthy");
    assert_int_equal(ASK(f, "Allocate", ALLOCATE), MW_GRPC_FAILED_PRECONDITION);
    assert_string_equal(f->text, "usb-1-1: held up");
    look(f);
    expect_told(f, "Healthy");
    unsigned told = f->told;
    look(f); /* nothing new is not told */
    assert_int_equal(ASK(f, "GetDevicePluginOptions", ""), MW_GRPC_OK);
    assert_int_equal(f->told, told);
}

static void test_a_kubelet_that_starts_again(void **state)
{
    struct fixture *f = *state;
    tree_usb(&f->tree, "1-1", "18d1", "9302", 1, 4);
    look(f);
    follow(f);
    mw_grpc_server_free(f->kubelet);
    assert_int_equal(unlink(f->socket), 0); /* as it does when it starts */
    start_kubelet(f);
    mw_node_plugin_tend(f->plugin);
    follow(f);
    assert_int_equal(f->registered, 0); /* once was enough */
}

static void test_the_cdi_file(void **state)
{
    struct fixture *f = *state;
    struct mw_buffer text = {0};
    char path[160];
    snprintf(path, sizeof path, "%s/millwright-edgetpu.json", f->cdi);
    tree_usb(&f->tree, "1-1", "18d1", "9302", 1, 4);
    look(f);
    assert_ok(mw_file_read(path, 10000, &text, error));
    assert_true(has_text(&text, "\"kind\": \"millwright.dev/edgetpu\""));
    assert_true(has_text(&text, "\"hostPath\": \"/dev/bus/usb/001/004\""));
    mw_buffer_free(&text);
    tree_remove(&f->tree, "sys/bus/usb/devices/1-1");
    look(f);
    assert_false(mw_file_exists(path));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_device_from_plug_to_unplug),
        TEST(test_a_look_that_does_not_return),
        TEST(test_a_kubelet_that_starts_again),
        TEST(test_the_cdi_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
