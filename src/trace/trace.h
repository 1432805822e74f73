#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/report.h"
#include "base/slice.h"

/*
 * Trace: diagnostics, one line per event, as key=value (logfmt) or JSON. Not the log.
 *
 *     trace_event(t, TRACE_INFO, TRACE_STORAGE, "segment_rolled",
 *                 TRACE_FIELDS(trace_topic(name), trace_partition(3), trace_offset(42)));
 *
 *     ts=2026-01-31T23:59:59.001Z level=info node_id=1 component=storage
 *     event=segment_rolled topic=orders partition=3 offset=42          (in one line)
 *
 * Owner:    one per node, made by main; everybody else borrows it. NULL is silence.
 * Thread:   any. A line is one call of the sink, which must not mix lines: the sink of a
 *           node is one write(2) to standard error.
 * Lifetime: after everything that borrows it.
 * Invariants: a line ends with its only newline and has at most TRACE_LINE_SIZE bytes; it is
 *           valid UTF-8, holds no control character and, in JSON, is valid JSON whatever the
 *           fields hold. A line that had to be cut ends with cut=true.
 */
enum { TRACE_LINE_SIZE = 4096 };

enum trace_level { TRACE_DEBUG, TRACE_INFO, TRACE_WARN, TRACE_ERROR };
enum trace_format { TRACE_LOGFMT, TRACE_JSON };

#define TRACE_COMPONENT_MAP(X)  \
    X(TRACE_ADMIN, "admin")     \
    X(TRACE_AUDIT, "audit")     \
    X(TRACE_BROKER, "broker")   \
    X(TRACE_CLIENT, "client")   \
    X(TRACE_CONFIG, "config")   \
    X(TRACE_GRPC, "grpc")       \
    X(TRACE_HTTP, "http")       \
    X(TRACE_MAIN, "main")       \
    X(TRACE_META, "meta")       \
    X(TRACE_NET, "net")         \
    X(TRACE_OS, "os")           \
    X(TRACE_QUORUM, "quorum")   \
    X(TRACE_REPLICA, "replica") \
    X(TRACE_STORAGE, "storage")

enum trace_component {
#define X(id, name) id,
    TRACE_COMPONENT_MAP(X)
#undef X
        TRACE_COMPONENT_COUNT,
};

/* Where lines go and what time it is. `ctx` is handed back. */
struct trace_outside {
    void (*write)(void *ctx, const char *line, size_t size);
    int64_t (*wall_ms)(void *ctx);
    void *ctx;
};

struct trace;

/* Level info everywhere, no node id yet. NULL: out of memory. */
struct trace *trace_new(struct trace_outside outside, enum trace_format format);
void trace_free(struct trace *t);

void trace_set_node_id(struct trace *t, int32_t node_id);

/* Of all components. */
void trace_set_level(struct trace *t, enum trace_level level);

/*
 * Of single ones: "storage:debug,net:warn". All others are left alone.
 *
 *   E_INVAL  an unknown component or level; the report says which, nothing changed
 */
NODISCARD enum err trace_set_levels(struct trace *t, struct slice list, struct report *report);

/* Would a line be written? Only to spare the work of collecting fields. */
bool trace_is_on(const struct trace *t, enum trace_level level, enum trace_component component);

/* A field. Its text is borrowed for the call; its name is a constant, [a-z0-9_]. */
struct trace_field {
    const char *name;
    enum { TRACE_FIELD_TEXT, TRACE_FIELD_I64, TRACE_FIELD_BOOL } type;
    struct slice text; /* the null slice: null */
    int64_t number;
};

struct trace_fields {
    const struct trace_field *at;
    size_t count;
};

/* Write the array once and count it: the only thing here that a function cannot do. */
#define TRACE_FIELDS(...)                                                      \
    ((struct trace_fields){(const struct trace_field[]){__VA_ARGS__},          \
                           sizeof((const struct trace_field[]){__VA_ARGS__}) / \
                               sizeof(struct trace_field)})
#define TRACE_NO_FIELDS ((struct trace_fields){NULL, 0})

static inline struct trace_field trace_slice(const char *name, struct slice text)
{
    return (struct trace_field){.name = name, .type = TRACE_FIELD_TEXT, .text = text};
}

static inline struct trace_field trace_text(const char *name, const char *text)
{
    return trace_slice(name, slice_of_text(text));
}

static inline struct trace_field trace_i64(const char *name, int64_t number)
{
    return (struct trace_field){.name = name, .type = TRACE_FIELD_I64, .number = number};
}

static inline struct trace_field trace_bool(const char *name, bool yes)
{
    return (struct trace_field){.name = name, .type = TRACE_FIELD_BOOL, .number = yes};
}

/* The fields that have the same name everywhere. */
static inline struct trace_field trace_topic(struct slice topic)
{
    return trace_slice("topic", topic);
}

static inline struct trace_field trace_partition(int32_t partition)
{
    return trace_i64("partition", partition);
}

static inline struct trace_field trace_offset(int64_t offset)
{
    return trace_i64("offset", offset);
}

static inline struct trace_field trace_error(enum err e)
{
    return trace_text("error", err_name(e));
}

static inline struct trace_field trace_correlation_id(int32_t id)
{
    return trace_i64("correlation_id", id);
}

/* `event` is a constant such as "segment_rolled". */
void trace_event(struct trace *t, enum trace_level level, enum trace_component component,
                 const char *event, struct trace_fields fields);

/*
 * At most `count` lines per `interval_ms` from one place. The object that traces owns it, and
 * one thread uses it. The first line after a silenced stretch is preceded by one line of the
 * same event with suppressed=K.
 *
 *     struct trace_limit bad_requests; ... trace_limit_init(&bad_requests, 10, 1000);
 *
 *     if (trace_limit_pass(&bad_requests, t, TRACE_WARN, TRACE_BROKER, "bad_request"))
 *         trace_event(t, TRACE_WARN, TRACE_BROKER, "bad_request", TRACE_FIELDS(...));
 */
struct trace_limit {
    uint32_t count_max;
    uint32_t count; /* in the current interval */
    int64_t interval_ms;
    int64_t start_ms;
    int64_t suppressed;
};

void trace_limit_init(struct trace_limit *l, uint32_t count_max, int64_t interval_ms);
bool trace_limit_pass(struct trace_limit *l, struct trace *t, enum trace_level level,
                      enum trace_component component, const char *event);

/* Tell how many lines were suppressed and not told yet: when the object goes away. */
void trace_limit_flush(struct trace_limit *l, struct trace *t, enum trace_level level,
                       enum trace_component component, const char *event);
