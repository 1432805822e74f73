#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/uuid.h"
#include "broker/call_priv.h"
#include "wire/error.h"

struct meta_topic;
struct partition;
struct request;

/*
 * Parts: a request about partitions, each of which is asked on the shard that owns it.
 *
 *     parts_begin(&all, req, answer);
 *     for each: parts_add(&all, topic, index, &part)   with part->run set
 *     parts_end(&all);
 *
 * answer() comes once, when the last part is back; from inside parts_end() if nothing is out.
 *
 * Owner: the request, in its arena. A part writes its result where nobody else does.
 */
struct parts {
    struct request *req;
    void (*answer)(struct parts *all);
    int pending; /* private */
};

struct part_call {
    struct parts *all;
    struct uuid topic_id;
    int32_t index;

    /* On the owner. `p` is NULL with an error. */
    void (*run)(struct part_call *part, struct partition *p, enum wire_error error);

    struct call call; /* private */
};

void parts_begin(struct parts *all, struct request *req, void (*answer)(struct parts *all));

/* `part` with its `run`; the topic has the partition. */
void parts_add(struct parts *all, const struct meta_topic *topic, int32_t index,
               struct part_call *part);
void parts_end(struct parts *all);

/* An answer(): memory ran out while the parts were made, so the request is dropped. */
void parts_no_memory(struct parts *all);
