/* reshape.c - RESHAPE: the same elements under another shape. The output's shape is the one stored
 * in its tensor; the second input, a constant with the same information, is not read. */
#include "core/model/kernels.h"

void mw_reshape_run(const struct mw_node *node)
{
    memcpy(node->out[0]->data, node->in[0]->data, node->out[0]->bytes);
}

mw_err mw_reshape_prepare(struct mw_prepare *prepare)
{
    const struct mw_tensor *in = &prepare->in[0].tensor;
    const struct mw_tensor *out = &prepare->out[0].tensor;
    const mw_err err = mw_check_arity(prepare, 1, 2);

    if (err != MW_OK) {
        return err;
    }
    if (prepare->inputs == 2 && prepare->in[1].present && !prepare->in[1].constant) {
        return mw_refuse(prepare, "RESHAPE to a shape computed at run time");
    }
    if (in->type != out->type || in->bytes != out->bytes) {
        return mw_refuse(prepare, "RESHAPE to another type or number of elements");
    }
    return MW_OK;
}
