#include "broker/handle/topic_result_priv.h"

#include "quorum/quorum.h"
#include "wire/error.h"

const struct meta_topic_result *handle_topic_result(const struct quorum_op *op, int32_t *next,
                                                    int16_t *error_code, struct slice *message)
{
    const struct meta_topic_result *result;

    if (*error_code != WIRE_ERROR_NONE)
        return NULL;
    if (op->error != WIRE_ERROR_NONE) {
        *error_code = (int16_t)op->error;
        return NULL;
    }
    result = &op->result.topics[(*next)++];
    *error_code = (int16_t)result->result.error;
    *message = slice_of_text(result->result.message);
    return result;
}
