#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "base/writer.h"
#include "broker/call_priv.h"
#include "coord/coord.h"

struct request;

/*
 * Coordinated: one call of a request to the coordinator of a group, on the shard that leads the
 * group's partition, and back.
 *
 *   home:   coordinate(c)
 *   owner:  coord_call() ... c->taken(c), where results are put into memory of the request, since
 *           what the coordinator shows is gone afterwards
 *   home:   c->back(c)
 *
 * When the client goes away, or the node stops, coordinated_hurry() calls it off.
 *
 * Owner: the request, in its arena. While it is out, only the owner's side touches it.
 */
struct coordinated {
    struct request *req;
    struct coord_call coord;
    void (*taken)(struct coordinated *c); /* may be NULL */
    void (*back)(struct coordinated *c);

    struct call call; /* from here on: private */
    struct call recall;
    bool is_over; /* the owner's: the coordinator has ended it */
    int out;      /* home: call and recall that are under way */
};

/*
 * Fill in who asks and which partition `group_id` belongs to, and go. Without a coordinator's topic
 * back() comes at once, with coord.error set.
 */
void coordinate(struct coordinated *c, struct slice group_id);

/* Call it off, if it is still out: back() comes soon. */
void coordinated_hurry(struct coordinated *c);

/*
 * The usual request: about one group, answered from one reply. `encode` writes the answer from
 * c->coord.error and c->coord.reply, on whichever shard has it.
 */
struct coordinated_single {
    struct coordinated c;
    void (*encode)(struct request *req, struct writer *w, const struct coord_call *result);
    struct writer writer;
};

/* NULL: out of memory, and the request is dropped. */
struct coordinated_single *coordinated_single_new(struct request *req);
void coordinated_single_start(struct coordinated_single *s, struct slice group_id);

/* Answer with `error` and no reply. */
void coordinated_single_refuse(struct coordinated_single *s, enum wire_error error);

/*
 * A request about several groups: a call for each, all at once; finish() when the last one is back.
 */
struct coordinated_many;

struct coordinated_item {
    struct coordinated c;
    struct coordinated_many *many;
    struct arena arena; /* of the answer; released after finish() */
    struct slice group_id;
    enum wire_error error; /* result: of the call, or of its reply */
};

struct coordinated_many {
    struct request *req;
    void (*finish)(struct coordinated_many *many); /* writes the answer */
    void *ctx;                                     /* the handler's */
    struct coordinated_item *items;
    int32_t count;
    int32_t pending;
    struct writer writer;
};

/* The items are zero but for their ids; NULL: out of memory, and the request is dropped. */
struct coordinated_many *coordinated_many_new(struct request *req, int32_t count);

/* An item whose `error` is set already makes no call. */
void coordinated_many_start(struct coordinated_many *many);
