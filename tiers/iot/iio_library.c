#include "tiers/iot/iio_library.h"

#include <dlfcn.h>
#include <string.h>

#define LIBRARY "libiio.so.0"

mw_err mw_iio_library_open(struct mw_iio_library *library, struct mw_error *error)
{
    library->handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library->handle == NULL) {
        return mw_error_set(error, MW_ERR_UNSUPPORTED, "%s: Debian's package libiio0 has it",
                            dlerror());
    }
    const struct {
        const char *name;
        void *place;
    } symbols[] = {
#define SYMBOL(name) {"iio_" #name, &library->name},
        MW_IIO_FUNCTIONS(SYMBOL)
#undef SYMBOL
    };
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        void *symbol = dlsym(library->handle, symbols[i].name);
        if (symbol == NULL) {
            return mw_error_set(error, MW_ERR_UNSUPPORTED, LIBRARY " has no %s", symbols[i].name);
        }
        memcpy(symbols[i].place, &symbol, sizeof symbol);
    }
    return MW_OK;
}

void mw_iio_library_close(struct mw_iio_library *library)
{
    if (library->handle != NULL) {
        dlclose(library->handle);
    }
    *library = (struct mw_iio_library){0};
}
