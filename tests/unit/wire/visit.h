#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/rng.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "wire/types.h"

/*
 * A walk over all fields of a message that exist in a version. With `fill` it
 * writes values drawn from `rng`; without, it draws the same values from an
 * equal `rng` and sets `wrong` when the message holds others. So one
 * generated function per message makes messages and checks what came back.
 */
struct visit {
    bool fill;
    bool wrong;
    struct rng rng;
    struct arena *arena; /* owns what filling allocates */
    int items_left;      /* keeps messages small */
};

void visit_bool(struct visit *v, bool *p);
void visit_i8(struct visit *v, int8_t *p);
void visit_i16(struct visit *v, int16_t *p);
void visit_u16(struct visit *v, uint16_t *p);
void visit_i32(struct visit *v, int32_t *p);
void visit_i64(struct visit *v, int64_t *p);
void visit_f64(struct visit *v, double *p);
void visit_uuid(struct visit *v, struct uuid *p);
void visit_slice(struct visit *v, bool nullable, struct slice *p);
void visit_records(struct visit *v, bool nullable, struct wire_records *p);

/* The items of an array, to be visited next; sets or checks *count. */
void *visit_items(struct visit *v, bool nullable, const void *items, int32_t *count, size_t size);

/* A struct that may be null, to be visited next. */
void *visit_pointer(struct visit *v, const void *one, size_t size);

/* Whether to visit a tagged field, or leave it at its default. */
bool visit_tag(struct visit *v);
