#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/reader.h"
#include "base/slice.h"
#include "base/writer.h"

/*
 * The headers before every request and response, after the frame's size.
 *
 * A request of a flexible version has header v2 (with tagged fields, which are
 * skipped), any other header v1. Responses have v1 and v0 accordingly, except
 * ApiVersions: always v0, because the client does not know yet what the
 * server speaks.
 */
struct wire_request_header {
    int16_t api_key;
    int16_t api_version;
    int32_t correlation_id;
    struct slice client_id; /* borrows the input; NULL is null */
};

/*
 * Read a header; the body follows in `r`. The version is not checked against
 * what is served: ApiVersions must be able to answer any version.
 *
 *   E_UNSUPPORTED  no such API; where its body starts is unknown
 *   E_TRUNCATED, E_INVAL
 */
NODISCARD enum err wire_request_header_decode(struct reader *r,
                                              struct wire_request_header *header_out);

/* E_UNSUPPORTED (the writer's error): no such API. */
void wire_request_header_encode(struct writer *w, const struct wire_request_header *header);

/* For the answer to a request with that key and version. Errors as above. */
void wire_response_header_encode(struct writer *w, int16_t api_key, int16_t api_version,
                                 int32_t correlation_id);
NODISCARD enum err wire_response_header_decode(struct reader *r, int16_t api_key,
                                               int16_t api_version, int32_t *correlation_id_out);
