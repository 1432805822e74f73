#include "admin/metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "admin/metric_table.h"
#include "base/hist.h"
#include "base/mem.h"
#include "broker/broker.h"
#include "broker/census.h"
#include "broker/meter.h"
#include "net/loop.h"
#include "os/os.h"
#include "quorum/quorum.h"
#include "replica/partition.h"
#include "wire/api.h"
#include "wire/error.h"

enum metric_id {
#define G(title)
#define X(id, name, type, labels, help) METRIC_##id,
    METRIC_TABLE(G, X)
#undef X
#undef G
};

struct metric {
    const char *name;
    const char *type;
    const char *help;
};

static const char COUNTER[] = "counter";
static const char GAUGE[] = "gauge";
static const char HISTOGRAM[] = "histogram";

static const struct metric METRICS[] = {
#define G(title)
#define X(id, name, type, labels, help) {name, type, help},
    METRIC_TABLE(G, X)
#undef X
#undef G
};

/* A page under construction; after an error nothing more is written. */
struct page {
    struct buf *out;
    const struct metrics_source *source;
    enum err err;
};

__attribute__((format(printf, 2, 3))) static void put(struct page *p, const char *format, ...)
{
    char text[512];
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (p->err == E_OK)
        p->err = size < 0 || (size_t)size >= sizeof(text) ? E_TOO_BIG
                                                          : buf_append(p->out, text, (size_t)size);
}

/* A label's text: backslash, quote and newline are escaped. */
static void put_label(struct page *p, const char *name, struct slice text)
{
    put(p, "%s=\"", name);
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] == '\n')
            put(p, "\\n");
        else if (text.at[i] == '"' || text.at[i] == '\\')
            put(p, "\\%c", text.at[i]);
        else if (p->err == E_OK)
            p->err = buf_append(p->out, text.at + i, 1);
    }
    put(p, "\"");
}

static void put_head(struct page *p, enum metric_id id)
{
    const struct metric *m = &METRICS[id];

    put(p, "# HELP %s %s\n", m->name, m->help);
    put(p, "# TYPE %s %s\n", m->name, m->type);
}

/* One number without labels, and its head. */
static void put_number(struct page *p, enum metric_id id, int64_t value)
{
    put_head(p, id);
    put(p, "%s %" PRId64 "\n", METRICS[id].name, value);
}

static void put_count(struct page *p, enum metric_id id, const struct counter *counter)
{
    put_number(p, id, (int64_t)counter_get(counter));
}

/* The same of seconds, given in a `part`th of them. */
static void put_seconds(struct page *p, enum metric_id id, uint64_t value, double part)
{
    put_head(p, id);
    put(p, "%s %.6f\n", METRICS[id].name, (double)value / part);
}

/* One of several numbers, by one label. */
static void put_labelled(struct page *p, enum metric_id id, const char *label, const char *text,
                         int64_t value)
{
    put(p, "%s{", METRICS[id].name);
    put_label(p, label, slice_of_text(text));
    put(p, "} %" PRId64 "\n", value);
}

/* ---- histograms ---- */

struct series {
    enum metric_id id;
    const char *label; /* NULL: none */
    const char *text;
    double unit; /* values a unit of the metric */
    uint64_t first;
    uint64_t end; /* of the buckets' bounds */
};

static void put_bucket(struct page *p, const struct series *s, const char *bound, uint64_t count)
{
    put(p, "%s_bucket{", METRICS[s->id].name);
    if (s->label != NULL)
        put(p, "%s=\"%s\",", s->label, s->text);
    put(p, "le=\"%s\"} %" PRIu64 "\n", bound, count);
}

static void put_total(struct page *p, const struct series *s, const char *suffix, double value)
{
    put(p, "%s_%s", METRICS[s->id].name, suffix);
    if (s->label != NULL)
        put(p, "{%s=\"%s\"}", s->label, s->text);
    put(p, " %.9g\n", value);
}

/* Buckets end before 2^k and 1.5 * 2^k, which are ends of cells. */
static void put_histogram(struct page *p, const struct series *s, const struct hist *h)
{
    uint64_t seen = 0;
    uint64_t total = 0;
    size_t cell = 0;

    for (uint64_t bound = s->first; bound < s->end;
         bound += (bound & (bound - 1)) == 0 ? bound / 2 : bound / 3) {
        char text[32];

        for (; cell < HIST_CELLS && hist_cell_last(cell) < bound; cell++)
            seen += counter_get(&h->cells[cell]);
        snprintf(text, sizeof(text), "%.9g", (double)bound / s->unit);
        put_bucket(p, s, text, seen);
    }
    total = seen;
    for (; cell < HIST_CELLS; cell++)
        total += counter_get(&h->cells[cell]);
    put_bucket(p, s, "+Inf", total);
    put_total(p, s, "sum", (double)counter_get(&h->sum) / s->unit);
    put_total(p, s, "count", (double)total);
}

/* ---- the node ---- */

static void put_process(struct page *p)
{
    struct os_usage usage;

    os_usage(p->source->os, &usage);
    put_seconds(p, METRIC_PROCESS_START, (uint64_t)usage.start_wall_ms, 1e3);
    put_seconds(p, METRIC_PROCESS_CPU, (uint64_t)usage.cpu_us, 1e6);
    put_number(p, METRIC_PROCESS_RESIDENT, usage.resident_bytes);
    put_number(p, METRIC_PROCESS_FDS, usage.files);
    put_number(p, METRIC_PROCESS_MAX_FDS, os_files_max(p->source->os));
    put_number(p, METRIC_HEAP, usage.heap_bytes);
}

static void put_memory(struct page *p)
{
    const struct broker_census *c = p->source->census;

    put_head(p, METRIC_MEMORY);
    put_labelled(p, METRIC_MEMORY, "owner", "receive", c->receive_bytes);
    put_labelled(p, METRIC_MEMORY, "owner", "request", c->request_bytes);
    put_labelled(p, METRIC_MEMORY, "owner", "answer", c->answer_bytes);
    put_labelled(p, METRIC_MEMORY, "owner", "scratch", c->scratch_bytes);
}

static void put_loops(struct page *p)
{
    const char *name = METRICS[METRIC_LOOP_BUSY].name;

    put_head(p, METRIC_LOOP_BUSY);
    put(p, "%s{loop=\"controller\"} %.6f\n", name, (double)loop_busy_ns(p->source->loop) / 1e9);
    for (int i = 0; i < broker_shard_count(p->source->broker); i++)
        put(p, "%s{loop=\"shard-%d\"} %.6f\n", name, i,
            (double)broker_shard_busy_ns(p->source->broker, i) / 1e9);
}

static void put_node(struct page *p, const struct broker_stats *stats)
{
    const struct quorum *quorum = p->source->quorum;

    put_head(p, METRIC_BUILD_INFO);
    put(p, "dlog_build_info{version=\"%s\",node_id=\"%d\",cluster_id=\"%s\"} 1\n", DLOG_VERSION,
        (int)quorum_node_id(quorum), quorum_cluster_id(quorum));
    put_number(p, METRIC_READY, broker_unready_text(p->source->broker) == NULL);
    if (stats->start_ms >= 0)
        put_seconds(p, METRIC_START_SECONDS, (uint64_t)stats->start_ms, 1e3);
    put_process(p);
    put_memory(p);
    put_loops(p);
}

/* ---- requests ---- */

static void put_api(struct page *p, enum metric_id id, const struct wire_api *api,
                    const struct meter_api *sum)
{
    const char *name = METRICS[id].name;

    if (id == METRIC_REQUESTS) {
        put_labelled(p, id, "api", api->name, (int64_t)counter_get(&sum->us.count));
    } else if (id == METRIC_REQUEST_SECONDS) {
        struct series s = {id, "api", api->name, 1e6, 16, UINT64_C(1) << 26};

        put_histogram(p, &s, &sum->us);
    } else {
        for (int i = 1; i < METER_ERRORS; i++) {
            if (counter_get(&sum->errors[i]) > 0)
                put(p, "%s{api=\"%s\",error=\"%s\"} %" PRIu64 "\n", name, api->name,
                    wire_error_name((int16_t)i), counter_get(&sum->errors[i]));
        }
    }
}

/* Prometheus wants the lines of one metric together: once round all APIs for each. */
static void put_apis(struct page *p, enum metric_id id)
{
    struct meter_api *sum = mem_alloc(sizeof(*sum)); /* 5 KB: too large for a stack */
    size_t count;
    const struct wire_api *apis = wire_apis(&count);

    put_head(p, id);
    for (size_t i = 0; sum != NULL && i < count; i++) {
        *sum = (struct meter_api){0};
        if (broker_api_stats(p->source->broker, apis[i].key, sum))
            put_api(p, id, &apis[i], sum);
    }
    if (sum == NULL)
        p->err = E_NOMEM;
    mem_free(sum);
}

static void put_requests(struct page *p, const struct broker_stats *stats)
{
    const struct broker_census *c = p->source->census;

    put_apis(p, METRIC_REQUESTS);
    put_apis(p, METRIC_REQUEST_ERRORS);
    put_apis(p, METRIC_REQUEST_SECONDS);
    put_number(p, METRIC_REQUESTS_UNDER_WAY, (int64_t)c->requests);
    put_number(p, METRIC_CONNECTIONS, (int64_t)stats->connections);
    put_number(p, METRIC_CONNECTIONS_OPENED, (int64_t)stats->connections_opened);
    put_number(p, METRIC_CONNECTIONS_REFUSED, (int64_t)stats->connections_refused);
    put_number(p, METRIC_CONNECTIONS_DROPPED, (int64_t)stats->connections_dropped);
    put_number(p, METRIC_FETCH_SESSIONS, (int64_t)c->fetch_sessions);
    put_number(p, METRIC_PRODUCED_BYTES, (int64_t)stats->bytes_in);
    put_number(p, METRIC_FETCHED_BYTES, (int64_t)stats->bytes_out);
    put_seconds(p, METRIC_THROTTLED, stats->throttled_ms, 1e3);
}

/* ---- topics, partitions, groups: from the census ---- */

static int64_t topic_value(const struct broker_census_topic *t, enum metric_id id)
{
    switch (id) {
    case METRIC_TOPIC_PRODUCED_RECORDS:
        return (int64_t)t->produced_records;
    case METRIC_TOPIC_PRODUCED_BYTES:
        return (int64_t)t->produced_bytes;
    case METRIC_TOPIC_PRODUCE_FAILURES:
        return (int64_t)t->produce_failures;
    case METRIC_TOPIC_FETCHED_BYTES:
        return (int64_t)t->fetched_bytes;
    case METRIC_TOPIC_PARTITIONS:
        return t->partition_count;
    default:
        return t->log_bytes;
    }
}

static void put_topics(struct page *p)
{
    const struct broker_census *c = p->source->census;

    for (enum metric_id id = METRIC_TOPIC_PRODUCED_RECORDS; id <= METRIC_TOPIC_LOG_BYTES; id++) {
        put_head(p, id);
        for (const struct broker_census_topic *t = c->topics; t != NULL; t = t->next) {
            put(p, "%s{", METRICS[id].name);
            put_label(p, "topic", t->name);
            put(p, "} %" PRId64 "\n", topic_value(t, id));
        }
    }
    put_number(p, METRIC_NAMES_LEFT_OUT, (int64_t)(c->topics_left_out + c->lags_left_out));
}

static void put_partitions(struct page *p)
{
    const struct broker_census *c = p->source->census;

    put_head(p, METRIC_PARTITIONS);
    put_labelled(p, METRIC_PARTITIONS, "state", "open", (int64_t)c->partitions_open);
    put_labelled(p, METRIC_PARTITIONS, "state", "waiting", (int64_t)c->partitions_waiting);
    put_labelled(p, METRIC_PARTITIONS, "state", "offline", (int64_t)c->partitions_offline);
    put_number(p, METRIC_PARTITIONS_LEADING, (int64_t)c->partitions_leading);
    put_number(p, METRIC_UNDER_REPLICATED, (int64_t)c->under_replicated);
    put_number(p, METRIC_LOG_BYTES, c->log_bytes);
    put_number(p, METRIC_CLUSTER_TOPICS, c->cluster_topics);
    put_number(p, METRIC_CLUSTER_PARTITIONS, c->cluster_partitions);
    put_number(p, METRIC_CLUSTER_BROKERS, c->cluster_brokers);
    put_number(p, METRIC_METADATA_OFFSET, c->metadata_offset);
}

static void put_lags(struct page *p, enum metric_id id)
{
    const struct broker_census *c = p->source->census;

    put_head(p, id);
    for (size_t i = 0; i < c->lags.count; i++) {
        const struct broker_census_lag *lag = vec_at(&c->lags, i);

        put(p, "%s{", METRICS[id].name);
        put_label(p, "group", lag->group);
        put(p, ",");
        put_label(p, "topic", lag->topic);
        put(p, "} %" PRId64 "\n", id == METRIC_GROUP_LAG ? lag->records : lag->most);
    }
}

static void put_groups(struct page *p)
{
    static const char *const STATES[] = {"empty", "stable", "rebalancing"};
    const struct broker_census *c = p->source->census;

    put_head(p, METRIC_GROUPS);
    for (size_t i = 0; i < BROKER_CENSUS_GROUP_STATES; i++)
        put_labelled(p, METRIC_GROUPS, "state", STATES[i], (int64_t)c->groups[i]);
    put_lags(p, METRIC_GROUP_LAG);
    put_lags(p, METRIC_GROUP_LAG_MAX);
}

/* ---- disk ---- */

static int64_t disk_value(const struct broker_disk *disk, enum metric_id id)
{
    switch (id) {
    case METRIC_DISK_SIZE:
        return disk->size_bytes;
    case METRIC_DISK_FREE:
        return disk->free_bytes;
    case METRIC_DISK_LEVEL:
        return disk->level;
    default:
        return disk->is_failed;
    }
}

static void put_disks(struct page *p)
{
    for (enum metric_id id = METRIC_DISK_SIZE; id <= METRIC_DISK_FAILED; id++) {
        put_head(p, id);
        for (size_t i = 0; i < broker_disk_count(p->source->broker); i++) {
            struct broker_disk disk = broker_disk(p->source->broker, i);

            put_labelled(p, id, "directory", disk.path, disk_value(&disk, id));
        }
    }
}

static void put_disk(struct page *p, const struct replica_stats *stats)
{
    struct series seconds = {METRIC_SYNC_SECONDS, NULL, NULL, 1e6, 16, UINT64_C(1) << 26};

    put_head(p, METRIC_SYNC_SECONDS);
    put_histogram(p, &seconds, &stats->sync_us);
    put_count(p, METRIC_SYNCED_APPENDS, &stats->synced_appends);
    put_count(p, METRIC_SYNC_FAILURES, &stats->sync_failures);
    put_disks(p);
    put_count(p, METRIC_RETENTION_BYTES, &stats->retention_bytes);
    put_count(p, METRIC_COMPACTIONS, &stats->compactions);
    put_count(p, METRIC_COMPACTION_FAILURES, &stats->compaction_failures);
    put_count(p, METRIC_COMPACTION_BEFORE, &stats->compacted_bytes_before);
    put_count(p, METRIC_COMPACTION_AFTER, &stats->compacted_bytes_after);
    put_seconds(p, METRIC_COMPACTION_SECONDS, counter_get(&stats->compaction_ms), 1e3);
}

static void put_opened(struct page *p, const struct replica_stats *stats)
{
    enum metric_id id = METRIC_LOGS_OPENED;

    put_head(p, id);
    put_labelled(p, id, "outcome", "clean", (int64_t)counter_get(&stats->opened_clean));
    put_labelled(p, id, "outcome", "scanned", (int64_t)counter_get(&stats->opened_scanned));
    put_labelled(p, id, "outcome", "torn", (int64_t)counter_get(&stats->opened_torn));
    put_labelled(p, id, "outcome", "damaged", (int64_t)counter_get(&stats->opened_damaged));
    put_labelled(p, id, "outcome", "failed", (int64_t)counter_get(&stats->opened_failed));
}

static void put_damage(struct page *p, const struct broker_stats *stats,
                       const struct replica_stats *replica)
{
    put_number(p, METRIC_CRC_ERRORS, (int64_t)stats->crc_errors);
    put_number(p, METRIC_DAMAGED_READS, (int64_t)stats->damaged_reads);
    put_count(p, METRIC_DAMAGED_RANGES, &replica->damaged_ranges);
    put_count(p, METRIC_SCRUBBED_BYTES, &replica->scrubbed_bytes);
    put_opened(p, replica);
    put_count(p, METRIC_RECOVERED_BYTES, &replica->recovered_bytes);
    put_count(p, METRIC_TORN_BYTES, &replica->torn_bytes);
    put_count(p, METRIC_REBUILT_INDEXES, &replica->rebuilt_indexes);
}

enum err metrics_write(struct buf *out, const struct metrics_source *source)
{
    struct page p = {.out = out, .source = source};
    struct replica_stats *replica = mem_alloc_zero(sizeof(*replica)); /* 8 KB, the same */
    struct broker_stats stats;

    if (replica == NULL)
        return E_NOMEM;
    broker_stats(source->broker, &stats);
    broker_replica_stats(source->broker, replica);
    put_node(&p, &stats);
    put_requests(&p, &stats);
    put_topics(&p);
    put_partitions(&p);
    put_disk(&p, replica);
    put_damage(&p, &stats, replica);
    put_groups(&p);
    mem_free(replica);
    return p.err;
}
