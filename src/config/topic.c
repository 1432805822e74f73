#include "config/topic.h"

#include <assert.h>

#include "base/mem.h"
#include "config/config_priv.h"

struct config_topic {
    enum config_scope scope;
    struct config_value values[CONFIG_COUNT - CONFIG_TOPIC_FIRST]; /* text NULL: not overridden */
};

static struct config_value *slot(struct config_topic *t, enum config_id id)
{
    assert(id >= CONFIG_TOPIC_FIRST && id < CONFIG_COUNT);
    return &t->values[id - CONFIG_TOPIC_FIRST];
}

static struct config_topic *new_of(enum config_scope scope)
{
    struct config_topic *t = mem_alloc_zero(sizeof(*t));

    if (t != NULL)
        t->scope = scope;
    return t;
}

struct config_topic *config_topic_new(void)
{
    return new_of(CONFIG_TOPIC);
}

struct config_topic *config_group_new(void)
{
    return new_of(CONFIG_GROUP);
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
    enum config_scope scope = t == NULL ? CONFIG_TOPIC : t->scope;
    enum config_id id = config_find(name, scope);
    struct config_entry entry;
    struct config_value v;
    enum err e;

    if (id == CONFIG_NONE && (scope == CONFIG_GROUP || !config_is_unused(name)))
        return config_refuse_name(name, scope, report);
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
    enum config_id id = config_find(name, t->scope);

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

/* ---- groups ---- */

static enum err check_range(const struct config *broker, const struct config_topic *group,
                            const enum config_id ids[3], struct report *report)
{
    int64_t value = config_topic_i64(broker, group, ids[0]);
    int64_t min = config_i64(broker, ids[1]);
    int64_t max = config_i64(broker, ids[2]);

    if (override(group, ids[0]) == NULL || (value >= min && value <= max))
        return E_OK;
    report_set(report, "setting %s: value %lld is not in [%lld, %lld], which %s and %s say",
               config_entry(ids[0]).name, (long long)value, (long long)min, (long long)max,
               config_entry(ids[1]).name, config_entry(ids[2]).name);
    return E_INVAL;
}

enum err config_group_check(const struct config *broker, const struct config_topic *group,
                            struct report *report)
{
    static const enum config_id RANGES[][3] = {
        {CONFIG_CONSUMER_SESSION_MS, CONFIG_GROUP_CONSUMER_MIN_SESSION_MS,
         CONFIG_GROUP_CONSUMER_MAX_SESSION_MS},
        {CONFIG_CONSUMER_HEARTBEAT_MS, CONFIG_GROUP_CONSUMER_MIN_HEARTBEAT_MS,
         CONFIG_GROUP_CONSUMER_MAX_HEARTBEAT_MS},
    };

    for (size_t i = 0; i < sizeof(RANGES) / sizeof(RANGES[0]); i++) {
        enum err e = check_range(broker, group, RANGES[i], report);

        if (e != E_OK)
            return e;
    }
    if (config_topic_i64(broker, group, CONFIG_CONSUMER_SESSION_MS) >
        config_topic_i64(broker, group, CONFIG_CONSUMER_HEARTBEAT_MS))
        return E_OK;
    report_set(report, "setting consumer.session.timeout.ms is not more than "
                       "consumer.heartbeat.interval.ms");
    return E_INVAL;
}
