#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/api_list.h"

/*
 * The one table of APIs, made from the schemas. Dispatch, headers, the
 * ApiVersions answer and the documentation all derive from it. An entry means
 * that there is a codec, not that this program has a handler.
 */
enum wire_api_key {
#define X(NAME, name, key, min, max, flexible, advertised_min, advertised_max, on) \
    WIRE_API_##NAME = key,
    WIRE_API_MAP(X)
#undef X
};

enum { WIRE_ON_BROKER = 1, WIRE_ON_CONTROLLER = 2 }; /* which listeners serve an API */

struct wire_api {
    char name[32];       /* "Fetch"; in place, so that the table needs no relocation */
    int16_t key;         /* enum wire_api_key */
    int16_t version_min; /* that the codecs know */
    int16_t version_max;
    int16_t flexible_from; /* first version with header v2; -1: none */

    /*
     * What ApiVersions answers and what is served. Produce is advertised from
     * v0, because librdkafka derives its compression support from that, but
     * served from version_min. A version that Kafka still calls unstable has a
     * codec and is neither advertised nor served.
     */
    int16_t advertised_min;
    int16_t advertised_max;
    uint8_t listeners;
};

/* All entries, by rising key. */
const struct wire_api *wire_apis(size_t *count_out);

/* NULL when there is no codec for `key`. */
const struct wire_api *wire_api_find(int16_t key);

/* Whether requests of this version are served. */
bool wire_api_serves(const struct wire_api *api, int16_t version);

/* Whether `version` has compact fields and tags. */
bool wire_api_is_flexible(const struct wire_api *api, int16_t version);
