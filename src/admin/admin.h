#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/report.h"

struct broker;
struct config;
struct loop;
struct quorum;
struct trace;

/*
 * Admin: what an operator sees over HTTP.
 *
 *   GET /metrics  counters and gauges in Prometheus' text format
 *   GET /healthz  200 while the process runs
 *   GET /readyz   200 once it can serve, 503 before
 *
 * Thread: the loop it was opened on; open and close also where no loop runs.
 */
struct admin;

struct admin_options {
    struct loop *loop;
    const struct config *config;
    struct broker *broker;
    struct quorum *quorum;
    struct trace *trace; /* may be NULL */
};

/*
 * Listen where http.listeners says. A default port that is in use is a warning
 * and HTTP stays off there; a configured one is an error.
 *
 *   E_BUSY, E_DENIED, E_INVAL  as listener_open; the report names the address
 */
NODISCARD enum err admin_open(const struct admin_options *options, struct admin **admin_out,
                              struct report *report);
void admin_close(struct admin *admin);

/* Of the first listener; 0: HTTP is off. NULL is fine. */
uint16_t admin_port(const struct admin *admin);
