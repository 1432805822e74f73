#include "cli/cli_cluster.h"

#include <stdio.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "wire/error.h"
#include "wire/find_coordinator.h"
#include "wire/list_offsets.h"
#include "wire/metadata.h"

enum {
    METADATA_VERSION_MAX = 9, /* from 10 on topics have ids, too */
    COORDINATOR_VERSION_MAX = 3,
    COORDINATOR_TRIES = 50, /* while the topic of the coordinators is made */
    COORDINATOR_WAIT_MS = 100,
    OFFSETS_VERSION_MAX = 7,
};

enum err cli_cluster_metadata(struct cli_link *link, const struct slice *names, int32_t count,
                              const struct wire_metadata_response **out, struct report *report)
{
    struct arena *arena = cli_link_arena(link);
    struct wire_metadata_response *answer = arena_alloc(arena, sizeof(*answer));
    struct wire_metadata_request in;

    wire_metadata_request_init(&in);
    in.topics_count = names == NULL ? -1 : count;
    if (names != NULL) {
        in.topics = arena_alloc_array(arena, (size_t)count + 1, sizeof(*in.topics));
        for (int32_t i = 0; i < count && in.topics != NULL; i++) {
            wire_metadata_request_metadata_request_topic_init(&in.topics[i]);
            in.topics[i].name = names[i];
        }
    }
    in.allow_auto_topic_creation = false;
    if (answer == NULL || (names != NULL && in.topics == NULL))
        return E_NOMEM;
    *out = answer;
    return CLI_LINK_CALL_UP_TO(link, metadata, METADATA, METADATA_VERSION_MAX, &in, answer, report);
}

enum err cli_cluster_topic(struct cli_link *link, const char *name,
                           const struct wire_metadata_response_metadata_response_topic **topic_out,
                           struct report *report)
{
    struct slice names[] = {slice_of_text(name)};
    const struct wire_metadata_response *metadata;
    enum err e = cli_cluster_metadata(link, names, 1, &metadata, report);

    if (e != E_OK)
        return e;
    if (metadata->topics_count != 1 ||
        metadata->topics[0].error_code == WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION) {
        report_set(report, "topic %s does not exist; `dlog topic list` shows what there is", name);
        return E_NOT_FOUND;
    }
    e = cli_link_error(metadata->topics[0].error_code, slice_of(NULL, 0), name, report);
    if (e == E_OK)
        *topic_out = &metadata->topics[0];
    return e;
}

enum err cli_cluster_coordinator(const struct cli *cli, struct cli_link *link, struct slice group,
                                 struct cli_link **link_out, struct report *report)
{
    struct wire_find_coordinator_request in;
    struct wire_find_coordinator_response out;
    enum err e;

    wire_find_coordinator_request_init(&in);
    in.key = group;
    for (int i = 0; i < COORDINATOR_TRIES; i++) {
        e = CLI_LINK_CALL_UP_TO(link, find_coordinator, FIND_COORDINATOR, COORDINATOR_VERSION_MAX,
                                &in, &out, report);
        if (e != E_OK)
            return e;
        if (out.error_code != WIRE_ERROR_COORDINATOR_NOT_AVAILABLE)
            break;
        cli_sleep_ms(COORDINATOR_WAIT_MS);
    }
    e = cli_link_error(out.error_code, out.error_message, "find the coordinator of the group",
                       report);
    return e == E_OK ? cli_link_open_at(cli, out.host, out.port, link_out, report) : e;
}

/* ---- offsets ---- */

struct ask {
    const struct cli *cli;
    struct cli_link *link;
    const struct wire_metadata_response *metadata;
    struct cli_cluster_offset *offsets;
    size_t count;
    int32_t *leaders; /* of each; -1: none */
};

static int32_t leader_of(const struct wire_metadata_response *metadata,
                         struct cli_cluster_offset *o)
{
    for (int32_t t = 0; t < metadata->topics_count; t++) {
        if (!slice_equal(metadata->topics[t].name, o->topic))
            continue;
        for (int32_t i = 0; i < metadata->topics[t].partitions_count; i++) {
            if (metadata->topics[t].partitions[i].partition_index == o->partition)
                return metadata->topics[t].partitions[i].leader_id;
        }
    }
    return -1;
}

static void take_answer(struct ask *a, const struct wire_list_offsets_response *out, int32_t leader)
{
    int32_t t = 0; /* one topic entry for each that was asked, in order */

    for (size_t i = 0; i < a->count && t < out->topics_count; i++) {
        if (a->leaders[i] != leader)
            continue;
        if (out->topics[t].partitions_count > 0) {
            a->offsets[i].offset = out->topics[t].partitions[0].offset;
            a->offsets[i].error = out->topics[t].partitions[0].error_code;
        }
        t++;
    }
}

static enum err ask_leader(struct ask *a, struct cli_link *to, int32_t leader,
                           struct report *report)
{
    struct arena *arena = cli_link_arena(a->link);
    struct wire_list_offsets_request_list_offsets_partition *parts =
        arena_alloc_array(arena, a->count, sizeof(*parts));
    struct wire_list_offsets_request in;
    struct wire_list_offsets_response out;
    enum err e;

    wire_list_offsets_request_init(&in);
    in.replica_id = -1;
    in.topics = arena_alloc_array(arena, a->count, sizeof(*in.topics));
    if (in.topics == NULL || parts == NULL)
        return E_NOMEM;
    for (size_t i = 0; i < a->count; i++) {
        if (a->leaders[i] != leader)
            continue;
        wire_list_offsets_request_list_offsets_partition_init(&parts[i]);
        parts[i].partition_index = a->offsets[i].partition;
        parts[i].timestamp = a->offsets[i].time;
        wire_list_offsets_request_list_offsets_topic_init(&in.topics[in.topics_count]);
        in.topics[in.topics_count].name = a->offsets[i].topic;
        in.topics[in.topics_count].partitions = &parts[i];
        in.topics[in.topics_count++].partitions_count = 1;
    }
    if (in.topics_count == 0)
        return E_OK;
    e = CLI_LINK_CALL_UP_TO(to, list_offsets, LIST_OFFSETS, OFFSETS_VERSION_MAX, &in, &out, report);
    if (e == E_OK)
        take_answer(a, &out, leader);
    return e;
}

static bool has_leader(const struct ask *a, int32_t id)
{
    for (size_t i = 0; i < a->count; i++) {
        if (a->leaders[i] == id)
            return true;
    }
    return false;
}

static enum err ask_all(struct ask *a, struct report *report)
{
    enum err e = E_OK;

    for (int32_t b = 0; b < a->metadata->brokers_count && e == E_OK; b++) {
        const struct wire_metadata_response_metadata_response_broker *broker =
            &a->metadata->brokers[b];
        struct cli_link *to = NULL;

        if (!has_leader(a, broker->node_id))
            continue;
        if (a->metadata->brokers_count > 1)
            e = cli_link_open_at(a->cli, broker->host, broker->port, &to, report);
        if (e == E_OK)
            e = ask_leader(a, to == NULL ? a->link : to, broker->node_id, report);
        cli_link_close(to);
    }
    return e;
}

enum err cli_cluster_offsets(const struct cli *cli, struct cli_link *link,
                             struct cli_cluster_offset *offsets, size_t count,
                             struct report *report)
{
    struct ask a = {.cli = cli, .link = link, .offsets = offsets, .count = count};
    enum err e = cli_cluster_metadata(link, NULL, 0, &a.metadata, report);

    if (e != E_OK || count == 0)
        return e;
    a.leaders = arena_alloc_array(cli_link_arena(link), count, sizeof(*a.leaders));
    if (a.leaders == NULL)
        return E_NOMEM;
    for (size_t i = 0; i < count; i++) {
        offsets[i].offset = -1;
        offsets[i].error = 0;
        a.leaders[i] = leader_of(a.metadata, &offsets[i]);
        if (a.leaders[i] < 0)
            offsets[i].error = WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    return ask_all(&a, report);
}
