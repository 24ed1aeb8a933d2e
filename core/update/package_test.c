/* package_test.c - a blob in pieces over a bad link, with callbacks that fail when told to. */
#include "core/update/package.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE = 1000 };

/* A device in memory. Its hash is FNV-1a (Fowler, Noll, Vo), enough to tell blobs apart. */
struct device {
    uint8_t stored[SIZE];
    uint64_t hash;
    int verified;
    mw_err verify_err, write_err, hash_err, read_err;
};

static mw_err hash_init(void *context)
{
    ((struct device *)context)->hash = 0xCBF29CE484222325U;
    return MW_OK;
}

static mw_err hash_update(void *context, const void *data, size_t size)
{
    struct device *device = context;
    for (size_t i = 0; i < size; i++) {
        device->hash = (device->hash ^ ((const uint8_t *)data)[i]) * 0x100000001B3U;
    }
    return device->hash_err;
}

static mw_err hash_final(void *context, uint8_t digest[MW_PACKAGE_DIGEST])
{
    memset(digest, 0, MW_PACKAGE_DIGEST);
    memcpy(digest, &((struct device *)context)->hash, sizeof(uint64_t));
    return MW_OK;
}

static mw_err verify(void *context, const void *message, size_t message_size, const void *signature,
                     size_t signature_size)
{
    struct device *device = context;
    assert_int_equal(message_size, 7);
    assert_memory_equal(message, "targets", 7);
    assert_int_equal(signature_size, 3);
    assert_memory_equal(signature, "sig", 3);
    device->verified++;
    return device->verify_err;
}

static mw_err write_stored(void *context, uint64_t offset, const void *data, size_t size)
{
    struct device *device = context;
    if (device->write_err != MW_OK) {
        return device->write_err;
    }
    assert_true(offset + size <= SIZE);
    memcpy(device->stored + offset, data, size);
    return MW_OK;
}

static mw_err read_stored(void *context, uint64_t offset, void *data, size_t size)
{
    struct device *device = context;
    assert_true(offset + size <= SIZE);
    memcpy(data, device->stored + offset, size);
    return device->read_err;
}

static const struct mw_package_ops ops = {hash_init, hash_update,  hash_final,
                                          verify,    write_stored, read_stored};

static uint8_t blob[SIZE];

static struct mw_package_statement statement(void)
{
    struct mw_package_statement s = {"targets", 7, "sig", 3, SIZE, {0}};
    struct device hasher = {.hash_err = MW_OK};
    for (size_t i = 0; i < SIZE; i++) {
        blob[i] = (uint8_t)(i * 7 + i / 256);
    }
    (void)hash_init(&hasher);
    (void)hash_update(&hasher, blob, SIZE);
    (void)hash_final(&hasher, s.digest);
    return s;
}

static void pieces_make_the_blob(void **state)
{
    (void)state;
    struct device device = {.verified = 0};
    struct mw_package package;
    struct mw_package_statement s = statement();
    assert_int_equal(mw_package_begin(&package, &ops, &device, &s, 0), MW_OK);
    assert_int_equal(device.verified, 1);
    assert_int_equal(mw_package_finish(&package), MW_ERR_AGAIN);
    for (size_t at = 0; at < SIZE; at += 300) {
        size_t n = SIZE - at < 300 ? SIZE - at : 300;
        assert_int_equal(mw_package_receive(&package, at, blob + at, n), MW_OK);
    }
    assert_int_equal(package.received, SIZE);
    assert_int_equal(mw_package_finish(&package), MW_OK);
    assert_int_equal(package.state, MW_PACKAGE_COMPLETE);
    assert_memory_equal(device.stored, blob, SIZE);
    assert_int_equal(mw_package_receive(&package, 0, blob, 1), MW_ERR_STATE);
    assert_int_equal(mw_package_finish(&package), MW_ERR_STATE);
}

static void repeated_overlapping_and_missing_pieces(void **state)
{
    (void)state;
    struct device device = {.verified = 0};
    struct mw_package package;
    struct mw_package_statement s = statement();
    assert_int_equal(mw_package_begin(&package, &ops, &device, &s, 0), MW_OK);
    assert_int_equal(mw_package_receive(&package, 0, blob, 400), MW_OK);
    assert_int_equal(mw_package_receive(&package, 401, blob + 401, 100), MW_ERR_AGAIN);
    assert_int_equal(package.received, 400);
    assert_int_equal(mw_package_receive(&package, 100, blob + 100, 200), MW_OK);
    assert_int_equal(package.received, 400);
    assert_int_equal(mw_package_receive(&package, 300, blob + 300, 300), MW_OK);
    assert_int_equal(package.received, 600);
    assert_int_equal(mw_package_receive(&package, 600, blob, 0), MW_OK);
    assert_int_equal(mw_package_receive(&package, 600, blob, 401), MW_ERR_TOO_LARGE);
    assert_int_equal(mw_package_receive(&package, UINT64_MAX, blob, 2), MW_ERR_TOO_LARGE);
    assert_int_equal(mw_package_receive(&package, 600, blob + 600, 400), MW_OK);
    assert_int_equal(mw_package_finish(&package), MW_OK);
}

static void a_restart_goes_on_where_it_stopped(void **state)
{
    (void)state;
    struct mw_package_statement s = statement();
    static const uint64_t stops[] = {0, 1, 255, 256, 257, 999, 1000};
    for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
        struct device device = {.verified = 0};
        struct mw_package package;
        size_t stop = (size_t)stops[i];
        assert_int_equal(mw_package_begin(&package, &ops, &device, &s, 0), MW_OK);
        assert_int_equal(mw_package_receive(&package, 0, blob, stop), MW_OK);
        assert_int_equal(mw_package_begin(&package, &ops, &device, &s, stop), MW_OK);
        assert_int_equal(package.received, stop);
        assert_int_equal(mw_package_receive(&package, stop, blob + stop, SIZE - stop), MW_OK);
        assert_int_equal(mw_package_finish(&package), MW_OK);
    }
}

static void what_is_not_the_blob_never_completes(void **state)
{
    (void)state;
    struct device device = {.verified = 0};
    struct mw_package package;
    struct mw_package_statement s = statement();
    uint8_t other[SIZE];
    memcpy(other, blob, SIZE);
    other[SIZE - 1] ^= 1;
    assert_int_equal(mw_package_begin(&package, &ops, &device, &s, 0), MW_OK);
    assert_int_equal(mw_package_receive(&package, 0, other, SIZE), MW_OK);
    assert_int_equal(mw_package_finish(&package), MW_ERR_CORRUPT);
    assert_int_equal(package.state, MW_PACKAGE_NONE);
    assert_int_equal(mw_package_finish(&package), MW_ERR_STATE);

    /* Stored bytes that changed while the device was off. */
    device.stored[3] ^= 1;
    assert_int_equal(mw_package_begin(&package, &ops, &device, &s, SIZE), MW_OK);
    assert_int_equal(mw_package_finish(&package), MW_ERR_CORRUPT);

    device.verify_err = MW_ERR_SIGNATURE;
    assert_int_equal(mw_package_begin(&package, &ops, &device, &s, 0), MW_ERR_SIGNATURE);
    assert_int_equal(mw_package_receive(&package, 0, blob, 1), MW_ERR_STATE);
    device.verify_err = MW_OK;
    assert_int_equal(mw_package_begin(&package, &ops, &device, &s, SIZE + 1), MW_ERR_ARGUMENT);
    s.size = 0;
    assert_int_equal(mw_package_begin(&package, &ops, &device, &s, 0), MW_ERR_ARGUMENT);
}

static void failing_callbacks(void **state)
{
    (void)state;
    struct device device = {.verified = 0};
    struct mw_package package;
    struct mw_package_statement s = statement();
    assert_int_equal(mw_package_begin(&package, &ops, &device, &s, 0), MW_OK);
    device.write_err = MW_ERR_FULL;
    assert_int_equal(mw_package_receive(&package, 0, blob, 500), MW_ERR_FULL);
    assert_int_equal(package.received, 0);
    device.write_err = MW_OK; /* space came back: the same piece again */
    assert_int_equal(mw_package_receive(&package, 0, blob, SIZE), MW_OK);
    assert_int_equal(mw_package_finish(&package), MW_OK);

    assert_int_equal(mw_package_begin(&package, &ops, &device, &s, 0), MW_OK);
    device.hash_err = MW_ERR_IO;
    assert_int_equal(mw_package_receive(&package, 0, blob, 500), MW_ERR_IO);
    assert_int_equal(mw_package_receive(&package, 0, blob, 500), MW_ERR_STATE);
    assert_int_equal(mw_package_begin(&package, &ops, &device, &s, 500), MW_ERR_IO);
    device.hash_err = MW_OK;
    device.read_err = MW_ERR_IO;
    assert_int_equal(mw_package_begin(&package, &ops, &device, &s, 500), MW_ERR_IO);

    struct mw_package_ops without_read = ops;
    without_read.read = NULL;
    assert_int_equal(mw_package_begin(&package, &without_read, &device, &s, 500),
                     MW_ERR_UNSUPPORTED);
    assert_int_equal(mw_package_begin(&package, &without_read, &device, &s, 0), MW_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_make_the_blob),
        cmocka_unit_test(repeated_overlapping_and_missing_pieces),
        cmocka_unit_test(a_restart_goes_on_where_it_stopped),
        cmocka_unit_test(what_is_not_the_blob_never_completes),
        cmocka_unit_test(failing_callbacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
