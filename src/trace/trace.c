#include "trace/trace.h"

#include <assert.h>
#include <stdatomic.h>

#include "base/mem.h"
#include "trace/line_priv.h"

struct trace {
    struct trace_outside outside;
    enum trace_format format;
    _Atomic int32_t node_id; /* -1: not known yet */
    _Atomic uint8_t levels[TRACE_COMPONENT_COUNT];
};

static const char *const LEVELS[] = {"debug", "info", "warn", "error"};

static const char *const COMPONENTS[] = {
#define X(id, name) name,
    TRACE_COMPONENT_MAP(X)
#undef X
};

struct trace *trace_new(struct trace_outside outside, enum trace_format format)
{
    struct trace *t = mem_alloc_zero(sizeof(*t));

    if (t == NULL)
        return NULL;
    t->outside = outside;
    t->format = format;
    atomic_init(&t->node_id, -1);
    trace_set_level(t, TRACE_INFO);
    return t;
}

void trace_free(struct trace *t)
{
    mem_free(t);
}

void trace_set_node_id(struct trace *t, int32_t node_id)
{
    if (t == NULL)
        return;
    atomic_store_explicit(&t->node_id, node_id, memory_order_relaxed);
}

void trace_set_level(struct trace *t, enum trace_level level)
{
    for (size_t i = 0; i < TRACE_COMPONENT_COUNT; i++)
        atomic_store_explicit(&t->levels[i], (uint8_t)level, memory_order_relaxed);
}

/* The place of `text` among `names`; `count` when it is none of them. */
static size_t name_find(const char *const *names, size_t count, struct slice text)
{
    size_t i = 0;

    while (i < count && !slice_equal_text(text, names[i]))
        i++;
    return i;
}

/* Take up to `end` or all; what is taken is without blanks. */
static struct slice part_take(struct slice *rest, uint8_t end)
{
    size_t size = 0;
    struct slice part;

    while (size < rest->size && rest->at[size] != end)
        size++;
    part = slice_of(rest->at, size);
    size += size < rest->size;
    *rest = slice_of(rest->at + size, rest->size - size);
    while (part.size > 0 && part.at[0] == ' ')
        part = slice_of(part.at + 1, part.size - 1);
    while (part.size > 0 && part.at[part.size - 1] == ' ')
        part.size--;
    return part;
}

enum err trace_set_levels(struct trace *t, struct slice list, struct report *report)
{
    uint8_t levels[TRACE_COMPONENT_COUNT];

    for (size_t i = 0; i < TRACE_COMPONENT_COUNT; i++)
        levels[i] = atomic_load_explicit(&t->levels[i], memory_order_relaxed);
    while (list.size > 0) {
        struct slice item = part_take(&list, ',');
        struct slice name = part_take(&item, ':');
        struct slice level_name = part_take(&item, ',');
        size_t component = name_find(COMPONENTS, TRACE_COMPONENT_COUNT, name);
        size_t level = name_find(LEVELS, TRACE_ERROR + 1, level_name);

        if (name.size == 0 && level_name.size == 0)
            continue;
        if (component == TRACE_COMPONENT_COUNT || level > TRACE_ERROR) {
            report_set(report, "%.*s:%.*s is not of the form component:level, such as net:debug",
                       (int)(name.size < 80 ? name.size : 80), (const char *)name.at,
                       (int)(level_name.size < 80 ? level_name.size : 80),
                       (const char *)level_name.at);
            return E_INVAL;
        }
        levels[component] = (uint8_t)level;
    }
    for (size_t i = 0; i < TRACE_COMPONENT_COUNT; i++)
        atomic_store_explicit(&t->levels[i], levels[i], memory_order_relaxed);
    return E_OK;
}

bool trace_is_on(const struct trace *t, enum trace_level level, enum trace_component component)
{
    assert(component < TRACE_COMPONENT_COUNT);
    return t != NULL && level >= atomic_load_explicit(&t->levels[component], memory_order_relaxed);
}

void trace_event(struct trace *t, enum trace_level level, enum trace_component component,
                 const char *event, struct trace_fields fields)
{
    struct trace_line line;
    int32_t node_id;

    if (!trace_is_on(t, level, component))
        return;
    node_id = atomic_load_explicit(&t->node_id, memory_order_relaxed);
    trace_line_init(&line, t->format);
    trace_line_time(&line, "ts", t->outside.wall_ms(t->outside.ctx));
    trace_line_text(&line, "level", slice_of_text(LEVELS[level]));
    if (node_id >= 0)
        trace_line_i64(&line, "node_id", node_id);
    trace_line_text(&line, "component", slice_of_text(COMPONENTS[component]));
    trace_line_text(&line, "event", slice_of_text(event));
    for (size_t i = 0; i < fields.count; i++) {
        const struct trace_field *f = &fields.at[i];

        switch (f->type) {
        case TRACE_FIELD_TEXT:
            trace_line_text(&line, f->name, f->text);
            break;
        case TRACE_FIELD_I64:
            trace_line_i64(&line, f->name, f->number);
            break;
        case TRACE_FIELD_BOOL:
            trace_line_bool(&line, f->name, f->number != 0);
            break;
        }
    }
    trace_line_end(&line);
    t->outside.write(t->outside.ctx, line.text, line.size);
}

void trace_limit_init(struct trace_limit *l, uint32_t count_max, int64_t interval_ms)
{
    *l = (struct trace_limit){.count_max = count_max, .interval_ms = interval_ms};
}

void trace_limit_flush(struct trace_limit *l, struct trace *t, enum trace_level level,
                       enum trace_component component, const char *event)
{
    if (l->suppressed > 0)
        trace_event(t, level, component, event,
                    TRACE_FIELDS(trace_i64("suppressed", l->suppressed)));
    l->suppressed = 0;
}

bool trace_limit_pass(struct trace_limit *l, struct trace *t, enum trace_level level,
                      enum trace_component component, const char *event)
{
    int64_t now_ms;

    if (!trace_is_on(t, level, component))
        return false;
    now_ms = t->outside.wall_ms(t->outside.ctx);
    /* The wall clock may jump: back is a new interval too. */
    if (l->count == 0 || now_ms < l->start_ms || now_ms - l->start_ms >= l->interval_ms) {
        trace_limit_flush(l, t, level, component, event);
        l->start_ms = now_ms;
        l->count = 0;
    }
    if (l->count >= l->count_max) {
        l->suppressed++;
        return false;
    }
    l->count++;
    return true;
}
