#pragma once

#include <stdbool.h>

#include "base/slice.h"

struct request;

/*
 * The one gate. Every handler asks it before it looks at, changes or even
 * reveals a resource. Nobody is authenticated yet, so it allows all; rules come
 * here and nowhere else.
 */
enum authorise_operation {
    AUTHORISE_READ,
    AUTHORISE_WRITE,
    AUTHORISE_CREATE,
    AUTHORISE_DELETE,
    AUTHORISE_ALTER,
    AUTHORISE_DESCRIBE,
    AUTHORISE_CLUSTER_ACTION,
    AUTHORISE_DESCRIBE_CONFIGS,
    AUTHORISE_ALTER_CONFIGS,
    AUTHORISE_IDEMPOTENT_WRITE
};

enum authorise_resource {
    AUTHORISE_CLUSTER, /* its name is "kafka-cluster" */
    AUTHORISE_TOPIC,
    AUTHORISE_GROUP,
    AUTHORISE_TRANSACTIONAL_ID
};

/*
 * What may be done with a resource, as a set of Kafka's operation numbers (KIP-430): every
 * operation that the resource has, which is Kafka's answer too when no authoriser is set.
 */
enum {
    AUTHORISE_OPERATIONS_TOPIC = 3576,
    AUTHORISE_OPERATIONS_CLUSTER = 8096,
    AUTHORISE_OPERATIONS_GROUP = 328
};

/* May whoever sent `req` do `operation` on the resource called `name`? */
bool authorise(const struct request *req, enum authorise_operation operation,
               enum authorise_resource resource, struct slice name);
