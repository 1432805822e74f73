#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <librdkafka/rdkafka.h>

#include "base/err.h"
#include "base/report.h"

struct cli;

/*
 * Client: librdkafka set up the way dlog wants it, and its errors in words that say what happened,
 * where, and what to do.
 *
 * Its log lines are dropped unless --verbose. Properties that the user gives with -X win over ours.
 * Thread: the one that opened it; callbacks come from within rd_kafka_poll().
 * Lifetime: cli_client_open() .. cli_client_close(), within that of `cli`.
 */
struct cli_client;

enum cli_role {
    CLI_PRODUCER,
    CLI_CONSUMER /* and everything that only asks: a producer creates the topics it asks for */
};

struct cli_property {
    const char *name;
    const char *value;
};

struct cli_client_options {
    enum cli_role role;
    const struct cli_property *properties;
    size_t property_count;
    void (*on_delivery)(void *ctx, const rd_kafka_message_t *message); /* producer only */
    void *ctx;
};

/*
 * Connects nothing yet.
 *
 *   E_INVAL  a property or broker address is not valid; `report` says which
 */
NODISCARD enum err cli_client_open(const struct cli *cli, const struct cli_client_options *options,
                                   struct cli_client **client_out, struct report *report);

/* What is still queued is dropped. */
void cli_client_close(struct cli_client *client);

rd_kafka_t *cli_client_handle(const struct cli_client *client);

/*
 * All brokers are out of reach, as far as known since the last successful cli_client_metadata()
 * or cli_client_is_up().
 */
bool cli_client_is_down(const struct cli_client *client);
void cli_client_is_up(struct cli_client *client);

/*
 * Brokers and topics: all, only `topic`, or with both unset only the brokers. The first contact.
 * rd_kafka_metadata_destroy() what it gives.
 *
 *   E_TIMEOUT    out of reach; `report` says what to do
 *   E_NOT_FOUND  `topic` does not exist (a producer waits a moment for it to be created)
 *   E_IO         the broker or librdkafka answers with another error
 */
struct cli_metadata_query {
    bool all;
    const char *topic;
};
NODISCARD enum err cli_client_metadata(struct cli_client *client, struct cli_metadata_query query,
                                       const struct rd_kafka_metadata **metadata_out,
                                       struct report *report);

/*
 * ListOffsets for each partition in `list`, whose offset field holds a time in ms or
 * RD_KAFKA_OFFSET_BEGINNING or _END; the answer replaces it. Errors per partition stay in the list.
 *
 *   E_IO, E_TIMEOUT
 */
NODISCARD enum err cli_client_offsets(struct cli_client *client,
                                      rd_kafka_topic_partition_list_t *list, struct report *report);

/* Words for an error code, without a full stop; static. */
const char *cli_client_error_text(rd_kafka_resp_err_t code);
