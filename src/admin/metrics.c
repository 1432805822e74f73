#include "admin/metrics.h"

#include <inttypes.h>
#include <stddef.h>

#include "base/hist.h"
#include "base/mem.h"
#include "broker/broker.h"
#include "quorum/quorum.h"
#include "wire/api.h"

struct metric {
    const char *name;
    const char *type;
    const char *help;
};

static void head_write(struct buf *out, struct metric m, enum err *e)
{
    if (*e == E_OK)
        *e = buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", m.name, m.help, m.name, m.type);
}

static void value_write(struct buf *out, struct metric m, uint64_t value, enum err *e)
{
    head_write(out, m, e);
    if (*e == E_OK)
        *e = buf_printf(out, "%s %" PRIu64 "\n", m.name, value);
}

static void requests_write(struct buf *out, const struct broker_stats *stats, enum err *e)
{
    struct metric m = {"dlog_requests_total", "counter", "Requests answered, by Kafka API."};
    size_t count;
    const struct wire_api *apis = wire_apis(&count);

    head_write(out, m, e);
    for (size_t i = 0; *e == E_OK && i < count; i++) {
        uint64_t n = stats->requests[apis[i].key];

        if (n > 0)
            *e = buf_printf(out, "%s{api=\"%s\"} %" PRIu64 "\n", m.name, apis[i].name, n);
    }
}

/* A summary: quantiles in seconds, sum and count. */
static void latency_write(struct buf *out, const char *api, const struct hist *us, enum err *e)
{
    static const double PERCENTS[] = {50, 99, 99.9};
    static const char NAME[] = "dlog_request_duration_seconds";

    for (size_t i = 0; *e == E_OK && i < sizeof(PERCENTS) / sizeof(PERCENTS[0]); i++)
        *e = buf_printf(out, "%s{api=\"%s\",quantile=\"%g\"} %.6f\n", NAME, api, PERCENTS[i] / 100,
                        (double)hist_percentile(us, PERCENTS[i]) / 1e6);
    if (*e == E_OK)
        *e = buf_printf(out,
                        "%s_sum{api=\"%s\"} %.6f\n"
                        "%s_count{api=\"%s\"} %" PRIu64 "\n",
                        NAME, api, (double)counter_get(&us->sum) / 1e6, NAME, api,
                        counter_get(&us->count));
}

static void latencies_write(struct buf *out, const struct broker *broker, enum err *e)
{
    struct metric m = {"dlog_request_duration_seconds", "summary",
                       "From the last byte of a request to its answer."};
    struct hist *hists = mem_alloc_zero(2 * sizeof(*hists)); /* 8 KB: too large for a stack */

    if (hists == NULL) {
        *e = E_NOMEM;
        return;
    }
    broker_latency(broker, &hists[0], &hists[1]);
    head_write(out, m, e);
    latency_write(out, "Produce", &hists[0], e);
    latency_write(out, "Fetch", &hists[1], e);
    mem_free(hists);
}

/* A label's text: backslash, quote and newline are escaped. */
static void label_write(struct buf *out, const char *text, enum err *e)
{
    for (; *text != '\0' && *e == E_OK; text++) {
        if (*text == '\n')
            *e = buf_append(out, "\\n", 2);
        else if (*text == '"' || *text == '\\')
            *e = buf_printf(out, "\\%c", *text);
        else
            *e = buf_append(out, text, 1);
    }
}

static int64_t disk_size(const struct broker_disk *disk)
{
    return disk->size_bytes;
}

static int64_t disk_free(const struct broker_disk *disk)
{
    return disk->free_bytes;
}

static int64_t disk_level(const struct broker_disk *disk)
{
    return disk->level;
}

/* One number of every data directory's disk. */
static void disks_write(struct buf *out, const struct broker *broker, struct metric m,
                        int64_t (*value)(const struct broker_disk *disk), enum err *e)
{
    head_write(out, m, e);
    for (size_t i = 0; *e == E_OK && i < broker_disk_count(broker); i++) {
        struct broker_disk disk = broker_disk(broker, i);

        *e = buf_printf(out, "%s{directory=\"", m.name);
        label_write(out, disk.path, e);
        if (*e == E_OK)
            *e = buf_printf(out, "\"} %" PRId64 "\n", value(&disk));
    }
}

enum err metrics_write(struct buf *out, const struct broker *broker, const struct quorum *quorum)
{
    struct broker_stats stats;
    enum err e;

    broker_stats(broker, &stats);
    e = buf_printf(out,
                   "# HELP dlog_build_info The version that runs.\n"
                   "# TYPE dlog_build_info gauge\n"
                   "dlog_build_info{version=\"%s\",node_id=\"%d\",cluster_id=\"%s\"} 1\n",
                   DLOG_VERSION, quorum_node_id(quorum), quorum_cluster_id(quorum));
    value_write(out, (struct metric){"dlog_ready", "gauge", "1 once the broker can serve."},
                broker_is_ready(broker) ? 1 : 0, &e);
    value_write(out, (struct metric){"dlog_connections", "gauge", "Open client connections."},
                stats.connections, &e);
    value_write(out,
                (struct metric){"dlog_connections_opened_total", "counter",
                                "Client connections accepted since start."},
                stats.connections_opened, &e);
    value_write(out,
                (struct metric){"dlog_connections_refused_total", "counter",
                                "Client connections closed because of a limit."},
                stats.connections_refused, &e);
    value_write(out,
                (struct metric){"dlog_produced_bytes_total", "counter",
                                "Bytes of record batches accepted."},
                stats.bytes_in, &e);
    value_write(out,
                (struct metric){"dlog_fetched_bytes_total", "counter",
                                "Bytes of record batches sent to consumers."},
                stats.bytes_out, &e);
    value_write(out,
                (struct metric){"dlog_scrubbed_bytes_total", "counter",
                                "Bytes of sealed segments read again to find damage."},
                stats.scrubbed_bytes, &e);
    value_write(out,
                (struct metric){"dlog_damaged_ranges_total", "counter",
                                "Damaged ranges that the scrubber found."},
                stats.damaged_ranges, &e);
    disks_write(
        out, broker,
        (struct metric){"dlog_disk_size_bytes", "gauge", "The file system of a data directory."},
        disk_size, &e);
    disks_write(
        out, broker,
        (struct metric){"dlog_disk_free_bytes", "gauge", "What is free of it for the broker."},
        disk_free, &e);
    disks_write(out, broker,
                (struct metric){"dlog_disk_level", "gauge",
                                "0 ok, 1 warn, 2 producers throttled, 3 produce refused."},
                disk_level, &e);
    requests_write(out, &stats, &e);
    latencies_write(out, broker, &e);
    return e;
}
