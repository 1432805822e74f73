#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "broker/authorise_priv.h"

struct request;

/*
 * Audit: who changed what. Requests of APIs that administer are traced when they are answered, one
 * line each, as event admin_action of component audit: the client, the API, the resources that the
 * gate was asked about, and the first error of the answer.
 *
 * Owner: the request, in its arena; NULL for requests of other APIs.
 */
enum { AUDIT_NAMES_SIZE = 1024 };

struct audit {
    char names[AUDIT_NAMES_SIZE]; /* "topic:orders,topic:payments" */
    size_t size;
    int32_t more; /* that did not fit */
};

/* Is this API of those that administer? Reading is not. */
bool audit_wants(int16_t api_key);

/* The gate is asked about a resource that the request wants to change. NULL is fine. */
void audit_note(struct audit *audit, enum authorise_operation operation,
                enum authorise_resource resource, struct slice name);

/* The answer is on its way; `peer` is the client's address. */
void audit_trace(const struct request *req, const char *peer);
