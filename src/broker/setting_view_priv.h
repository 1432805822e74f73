#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "config/table.h"

struct config;
struct config_topic;

/*
 * Setting_view: settings as Kafka's APIs show them: value, where it comes from,
 * and what it would be otherwise.
 */

/* DescribeConfigs' ids of where a value comes from. */
enum setting_view_source {
    SETTING_VIEW_TOPIC = 1,
    SETTING_VIEW_DYNAMIC_BROKER = 2,
    SETTING_VIEW_DYNAMIC_DEFAULT = 3,
    SETTING_VIEW_STATIC_BROKER = 4,
    SETTING_VIEW_DEFAULT = 5,
    SETTING_VIEW_GROUP = 8,
};

struct setting_view_synonym {
    struct slice name;
    struct slice value; /* NULL: unset, or not to be shown */
    enum setting_view_source source;
};

enum { SETTING_VIEW_SYNONYMS_MAX = 8 };

struct setting_view {
    struct slice name;
    struct slice value; /* NULL: unset, or not to be shown */
    struct slice documentation;
    enum setting_view_source source;
    int8_t type; /* Kafka's ConfigType */
    bool is_read_only;
    bool is_sensitive;
    struct setting_view_synonym
        synonyms[SETTING_VIEW_SYNONYMS_MAX]; /* the value's own source first */
    int32_t synonym_count;
};

/*
 * The view of one setting, borrowing from `broker` and `own`. A topic setting
 * (CONFIG_TOPIC_...), or a group's, is seen with the overrides `own` (NULL:
 * none); a broker setting without.
 */
void setting_view(const struct config *broker, const struct config_topic *own, enum config_id id,
                  struct setting_view *view_out);

/* What was set in the cluster for all brokers; false when nothing was. */
bool setting_view_cluster(const struct config *broker, enum config_id id,
                          struct setting_view *view_out);

/* Whether `id` belongs to what `scope` (CONFIG_BROKER, _TOPIC or _GROUP) shows. */
bool setting_view_has(enum config_id id, enum config_scope scope);
