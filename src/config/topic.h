#pragma once

#include "config/config.h"

/*
 * Config_topic: the settings of one topic, or of one group: its own overrides over a broker's
 * settings.
 *
 * Owner: whoever made it. One thread. Getters accept NULL for who has no overrides.
 * The id is a setting of a topic (CONFIG_TOPIC_...) or group (CONFIG_CONSUMER_...), asserted.
 */
struct config_topic;

/* NULL: out of memory. */
struct config_topic *config_topic_new(void);
struct config_topic *config_group_new(void);
void config_topic_free(struct config_topic *t);

/* Would config_topic_set take it? Errors as there, except E_NOMEM. */
NODISCARD enum err config_topic_check(struct slice name, struct slice value, struct report *report);

/*
 * Override one setting. A name that Kafka knows and we do not use is accepted and ignored.
 *
 *   E_INVAL    unknown name, not a value of the type, out of range; the report says it
 *   E_TOO_BIG  the value passes CONFIG_VALUE_SIZE_MAX
 *   E_NOMEM
 */
NODISCARD enum err config_topic_set(struct config_topic *t, struct slice name, struct slice value,
                                    struct report *report);

/*
 * Do the settings of a group fit what the broker allows, and each other?
 *
 *   E_INVAL  the report says which does not
 */
NODISCARD enum err config_group_check(const struct config *broker, const struct config_topic *group,
                                      struct report *report);

/* Remove an override; nothing happens when there is none. */
void config_topic_unset(struct config_topic *t, struct slice name);

bool config_topic_bool(const struct config *broker, const struct config_topic *t,
                       enum config_id id);
int64_t config_topic_i64(const struct config *broker, const struct config_topic *t,
                         enum config_id id);
double config_topic_f64(const struct config *broker, const struct config_topic *t,
                        enum config_id id);
const char *config_topic_text(const struct config *broker, const struct config_topic *t,
                              enum config_id id);
unsigned config_topic_choice(const struct config *broker, const struct config_topic *t,
                             enum config_id id);

/* CONFIG_SOURCE_TOPIC, or the source of the broker's value. */
enum config_source config_topic_source(const struct config *broker, const struct config_topic *t,
                                       enum config_id id);
