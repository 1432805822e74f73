#pragma once

#include "base/reader.h"
#include "meta/image_priv.h"

/*
 * One record on its way into an image. There is one function per kind of record: it decodes,
 * checks the record against the image, and only then changes it, all or nothing.
 */
struct meta_apply {
    struct meta_image *image;
    struct meta_delta *delta; /* NULL: nobody wants to know */
    struct report *report;
    struct arena arena;
    struct reader reader; /* behind the frame */
    struct slice record;  /* frame included */
    int16_t key;
    int16_t version;
};

/* Note a change. The steps that follow it must not fail but for memory. */
NODISCARD enum err meta_apply_changed(struct meta_apply *a, struct meta_change change);

/* E_CORRUPT, with the reason in the report. */
NODISCARD enum err meta_apply_refuse(struct meta_apply *a, const char *why);

enum err meta_apply_topic(struct meta_apply *a);
enum err meta_apply_remove_topic(struct meta_apply *a);
enum err meta_apply_partition(struct meta_apply *a);
enum err meta_apply_partition_change(struct meta_apply *a);
enum err meta_apply_clear_elr(struct meta_apply *a);

enum err meta_apply_register_broker(struct meta_apply *a);
enum err meta_apply_unregister_broker(struct meta_apply *a);
enum err meta_apply_fence_broker(struct meta_apply *a);
enum err meta_apply_unfence_broker(struct meta_apply *a);
enum err meta_apply_broker_change(struct meta_apply *a);
enum err meta_apply_register_controller(struct meta_apply *a);

enum err meta_apply_config(struct meta_apply *a);
enum err meta_apply_feature_level(struct meta_apply *a);
enum err meta_apply_producer_ids(struct meta_apply *a);
enum err meta_apply_quota(struct meta_apply *a);
enum err meta_apply_zk_migration_state(struct meta_apply *a);

enum err meta_apply_acl(struct meta_apply *a);
enum err meta_apply_remove_acl(struct meta_apply *a);
enum err meta_apply_scram(struct meta_apply *a);
enum err meta_apply_remove_scram(struct meta_apply *a);
enum err meta_apply_token(struct meta_apply *a);
enum err meta_apply_remove_token(struct meta_apply *a);
