#include "wire/header.h"

#include "wire/api.h"
#include "wire/codec_priv.h"

enum err wire_request_header_decode(struct reader *r, struct wire_request_header *header_out)
{
    struct wire_request_header h;
    const struct wire_api *api;

    h.api_key = reader_i16(r);
    h.api_version = reader_i16(r);
    h.correlation_id = reader_i32(r);
    if (r->err != E_OK)
        return r->err;
    api = wire_api_find(h.api_key);
    if (api == NULL)
        return E_UNSUPPORTED;
    h.client_id = wire_read_string(r, false, true); /* never compact */
    if (wire_api_is_flexible(api, h.api_version))
        wire_skip_tags(r);
    if (r->err == E_OK)
        *header_out = h;
    return r->err;
}

void wire_request_header_encode(struct writer *w, const struct wire_request_header *header)
{
    const struct wire_api *api = wire_api_find(header->api_key);

    if (api == NULL) {
        writer_fail(w, E_UNSUPPORTED);
        return;
    }
    writer_i16(w, header->api_key);
    writer_i16(w, header->api_version);
    writer_i32(w, header->correlation_id);
    wire_write_string(w, false, true, header->client_id);
    if (wire_api_is_flexible(api, header->api_version))
        writer_uvarint(w, 0);
}

static bool response_has_tags(const struct wire_api *api, int16_t version)
{
    return api->key != WIRE_API_API_VERSIONS && wire_api_is_flexible(api, version);
}

void wire_response_header_encode(struct writer *w, int16_t api_key, int16_t api_version,
                                 int32_t correlation_id)
{
    const struct wire_api *api = wire_api_find(api_key);

    if (api == NULL) {
        writer_fail(w, E_UNSUPPORTED);
        return;
    }
    writer_i32(w, correlation_id);
    if (response_has_tags(api, api_version))
        writer_uvarint(w, 0);
}

enum err wire_response_header_decode(struct reader *r, int16_t api_key, int16_t api_version,
                                     int32_t *correlation_id_out)
{
    const struct wire_api *api = wire_api_find(api_key);
    int32_t correlation_id;

    if (api == NULL)
        return E_UNSUPPORTED;
    correlation_id = reader_i32(r);
    if (response_has_tags(api, api_version))
        wire_skip_tags(r);
    if (r->err == E_OK)
        *correlation_id_out = correlation_id;
    return r->err;
}
