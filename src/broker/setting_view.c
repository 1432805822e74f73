#include "broker/setting_view_priv.h"

#include "config/config.h"
#include "config/topic.h"

bool setting_view_has(enum config_id id, enum config_scope scope)
{
    return (config_entry(id).scope & scope) != 0;
}

/* Kafka's ConfigType. */
static int8_t type_number(enum config_type type)
{
    switch (type) {
    case CONFIG_BOOL:
        return 1;
    case CONFIG_STRING:
    case CONFIG_ENUM:
        return 2;
    case CONFIG_INT:
        return 3;
    case CONFIG_LONG:
        return 5;
    case CONFIG_DOUBLE:
        return 6;
    case CONFIG_LIST:
    case CONFIG_LISTENER_LIST:
        return 7;
    case CONFIG_PASSWORD:
        return 9;
    }
    return 0;
}

static enum setting_view_source source_number(enum config_source source, unsigned scope)
{
    switch (source) {
    case CONFIG_SOURCE_TOPIC:
        return (scope & CONFIG_GROUP) != 0 ? SETTING_VIEW_GROUP : SETTING_VIEW_TOPIC;
    case CONFIG_SOURCE_DYNAMIC:
        return SETTING_VIEW_DYNAMIC_BROKER;
    case CONFIG_SOURCE_DYNAMIC_DEFAULT:
        return SETTING_VIEW_DYNAMIC_DEFAULT;
    case CONFIG_SOURCE_FILE:
    case CONFIG_SOURCE_ENV:
    case CONFIG_SOURCE_ARGUMENT:
        return SETTING_VIEW_STATIC_BROKER;
    case CONFIG_SOURCE_DEFAULT:
        break;
    }
    return SETTING_VIEW_DEFAULT;
}

static void synonym_add(struct setting_view *view, const char *name, const char *value,
                        enum setting_view_source source)
{
    if (view->synonym_count == SETTING_VIEW_SYNONYMS_MAX)
        return;
    view->synonyms[view->synonym_count++] = (struct setting_view_synonym){
        .name = slice_of_text(name),
        .value = view->is_sensitive ? slice_of(NULL, 0) : slice_of_text(value),
        .source = source,
    };
}

/* Every source of a broker's setting that has a value, strongest first. */
static void broker_synonyms_add(const struct config *broker, enum config_id id,
                                struct setting_view *view)
{
    const struct config_entry entry = config_entry(id);

    for (int s = CONFIG_SOURCE_COUNT - 1; s > CONFIG_SOURCE_DEFAULT; s--) {
        const char *text = config_source_text(broker, id, (enum config_source)s);

        if (text != NULL)
            synonym_add(view, entry.name, text, source_number((enum config_source)s, entry.scope));
    }
    if (entry.text != NULL)
        synonym_add(view, entry.name, entry.text, SETTING_VIEW_DEFAULT);
}

void setting_view(const struct config *broker, const struct config_topic *own, enum config_id id,
                  struct setting_view *view_out)
{
    const struct config_entry entry = config_entry(id);
    bool is_topic = (entry.scope & (CONFIG_TOPIC | CONFIG_GROUP)) != 0; /* or a group's */
    enum config_source source =
        is_topic ? config_topic_source(broker, own, id) : config_source(broker, id);
    const char *text = is_topic ? config_topic_text(broker, own, id) : config_text(broker, id);
    struct setting_view view = {
        .name = slice_of_text(entry.name),
        .documentation = slice_of_text(entry.documentation),
        .source = source_number(source, entry.scope),
        .type = type_number(entry.type),
        .is_sensitive = entry.type == CONFIG_PASSWORD,
        .is_read_only = !is_topic && (entry.scope & CONFIG_DYNAMIC) == 0,
    };

    if (!view.is_sensitive)
        view.value = slice_of_text(text);
    if (source == CONFIG_SOURCE_TOPIC)
        synonym_add(&view, entry.name, text, view.source);
    if (!is_topic)
        broker_synonyms_add(broker, id, &view);
    else if (entry.broker_id != CONFIG_NONE)
        broker_synonyms_add(broker, entry.broker_id, &view);
    else if (entry.text != NULL)
        synonym_add(&view, entry.name, entry.text, SETTING_VIEW_DEFAULT);
    *view_out = view;
}

bool setting_view_cluster(const struct config *broker, enum config_id id,
                          struct setting_view *view_out)
{
    const struct config_entry entry = config_entry(id);
    const char *text = config_source_text(broker, id, CONFIG_SOURCE_DYNAMIC_DEFAULT);
    struct setting_view view = {
        .name = slice_of_text(entry.name),
        .documentation = slice_of_text(entry.documentation),
        .source = SETTING_VIEW_DYNAMIC_DEFAULT,
        .type = type_number(entry.type),
        .is_sensitive = entry.type == CONFIG_PASSWORD,
    };

    if (text == NULL)
        return false;
    if (!view.is_sensitive)
        view.value = slice_of_text(text);
    synonym_add(&view, entry.name, text, SETTING_VIEW_DYNAMIC_DEFAULT);
    *view_out = view;
    return true;
}
