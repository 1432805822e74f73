#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "coord/unit.h"

/* The inside of a unit, for unit.c and load.c. */

/*
 * An append under way. The partition has it until its done(); the op may be gone before: refused,
 * or released when the unit failed.
 */
struct unit_append {
    struct partition_append append;
    struct coord_unit *unit;
    struct coord_op *op; /* NULL: nobody waits */
    struct buf bytes;
    bool is_refused;
};

struct coord_unit {
    struct coord_unit_options options;
    enum coord_unit_state state;
    struct list_node ops; /* in the order of submit */
    int append_count;     /* under way */
    bool is_closed;
    int64_t retry_ms;        /* after the next failure */
    int64_t load_offset;     /* next to be applied */
    int64_t loaded_ms;       /* when loading began, for the trace */
    struct loop_timer timer; /* the next piece of loading, the end after a failure, a retry */
    struct loop_timer release_timer;
};

NODISCARD enum err unit_partition(const struct coord_unit *unit, struct partition **partition_out);
void unit_load_start(struct coord_unit *unit);

/* From now on nothing is accepted; soon everything parked is released, and loading begins anew. */
void unit_fail(struct coord_unit *unit, enum err e);
