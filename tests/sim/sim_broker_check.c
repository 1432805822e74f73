#include "sim_broker_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mem/mem.h"

enum {
    GRACE_S = 3, /* a sync that failed is noticed by then, however slow the disk is */
    PRODUCER_IDS_MAX = 1024,
    SMALL_BYTES = 200,
    NAME_BYTES = 8,
};

/* What is at an offset: lane, partition and number of a record in one word; 0: unknown. */
struct cells {
    uint64_t *at;
    int64_t size;
    int64_t floor;
};

/* Records of one lane and partition: where each is, -1 when nobody knows. */
struct track {
    int64_t *offsets;
    int32_t size;
    int32_t sent;
};

struct lane {
    bool is_idempotent;
    struct track tracks[CHECK_PARTITIONS];
};

struct check {
    struct sim_world *world;
    bool is_durable;
    int view;
    int64_t sync_failed_ns;
    char text[CHECK_TEXT_SIZE];
    struct cells cells[CHECK_PARTITIONS];
    struct lane lanes[CHECK_LANES_MAX];
    int lane_count;
    struct uuid topic_ids[CHECK_TOPICS];
    int64_t producer_ids[PRODUCER_IDS_MAX];
    int producer_id_count;
};

struct check *check_new(struct sim_world *world, bool is_durable)
{
    struct check *c = sim_alloc(sizeof(*c));

    c->world = world;
    c->is_durable = is_durable;
    return c;
}

void check_free(struct check *c)
{
    for (int p = 0; p < CHECK_PARTITIONS; p++) {
        sim_free(c->cells[p].at);
        for (int i = 0; i < c->lane_count; i++)
            sim_free(c->lanes[i].tracks[p].offsets);
    }
    sim_free(c);
}

void check_fail(struct check *c, const char *format, ...)
{
    va_list args;

    if (c->text[0] != '\0')
        return;
    va_start(args, format);
    vsnprintf(c->text, sizeof(c->text), format, args);
    va_end(args);
    sim_trace(c->world, NULL, "violation", 0, 0);
}

bool check_has_failed(const struct check *c)
{
    return c->text[0] != '\0';
}

const char *check_text(const struct check *c)
{
    return c->text;
}

bool check_is_durable(const struct check *c)
{
    return c->is_durable;
}

void check_power_lost(struct check *c)
{
    if (c->is_durable)
        return;
    c->view++;
    for (int p = 0; p < CHECK_PARTITIONS; p++) {
        c->cells[p].floor = 0;
        if (c->cells[p].size > 0)
            memset(c->cells[p].at, 0, (size_t)c->cells[p].size * sizeof(uint64_t));
        for (int i = 0; i < c->lane_count; i++) {
            struct track *t = &c->lanes[i].tracks[p];

            for (int32_t n = 0; n < t->size; n++)
                t->offsets[n] = -1;
        }
    }
}

int check_view(const struct check *c)
{
    return c->view;
}

void check_sync_failed(struct check *c, int64_t at_ns)
{
    c->sync_failed_ns = at_ns;
}

void check_topic(struct check *c, int topic, struct uuid id)
{
    if (uuid_is_zero(id))
        check_fail(c, "topic %d is told without an id", topic);
    else if (uuid_is_zero(c->topic_ids[topic]))
        c->topic_ids[topic] = id;
    else if (!uuid_equal(c->topic_ids[topic], id))
        check_fail(c, "topic %d has changed its id: it was lost and made again", topic);
}

void check_producer_id(struct check *c, int64_t id)
{
    for (int i = 0; i < c->producer_id_count; i++) {
        if (c->producer_ids[i] == id)
            check_fail(c, "producer id %lld was given twice", (long long)id);
    }
    if (c->producer_id_count < PRODUCER_IDS_MAX)
        c->producer_ids[c->producer_id_count++] = id;
}

/* Records. */

static uint64_t name_of(int lane, int partition, int32_t number)
{
    return ((uint64_t)lane + 1) << 40 | (uint64_t)partition << 32 | (uint32_t)number;
}

static int lane_of(uint64_t name)
{
    return (int)(name >> 40) - 1;
}

static int partition_of(uint64_t name)
{
    return (int)(name >> 32 & 0xff);
}

static int32_t number_of(uint64_t name)
{
    return (int32_t)(name & 0xffffffff);
}

/* "lane 3 number 17". */
static const char *describe(uint64_t name, char *text)
{
    if (name == 0)
        return "nothing";
    snprintf(text, 64, "lane %d partition %d number %d", lane_of(name), partition_of(name),
             number_of(name));
    return text;
}

int check_lane_new(struct check *c, bool is_idempotent)
{
    if (c->lane_count == CHECK_LANES_MAX) {
        check_fail(c, "too many producers: they never settle");
        return 0;
    }
    c->lanes[c->lane_count].is_idempotent = is_idempotent;
    return c->lane_count++;
}

static size_t value_of(uint64_t name, uint8_t *value_out)
{
    struct rng rng;
    size_t size;

    rng_init(&rng, name);
    size = (size_t)rng_below(&rng, SMALL_BYTES);
    if (rng_chance(&rng, 1, 30))
        size = (size_t)rng_below(&rng, CHECK_VALUE_SIZE_MAX - NAME_BYTES);
    memcpy(value_out, &name, NAME_BYTES);
    for (size_t i = 0; i < size; i += NAME_BYTES) {
        uint64_t word = rng_next(&rng);

        memcpy(value_out + NAME_BYTES + i, &word, size - i < NAME_BYTES ? size - i : NAME_BYTES);
    }
    return NAME_BYTES + size;
}

size_t check_value(const struct check_batch *b, int32_t number, uint8_t *value_out)
{
    return value_of(name_of(b->lane, b->partition, number), value_out);
}

void check_sent(struct check *c, const struct check_batch *b)
{
    struct track *t = &c->lanes[b->lane].tracks[b->partition];

    if (t->sent < b->first + b->count)
        t->sent = b->first + b->count;
    if (t->sent > t->size) {
        int32_t size = t->sent * 2;

        t->offsets = sim_realloc(t->offsets, (size_t)size * sizeof(int64_t));
        for (int32_t i = t->size; i < size; i++)
            t->offsets[i] = -1;
        t->size = size;
    }
}

static void cells_grow(struct cells *cells, int64_t end)
{
    int64_t size = end * 2;

    if (end <= cells->size)
        return;
    cells->at = sim_realloc(cells->at, (size_t)size * sizeof(uint64_t));
    memset(cells->at + cells->size, 0, (size_t)(size - cells->size) * sizeof(uint64_t));
    cells->size = size;
}

/* The record `name` is at this offset: nothing else is, and it is nowhere else. */
static void cell_set(struct check *c, int partition, int64_t offset, uint64_t name, const char *how)
{
    struct cells *cells = &c->cells[partition];
    struct lane *lane = &c->lanes[lane_of(name)];
    int64_t *place = &lane->tracks[partition].offsets[number_of(name)];
    char was[64];
    char is[64];

    if (offset < 0 || offset > INT32_MAX) {
        check_fail(c, "partition %d: %s at offset %lld", partition, how, (long long)offset);
        return;
    }
    cells_grow(cells, offset + 1);
    if (cells->at[offset] != 0 && cells->at[offset] != name) {
        check_fail(c, "partition %d offset %lld: %s was there, %s is %s", partition,
                   (long long)offset, describe(cells->at[offset], was), describe(name, is), how);
        return;
    }
    if (lane->is_idempotent && *place >= 0 && *place != offset) {
        check_fail(c, "partition %d: %s is at offset %lld and, %s, at %lld", partition,
                   describe(name, is), (long long)*place, how, (long long)offset);
        return;
    }
    cells->at[offset] = name;
    *place = offset;
    if (offset >= cells->floor)
        cells->floor = offset + 1;
}

void check_acked(struct check *c, const struct check_batch *b, int view, int64_t base_offset,
                 int64_t sent_ns)
{
    sim_trace(c->world, NULL, "acked", (uint64_t)base_offset, (uint64_t)b->count);
    if (c->sync_failed_ns > 0 && sent_ns > c->sync_failed_ns + GRACE_S * SIM_S)
        check_fail(c, "partition %d offset %lld: acknowledged though a sync has failed",
                   b->partition, (long long)base_offset);
    if (view != c->view)
        return;
    for (int32_t i = 0; i < b->count; i++)
        cell_set(c, b->partition, base_offset + i, name_of(b->lane, b->partition, b->first + i),
                 "acknowledged");
}

void check_served(struct check *c, int view, int partition, int64_t offset, struct slice value)
{
    uint8_t expected[CHECK_VALUE_SIZE_MAX + NAME_BYTES];
    uint64_t name = 0;

    if (value.size >= NAME_BYTES)
        memcpy(&name, value.at, NAME_BYTES);
    if (name == 0 || lane_of(name) < 0 || lane_of(name) >= c->lane_count ||
        partition_of(name) != partition ||
        number_of(name) >= c->lanes[lane_of(name)].tracks[partition].sent ||
        !slice_equal(value, slice_of(expected, value_of(name, expected)))) {
        check_fail(c, "partition %d offset %lld: a record that nobody sent", partition,
                   (long long)offset);
        return;
    }
    if (view == c->view)
        cell_set(c, partition, offset, name, "served");
}

int64_t check_floor(const struct check *c, int partition)
{
    return c->cells[partition].floor;
}

void check_told(struct check *c, int view, int partition, int64_t high_watermark, int64_t floor)
{
    if (view != c->view)
        return;
    if (high_watermark < floor)
        check_fail(c, "partition %d: the high watermark is %lld and has been %lld", partition,
                   (long long)high_watermark, (long long)floor);
    if (high_watermark > c->cells[partition].floor)
        c->cells[partition].floor = high_watermark;
}

int64_t check_order(struct check *c)
{
    int64_t count = 0;

    for (int p = 0; p < CHECK_PARTITIONS; p++) {
        const struct cells *cells = &c->cells[p];
        int32_t next[CHECK_LANES_MAX] = {0};

        for (int64_t offset = 0; offset < cells->floor; offset++) {
            uint64_t name = offset < cells->size ? cells->at[offset] : 0;

            if (name == 0) {
                check_fail(c, "partition %d offset %lld: committed and never served", p,
                           (long long)offset);
                return count;
            }
            count++;
            if (!c->lanes[lane_of(name)].is_idempotent)
                continue;
            if (number_of(name) < next[lane_of(name)])
                check_fail(c, "partition %d offset %lld: lane %d number %d after %d", p,
                           (long long)offset, lane_of(name), number_of(name),
                           next[lane_of(name)] - 1);
            next[lane_of(name)] = number_of(name) + 1;
        }
    }
    return count;
}
