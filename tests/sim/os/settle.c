#include <string.h>

#include "os/disk.h"

/*
 * What a crash leaves.
 *
 * A file: the file system keeps changes of sizes in order, so its size is the one
 * after a drawn number of ops, and truncates count up to there. Each block of 512
 * bytes holds on its own what it held after a drawn number of writes: old, new, or
 * a state in between. Bytes that a counted truncate cut never come back.
 *
 * A directory: each op by itself happened or not, in order; a rename does both of
 * its halves or none.
 *
 * How the draws are made decides what they find: all old, all new, the first n
 * ops, or every block (or every page of eight blocks) for itself.
 */
enum { BLOCK_SIZE = 512, BLOCKS_PER_PAGE = 8, TORN_CHANCE = 8 };

enum pattern { NOTHING, EVERYTHING, PREFIX, BLOCK_COIN, BLOCK_ANY, PAGE_COIN, PATTERN_COUNT };

static void file_op_free(struct sim_file_op *op)
{
    list_remove(&op->entry);
    sim_free(op);
}

static void name_op_free(struct sim_name_op *op)
{
    list_remove(&op->entry);
    sim_free(op->name);
    sim_free(op->from);
    sim_free(op);
}

static void name_op_apply(struct sim_inode *dir, const struct sim_name_op *op)
{
    struct sim_name *from = op->from == NULL ? NULL : sim_name_find(&dir->durable_names, op->from);

    if (from != NULL && from->inode == op->inode)
        sim_names_remove(&dir->durable_names, op->from);
    if (op->inode != NULL)
        sim_names_set(&dir->durable_names, op->name, op->inode);
    else
        sim_names_remove(&dir->durable_names, op->name);
}

void sim_inode_apply(struct sim_inode *inode, uint64_t number)
{
    struct list_node *n;

    while ((n = list_first(&inode->ops)) != NULL) {
        if (inode->is_dir) {
            struct sim_name_op *op = LIST_ENTRY(n, struct sim_name_op, entry);

            if (op->number > number)
                return;
            name_op_apply(inode, op);
            name_op_free(op);
        } else {
            struct sim_file_op *op = LIST_ENTRY(n, struct sim_file_op, entry);

            if (op->number > number)
                return;
            if (op->is_truncate)
                sim_bytes_resize(&inode->durable, op->pos);
            else
                sim_bytes_write(&inode->durable, op->pos, op->bytes, op->size);
            file_op_free(op);
        }
    }
}

/* How many writes each block has seen: `blocks[i]` of `op_count`. */
static void draw_blocks(struct rng *rng, uint64_t *blocks, int64_t block_count, uint64_t op_count)
{
    enum pattern pattern = (enum pattern)rng_below(rng, PATTERN_COUNT);
    uint64_t drawn = rng_below(rng, op_count + 1);

    for (int64_t i = 0; i < block_count; i++) {
        switch (pattern) {
        case NOTHING:
            blocks[i] = 0;
            break;
        case EVERYTHING:
            blocks[i] = op_count;
            break;
        case BLOCK_COIN:
            blocks[i] = rng_chance(rng, 1, 2) ? op_count : 0;
            break;
        case BLOCK_ANY:
            blocks[i] = rng_below(rng, op_count + 1);
            break;
        case PAGE_COIN:
            if (i % BLOCKS_PER_PAGE == 0)
                drawn = rng_chance(rng, 1, 2) ? op_count : 0;
            blocks[i] = drawn;
            break;
        case PREFIX:
        case PATTERN_COUNT:
            blocks[i] = drawn;
            break;
        }
    }
}

struct settle {
    struct rng *rng;
    bool is_tearing;
    uint64_t *blocks;
    uint64_t counted; /* ops of which the size is known to the file system */
    struct sim_bytes *bytes;
    int64_t size;
};

/* The blocks of one write that took part. */
static void settle_write(struct settle *s, const struct sim_file_op *op, uint64_t index)
{
    int64_t end = op->pos + op->size;

    for (int64_t pos = op->pos; pos < end;) {
        int64_t block = pos / BLOCK_SIZE;
        int64_t next = (block + 1) * BLOCK_SIZE < end ? (block + 1) * BLOCK_SIZE : end;
        int64_t size = next - pos;

        if (index < s->blocks[block]) {
            if (s->is_tearing && rng_chance(s->rng, 1, TORN_CHANCE))
                size = (int64_t)rng_below(s->rng, (uint64_t)size + 1);
            memcpy(s->bytes->at + pos, op->bytes + (pos - op->pos), (size_t)size);
        }
        pos = next;
    }
    if (index < s->counted && end > s->size)
        s->size = end;
}

static void settle_truncate(struct settle *s, const struct sim_file_op *op, uint64_t index)
{
    if (index >= s->counted)
        return;
    if (op->pos < s->bytes->size)
        memset(s->bytes->at + op->pos, 0, (size_t)(s->bytes->size - op->pos));
    s->size = op->pos;
}

void sim_file_settle(struct sim_node *node, struct sim_inode *file, bool is_cache_lost)
{
    struct settle s = {.rng = &node->world->rng,
                       .is_tearing = node->disk.faults.is_tearing,
                       .bytes = &file->durable,
                       .size = file->durable.size};
    uint64_t op_count = list_count(&file->ops);
    int64_t size_max = file->durable.size;
    uint64_t index = 0;
    int64_t block_count;
    struct list_node *n;

    for (n = file->ops.next; n != &file->ops; n = n->next) {
        struct sim_file_op *op = LIST_ENTRY(n, struct sim_file_op, entry);
        int64_t end = op->is_truncate ? op->pos : op->pos + op->size;

        size_max = end > size_max ? end : size_max;
    }
    if (op_count > 0) {
        block_count = size_max / BLOCK_SIZE + 1;
        s.blocks = sim_alloc((size_t)block_count * sizeof(*s.blocks));
        s.counted = rng_chance(s.rng, 1, 2) ? op_count : rng_below(s.rng, op_count + 1);
        draw_blocks(s.rng, s.blocks, block_count, op_count);
        sim_bytes_resize(s.bytes, size_max);
        while ((n = list_first(&file->ops)) != NULL) {
            struct sim_file_op *op = LIST_ENTRY(n, struct sim_file_op, entry);

            if (op->is_truncate)
                settle_truncate(&s, op, index);
            else
                settle_write(&s, op, index);
            file_op_free(op);
            index++;
        }
        sim_bytes_resize(s.bytes, s.size);
        sim_free(s.blocks);
    }
    if (is_cache_lost) {
        node->disk.used_bytes += file->durable.size - file->now.size;
        sim_bytes_resize(&file->now, 0);
        sim_bytes_write(&file->now, 0, file->durable.at, file->durable.size);
    }
}

void sim_dir_settle(struct sim_node *node, struct sim_inode *dir)
{
    struct rng *rng = &node->world->rng;
    enum pattern pattern = (enum pattern)rng_below(rng, PATTERN_COUNT);
    struct list_node *n;

    while ((n = list_first(&dir->ops)) != NULL) {
        struct sim_name_op *op = LIST_ENTRY(n, struct sim_name_op, entry);

        if (pattern == EVERYTHING || (pattern != NOTHING && rng_chance(rng, 1, 2)))
            name_op_apply(dir, op);
        name_op_free(op);
    }
    while (!list_is_empty(&dir->names))
        sim_names_remove(&dir->names, LIST_ENTRY(dir->names.next, struct sim_name, entry)->name);
    for (n = dir->durable_names.next; n != &dir->durable_names; n = n->next) {
        struct sim_name *name = LIST_ENTRY(n, struct sim_name, entry);

        sim_names_set(&dir->names, name->name, name->inode);
    }
}
