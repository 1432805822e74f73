#include "config/config.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "config/config_priv.h"
#include "config/listener.h"
#include "config/properties.h"

enum { NAME_SIZE_MAX = 256, WARNING_SIZE_MAX = 4096, NUMBER_SIZE = 24 };

static const char WARNING_START[] = "known to Kafka and not used here: ";

struct setting {
    struct config_value values[CONFIG_SOURCE_COUNT]; /* text NULL: not set there */
    enum config_source source;                       /* of the value that counts */
    struct config_value stand_in;                    /* counts when no source has one */
    char stand_in_text[NUMBER_SIZE];                 /* of a number */
};

struct config {
    struct setting settings[CONFIG_TOPIC_FIRST];
    struct buf warning; /* with its NUL, or empty */
};

/* What an unset setting takes instead, times a factor; 0: the text as it is. In this order. */
static const struct {
    enum config_id id;
    enum config_id from;
    int64_t factor;
} STAND_INS[] = {
    {CONFIG_LOG_DIRS, CONFIG_LOG_DIR, 0},
    {CONFIG_LOG_FLUSH_MS, CONFIG_LOG_FLUSH_SCHEDULER_MS, 1},
    {CONFIG_LOG_ROLL_MS, CONFIG_LOG_ROLL_HOURS, 3600000},
    {CONFIG_LOG_ROLL_JITTER_MS, CONFIG_LOG_ROLL_JITTER_HOURS, 3600000},
    {CONFIG_LOG_RETENTION_MINUTES, CONFIG_LOG_RETENTION_HOURS, 60},
    {CONFIG_LOG_RETENTION_MS, CONFIG_LOG_RETENTION_MINUTES, 60000},
};

const struct config_value *config_current(const struct config *c, enum config_id id)
{
    const struct setting *s;

    assert(id < CONFIG_TOPIC_FIRST);
    s = &c->settings[id];
    if (s->stand_in.text != NULL)
        return &s->stand_in;
    return &s->values[s->source];
}

static void stand_in(struct config *c, enum config_id id, enum config_id from, int64_t factor)
{
    struct setting *s = &c->settings[id];
    const struct config_value *other = config_current(c, from);

    s->stand_in = (struct config_value){0};
    if (s->values[s->source].text != NULL || other->text == NULL)
        return;
    s->source = c->settings[from].source;
    s->stand_in = *other; /* borrows its text */
    if (factor == 0)
        return;
    s->stand_in.number = other->number < 0 ? -1 : other->number * factor;
    snprintf(s->stand_in_text, sizeof(s->stand_in_text), "%lld", (long long)s->stand_in.number);
    s->stand_in.text = s->stand_in_text;
}

/* Find again which source counts. */
static void refresh(struct config *c)
{
    for (enum config_id id = 0; id < CONFIG_TOPIC_FIRST; id++) {
        struct setting *s = &c->settings[id];

        s->source = CONFIG_SOURCE_COUNT - 1;
        while (s->source > CONFIG_SOURCE_DEFAULT && s->values[s->source].text == NULL)
            s->source--;
    }
    for (size_t i = 0; i < sizeof(STAND_INS) / sizeof(STAND_INS[0]); i++)
        stand_in(c, STAND_INS[i].id, STAND_INS[i].from, STAND_INS[i].factor);
}

struct config *config_new(void)
{
    struct config *c = mem_alloc_zero(sizeof(*c));

    if (c == NULL)
        return NULL;
    buf_init(&c->warning, WARNING_SIZE_MAX);
    for (enum config_id id = 0; id < CONFIG_TOPIC_FIRST; id++) {
        struct config_entry entry = config_entry(id);
        struct config_value *v = &c->settings[id].values[CONFIG_SOURCE_DEFAULT];
        enum err e = E_OK;

        if (entry.text != NULL)
            e = config_value_parse(&entry, slice_of_text(entry.text), v, NULL);
        assert(e == E_OK || e == E_NOMEM);
        if (e != E_OK) {
            config_free(c);
            return NULL;
        }
    }
    refresh(c);
    return c;
}

void config_free(struct config *c)
{
    if (c == NULL)
        return;
    for (enum config_id id = 0; id < CONFIG_TOPIC_FIRST; id++) {
        for (size_t source = 0; source < CONFIG_SOURCE_COUNT; source++)
            config_value_release(&c->settings[id].values[source]);
    }
    buf_release(&c->warning);
    mem_free(c);
}

static enum err copy_value(struct config_value *to, const struct config_value *from)
{
    size_t size = from->text == NULL ? 0 : strlen(from->text) + 1;
    char *text = size == 0 ? NULL : mem_alloc(size);

    if (size > 0 && text == NULL)
        return E_NOMEM;
    config_value_release(to);
    *to = *from;
    to->text = text;
    if (text != NULL)
        memcpy(text, from->text, size);
    return E_OK;
}

enum err config_copy(const struct config *c, struct config **copy_out)
{
    struct config *copy = config_new();
    enum err e = copy == NULL ? E_NOMEM : E_OK;

    for (enum config_id id = 0; id < CONFIG_TOPIC_FIRST && e == E_OK; id++) {
        for (size_t source = 0; source < CONFIG_SOURCE_COUNT && e == E_OK; source++)
            e = copy_value(&copy->settings[id].values[source], &c->settings[id].values[source]);
    }
    if (e != E_OK) {
        config_free(copy);
        return e;
    }
    refresh(copy);
    *copy_out = copy;
    return E_OK;
}

/* ---- setting ---- */

enum err config_refuse_name(struct slice name, enum config_scope scope, struct report *report)
{
    const char *nearest = config_nearest(name, scope);
    char shown[CONFIG_SHOW_SIZE];

    config_show(name, shown);
    report_set(report, "unknown setting '%s'", shown);
    if (nearest != NULL)
        report_append(report, ", did you mean '%s'?", nearest);
    return E_INVAL;
}

/* Name the ignored setting once. Past its maximum the warning stays as it is. */
static enum err warn_unused(struct config *c, struct slice name)
{
    size_t start = sizeof(WARNING_START) - 1;
    struct slice item;
    enum err e;

    if (c->warning.size > 0) {
        while (config_list_next((char *)c->warning.at, &start, &item)) {
            if (slice_equal(item, name))
                return E_OK;
        }
    }
    e = buf_reserve(&c->warning, sizeof(WARNING_START) + name.size + 2);
    if (e != E_OK)
        return e == E_TOO_BIG ? E_OK : e;
    if (c->warning.size > 0)
        c->warning.size--; /* its NUL */
    e = buf_printf(&c->warning, "%s%.*s", c->warning.size > 0 ? ", " : WARNING_START,
                   (int)name.size, (const char *)name.at);
    if (e == E_OK)
        e = buf_append(&c->warning, "", 1);
    assert(e == E_OK);
    return e;
}

enum err config_set(struct config *c, struct slice name, struct slice value,
                    enum config_source source, struct report *report)
{
    enum config_id id = config_find(name, CONFIG_BROKER);
    struct config_entry entry;
    struct config_value v;
    enum err e;

    assert(source > CONFIG_SOURCE_DEFAULT && source < CONFIG_SOURCE_COUNT);
    if (id == CONFIG_NONE) {
        if (name.size > NAME_SIZE_MAX || !config_is_unused(name))
            return config_refuse_name(name, CONFIG_BROKER, report);
        return warn_unused(c, name);
    }
    entry = config_entry(id);
    if (source >= CONFIG_SOURCE_DYNAMIC_DEFAULT && (entry.scope & CONFIG_DYNAMIC) == 0) {
        report_set(report, "setting %s cannot change while the broker runs", entry.name);
        return E_DENIED;
    }
    e = config_value_parse(&entry, value, &v, report);
    if (e != E_OK)
        return e;
    config_value_release(&c->settings[id].values[source]);
    c->settings[id].values[source] = v;
    refresh(c);
    return E_OK;
}

void config_unset(struct config *c, struct slice name, enum config_source source)
{
    enum config_id id = config_find(name, CONFIG_BROKER);

    assert(source > CONFIG_SOURCE_DEFAULT && source < CONFIG_SOURCE_COUNT);
    if (id == CONFIG_NONE)
        return;
    config_value_release(&c->settings[id].values[source]);
    refresh(c);
}

void config_unset_all(struct config *c, enum config_source source)
{
    assert(source > CONFIG_SOURCE_DEFAULT && source < CONFIG_SOURCE_COUNT);
    for (enum config_id id = 0; id < CONFIG_TOPIC_FIRST; id++)
        config_value_release(&c->settings[id].values[source]);
    refresh(c);
}

enum err config_parse_properties(struct config *c, struct slice text, const char *file_name,
                                 struct report *report)
{
    struct config_properties p = config_properties_init(text);
    struct buf name;
    struct buf value;
    enum err e;

    if (text.size > CONFIG_FILE_SIZE_MAX) {
        report_set(report, "%s: more than %d bytes", file_name, CONFIG_FILE_SIZE_MAX);
        return E_TOO_BIG;
    }
    buf_init(&name, CONFIG_VALUE_SIZE_MAX);
    buf_init(&value, 2 * CONFIG_VALUE_SIZE_MAX);
    while ((e = config_properties_next(&p, &name, &value)) == E_OK) {
        e = config_set(c, buf_slice(&name), buf_slice(&value), CONFIG_SOURCE_FILE, report);
        if (e != E_OK) {
            report_append(report, " (from %s line %zu)", file_name, p.line);
            goto out;
        }
    }
    if (e == E_NOT_FOUND)
        e = E_OK;
    else
        report_set(report, "%s line %zu: %s", file_name, p.line,
                   e == E_INVAL ? "broken \\u escape" : err_text(e));
out:
    buf_release(&name);
    buf_release(&value);
    return e;
}

/* DLOG_LOG_RETENTION_MS as log.retention.ms, into `name_out` of NAME_SIZE_MAX bytes. */
static struct slice env_name(struct slice name, uint8_t *name_out)
{
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.at[i];

        if (c >= 'A' && c <= 'Z')
            c = (uint8_t)(c - 'A' + 'a');
        name_out[i] = c == '_' ? '.' : c;
    }
    return slice_of(name_out, name.size);
}

/* Is `prefix` at the front of `s`? */
static bool has_prefix(struct slice s, const char *prefix)
{
    size_t size = strlen(prefix);

    return s.size >= size && memcmp(s.at, prefix, size) == 0;
}

/* Split at the first '='; false when there is none. */
static bool split(struct slice text, struct slice *name_out, struct slice *value_out)
{
    const uint8_t *equals = text.size == 0 ? NULL : memchr(text.at, '=', text.size);

    if (equals == NULL)
        return false;
    *name_out = slice_of(text.at, (size_t)(equals - text.at));
    *value_out = slice_of(equals + 1, text.size - name_out->size - 1);
    return true;
}

enum err config_set_env(struct config *c, struct slice entry, struct report *report)
{
    uint8_t bytes[NAME_SIZE_MAX];
    char shown[CONFIG_SHOW_SIZE];
    struct slice name;
    struct slice value;
    enum err e;

    if (!has_prefix(entry, "DLOG_") || has_prefix(entry, "DLOG_TEST_") ||
        !split(entry, &name, &value))
        return E_OK;
    config_show(name, shown);
    name = slice_of(name.at + 5, name.size - 5);
    if (name.size > sizeof(bytes))
        e = config_refuse_name(name, CONFIG_BROKER, report);
    else
        e = config_set(c, env_name(name, bytes), value, CONFIG_SOURCE_ENV, report);
    if (e != E_OK)
        report_append(report, " (from environment %s)", shown);
    return e;
}

enum err config_set_argument(struct config *c, struct slice text, struct report *report)
{
    struct slice name;
    struct slice value;
    enum err e;

    if (!split(text, &name, &value)) {
        report_set(report, "--set wants name=value");
        return E_INVAL;
    }
    e = config_set(c, config_trim(name), value, CONFIG_SOURCE_ARGUMENT, report);
    if (e != E_OK)
        report_append(report, " (from --set)");
    return e;
}

/* ---- what belongs together ---- */

static enum err check_order(const struct config *c, enum config_id small, enum config_id large,
                            struct report *report)
{
    if (config_i64(c, small) <= config_i64(c, large))
        return E_OK;
    report_set(report, "setting %s (%s) is more than %s (%s)", config_entry(small).name,
               config_text(c, small), config_entry(large).name, config_text(c, large));
    return E_INVAL;
}

/* Every advertised name has a listener. */
static enum err check_advertised(const struct config *c, struct report *report)
{
    struct config_listener bound[CONFIG_LISTENERS_MAX];
    struct config_listener told[CONFIG_LISTENERS_MAX];
    size_t bound_count = 0;
    size_t told_count = 0;
    enum err e =
        config_listeners_parse(config_text(c, CONFIG_LISTENERS), bound, &bound_count, report);

    if (e == E_OK)
        e = config_listeners_parse(config_text(c, CONFIG_ADVERTISED_LISTENERS), told, &told_count,
                                   report);
    for (size_t i = 0; i < told_count && e == E_OK; i++) {
        size_t j = 0;

        while (j < bound_count && strcmp(told[i].name, bound[j].name) != 0)
            j++;
        if (j == bound_count || told[i].host[0] == '\0') {
            report_set(report, "setting advertised.listeners: %s://%s:%u %s", told[i].name,
                       told[i].host, (unsigned)told[i].port,
                       j == bound_count ? "has no listener of that name" : "has no host");
            e = E_INVAL;
        }
    }
    return e;
}

enum err config_check(const struct config *c, struct report *report)
{
    static const enum config_id ORDERED[][2] = {
        {CONFIG_DISK_WARN_PERCENT, CONFIG_DISK_THROTTLE_PERCENT},
        {CONFIG_MESSAGE_MAX_BYTES, CONFIG_SOCKET_REQUEST_MAX},
        {CONFIG_BROKER_HEARTBEAT_MS, CONFIG_BROKER_SESSION_MS},
        {CONFIG_LOG_MIN_COMPACTION_LAG_MS, CONFIG_LOG_MAX_COMPACTION_LAG_MS},
        {CONFIG_GROUP_MIN_SESSION_MS, CONFIG_GROUP_MAX_SESSION_MS},
        {CONFIG_GROUP_CONSUMER_MIN_SESSION_MS, CONFIG_GROUP_CONSUMER_SESSION_MS},
        {CONFIG_GROUP_CONSUMER_SESSION_MS, CONFIG_GROUP_CONSUMER_MAX_SESSION_MS},
        {CONFIG_GROUP_CONSUMER_MIN_HEARTBEAT_MS, CONFIG_GROUP_CONSUMER_HEARTBEAT_MS},
        {CONFIG_GROUP_CONSUMER_HEARTBEAT_MS, CONFIG_GROUP_CONSUMER_MAX_HEARTBEAT_MS},
        {CONFIG_GROUP_CONSUMER_HEARTBEAT_MS, CONFIG_GROUP_CONSUMER_SESSION_MS},
    };

    for (size_t i = 0; i < sizeof(ORDERED) / sizeof(ORDERED[0]); i++) {
        enum err e = check_order(c, ORDERED[i][0], ORDERED[i][1], report);

        if (e != E_OK)
            return e;
    }
    return check_advertised(c, report);
}

/* ---- reading ---- */

const char *config_warning(const struct config *c)
{
    return c->warning.size == 0 ? "" : (const char *)c->warning.at;
}

bool config_bool(const struct config *c, enum config_id id)
{
    assert(config_entry(id).type == CONFIG_BOOL);
    return config_current(c, id)->number != 0;
}

int64_t config_i64(const struct config *c, enum config_id id)
{
    const struct config_value *v = config_current(c, id);

    assert(config_entry(id).type == CONFIG_INT || config_entry(id).type == CONFIG_LONG);
    assert(v->text != NULL);
    return v->number;
}

double config_f64(const struct config *c, enum config_id id)
{
    assert(config_entry(id).type == CONFIG_DOUBLE);
    return config_current(c, id)->real;
}

const char *config_text(const struct config *c, enum config_id id)
{
    return config_current(c, id)->text;
}

unsigned config_choice(const struct config *c, enum config_id id)
{
    assert(config_entry(id).choices != NULL);
    return (unsigned)config_current(c, id)->number;
}

enum config_source config_source(const struct config *c, enum config_id id)
{
    assert(id < CONFIG_TOPIC_FIRST);
    return c->settings[id].source;
}

const char *config_source_text(const struct config *c, enum config_id id, enum config_source source)
{
    assert(id < CONFIG_TOPIC_FIRST && source < CONFIG_SOURCE_COUNT);
    return c->settings[id].values[source].text;
}

const char *config_source_name(enum config_source source)
{
    static const char *const NAMES[] = {"default", "file",   "environment", "argument",
                                        "cluster", "broker", "topic"};

    assert(source <= CONFIG_SOURCE_TOPIC);
    return NAMES[source];
}

bool config_list_next(const char *text, size_t *pos, struct slice *item_out)
{
    while (text != NULL && text[*pos] != '\0') {
        const char *start = text + *pos;
        const char *comma = strchr(start, ',');
        size_t size = comma == NULL ? strlen(start) : (size_t)(comma - start);
        struct slice item = config_trim(slice_of(start, size));

        *pos += size + (comma != NULL);
        if (item.size > 0) {
            *item_out = item;
            return true;
        }
    }
    return false;
}
