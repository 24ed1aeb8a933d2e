/* test_image.h - what a container runtime does with the layer of an image, for tests: unpacks it
 * into a folder. It takes what tar.h says and nothing else. */
#ifndef MW_ARTIFACT_TEST_IMAGE_H
#define MW_ARTIFACT_TEST_IMAGE_H

#include "lib/artifact/image.h"
#include "lib/artifact/test_bundle.h"
#include "lib/artifact/test_place.h"

#include <sys/stat.h>

static inline void test_unpack(const struct mw_buffer *tar, const char *folder)
{
    char path[600];
    size_t at = 0;
    assert_ok(mw_file_make_folder(folder, error));
    while (tar->data[at] != '\0') {
        const char *header = tar->data + at;
        size_t size = strtoul(header + 124, NULL, 8);
        assert_memory_equal(header + 257,
                            "ustar\0"
                            "00",
                            8);
        (void)snprintf(path, sizeof path, "%s/%.100s", folder, header);
        at += 512;
        if (header[156] == '5') {
            assert_int_equal(mkdir(path, 0755), 0);
        } else {
            assert_int_equal(header[156], '0');
            assert_true(at + size <= tar->size);
            place_write(path, tar->data + at, size);
        }
        at += (size + 511) / 512 * 512;
    }
    assert_int_equal(tar->size - at, 1024);
}

/* A bundle of that weight in the place's store, signed under that name and tagged "plant". */
static inline void test_sign_bundle(struct place *place, const char *name, float weight,
                                    char digest[MW_DIGEST_TEXT])
{
    struct mw_bundle bundle;
    test_bundle_build(&bundle, weight);
    assert_ok(mw_trust_init(place->store, place->keys, error));
    assert_ok(test_bundle_sign(place->store, place->keys, &bundle, name, digest, error));
    assert_ok(mw_store_tag(place->store, "plant", digest, error));
}

/* The image of the place's bundle "plant", as it is mounted: the layer in PLACE/<name>. */
static inline const char *test_mount(struct place *place, const char *name)
{
    static char folder[400];
    char *names[] = {(char[]){"plant"}};
    struct mw_image image;
    (void)snprintf(folder, sizeof folder, "%s/%s", place->folder, name);
    assert_ok(mw_image_pack(place->store, names, 1, &image, error));
    test_unpack(&image.layer, folder);
    mw_image_clear(&image);
    return folder;
}

#endif
