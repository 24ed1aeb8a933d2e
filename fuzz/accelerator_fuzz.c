/* Any text as a user's table of accelerators; what is taken must have a match, and names that stay
 * where they are looked for. */
#include "lib/accelerator/table.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_accelerator_table table;
    struct mw_error error = {0};
    struct mw_span word;
    if (mw_accelerator_table_parse(&table, (struct mw_span){(const char *)data, size}, "f",
                                   &error) != MW_OK) {
        must(error.text[0] != '\0' && table.n == 0);
        return 0;
    }
    for (size_t i = 0; i < table.n; i++) {
        const struct mw_accelerator_row *row = &table.row[i];
        must(strlen(row->class) > 0 && strlen(row->class) <= MW_ACCELERATOR_CLASS);
        must(row->lists[MW_ACCELERATOR_MATCH] != NULL);
        for (const char *rest = row->lists[MW_ACCELERATOR_NODES];
             mw_accelerator_next_word(&rest, &word);) {
            must(word.size > 5 && memcmp(word.data, "/dev/", 5) == 0);
        }
    }
    mw_accelerator_table_clear(&table);
    return 0;
}
