#include "wire/api.h"

static const struct wire_api apis[] = {
#define X(NAME, name, key, min, max, flexible, advertised_min, advertised_max, on) \
    {name, key, min, max, flexible, advertised_min, advertised_max, on},
    WIRE_API_MAP(X)
#undef X
};

enum { API_COUNT = sizeof(apis) / sizeof(apis[0]) };

const struct wire_api *wire_apis(size_t *count_out)
{
    *count_out = API_COUNT;
    return apis;
}

const struct wire_api *wire_api_find(int16_t key)
{
    size_t low = 0;
    size_t high = API_COUNT;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (apis[middle].key == key)
            return &apis[middle];
        if (apis[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool wire_api_serves(const struct wire_api *api, int16_t version)
{
    return version >= api->version_min && version <= api->version_max &&
           version <= api->advertised_max;
}

bool wire_api_is_flexible(const struct wire_api *api, int16_t version)
{
    return api->flexible_from >= 0 && version >= api->flexible_from;
}
