#include <stddef.h>

#include "meta/level_priv.h"

/* The names, and whether records changed since the version before: Kafka's MetadataVersion. */
static const struct {
    const char *name;
    bool has_new_records;
} versions[] = {
    {"3.3-IV3", true},  {"3.4-IV0", true},  {"3.5-IV0", false}, {"3.5-IV1", false},
    {"3.5-IV2", true},  {"3.6-IV0", false}, {"3.6-IV1", true},  {"3.6-IV2", true},
    {"3.7-IV0", true},  {"3.7-IV1", false}, {"3.7-IV2", true},  {"3.7-IV3", false},
    {"3.7-IV4", false}, {"3.8-IV0", false}, {"3.9-IV0", false}, {"4.0-IV0", false},
    {"4.0-IV1", true},  {"4.0-IV2", false}, {"4.0-IV3", false}, {"4.1-IV0", false},
    {"4.1-IV1", false}, {"4.2-IV0", false}, {"4.2-IV1", false},
};

_Static_assert(sizeof(versions) / sizeof(versions[0]) == META_VERSION_MAX - META_VERSION_MIN + 1,
               "one line for each version");

int16_t meta_metadata_version(const struct meta_image *image)
{
    int16_t version = meta_image_feature_level(image, slice_of_text("metadata.version"));

    return version == 0 ? META_VERSION_MAX : version;
}

int16_t meta_register_broker_version(const struct meta_image *image)
{
    int16_t version = meta_metadata_version(image);

    if (version >= META_VERSION_DIRECTORIES)
        return 3;
    return version >= META_VERSION_MIGRATION ? 2 : 1;
}

int16_t meta_partition_version(const struct meta_image *image)
{
    int16_t version = meta_metadata_version(image);

    if (version >= META_VERSION_ELIGIBLE)
        return 2;
    return version >= META_VERSION_DIRECTORIES ? 1 : 0;
}

bool meta_has_elr(const struct meta_image *image)
{
    return meta_metadata_version(image) >= META_VERSION_ELIGIBLE &&
           meta_image_feature_level(image, slice_of_text("eligible.leader.replicas.version")) > 0;
}

bool meta_has_directories(const struct meta_image *image)
{
    return meta_metadata_version(image) >= META_VERSION_DIRECTORIES;
}

bool meta_has_controllers(const struct meta_image *image)
{
    return meta_metadata_version(image) >= META_VERSION_CONTROLLERS;
}

bool meta_version_loses(int16_t from, int16_t to)
{
    for (int16_t version = from; version > to && version > META_VERSION_MIN; version--) {
        if (version <= META_VERSION_MAX && versions[version - META_VERSION_MIN].has_new_records)
            return true;
    }
    return false;
}

const char *meta_version_name(int16_t version)
{
    if (version < META_VERSION_MIN || version > META_VERSION_MAX)
        return NULL;
    return versions[version - META_VERSION_MIN].name;
}
