#pragma once

#include <stdint.h>

#include "base/slice.h"

struct meta_topic_result;
struct quorum_op;

/*
 * What the controller said about one topic of a response, into its error code and message; the
 * handlers of CreateTopics, DeleteTopics and CreatePartitions call it for each, in order.
 *
 * A topic that has an error already was refused here and not asked for: it takes no result. When
 * the operation failed as a whole, each of the others gets its error. Returns the result that the
 * topic took, borrowed from `op`, or NULL. `*next`: how many were taken, 0 before the first.
 */
const struct meta_topic_result *handle_topic_result(const struct quorum_op *op, int32_t *next,
                                                    int16_t *error_code, struct slice *message);
