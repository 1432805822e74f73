#include "config/table.h"

#include <assert.h>

#include "config/unused_priv.h"

enum { NAME_SIZE_MAX = 80 }; /* longer ones are not compared for likeness */

static const struct config_entry ENTRIES[] = {
#define X(id_, name_, type_, text_, min_, max_, choices_, scope_, doc_) \
    [CONFIG_##id_] = {.id = CONFIG_##id_,                               \
                      .name = name_,                                    \
                      .type = type_,                                    \
                      .text = text_,                                    \
                      .min = min_,                                      \
                      .max = max_,                                      \
                      .choices = choices_,                              \
                      .scope = scope_,                                  \
                      .broker_id = CONFIG_NONE,                         \
                      .documentation = doc_},
#define T(id_, name_, broker_id_) \
    [CONFIG_##id_] = {.id = CONFIG_##id_, .name = name_, .broker_id = broker_id_},
    CONFIG_BROKER_ENTRIES(X) CONFIG_TOPIC_OWN_ENTRIES(X) CONFIG_TOPIC_ENTRIES(T)
        CONFIG_GROUP_OWN_ENTRIES(T)
#undef T
#undef X
};

/* Other names that Kafka has for a broker setting. */
static const struct {
    const char *name;
    enum config_id id;
} ALIASES[] = {
    {"broker.id", CONFIG_NODE_ID},
};

static enum config_scope scope_of(enum config_id id)
{
    return id >= CONFIG_GROUP_FIRST   ? CONFIG_GROUP
           : id >= CONFIG_TOPIC_FIRST ? CONFIG_TOPIC
                                      : CONFIG_BROKER;
}

struct config_entry config_entry(enum config_id id)
{
    struct config_entry entry;

    assert(id < CONFIG_COUNT);
    entry = ENTRIES[id];
    if (entry.broker_id != CONFIG_NONE) {
        entry = ENTRIES[entry.broker_id];
        entry.id = id;
        entry.name = ENTRIES[id].name;
        entry.broker_id = ENTRIES[id].broker_id;
        entry.scope = scope_of(id) | CONFIG_DYNAMIC;
    }
    return entry;
}

enum config_id config_find(struct slice name, enum config_scope scope)
{
    for (enum config_id id = 0; id < CONFIG_COUNT; id++) {
        if (scope_of(id) == scope && slice_equal_text(name, ENTRIES[id].name))
            return id;
    }
    for (size_t i = 0; i < sizeof(ALIASES) / sizeof(ALIASES[0]) && scope == CONFIG_BROKER; i++) {
        if (slice_equal_text(name, ALIASES[i].name))
            return ALIASES[i].id;
    }
    return CONFIG_NONE;
}

bool config_is_unused(struct slice name)
{
    for (const char *const *unused = config_unused_names; *unused != NULL; unused++) {
        struct slice known = slice_of_text(*unused);
        struct slice front = name;

        if (known.at[known.size - 1] == '.' && name.size > known.size)
            front.size = known.size;
        if (slice_equal(front, known))
            return true;
    }
    return false;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein's distance: letters to insert, remove or change. Sizes up to NAME_SIZE_MAX. */
static size_t distance(struct slice a, struct slice b)
{
    size_t row[NAME_SIZE_MAX + 1];

    for (size_t j = 0; j <= b.size; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.size; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.size; j++) {
            size_t changed = diagonal + (a.at[i - 1] != b.at[j - 1]);

            diagonal = row[j];
            row[j] = least(changed, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[b.size];
}

const char *config_nearest(struct slice name, enum config_scope scope)
{
    size_t best = name.size / 3 < 2 ? 2 : name.size / 3;
    const char *nearest = NULL;
    enum config_id id = config_find(name, scope == CONFIG_TOPIC ? CONFIG_BROKER : CONFIG_TOPIC);

    /* The right setting with the name of the other scope. */
    if (id != CONFIG_NONE && scope == CONFIG_BROKER && ENTRIES[id].broker_id != CONFIG_NONE)
        return ENTRIES[ENTRIES[id].broker_id].name;
    for (enum config_id t = CONFIG_TOPIC_FIRST; id != CONFIG_NONE && t < CONFIG_GROUP_FIRST; t++) {
        if (scope == CONFIG_TOPIC && ENTRIES[t].broker_id == id)
            return ENTRIES[t].name;
    }
    for (id = 0; id < CONFIG_COUNT && name.size <= NAME_SIZE_MAX; id++) {
        struct slice known = slice_of_text(ENTRIES[id].name);
        size_t d;

        if (scope_of(id) != scope || known.size > NAME_SIZE_MAX)
            continue;
        d = distance(name, known);
        if (d < best || (d == best && nearest == NULL)) {
            best = d;
            nearest = ENTRIES[id].name;
        }
    }
    return nearest;
}

const char *config_type_name(enum config_type type)
{
    switch (type) {
    case CONFIG_BOOL:
        return "boolean";
    case CONFIG_INT:
        return "int";
    case CONFIG_LONG:
        return "long";
    case CONFIG_DOUBLE:
        return "double";
    case CONFIG_PASSWORD:
        return "password";
    case CONFIG_LIST:
    case CONFIG_LISTENER_LIST:
        return "list";
    case CONFIG_STRING:
    case CONFIG_ENUM:
        break;
    }
    return "string";
}
