#include <stddef.h>
#include <string.h>

#include "admin/metric_table.h"
#include "admin/metrics.h"

static const char HEAD[] =
    "# Metrics and health\n"
    "\n"
    "The HTTP door (`http.listeners`, by default 127.0.0.1:9644 and [::1]:9644) answers:\n"
    "\n"
    "| path | is |\n"
    "|---|---|\n"
    "| `/metrics` | all metrics in Prometheus' text format 0.0.4 |\n"
    "| `/healthz` | 200 while the process runs |\n"
    "| `/readyz` | 200 once the broker can serve; 503 and why not: it starts, it stops, or no data "
    "directory can be written |\n"
    "\n"
    "Counters are kept by each shard without locks; a scrape collects what only the shards know "
    "with "
    "one\nmessage that goes round. Numbers of one scrape are each recent, not all of one instant. "
    "Histograms\nhave two buckets for each power of two. At most `metrics.names.max` topics and as "
    "many pairs of group\nand topic are named; `dlog_metrics_names_left_out` says how many are "
    "not, "
    "and the sums without a\n`topic` label count all. What it costs: "
    "[performance.md](performance.md).\n";

static const char *type_text(const char *type)
{
    return strcmp(type, "HISTOGRAM") == 0 ? "histogram"
           : strcmp(type, "COUNTER") == 0 ? "counter"
                                          : "gauge";
}

static void group_print(struct buf *out, const char *title, enum err *e)
{
    if (*e == E_OK)
        *e = buf_printf(out, "\n## %s\n\n| metric | type | is |\n|---|---|---|\n", title);
}

struct row {
    const char *name;
    const char *type;
    const char *labels;
    const char *help;
};

static void row_print(struct buf *out, const struct row *row, enum err *e)
{
    bool has_labels = row->labels[0] != '\0';

    if (*e == E_OK)
        *e = buf_printf(out, "| `%s%s%s%s` | %s | %s |\n", row->name, has_labels ? "{" : "",
                        row->labels, has_labels ? "}" : "", type_text(row->type), row->help);
}

enum err metrics_print_reference(struct buf *out)
{
    enum err e = buf_append(out, HEAD, sizeof(HEAD) - 1);

#define G(title) group_print(out, title, &e);
#define X(id, name, type, labels, help) \
    row_print(out, &(struct row){name, #type, labels, help}, &e);
    METRIC_TABLE(G, X)
#undef X
#undef G
    return e;
}
