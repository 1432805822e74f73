#include "config/topic.h"

#include <assert.h>

#include "base/mem.h"
#include "config/config_priv.h"

struct config_topic {
    struct config_value values[CONFIG_COUNT - CONFIG_TOPIC_FIRST]; /* text NULL: not overridden */
};

static struct config_value *slot(struct config_topic *t, enum config_id id)
{
    assert(id >= CONFIG_TOPIC_FIRST && id < CONFIG_COUNT);
    return &t->values[id - CONFIG_TOPIC_FIRST];
}

struct config_topic *config_topic_new(void)
{
    return mem_alloc_zero(sizeof(struct config_topic));
}

void config_topic_free(struct config_topic *t)
{
    if (t == NULL)
        return;
    for (enum config_id id = CONFIG_TOPIC_FIRST; id < CONFIG_COUNT; id++)
        config_value_release(slot(t, id));
    mem_free(t);
}

/* Check; with `t` also keep. */
static enum err take(struct config_topic *t, struct slice name, struct slice value,
                     struct report *report)
{
    enum config_id id = config_find(name, CONFIG_TOPIC);
    struct config_entry entry;
    struct config_value v;
    enum err e;

    if (id == CONFIG_NONE && !config_is_unused(name))
        return config_refuse_name(name, CONFIG_TOPIC, report);
    if (id == CONFIG_NONE)
        return E_OK;
    entry = config_entry(id);
    e = config_value_parse(&entry, value, t == NULL ? NULL : &v, report);
    if (e != E_OK || t == NULL)
        return e;
    config_value_release(slot(t, id));
    *slot(t, id) = v;
    return E_OK;
}

enum err config_topic_check(struct slice name, struct slice value, struct report *report)
{
    return take(NULL, name, value, report);
}

enum err config_topic_set(struct config_topic *t, struct slice name, struct slice value,
                          struct report *report)
{
    assert(t != NULL);
    return take(t, name, value, report);
}

void config_topic_unset(struct config_topic *t, struct slice name)
{
    enum config_id id = config_find(name, CONFIG_TOPIC);

    if (id != CONFIG_NONE)
        config_value_release(slot(t, id));
}

/* The override, or NULL. */
static const struct config_value * override(const struct config_topic *t, enum config_id id)
{
    const struct config_value *v;

    assert(id >= CONFIG_TOPIC_FIRST && id < CONFIG_COUNT);
    if (t == NULL)
        return NULL;
    v = &t->values[id - CONFIG_TOPIC_FIRST];
    return v->text == NULL ? NULL : v;
}

bool config_topic_bool(const struct config *broker, const struct config_topic *t, enum config_id id)
{
    const struct config_value *v = override(t, id);
    struct config_entry entry = config_entry(id);

    assert(entry.type == CONFIG_BOOL);
    return v != NULL ? v->number != 0 : config_bool(broker, entry.broker_id);
}

int64_t config_topic_i64(const struct config *broker, const struct config_topic *t,
                         enum config_id id)
{
    const struct config_value *v = override(t, id);
    struct config_entry entry = config_entry(id);

    assert(entry.type == CONFIG_INT || entry.type == CONFIG_LONG);
    return v != NULL ? v->number : config_i64(broker, entry.broker_id);
}

double config_topic_f64(const struct config *broker, const struct config_topic *t,
                        enum config_id id)
{
    const struct config_value *v = override(t, id);
    struct config_entry entry = config_entry(id);

    assert(entry.type == CONFIG_DOUBLE);
    return v != NULL ? v->real : config_f64(broker, entry.broker_id);
}

const char *config_topic_text(const struct config *broker, const struct config_topic *t,
                              enum config_id id)
{
    const struct config_value *v = override(t, id);
    struct config_entry entry = config_entry(id);

    if (v != NULL)
        return v->text;
    return entry.broker_id == CONFIG_NONE ? entry.text : config_text(broker, entry.broker_id);
}

unsigned config_topic_choice(const struct config *broker, const struct config_topic *t,
                             enum config_id id)
{
    const struct config_value *v = override(t, id);
    struct config_entry entry = config_entry(id);

    assert(entry.choices != NULL);
    return v != NULL ? (unsigned)v->number : config_choice(broker, entry.broker_id);
}

enum config_source config_topic_source(const struct config *broker, const struct config_topic *t,
                                       enum config_id id)
{
    struct config_entry entry = config_entry(id);

    if (override(t, id) != NULL)
        return CONFIG_SOURCE_TOPIC;
    return entry.broker_id == CONFIG_NONE ? CONFIG_SOURCE_DEFAULT
                                          : config_source(broker, entry.broker_id);
}
