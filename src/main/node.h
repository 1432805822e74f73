#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/report.h"

struct config;
struct os;
struct trace;

/*
 * Node: a whole dlogd in one handle: loops, data directories, quorum, broker,
 * HTTP. main() holds one; a simulation holds many.
 *
 *   opening --node_start--> running --node_stop--> draining --> stopped
 *
 * Thread: open, start, wait and close on one; node_stop from any.
 */
struct node;

enum { NODE_DATA_PATH_SIZE = 4096 };

struct node_options {
    struct os *os;
    const struct config *config; /* checked; borrowed until node_close */
    struct trace *trace;         /* may be NULL */
    const char *data_default;    /* directory to use when log.dirs is not set */

    /* On shard 0's loop, once. May be NULL. */
    void (*on_ready)(void *ctx, struct node *node);
    void *ctx;
};

/*
 * Open the data, recover, bind all listeners. Nothing is served yet.
 *
 * Errors of the parts; the report says what, where, and what to do.
 */
NODISCARD enum err node_open(const struct node_options *options, struct node **node_out,
                             struct report *report);

/* Start one thread for each shard and one for the controller. */
NODISCARD enum err node_start(struct node *node, struct report *report);

/* Ask for an orderly end: finish what is in flight, sync, mark clean. */
void node_stop(struct node *node);

/* Wait until the threads have ended after node_stop. */
void node_wait(struct node *node);

/* After node_wait, or when it was never started. NULL is fine. */
void node_close(struct node *node);

/* A few lines for a person: what runs where, and what to type next; `client` is how to call dlog.
 */
NODISCARD enum err node_describe(const struct node *node, const char *client, struct buf *text_out);
