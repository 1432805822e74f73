#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/map.h"
#include "coord/coord.h"
#include "coord/unit.h"

/* The inside of a coord, for coord.c and group_host.c. */

struct coord {
    struct coord_options options;
    struct map_u64 hosts;   /* partition index of __consumer_offsets to struct group_host, owned */
    struct map_u64 waiting; /* token to struct coord_call */
    uint64_t next_token;
    uint64_t seed;
    struct loop_timer retention_timer;
    bool is_stopped;
};

/* The groups of one partition of __consumer_offsets. */
struct group_host {
    struct coord *coord;
    struct coord_unit *unit;
    struct groups *groups;
    struct group_options options;
    struct loop_timer timer; /* groups_deadline_ms */
    struct list_node calls;  /* under way: of struct coord_call */
};

NODISCARD enum err group_host_open(struct coord *coord, struct partition_id id,
                                   struct group_host **host_out);
void group_host_close(struct group_host *host);
void group_host_call(struct group_host *host, struct coord_call *call);
void group_host_expire_offsets(struct group_host *host);
void group_host_delete_topic(struct group_host *host, struct slice topic);
void group_host_forget(struct group_host *host, uint64_t token);

/* Every call under way ends with NOT_COORDINATOR: also those that wait inside of the machine. */
void group_host_end_calls(struct group_host *host);

/* End a call: its token is free from now on. */
void coord_end(struct coord *coord, struct coord_call *call, enum wire_error error);

/* The call that waits under this token; NULL: it was cancelled. */
struct coord_call *coord_waiting(struct coord *coord, uint64_t token);

/* What the client of a group hears of an error of the log. */
enum wire_error coord_error(enum err e);
