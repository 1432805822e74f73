#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/parse.h"
#include "cli/cli.h"
#include "cli/cli_cluster.h"
#include "cli/cli_group.h"
#include "cli/cli_rows.h"
#include "cli/cli_time.h"
#include "cli/cmd.h"
#include "wire/error.h"
#include "wire/metadata.h"
#include "wire/offset_commit.h"

/*
 * dlog group reset-offsets: where a group goes on. Shows what it would do; does it with --execute.
 */

static const struct cli_option OPTIONS[] = {
    {"topic", 't', "TOPIC[:P,P...]", "which (default: all that the group has); may repeat"},
    {"to", 0, "PLACE", "start, end, an offset, +N, -N or @TIME"},
    {"execute", 'x', NULL, "do it; without this it is only shown"},
    {"json", 'j', NULL, "an array of objects"},
    {NULL, 0, NULL, NULL},
};

enum place_kind { PLACE_START, PLACE_END, PLACE_OFFSET, PLACE_SHIFT, PLACE_TIME };

struct reset {
    struct cli *cli;
    struct cli_link *link;
    struct cli_group group;
    enum place_kind kind;
    int64_t value;
    struct cli_cluster_offset *targets;
    struct cli_group_part **parts; /* that are to move */
    size_t count;
};

static int64_t wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static enum err place_read(struct reset *r, struct report *report)
{
    const char *text = cli_args_get(r->cli->args, "to");
    enum err e = E_OK;

    if (text == NULL) {
        report_set(report, "--to PLACE is missing: start, end, an offset, +N, -N or @TIME");
        return E_INVAL;
    }
    r->kind = PLACE_OFFSET;
    if (strcmp(text, "start") == 0) {
        r->kind = PLACE_START;
    } else if (strcmp(text, "end") == 0) {
        r->kind = PLACE_END;
    } else if (text[0] == '@') {
        r->kind = PLACE_TIME;
        e = cli_time_parse(text + 1, wall_ms(), &r->value);
    } else {
        if (text[0] == '+' || text[0] == '-')
            r->kind = PLACE_SHIFT;
        e = parse_i64(slice_of_text(text[0] == '+' ? text + 1 : text), &r->value);
    }
    if (e != E_OK)
        report_set(report, "--to %s: must be start, end, an offset, +N, -N or @TIME", text);
    return e == E_OK ? E_OK : E_INVAL;
}

/* A partition that is to move; one that the group does not know yet is added. */
static enum err part_add(struct reset *r, struct slice topic, int32_t partition)
{
    struct cli_group_part *part = NULL;

    for (size_t i = 0; i < r->group.part_count && part == NULL; i++) {
        if (r->group.parts[i].partition == partition && slice_equal(r->group.parts[i].topic, topic))
            part = &r->group.parts[i];
    }
    if (part == NULL) {
        part = arena_alloc(cli_link_arena(r->group.link), sizeof(*part));
        if (part == NULL)
            return E_NOMEM;
        *part = (struct cli_group_part){
            .topic = topic, .partition = partition, .committed = -1, .start = -1, .end = -1};
    }
    r->parts[r->count++] = part;
    return E_OK;
}

/* "orders" or "orders:0,2" of --topic. */
static enum err topic_add(struct reset *r, const char *given, size_t room, struct report *report)
{
    const struct wire_metadata_response_metadata_response_topic *topic;
    const char *colon = strchr(given, ':');
    char name[300];
    enum err e;

    slice_to_text(slice_of(given, colon == NULL ? strlen(given) : (size_t)(colon - given)), name,
                  sizeof(name));
    e = cli_cluster_topic(r->link, name, &topic, report);
    for (int32_t i = 0; e == E_OK && colon == NULL && i < topic->partitions_count; i++)
        e = r->count < room ? part_add(r, topic->name, i) : E_TOO_BIG;
    while (e == E_OK && colon != NULL) {
        char *end;
        long index = strtol(colon + 1, &end, 10);

        if (end == colon + 1 || (*end != ',' && *end != 0) || index < 0 ||
            index >= topic->partitions_count) {
            report_set(report, "--topic %s: %s has partitions 0 to %d", given, name,
                       (int)topic->partitions_count - 1);
            return E_INVAL;
        }
        e = r->count < room ? part_add(r, topic->name, (int32_t)index) : E_TOO_BIG;
        colon = *end == ',' ? end : NULL;
    }
    return e;
}

static enum err parts_choose(struct reset *r, struct report *report)
{
    enum { ROOM = 200 * 1000 };
    const char *given;
    size_t at = 0;
    enum err e = E_OK;

    r->parts = arena_alloc_array(cli_link_arena(r->group.link), ROOM, sizeof(r->parts[0]));
    if (r->parts == NULL)
        return E_NOMEM;
    while (e == E_OK && (given = cli_args_next(r->cli->args, "topic", &at)) != NULL)
        e = topic_add(r, given, ROOM, report);
    if (e == E_OK && !cli_args_has(r->cli->args, "topic")) {
        for (size_t i = 0; i < r->group.part_count && i < ROOM; i++)
            r->parts[r->count++] = &r->group.parts[i];
    }
    if (e == E_OK && r->count == 0) {
        report_set(report, "the group has no offsets yet: say of which topic with --topic");
        e = E_INVAL;
    }
    return e;
}

/* Ask for starts, ends and times, and put each target between start and end. */
static enum err targets_find(struct reset *r, struct report *report)
{
    struct cli_cluster_offset *o =
        arena_alloc_array(cli_link_arena(r->group.link), 3 * r->count, sizeof(*o));
    enum err e;

    if (o == NULL)
        return E_NOMEM;
    for (size_t i = 0; i < r->count; i++) {
        struct cli_cluster_offset one = {.topic = r->parts[i]->topic,
                                         .partition = r->parts[i]->partition};

        o[3 * i] = o[3 * i + 1] = o[3 * i + 2] = one;
        o[3 * i + 1].time = CLI_CLUSTER_START;
        o[3 * i + 2].time = CLI_CLUSTER_END;
        o[3 * i].time = r->kind == PLACE_TIME ? r->value : CLI_CLUSTER_END;
    }
    e = cli_cluster_offsets(r->cli, r->link, o, 3 * r->count, report);
    for (size_t i = 0; e == E_OK && i < r->count; i++) {
        struct cli_group_part *part = r->parts[i];
        int64_t *target = &o[3 * i].offset;

        part->start = o[3 * i + 1].offset;
        part->end = o[3 * i + 2].offset;
        if (part->end < 0) {
            report_set(report, "%.*s/%d: %s", (int)part->topic.size, (const char *)part->topic.at,
                       (int)part->partition, wire_error_text(o[3 * i].error));
            return E_IO;
        }
        if (r->kind == PLACE_START)
            *target = part->start;
        else if (r->kind == PLACE_END || (r->kind == PLACE_TIME && *target < 0))
            *target = part->end;
        else if (r->kind == PLACE_OFFSET)
            *target = r->value;
        else if (r->kind == PLACE_SHIFT)
            *target = (part->committed >= 0 ? part->committed : part->start) + r->value;
        *target = *target < part->start ? part->start : *target > part->end ? part->end : *target;
        o[i] = o[3 * i]; /* i <= 3 * i: what is read later is not yet overwritten */
    }
    r->targets = o;
    return e;
}

static enum err commit(struct reset *r, struct report *report)
{
    enum { VERSION_MAX = 8 };
    struct arena *arena = cli_link_arena(r->group.link);
    struct wire_offset_commit_request_offset_commit_request_partition *parts =
        arena_alloc_array(arena, r->count, sizeof(*parts));
    struct wire_offset_commit_request in;
    struct wire_offset_commit_response out;
    enum err e;

    wire_offset_commit_request_init(&in);
    in.group_id = r->group.id;
    in.generation_id_or_member_epoch = -1;
    in.topics = arena_alloc_array(arena, r->count, sizeof(*in.topics));
    if (in.topics == NULL || parts == NULL)
        return E_NOMEM;
    for (size_t i = 0; i < r->count; i++) {
        wire_offset_commit_request_offset_commit_request_partition_init(&parts[i]);
        parts[i].partition_index = r->parts[i]->partition;
        parts[i].committed_offset = r->targets[i].offset;
        parts[i].committed_leader_epoch = -1;
        parts[i].committed_metadata = slice_of_text("");
        wire_offset_commit_request_offset_commit_request_topic_init(&in.topics[i]);
        in.topics[i].name = r->parts[i]->topic;
        in.topics[i].partitions = &parts[i];
        in.topics[i].partitions_count = 1;
    }
    in.topics_count = (int32_t)r->count;
    e = CLI_LINK_CALL_UP_TO(r->group.link, offset_commit, OFFSET_COMMIT, VERSION_MAX, &in, &out,
                            report);
    for (int32_t i = 0; e == E_OK && i < out.topics_count; i++) {
        int16_t code =
            out.topics[i].partitions_count > 0 ? out.topics[i].partitions[0].error_code : 0;

        if (code == WIRE_ERROR_UNKNOWN_MEMBER_ID || code == WIRE_ERROR_REBALANCE_IN_PROGRESS)
            e = cli_link_error(code, slice_of_text("the group has members: stop its consumers"),
                               "reset the offsets", report);
        else
            e = cli_link_error(code, slice_of(NULL, 0), "reset the offsets", report);
    }
    return e;
}

static int print(struct reset *r)
{
    static const struct cli_column COLUMNS[] = {
        {"TOPIC", "topic"}, {">PARTITION", "partition"}, {">COMMITTED", "committed"},
        {">NEW", "new"},    {">START", "start"},         {">END", "end"}};
    struct cli_rows rows;

    cli_rows_init(&rows, r->cli, COLUMNS, 6);
    for (size_t i = 0; i < r->count; i++) {
        const struct cli_group_part *p = r->parts[i];

        cli_rows_slice(&rows, p->topic);
        cli_rows_i64(&rows, p->partition);
        if (p->committed < 0)
            cli_rows_none(&rows);
        else
            cli_rows_i64(&rows, p->committed);
        cli_rows_i64(&rows, r->targets[i].offset);
        cli_rows_i64(&rows, p->start);
        cli_rows_i64(&rows, p->end);
    }
    return cli_rows_print(&rows);
}

static enum err reset(struct reset *r, struct report *report)
{
    bool may_execute = cli_args_has(r->cli->args, "execute");
    enum err e = place_read(r, report);

    if (e == E_OK)
        e = cli_link_open(r->cli, &r->link, report);
    if (e == E_OK)
        e = cli_group_open(r->cli, r->link, cli_args_word(r->cli->args, 0), &r->group, report);
    if (e != E_OK)
        return e;
    e = parts_choose(r, report);
    if (e == E_OK && may_execute && r->group.member_count > 0) {
        report_set(report, "the group has %d members: stop its consumers first",
                   (int)r->group.member_count);
        e = E_BUSY;
    }
    if (e == E_OK)
        e = targets_find(r, report);
    if (e == E_OK && may_execute)
        e = commit(r, report);
    return e;
}

static int run(struct cli *cli)
{
    struct reset r = {.cli = cli};
    struct report report = {0};
    enum err e = reset(&r, &report);
    int code = e == E_OK ? print(&r) : cli_failed(cli, e, &report);

    if (code == CLI_DONE && !cli_args_has(cli->args, "execute"))
        fprintf(cli->err, "dlog: nothing was changed; --execute does it\n");
    cli_group_close(&r.group);
    cli_link_close(r.link);
    return code;
}

const struct cli_command cli_group_reset_offsets = {
    .noun = "group",
    .verb = "reset-offsets",
    .arguments = "GROUP",
    .words_min = 1,
    .words_max = 1,
    .summary = "move where a group goes on; shows it first",
    .notes =
        "PLACE: start, end, an offset, +N or -N from where the group is, or @TIME as in\n"
        "`dlog consume`. What is outside of the log is moved to its nearest end. The group must\n"
        "have no members.\n\n"
        "Examples:\n"
        "  dlog group reset-offsets billing --to @-2h\n"
        "  dlog group reset-offsets billing --topic orders:0,1 --to start --execute\n",
    .options = OPTIONS,
    .run = run,
};
