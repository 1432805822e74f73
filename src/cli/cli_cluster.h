#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/report.h"
#include "base/slice.h"
#include "cli/cli_link.h"

struct cli;
struct wire_metadata_response;

/*
 * Cluster: questions that go to a certain broker: to a leader, to a coordinator. Each answer's
 * memory is that of `link`, the first contact.
 */

/* Metadata: all topics, or those `count` names. Errors of a link; none for a topic that is not. */
NODISCARD enum err cli_cluster_metadata(struct cli_link *link, const struct slice *names,
                                        int32_t count, const struct wire_metadata_response **out,
                                        struct report *report);

/* A topic that must exist. E_NOT_FOUND; the report says what to do. */
struct wire_metadata_response_metadata_response_topic;
NODISCARD enum err cli_cluster_topic(
    struct cli_link *link, const char *name,
    const struct wire_metadata_response_metadata_response_topic **topic_out, struct report *report);

/* A link to the coordinator of a group; close it. E_IO: there is none, errors of a link. */
NODISCARD enum err cli_cluster_coordinator(const struct cli *cli, struct cli_link *link,
                                           struct slice group, struct cli_link **link_out,
                                           struct report *report);

/*
 * ListOffsets of many partitions, each from its leader. `time` is ms since 1970, or
 * CLI_CLUSTER_START, CLI_CLUSTER_END; `offset` becomes the answer, -1: none.
 */
enum { CLI_CLUSTER_END = -1, CLI_CLUSTER_START = -2 };

struct cli_cluster_offset {
    struct slice topic;
    int32_t partition;
    int64_t time;
    int64_t offset;
    int16_t error; /* Kafka's */
};

NODISCARD enum err cli_cluster_offsets(const struct cli *cli, struct cli_link *link,
                                       struct cli_cluster_offset *offsets, size_t count,
                                       struct report *report);
