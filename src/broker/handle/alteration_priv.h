#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/writer.h"
#include "meta/control.h"
#include "quorum/quorum.h"

struct request;

/*
 * Alteration: settings that a request wants changed, on the way to the controller and back; for
 * the handlers of AlterConfigs and IncrementalAlterConfigs.
 *
 *     a = handle_alteration_new(req, resources, answer);
 *     for each: handle_alteration_add(a, &resource)
 *     handle_alteration_start(a, validate_only);
 *
 * answer() then writes the response, with one result for each resource, in order.
 *
 * Owner: the request, in its arena.
 */
struct alteration {
    struct request *req;
    bool replace; /* AlterConfigs: what is not named goes */
    void (*answer)(struct alteration *a, struct writer *w);

    int32_t count; /* results */
    struct alteration_result {
        int8_t type;
        struct slice name;
        struct meta_result result;
    } * results;

    struct quorum_op op; /* from here on: private */
    struct meta_alter_resource *asked;
    int32_t *places; /* of what is asked, in results */
    int32_t asked_count;
};

/* NULL: out of memory, and the request is dropped. */
struct alteration *handle_alteration_new(struct request *req, int32_t count,
                                         void (*answer)(struct alteration *a, struct writer *w));

/* One more resource; it is refused here and not asked for when its settings may not be altered. */
void handle_alteration_add(struct alteration *a, const struct meta_alter_resource *resource);
void handle_alteration_start(struct alteration *a, bool validate_only);
