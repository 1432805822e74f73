#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "config/entries.h"

/*
 * The table of settings: what exists, its type, default, range, scope and one line of
 * documentation. The lines are in entries.h; everything about a setting comes from there.
 * Constant; any thread.
 */

enum config_type {
    CONFIG_BOOL,
    CONFIG_INT,  /* 32 bits */
    CONFIG_LONG, /* 64 bits */
    CONFIG_DOUBLE,
    CONFIG_STRING,
    CONFIG_PASSWORD,      /* a string that is never shown */
    CONFIG_ENUM,          /* one of the choices */
    CONFIG_LIST,          /* comma-separated; of the choices if there are any */
    CONFIG_LISTENER_LIST, /* a list of NAME://host:port or host:port */
};

enum config_scope {
    CONFIG_BROKER = 1,
    CONFIG_TOPIC = 2,
    CONFIG_DYNAMIC = 4, /* may change while the broker runs */
    CONFIG_GROUP = 8,
};

/* CONFIG_LOG_SEGMENT_BYTES, CONFIG_TOPIC_SEGMENT_BYTES and so on. */
enum config_id {
#define X(id, name, type, text, min, max, choices, scope, doc) CONFIG_##id,
#define T(id, name, broker_id)                                 CONFIG_##id,
    CONFIG_BROKER_ENTRIES(X) CONFIG_TOPIC_OWN_ENTRIES(X) CONFIG_TOPIC_ENTRIES(T)
        CONFIG_GROUP_OWN_ENTRIES(T)
#undef T
#undef X
            CONFIG_COUNT,
    CONFIG_NONE = CONFIG_COUNT,
    CONFIG_TOPIC_FIRST = CONFIG_TOPIC_LEADER_THROTTLED, /* from here on: settings of topics */
    CONFIG_GROUP_FIRST = CONFIG_CONSUMER_SESSION_MS,    /* and from here on: of groups */
};

struct config_entry {
    enum config_id id;
    const char *name;
    enum config_type type;
    const char *text; /* default; NULL: unset */
    int64_t min;      /* of numbers, inclusive */
    int64_t max;
    const char *choices;       /* "a|b|c", in the order of their numbers; NULL: any */
    unsigned scope;            /* of enum config_scope, or-ed */
    enum config_id broker_id;  /* of a topic or group: where its default is; or CONFIG_NONE */
    const char *documentation; /* one line */
};

/*
 * `id` < CONFIG_COUNT. A setting of a topic or group has the type, range and default of its broker
 * setting.
 */
struct config_entry config_entry(enum config_id id);

/* The setting of that name in that scope (CONFIG_BROKER, _TOPIC or _GROUP); CONFIG_NONE. */
enum config_id config_find(struct slice name, enum config_scope scope);

/* Does Kafka know this name, though we do not use it? */
bool config_is_unused(struct slice name);

/* The name in that scope that is most like `name`; NULL when none is near. */
const char *config_nearest(struct slice name, enum config_scope scope);

/* "int", "list" and so on: as in Kafka's documentation. */
const char *config_type_name(enum config_type type);
