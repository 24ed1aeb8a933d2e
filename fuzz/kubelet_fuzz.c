/* Any bytes as a kubelet's requests. What is checked once must be read; ids must lie in the request
 * and be names. */
#include "lib/kubelet/device_plugin.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_ids(const struct mw_span *ids, size_t n, struct mw_span request)
{
    must(n <= MW_KUBELET_DEVICES_MOST);
    for (size_t i = 0; i < n; i++) {
        must(ids[i].size > 0 && ids[i].size <= MW_KUBELET_ID && ids[i].data >= request.data &&
             ids[i].data + ids[i].size <= request.data + request.size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mw_kubelet_container container;
    struct mw_span request = {(const char *)data, size};
    for (int preferred = 0; preferred < 2; preferred++) {
        struct mw_why why = {0};
        size_t at = 0, n = 0;
        if (mw_kubelet_check_request(request, preferred != 0, &why) != MW_OK) {
            must(why.text != NULL && why.where <= size);
            continue;
        }
        while (mw_kubelet_next_container(request, preferred != 0, &at, &container)) {
            must(at <= size && ++n <= MW_KUBELET_CONTAINERS);
            check_ids(container.ids, container.n, request);
            check_ids(container.must, container.n_must, request);
        }
    }
    if (mw_kubelet_read_ids(request, &container, NULL) == MW_OK) {
        check_ids(container.ids, container.n, request);
    }
    return 0;
}
