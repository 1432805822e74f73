#pragma once

#include "base/buf.h"
#include "base/err.h"

struct broker;
struct broker_census;
struct loop;
struct os;
struct quorum;

/*
 * Metrics: the state of the node in Prometheus' text exposition format 0.0.4. What there is stands
 * in metric_table.h, from which docs/metrics.md is made.
 */
struct metrics_source {
    struct os *os;
    const struct loop *loop; /* the controller's */
    const struct broker *broker;
    const struct quorum *quorum;
    const struct broker_census *census; /* filled in */
};

/* Errors of buf_reserve. */
NODISCARD enum err metrics_write(struct buf *out, const struct metrics_source *source);

/* The reference page. Errors of buf_reserve. */
NODISCARD enum err metrics_print_reference(struct buf *out);
