#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/report.h"
#include "base/slice.h"
#include "cli/cli_link.h"

struct cli;

/*
 * Group: what a consumer group is and has, gathered from its coordinator and from the leaders of
 * its partitions. All in the arena of the group's own link; cli_group_close() frees it.
 */
struct cli_group_part {
    struct slice topic;
    int32_t partition;
    int64_t committed; /* -1: nothing */
    int64_t start;     /* of the log, -1: not known */
    int64_t end;
    int32_t member; /* who has it; -1: nobody */
};

struct cli_group_member {
    struct slice id;
    struct slice instance_id; /* NULL: none */
    struct slice client_id;
    struct slice host;
};

struct cli_group {
    struct slice id;
    bool exists; /* it has members or offsets, or is known to be empty */
    struct slice state;
    struct slice type;     /* "classic", "consumer" */
    struct slice assignor; /* NULL: not known */
    struct cli_group_member *members;
    int32_t member_count;
    struct cli_group_part *parts; /* by topic, then partition */
    size_t part_count;
    struct cli_link *link; /* to its coordinator */
};

/*
 * A group that does not exist is one without members and offsets. E_IO, errors of a link
 */
NODISCARD enum err cli_group_open(const struct cli *cli, struct cli_link *link, const char *id,
                                  struct cli_group *group_out, struct report *report);
void cli_group_close(struct cli_group *group);
