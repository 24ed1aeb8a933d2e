#include "lib/base/nearest.h"

#include <stdint.h>

enum { LONGEST = 128 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t mw_nearest_distance(struct mw_span a, struct mw_span b)
{
    size_t rows[3][LONGEST + 1]; /* of the table: two rows back, one back, this one */
    size_t *back2 = rows[0], *back = rows[1], *row = rows[2];
    if (a.size > LONGEST || b.size > LONGEST) {
        return MW_NEAREST_NEVER;
    }
    for (size_t k = 0; k <= b.size; k++) {
        back[k] = k;
        back2[k] = k;
    }
    for (size_t i = 1; i <= a.size; i++) {
        row[0] = i;
        for (size_t k = 1; k <= b.size; k++) {
            size_t replaced = back[k - 1] + (a.data[i - 1] != b.data[k - 1]);
            row[k] = least(replaced, least(back[k], row[k - 1]) + 1);
            if (i > 1 && k > 1 && a.data[i - 1] == b.data[k - 2] &&
                a.data[i - 2] == b.data[k - 1]) {
                row[k] = least(row[k], back2[k - 2] + 1);
            }
        }
        size_t *free_row = back2;
        back2 = back;
        back = row;
        row = free_row;
    }
    return back[b.size];
}

size_t mw_nearest_limit(struct mw_span typed)
{
    return 1 + typed.size / 3;
}
