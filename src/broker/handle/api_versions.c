#include "broker/handle/handlers_priv.h"

#include "broker/dispatch_priv.h"
#include "broker/request_priv.h"
#include "broker/shard_priv.h"
#include "meta/control.h"
#include "meta/image.h"
#include "wire/api_versions.h"
#include "wire/error.h"

/*
 * ApiVersions (key 18, KIP-35, KIP-511): what is served, from the table of
 * handlers. A version newer than ours is answered in the form of v0 with
 * UNSUPPORTED_VERSION and the list, so that the client can try again.
 */

enum { SOFTWARE_SINCE = 3, FEATURES_WITH_MINIMUM_ZERO_SINCE = 4 };

static bool keys_fill(struct request *req, struct wire_api_versions_response *out)
{
    size_t count;
    const struct wire_api *apis = wire_apis(&count);

    out->api_keys = arena_alloc_array(&req->arena, count, sizeof(*out->api_keys));
    if (out->api_keys == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct wire_api_versions_response_api_version *key;

        if (dispatch_find(apis[i].key) == NULL)
            continue;
        key = &out->api_keys[out->api_keys_count++];
        wire_api_versions_response_api_version_init(key);
        key->api_key = apis[i].key;
        key->min_version = apis[i].advertised_min;
        key->max_version = apis[i].advertised_max;
    }
    return true;
}

static bool supported_features_fill(struct request *req, struct wire_api_versions_response *out)
{
    size_t count;
    const struct meta_supported_feature *features = meta_supported_features(&count);

    out->supported_features =
        arena_alloc_array(&req->arena, count, sizeof(*out->supported_features));
    if (out->supported_features == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct wire_api_versions_response_supported_feature_key *f;

        /* Older Java clients throw on a minimum of zero (KAFKA-17011). */
        if (features[i].version_min == 0 && request_version(req) < FEATURES_WITH_MINIMUM_ZERO_SINCE)
            continue;
        f = &out->supported_features[out->supported_features_count++];
        wire_api_versions_response_supported_feature_key_init(f);
        f->name = slice_of_text(features[i].name);
        f->min_version = features[i].version_min;
        f->max_version = features[i].version_max;
    }
    return true;
}

static bool finalized_features_fill(struct request *req, struct wire_api_versions_response *out)
{
    const struct meta_image *image = req->shard->image;
    size_t count;
    const struct meta_feature *features = meta_image_features(image, &count);

    out->finalized_features =
        arena_alloc_array(&req->arena, count, sizeof(*out->finalized_features));
    if (out->finalized_features == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct wire_api_versions_response_finalized_feature_key *f;

        f = &out->finalized_features[out->finalized_features_count++];
        wire_api_versions_response_finalized_feature_key_init(f);
        f->name = features[i].name;
        f->min_version_level = features[i].level;
        f->max_version_level = features[i].level;
    }
    out->finalized_features_epoch = meta_image_offset(image);
    return true;
}

/* KIP-511: letters and digits, inside also '-' and '.'. */
static bool software_name_is_valid(struct slice s)
{
    for (size_t i = 0; i < s.size; i++) {
        uint8_t c = s.at[i];
        bool is_alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        bool is_inside = i > 0 && i + 1 < s.size && (c == '-' || c == '.');

        if (!is_alnum && !is_inside)
            return false;
    }
    return s.size > 0;
}

/* False: the body does not decode, which nobody can answer. */
static bool request_check(struct request *req, enum wire_error *error_out)
{
    struct wire_api_versions_request in;
    struct reader r = reader_init(req->body, req->body_size);

    *error_out = WIRE_ERROR_UNSUPPORTED_VERSION;
    if (!wire_api_serves(req->api, request_version(req)))
        return true;
    if (wire_api_versions_request_decode(&r, request_version(req), &req->arena, &in) != E_OK)
        return false;
    *error_out = WIRE_ERROR_NONE;
    if (request_version(req) >= SOFTWARE_SINCE &&
        (!software_name_is_valid(in.client_software_name) ||
         !software_name_is_valid(in.client_software_version)))
        *error_out = WIRE_ERROR_INVALID_REQUEST;
    return true;
}

void handle_api_versions(struct request *req)
{
    struct wire_api_versions_response out;
    enum wire_error error;
    struct writer w;

    if (!request_check(req, &error)) {
        request_drop(req, "api-versions request does not decode");
        return;
    }
    wire_api_versions_response_init(&out);
    out.error_code = (int16_t)error;
    if (error == WIRE_ERROR_UNSUPPORTED_VERSION)
        req->header.api_version = 0;
    if (error != WIRE_ERROR_INVALID_REQUEST) {
        if (!keys_fill(req, &out) || !supported_features_fill(req, &out) ||
            !finalized_features_fill(req, &out)) {
            request_drop_no_memory(req);
            return;
        }
    }
    w = request_answer_begin(req);
    wire_api_versions_response_encode(&w, request_version(req), &out);
    request_answer_finish(req, &w);
}
