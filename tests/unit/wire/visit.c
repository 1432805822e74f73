#include "visit.h"

#include <string.h>

static const uint8_t letters[] =
    "abcdefghijklmnopqrstuvwxyz-0123456789.ABCDEFGHIJKLMNOPQRSTUVWXYZ_";

/* Often an edge, otherwise anything. */
static uint64_t draw(struct visit *v)
{
    switch (rng_below(&v->rng, 6)) {
    case 0:
        return 0;
    case 1:
        return UINT64_MAX;
    case 2:
        return rng_below(&v->rng, 300);
    case 3:
        return rng_chance(&v->rng, 1, 2) ? INT64_MAX : (uint64_t)1 << 63;
    default:
        return rng_next(&v->rng);
    }
}

#define VISIT_NUMBER(name, type)                \
    void visit_##name(struct visit *v, type *p) \
    {                                           \
        type value = (type)draw(v);             \
                                                \
        if (v->fill)                            \
            *p = value;                         \
        else if (*p != value)                   \
            v->wrong = true;                    \
    }

VISIT_NUMBER(i8, int8_t)
VISIT_NUMBER(i16, int16_t)
VISIT_NUMBER(u16, uint16_t)
VISIT_NUMBER(i32, int32_t)
VISIT_NUMBER(i64, int64_t)
VISIT_NUMBER(f64, double)

void visit_bool(struct visit *v, bool *p)
{
    bool value = rng_chance(&v->rng, 1, 2);

    if (v->fill)
        *p = value;
    else if (*p != value)
        v->wrong = true;
}

void visit_uuid(struct visit *v, struct uuid *p)
{
    struct uuid value = {{0}};

    if (rng_chance(&v->rng, 3, 4))
        rng_bytes(&v->rng, value.bytes, sizeof(value.bytes));
    if (v->fill)
        *p = value;
    else if (!uuid_equal(*p, value))
        v->wrong = true;
}

static size_t draw_size(struct visit *v)
{
    switch (rng_below(&v->rng, 8)) {
    case 0:
        return 0;
    case 1:
        return 100 + rng_below(&v->rng, 200); /* two bytes of varint */
    default:
        return 1 + rng_below(&v->rng, 12);
    }
}

void visit_slice(struct visit *v, bool nullable, struct slice *p)
{
    bool is_null = nullable && rng_chance(&v->rng, 1, 4);
    size_t size = is_null ? 0 : draw_size(v);
    size_t start = rng_below(&v->rng, sizeof(letters) - 1);
    uint8_t *at;

    if (!v->fill && (is_null != (p->at == NULL) || p->size != size)) {
        v->wrong = true;
        return;
    }
    if (is_null) {
        *p = slice_of(NULL, 0);
        return;
    }
    at = arena_alloc(v->arena, size + 1);
    if (at == NULL) {
        v->wrong = true;
        return;
    }
    for (size_t i = 0; i < size; i++)
        at[i] = letters[(start + i * i) % (sizeof(letters) - 1)];
    if (v->fill)
        *p = slice_of(at, size);
    else if (size > 0 && memcmp(p->at, at, size) != 0)
        v->wrong = true;
}

void visit_records(struct visit *v, bool nullable, struct wire_records *p)
{
    struct slice s = slice_of(p->at, p->size < 0 ? 0 : (size_t)p->size);

    if (!v->fill && (p->size < 0) != (p->at == NULL)) {
        v->wrong = true;
        return;
    }
    visit_slice(v, nullable, &s);
    if (v->fill)
        *p = (struct wire_records){.at = s.at, .size = s.at == NULL ? -1 : (int32_t)s.size};
}

void *visit_items(struct visit *v, bool nullable, const void *items, int32_t *count, size_t size)
{
    int32_t n = nullable && rng_chance(&v->rng, 1, 4) ? -1 : (int32_t)rng_below(&v->rng, 4);
    void *made = NULL;

    if (rng_chance(&v->rng, 1, 20) && n > 0)
        n = 130; /* two bytes of varint */
    if (n > v->items_left)
        n = 0;
    if (n > 0)
        v->items_left -= n;
    if (!v->fill) {
        v->wrong = v->wrong || *count != n || (n > 0 && items == NULL);
        memcpy(&made, &items, sizeof(made)); /* drops const */
        return made;
    }
    *count = n;
    if (n > 0)
        made = arena_alloc_array(v->arena, (size_t)n, size);
    if (n > 0 && made == NULL) {
        *count = 0;
        v->wrong = true;
    }
    return made;
}

void *visit_pointer(struct visit *v, const void *one, size_t size)
{
    int32_t present = rng_chance(&v->rng, 2, 3) ? 1 : 0;
    void *made = NULL;

    if (v->fill)
        return present ? arena_alloc(v->arena, size) : NULL;
    if ((one != NULL) != (present == 1))
        v->wrong = true;
    memcpy(&made, &one, sizeof(made));
    return v->wrong ? NULL : made;
}

bool visit_tag(struct visit *v)
{
    return rng_chance(&v->rng, 2, 3);
}
