#include <string.h>

#include "codec/codec.h"
#include "embed/embed_priv.h"
#include "storage/log_compact.h"

/*
 * Options of any version: a structure says its size, and what it has beyond the one we know must
 * be zero. What it lacks keeps its default.
 */

enum {
    FLUSH_RECORDS = 10000,
    FLUSH_MS = 1000,
    BATCH_BYTES = 64 * 1024,
    LINGER_MS = 5,
    RECORD_BYTES_MAX = 64 * 1024 * 1024,
    ASYNC_PENDING_MAX = 65536,
    READER_BUFFER_BYTES = 256 * 1024,
    MAINTAIN_MS = 60 * 1000,
    DISK_WARN_PERCENT = 80,
    DISK_THROTTLE_PERCENT = 95,
    DISK_RESERVE_BYTES = 64 * 1024 * 1024,
    SEGMENT_BYTES_MIN = 4096,
    INDEX_BYTES_MIN = 64,
    COMPACT_MEMORY_MIN = 64 * 1024,
    OPTIONS_SIZE_MAX = 4096, /* of any version */
    MS_MAX_DAYS = 365 * 1000
};

static const int64_t MS_MAX = MS_MAX_DAYS * 24ll * 3600 * 1000;

static const struct dlog_options OPTIONS_DEFAULT = {
    .size = sizeof(struct dlog_options),
    .durability = DLOG_DURABILITY_ALWAYS,
    .flush_records = FLUSH_RECORDS,
    .flush_ms = FLUSH_MS,
    .batch_bytes = BATCH_BYTES,
    .linger_ms = LINGER_MS,
    .record_bytes_max = RECORD_BYTES_MAX,
    .async_pending_max = ASYNC_PENDING_MAX,
    .segment_bytes = 1024 * 1024 * 1024,
    .segment_ms = 7 * 24 * 3600 * 1000ll,
    .index_bytes = 10 * 1024 * 1024,
    .retention_ms = -1,
    .retention_bytes = -1,
    .preallocate = true,
};

static const struct dlog_env_options ENV_OPTIONS_DEFAULT = {
    .size = sizeof(struct dlog_env_options),
    .trace_level = DLOG_LEVEL_WARN,
    .maintain_ms = MAINTAIN_MS,
    .disk_warn_percent = DISK_WARN_PERCENT,
    .disk_throttle_percent = DISK_THROTTLE_PERCENT,
    .disk_reserve_bytes = DISK_RESERVE_BYTES,
};

static const struct dlog_reader_options READER_OPTIONS_DEFAULT = {
    .size = sizeof(struct dlog_reader_options),
    .buffer_bytes = READER_BUFFER_BYTES,
};

static const struct dlog_compact_options COMPACT_OPTIONS_DEFAULT = {
    .size = sizeof(struct dlog_compact_options),
    .tombstone_ms = 24 * 3600 * 1000,
    .memory_bytes = 128 * 1024 * 1024,
};

/* The defaults into a structure of the caller's size. */
static void defaults_copy(void *to, size_t size, const void *defaults, size_t own_size)
{
    if (to == NULL || size < sizeof(size_t))
        return;
    memset(to, 0, size);
    memcpy(to, defaults, size < own_size ? size : own_size);
    memcpy(to, &size, sizeof(size));
}

void dlog_options_init(struct dlog_options *options, size_t size)
{
    defaults_copy(options, size, &OPTIONS_DEFAULT, sizeof(OPTIONS_DEFAULT));
}

void dlog_env_options_init(struct dlog_env_options *options, size_t size)
{
    defaults_copy(options, size, &ENV_OPTIONS_DEFAULT, sizeof(ENV_OPTIONS_DEFAULT));
}

void dlog_reader_options_init(struct dlog_reader_options *options, size_t size)
{
    defaults_copy(options, size, &READER_OPTIONS_DEFAULT, sizeof(READER_OPTIONS_DEFAULT));
}

void dlog_compact_options_init(struct dlog_compact_options *options, size_t size)
{
    defaults_copy(options, size, &COMPACT_OPTIONS_DEFAULT, sizeof(COMPACT_OPTIONS_DEFAULT));
}

/* The caller's structure over the defaults that `to` holds. */
static enum err options_copy(void *to, size_t own_size, const void *from)
{
    const uint8_t *bytes = from;
    size_t size;

    memcpy(&size, from, sizeof(size));
    if (size < sizeof(size) || size > OPTIONS_SIZE_MAX)
        return E_INVAL; /* not initialised */
    for (size_t i = own_size; i < size; i++) {
        if (bytes[i] != 0)
            return E_UNSUPPORTED;
    }
    memcpy(to, from, size < own_size ? size : own_size);
    return E_OK;
}

static enum err told(enum err e, const char *function, struct report *report)
{
    if (e == E_INVAL)
        report_set(report, "the size in the options is wrong: were they set by %s?", function);
    else if (e == E_UNSUPPORTED)
        report_set(report, "an option is set that libdlog %s does not know", DLOG_VERSION);
    return e;
}

/* One number and where it may lie. */
struct range {
    const char *name;
    int64_t value;
    int64_t min;
    int64_t max;
};

static enum err check_ranges(const struct range *ranges, size_t count, struct report *report)
{
    for (size_t i = 0; i < count; i++) {
        const struct range *r = &ranges[i];

        if (r->value >= r->min && r->value <= r->max)
            continue;
        report_set(report, "option %s is %lld, it must be from %lld to %lld", r->name,
                   (long long)r->value, (long long)r->min, (long long)r->max);
        return E_INVAL;
    }
    return E_OK;
}

int embed_tell_early(const struct dlog_options *options, enum err e, const struct report *report)
{
    size_t end = offsetof(struct dlog_options, report_size) + sizeof(options->report_size);

    if (options == NULL || options->size < end || options->size > OPTIONS_SIZE_MAX)
        return embed_err(e);
    return embed_tell(options->report, options->report_size, e, report);
}

int embed_tell_env_early(const struct dlog_env_options *options, enum err e,
                         const struct report *report)
{
    size_t end = offsetof(struct dlog_env_options, report_size) + sizeof(options->report_size);

    if (options == NULL || options->size < end || options->size > OPTIONS_SIZE_MAX)
        return embed_err(e);
    return embed_tell(options->report, options->report_size, e, report);
}

enum err embed_env_options(const struct dlog_env_options *from, struct dlog_env_options *to_out,
                           struct report *report)
{
    struct dlog_env_options to = ENV_OPTIONS_DEFAULT;
    enum err e = from == NULL ? E_OK : options_copy(&to, sizeof(to), from);

    if (e != E_OK)
        return told(e, "dlog_env_options_init()", report);
    const struct range ranges[] = {
        {"maintain_ms", to.maintain_ms, 1, MS_MAX},
        {"trace_level", to.trace_level, DLOG_LEVEL_ERROR, DLOG_LEVEL_INFO},
        {"disk_warn_percent", to.disk_warn_percent, 0, 100},
        {"disk_throttle_percent", to.disk_throttle_percent, 0, 100},
        {"disk_reserve_bytes", to.disk_reserve_bytes, 0, INT64_MAX},
    };

    e = check_ranges(ranges, sizeof(ranges) / sizeof(ranges[0]), report);
    if (e == E_OK)
        *to_out = to;
    return e;
}

enum err embed_options(const struct dlog_options *from, struct dlog_options *to_out,
                       struct report *report)
{
    struct dlog_options to = OPTIONS_DEFAULT;
    enum err e = from == NULL ? E_OK : options_copy(&to, sizeof(to), from);

    if (e != E_OK)
        return told(e, "dlog_options_init()", report);
    const struct range ranges[] = {
        {"create", to.create, DLOG_CREATE_IF_MISSING, DLOG_CREATE_NEW},
        {"format", to.format, DLOG_FORMAT_ANY, DLOG_FORMAT_MESSAGE},
        {"durability", to.durability, DLOG_DURABILITY_ALWAYS, DLOG_DURABILITY_OS},
        {"flush_records", to.flush_records, 1, INT64_MAX},
        {"flush_ms", to.flush_ms, 1, MS_MAX},
        {"compression", to.compression, DLOG_COMPRESSION_NONE, DLOG_COMPRESSION_ZSTD},
        {"batch_bytes", to.batch_bytes, 1, BATCH_BUILDER_SIZE_MAX},
        {"linger_ms", to.linger_ms, 0, MS_MAX},
        {"record_bytes_max", to.record_bytes_max, 1, BATCH_BUILDER_SIZE_MAX},
        {"async_pending_max", to.async_pending_max, 1, INT32_MAX},
        {"segment_bytes", to.segment_bytes, SEGMENT_BYTES_MIN, INT32_MAX},
        {"segment_ms", to.segment_ms, 1, MS_MAX},
        {"index_bytes", to.index_bytes, INDEX_BYTES_MIN, INT32_MAX},
        {"retention_ms", to.retention_ms, -1, MS_MAX},
        {"retention_bytes", to.retention_bytes, -1, INT64_MAX},
    };

    e = check_ranges(ranges, sizeof(ranges) / sizeof(ranges[0]), report);
    if (e != E_OK)
        return e;
    if (!codec_is_level((enum codec_id)to.compression, to.compression_level)) {
        report_set(report, "option compression_level is %d, which %s does not have",
                   to.compression_level, codec_name((int)to.compression));
        return E_INVAL;
    }
    *to_out = to;
    return E_OK;
}

enum err embed_reader_options(const struct dlog_reader_options *from,
                              struct dlog_reader_options *to_out)
{
    struct dlog_reader_options to = READER_OPTIONS_DEFAULT;
    enum err e = from == NULL ? E_OK : options_copy(&to, sizeof(to), from);

    if (e != E_OK)
        return e;
    if (to.buffer_bytes == 0 || to.buffer_bytes > BATCH_BUILDER_SIZE_MAX)
        return E_INVAL;
    *to_out = to;
    return E_OK;
}

enum err embed_compact_options(const struct dlog_compact_options *from,
                               struct log_compact_options *to_out)
{
    struct dlog_compact_options o = COMPACT_OPTIONS_DEFAULT;
    enum err e = from == NULL ? E_OK : options_copy(&o, sizeof(o), from);

    if (e != E_OK)
        return e;
    if (o.tombstone_ms < 0 || o.min_lag_ms < 0 || o.memory_bytes < COMPACT_MEMORY_MIN)
        return E_INVAL;
    *to_out = log_compact_options_default();
    to_out->has_keys = true;
    to_out->min_lag_ms = o.min_lag_ms;
    to_out->delete_retention_ms = o.tombstone_ms;
    to_out->map_bytes = o.memory_bytes;
    return E_OK;
}

struct log_options embed_engine_options(const struct dlog_options *options)
{
    static const enum log_durability DURABILITIES[] = {
        [DLOG_DURABILITY_ALWAYS] = LOG_DURABILITY_ALWAYS,
        [DLOG_DURABILITY_INTERVAL] = LOG_DURABILITY_INTERVAL,
        [DLOG_DURABILITY_OS] = LOG_DURABILITY_OS,
    };
    struct log_options o = log_options_default();

    o.format = options->format == DLOG_FORMAT_MESSAGE ? LOG_FORMAT_MESSAGE : LOG_FORMAT_BATCH;
    o.durability = DURABILITIES[options->durability];
    o.segment_bytes = options->segment_bytes;
    o.segment_ms = options->segment_ms;
    o.segment_index_bytes = options->index_bytes;
    o.retention_ms = options->retention_ms;
    o.retention_bytes = options->retention_bytes;
    o.file_delete_delay_ms = 0; /* readers hold the files that they read from */
    o.preallocate = options->preallocate && options->durability == DLOG_DURABILITY_ALWAYS;
    return o;
}
