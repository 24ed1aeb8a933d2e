#include "lib/base/library.h"

#include <dlfcn.h>
#include <string.h>

mw_err mw_library_open(void **handle, const char *soname, const char *package,
                       const struct mw_library_symbol *symbols, size_t n, struct mw_error *error)
{
    *handle = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
    if (*handle == NULL) {
        return mw_error_set(error, MW_ERR_UNSUPPORTED, "%s: Debian's package %s has it", dlerror(),
                            package);
    }
    for (size_t i = 0; i < n; i++) {
        void *symbol = dlsym(*handle, symbols[i].name);
        if (symbol == NULL) {
            mw_library_close(*handle);
            *handle = NULL;
            return mw_error_set(error, MW_ERR_UNSUPPORTED, "%s has no %s: it is too old", soname,
                                symbols[i].name);
        }
        memcpy(symbols[i].place, &symbol, sizeof symbol);
    }
    return MW_OK;
}

void mw_library_close(void *handle)
{
    if (handle != NULL) {
        (void)dlclose(handle);
    }
}
