#pragma once

#include <stdbool.h>
#include <stdint.h>

struct request;

/*
 * Dispatch: the table of handlers. An API is served, and named by ApiVersions,
 * exactly when it stands there.
 *
 * Handlers ignore bytes behind a request that decodes, as Kafka does: there are
 * clients that send some.
 */
struct handler {
    bool borrows_body; /* finished with the body before it returns (the hot path) */
    void (*handle)(struct request *req);
};

/* NULL: not served. */
const struct handler *dispatch_find(int16_t api_key);

/* Check the version and run the handler; a request we cannot even answer ends the connection. */
void dispatch(struct request *req);
