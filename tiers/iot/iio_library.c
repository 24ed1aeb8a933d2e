#include "tiers/iot/iio_library.h"

#include "lib/base/library.h"

mw_err mw_iio_library_open(struct mw_iio_library *library, struct mw_error *error)
{
    const struct mw_library_symbol symbols[] = {
#define SYMBOL(name) {"iio_" #name, &library->name},
        MW_IIO_FUNCTIONS(SYMBOL)
#undef SYMBOL
    };
    return mw_library_open(&library->handle, "libiio.so.0", "libiio0", symbols,
                           sizeof symbols / sizeof *symbols, error);
}

void mw_iio_library_close(struct mw_iio_library *library)
{
    mw_library_close(library->handle);
    *library = (struct mw_iio_library){0};
}
