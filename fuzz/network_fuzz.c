/* The door of network files: any bytes. What is accepted prints, and reads back to the same bytes.
 */
#include "tiers/training/network_file.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_network_file file, back;
    struct mw_buffer once = {0}, twice = {0};
    struct mw_error error = {0};
    mw_err err = mw_network_file_parse(&file, (struct mw_span){(const char *)data, size}, &error);
    require(err == error.code);
    if (err == MW_OK) {
        require(mw_network_file_print(&file, &once) == MW_OK);
        require(mw_network_file_parse(&back, (struct mw_span){once.data, once.size}, &error) ==
                MW_OK);
        require(mw_network_file_print(&back, &twice) == MW_OK);
        require(once.size == twice.size && memcmp(once.data, twice.data, once.size) == 0);
        mw_network_clear(&back.network);
    }
    mw_network_clear(&file.network);
    mw_buffer_free(&once);
    mw_buffer_free(&twice);
    return 0;
}
