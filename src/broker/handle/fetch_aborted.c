#include "broker/handle/fetch_aborted_priv.h"

static enum err push(void *ctx, const struct log_aborted_txn *aborted)
{
    return vec_push(ctx, aborted);
}

enum err handle_fetch_aborted(struct log *log, int64_t offset, const struct log_range *range,
                              struct vec *aborted)
{
    int64_t upper;
    enum err e;

    if (range->size == 0)
        return E_OK;
    e = log_range_upper(log, range, &upper);
    return e == E_OK ? log_aborted(log, offset, upper, push, aborted) : e;
}
