#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "meta/image.h"

/*
 * What the finalized levels allow. metadata.version says which records, and which versions
 * of them, every node of the cluster can read (Kafka's MetadataVersion; 25 is 4.0-IV3). An
 * image without one is that of a cluster which is just being made: everything is allowed.
 */
enum {
    META_VERSION_MIN = 7,          /* 3.3-IV3: below, KRaft was not for production */
    META_VERSION_MIGRATION = 8,    /* 3.4-IV0 */
    META_VERSION_CONTROLLERS = 15, /* 3.7-IV0: registration of controllers (KIP-919) */
    META_VERSION_DIRECTORIES = 17, /* 3.7-IV2: KIP-858 */
    META_VERSION_ELIGIBLE = 23,    /* 4.0-IV1: KIP-966 */
    META_VERSION_MAX = 29,         /* 4.2-IV1 */
};

int16_t meta_metadata_version(const struct meta_image *image);

/* Versions of records to write. */
int16_t meta_register_broker_version(const struct meta_image *image);
int16_t meta_partition_version(const struct meta_image *image); /* and of changes */

/* Are eligible leader replicas kept? */
bool meta_has_elr(const struct meta_image *image);
bool meta_has_directories(const struct meta_image *image);
bool meta_has_controllers(const struct meta_image *image);

/*
 * Would a change of metadata.version from `from` down to `to` lose what is in records that
 * `to` does not have?
 */
bool meta_version_loses(int16_t from, int16_t to);

/* "4.2-IV1"; NULL: no such version. */
const char *meta_version_name(int16_t version);
