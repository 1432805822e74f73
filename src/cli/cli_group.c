#include "cli/cli_group.h"

#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cli_cluster.h"
#include "wire/consumer_group_describe.h"
#include "wire/consumer_protocol_assignment.h"
#include "wire/describe_groups.h"
#include "wire/error.h"
#include "wire/offset_fetch.h"

enum { PARTS_MAX = 1000 * 1000, OFFSET_FETCH_VERSION_MAX = 7 };

/* The part of that partition, made if it is new. NULL: out of memory, or too many. */
static struct cli_group_part *part_get(struct cli_group *g, struct slice topic, int32_t partition)
{
    struct arena *arena = cli_link_arena(g->link);

    for (size_t i = 0; i < g->part_count; i++) {
        if (g->parts[i].partition == partition && slice_equal(g->parts[i].topic, topic))
            return &g->parts[i];
    }
    if ((g->part_count & (g->part_count + 1)) == 0) { /* 0, 1, 3, 7: room for twice as many */
        struct cli_group_part *more =
            arena_alloc_array(arena, 2 * (g->part_count + 1), sizeof(*more));

        if (more == NULL || g->part_count > PARTS_MAX)
            return NULL;
        if (g->part_count > 0)
            memcpy(more, g->parts, g->part_count * sizeof(*more));
        g->parts = more;
    }
    g->parts[g->part_count] = (struct cli_group_part){.topic = topic,
                                                      .partition = partition,
                                                      .committed = -1,
                                                      .start = -1,
                                                      .end = -1,
                                                      .member = -1};
    return &g->parts[g->part_count++];
}

static enum err assign(struct cli_group *g, struct slice topic, const int32_t *partitions,
                       int32_t count, int32_t member)
{
    for (int32_t i = 0; i < count; i++) {
        struct cli_group_part *part = part_get(g, topic, partitions[i]);

        if (part == NULL)
            return E_NOMEM;
        part->member = member;
    }
    return E_OK;
}

/* ---- the classic protocol ---- */

/* What clients put into an assignment: a version, then Kafka's ConsumerProtocolAssignment. */
static enum err classic_assignment(struct cli_group *g, struct slice bytes, int32_t member)
{
    struct reader r = reader_init(bytes.at, bytes.size);
    struct wire_consumer_protocol_assignment a;
    int16_t version;
    enum err e = E_OK;

    if (bytes.size == 0)
        return E_OK;
    version = reader_i16(&r);
    if (version < 0 || version > WIRE_CONSUMER_PROTOCOL_ASSIGNMENT_VERSION_MAX ||
        wire_consumer_protocol_assignment_decode(&r, version, cli_link_arena(g->link), &a) != E_OK)
        return E_OK; /* another kind of group: Connect's, say */
    for (int32_t i = 0; i < a.assigned_partitions_count && e == E_OK; i++)
        e = assign(g, a.assigned_partitions[i].topic, a.assigned_partitions[i].partitions,
                   a.assigned_partitions[i].partitions_count, member);
    return e;
}

static enum err classic_describe(struct cli_group *g, struct report *report)
{
    const struct wire_describe_groups_response_described_group *got;
    struct wire_describe_groups_request in;
    struct wire_describe_groups_response out;
    enum err e;

    wire_describe_groups_request_init(&in);
    in.groups = &g->id;
    in.groups_count = 1;
    e = CLI_LINK_CALL_UP_TO(g->link, describe_groups, DESCRIBE_GROUPS, 5, &in, &out, report);
    if (e == E_OK && out.groups_count != 1)
        e = cli_link_broken(g->link, report);
    if (e != E_OK)
        return e;
    got = &out.groups[0];
    g->state = got->group_state;
    g->type = slice_of_text("classic");
    g->assignor = got->protocol_data.size > 0 ? got->protocol_data : slice_of(NULL, 0);
    g->members = arena_alloc_array(cli_link_arena(g->link), (size_t)got->members_count + 1,
                                   sizeof(*g->members));
    if (g->members == NULL)
        return E_NOMEM;
    for (int32_t i = 0; i < got->members_count && e == E_OK; i++) {
        g->members[g->member_count++] = (struct cli_group_member){
            .id = got->members[i].member_id,
            .instance_id = got->members[i].group_instance_id,
            .client_id = got->members[i].client_id,
            .host = got->members[i].client_host,
        };
        e = classic_assignment(g, got->members[i].member_assignment, i);
    }
    return e;
}

/* ---- KIP-848 ---- */

static enum err consumer_fill(
    struct cli_group *g, const struct wire_consumer_group_describe_response_described_group *got)
{
    enum err e = E_OK;

    g->state = got->group_state;
    g->type = slice_of_text("consumer");
    g->assignor = got->assignor_name;
    g->members = arena_alloc_array(cli_link_arena(g->link), (size_t)got->members_count + 1,
                                   sizeof(*g->members));
    if (g->members == NULL)
        return E_NOMEM;
    for (int32_t i = 0; i < got->members_count && e == E_OK; i++) {
        const struct wire_consumer_group_describe_response_member *m = &got->members[i];

        g->members[g->member_count++] = (struct cli_group_member){.id = m->member_id,
                                                                  .instance_id = m->instance_id,
                                                                  .client_id = m->client_id,
                                                                  .host = m->client_host};
        for (int32_t t = 0; t < m->assignment.topic_partitions_count && e == E_OK; t++)
            e = assign(g, m->assignment.topic_partitions[t].topic_name,
                       m->assignment.topic_partitions[t].partitions,
                       m->assignment.topic_partitions[t].partitions_count, i);
    }
    return e;
}

/* True when it is one of those, or that could not be asked (then *e_out says why). */
static bool consumer_describe(struct cli_group *g, enum err *e_out, struct report *report)
{
    struct wire_consumer_group_describe_request in;
    struct wire_consumer_group_describe_response out;

    *e_out = E_OK;
    if (!cli_link_serves(g->link, WIRE_CONSUMER_GROUP_DESCRIBE_KEY))
        return false;
    wire_consumer_group_describe_request_init(&in);
    in.group_ids = &g->id;
    in.group_ids_count = 1;
    *e_out =
        CLI_LINK_CALL(g->link, consumer_group_describe, CONSUMER_GROUP_DESCRIBE, &in, &out, report);
    if (*e_out != E_OK)
        return true;
    if (out.groups_count != 1 || out.groups[0].error_code != WIRE_ERROR_NONE)
        return false;
    *e_out = consumer_fill(g, &out.groups[0]);
    return true;
}

/* ---- offsets ---- */

static enum err offsets_fetch(struct cli_group *g, struct report *report)
{
    struct wire_offset_fetch_request in;
    struct wire_offset_fetch_response out;
    enum err e;

    wire_offset_fetch_request_init(&in);
    in.group_id = g->id;
    in.topics_count = -1; /* all there are */
    e = CLI_LINK_CALL_UP_TO(g->link, offset_fetch, OFFSET_FETCH, OFFSET_FETCH_VERSION_MAX, &in,
                            &out, report);
    if (e == E_OK)
        e = cli_link_error(out.error_code, slice_of(NULL, 0), "fetch the group's offsets", report);
    for (int32_t t = 0; e == E_OK && t < out.topics_count; t++) {
        for (int32_t i = 0; e == E_OK && i < out.topics[t].partitions_count; i++) {
            struct cli_group_part *part =
                part_get(g, out.topics[t].name, out.topics[t].partitions[i].partition_index);

            if (part == NULL)
                e = E_NOMEM;
            else
                part->committed = out.topics[t].partitions[i].committed_offset;
        }
    }
    return e;
}

static int by_place(const void *a, const void *b)
{
    const struct cli_group_part *left = a;
    const struct cli_group_part *right = b;
    size_t size = left->topic.size < right->topic.size ? left->topic.size : right->topic.size;
    int order = memcmp(left->topic.at, right->topic.at, size);

    if (order == 0)
        order = (left->topic.size > right->topic.size) - (left->topic.size < right->topic.size);
    return order != 0 ? order
                      : (left->partition > right->partition) - (left->partition < right->partition);
}

static enum err ends_ask(const struct cli *cli, struct cli_group *g, struct cli_link *link,
                         struct report *report)
{
    struct cli_cluster_offset *asked =
        arena_alloc_array(cli_link_arena(g->link), 2 * g->part_count + 1, sizeof(*asked));
    enum err e;

    if (asked == NULL)
        return E_NOMEM;
    for (size_t i = 0; i < g->part_count; i++) {
        asked[2 * i] = (struct cli_cluster_offset){.topic = g->parts[i].topic,
                                                   .partition = g->parts[i].partition,
                                                   .time = CLI_CLUSTER_START};
        asked[2 * i + 1] = asked[2 * i];
        asked[2 * i + 1].time = CLI_CLUSTER_END;
    }
    e = cli_cluster_offsets(cli, link, asked, 2 * g->part_count, report);
    for (size_t i = 0; e == E_OK && i < g->part_count; i++) {
        g->parts[i].start = asked[2 * i].offset;
        g->parts[i].end = asked[2 * i + 1].offset;
    }
    return e;
}

enum err cli_group_open(const struct cli *cli, struct cli_link *link, const char *id,
                        struct cli_group *group_out, struct report *report)
{
    struct cli_group g = {.id = slice_of_text(id)};
    enum err e = cli_cluster_coordinator(cli, link, g.id, &g.link, report);

    if (e == E_OK && !consumer_describe(&g, &e, report))
        e = classic_describe(&g, report);
    if (e == E_OK)
        e = offsets_fetch(&g, report);
    g.exists = g.member_count > 0 || g.part_count > 0 || slice_equal_text(g.state, "Empty");
    if (e == E_OK && g.part_count > 0)
        qsort(g.parts, g.part_count, sizeof(*g.parts), by_place);
    if (e == E_OK)
        e = ends_ask(cli, &g, link, report);
    if (e != E_OK)
        cli_group_close(&g);
    else
        *group_out = g;
    return e;
}

void cli_group_close(struct cli_group *group)
{
    cli_link_close(group->link);
    group->link = NULL;
}
