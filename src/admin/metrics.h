#pragma once

#include "base/buf.h"
#include "base/err.h"

struct broker;
struct quorum;

/*
 * Metrics: the state of the node in Prometheus' text exposition format 0.0.4.
 * Every metric starts with dlog_; docs/metrics.md lists them.
 *
 * Errors of buf_reserve.
 */
NODISCARD enum err metrics_write(struct buf *out, const struct broker *broker,
                                 const struct quorum *quorum);
