#include "os/disk.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

static void *must(void *p)
{
    if (p == NULL)
        abort();
    return p;
}

/* Inodes. */

int disk_inode_add(struct disk *disk, bool is_dir)
{
    if (disk->inode_count == disk->inode_capacity) {
        disk->inode_capacity = disk->inode_capacity == 0 ? 32 : 2 * disk->inode_capacity;
        disk->inodes =
            must(realloc(disk->inodes, (size_t)disk->inode_capacity * sizeof(struct disk_inode)));
    }
    disk->inodes[disk->inode_count] = (struct disk_inode){.is_dir = is_dir};
    return disk->inode_count++;
}

void disk_bytes_resize(struct disk_bytes *bytes, int64_t size)
{
    if (size > bytes->capacity) {
        bytes->capacity = bytes->capacity * 2 > size ? bytes->capacity * 2 : size;
        bytes->at = must(realloc(bytes->at, (size_t)bytes->capacity));
    }
    if (size > bytes->size)
        memset(bytes->at + bytes->size, 0, (size_t)(size - bytes->size));
    bytes->size = size;
}

void disk_bytes_write(struct disk_bytes *bytes, int64_t pos, struct slice from)
{
    int64_t end = pos + (int64_t)from.size;

    if (from.size == 0)
        return;
    if (end > bytes->size)
        disk_bytes_resize(bytes, end);
    assert(bytes->at != NULL);
    memcpy(bytes->at + pos, from.at, from.size);
}

static void bytes_copy(struct disk_bytes *to, const struct disk_bytes *from)
{
    *to = (struct disk_bytes){0};
    disk_bytes_write(to, 0, slice_of(from->at, (size_t)from->size));
}

/* Where `text` stands, or would. */
static int names_place(const struct disk_names *names, const char *text, bool *found_out)
{
    int low = 0, high = names->count;

    *found_out = false;
    while (low < high) {
        int middle = low + (high - low) / 2;
        int order = strcmp(names->at[middle].text, text);

        *found_out |= order == 0;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int disk_names_find(const struct disk_names *names, const char *text)
{
    bool found;
    int i = names_place(names, text, &found);

    return found ? names->at[i].inode : -1;
}

void disk_names_set(struct disk_names *names, const char *text, int inode)
{
    bool found;
    int i = names_place(names, text, &found);

    if (!found) {
        if (names->count == names->capacity) {
            names->capacity = names->capacity == 0 ? 16 : 2 * names->capacity;
            names->at = must(realloc(names->at, (size_t)names->capacity * sizeof(*names->at)));
        }
        memmove(names->at + i + 1, names->at + i, (size_t)(names->count - i) * sizeof(*names->at));
        names->count++;
        if (strlen(text) >= DISK_NAME_SIZE)
            abort();
        memcpy(names->at[i].text, text, strlen(text) + 1);
    }
    names->at[i].inode = inode;
}

void disk_names_remove(struct disk_names *names, const char *text)
{
    bool found;
    int i = names_place(names, text, &found);

    if (!found)
        return;
    names->count--;
    memmove(names->at + i, names->at + i + 1, (size_t)(names->count - i) * sizeof(*names->at));
}

static void names_copy(struct disk_names *to, const struct disk_names *from)
{
    *to = (struct disk_names){.count = from->count, .capacity = from->count};
    if (from->count == 0)
        return;
    to->at = must(malloc((size_t)from->count * sizeof(*to->at)));
    memcpy(to->at, from->at, (size_t)from->count * sizeof(*to->at));
}

void disk_names_apply(struct disk_names *names, const struct disk_op *op)
{
    if (op->kind == DISK_RENAME && disk_names_find(names, op->from) == op->target)
        disk_names_remove(names, op->from);
    if (op->kind == DISK_UNLINK)
        disk_names_remove(names, op->name);
    else
        disk_names_set(names, op->name, op->target);
}

/* Life. */

struct disk *disk_new(void)
{
    struct disk *disk = must(calloc(1, sizeof(*disk)));

    disk_inode_add(disk, true);
    return disk;
}

void disk_free(struct disk *disk)
{
    if (disk == NULL)
        return;
    for (int i = 0; i < disk->op_count; i++)
        free(disk->ops[i].bytes);
    for (int i = 0; i < disk->inode_count; i++) {
        free(disk->inodes[i].now.at);
        free(disk->inodes[i].durable.at);
        free(disk->inodes[i].names.at);
        free(disk->inodes[i].durable_names.at);
    }
    free(disk->ops);
    free(disk->inodes);
    free(disk);
}

struct disk *disk_copy(const struct disk *disk)
{
    struct disk *copy = must(calloc(1, sizeof(*copy)));

    copy->random = disk->random;
    copy->is_late = disk->is_late;
    for (int i = 0; i < disk->inode_count; i++) {
        const struct disk_inode *from = &disk->inodes[i];
        int inode = disk_inode_add(copy, from->is_dir); /* may move the others */
        struct disk_inode *to = &copy->inodes[inode];

        bytes_copy(&to->now, &from->now);
        bytes_copy(&to->durable, &from->durable);
        names_copy(&to->names, &from->names);
        names_copy(&to->durable_names, &from->durable_names);
    }
    copy->op_count = disk->op_count;
    copy->op_capacity = disk->op_count;
    if (disk->op_count > 0)
        copy->ops = must(malloc((size_t)disk->op_count * sizeof(*copy->ops)));
    for (int i = 0; i < disk->op_count; i++) {
        copy->ops[i] = disk->ops[i];
        if (disk->ops[i].bytes == NULL)
            continue;
        copy->ops[i].bytes = must(malloc((size_t)disk->ops[i].size));
        memcpy(copy->ops[i].bytes, disk->ops[i].bytes, (size_t)disk->ops[i].size);
    }
    return copy;
}

static uint64_t inode_hash(const struct disk *disk, int inode, uint64_t seed)
{
    const struct disk_inode *at = &disk->inodes[inode];

    if (!at->is_dir)
        return hash_bytes(slice_of(at->now.at, (size_t)at->now.size), seed + 1);
    for (int i = 0; i < at->names.count; i++) {
        seed = hash_bytes(slice_of_text(at->names.at[i].text), seed + 2);
        seed = inode_hash(disk, at->names.at[i].inode, seed);
    }
    return hash_u64((uint64_t)at->names.count, seed);
}

uint64_t disk_hash(const struct disk *disk)
{
    return inode_hash(disk, 0, 0);
}

void disk_print(const struct disk *disk)
{
    for (int i = 0; i < disk->inode_count; i++) {
        const struct disk_inode *dir = &disk->inodes[i];

        for (int n = 0; n < dir->names.count; n++) {
            const struct disk_inode *inode = &disk->inodes[dir->names.at[n].inode];

            printf("    %d/%-48s %7lld %016llx\n", i, dir->names.at[n].text,
                   (long long)inode->now.size,
                   (unsigned long long)inode_hash(disk, dir->names.at[n].inode, 0));
        }
    }
}

/* Changes. */

static struct disk_op *op_add(struct disk *disk, const struct disk_op *op)
{
    if (disk->op_count == disk->op_capacity) {
        disk->op_capacity = disk->op_capacity == 0 ? 32 : 2 * disk->op_capacity;
        disk->ops = must(realloc(disk->ops, (size_t)disk->op_capacity * sizeof(*disk->ops)));
    }
    disk->ops[disk->op_count] = *op;
    return &disk->ops[disk->op_count++];
}

static void changed(struct disk *disk)
{
    disk->change_count++;
    if (disk->on_change != NULL)
        disk->on_change(disk->ctx, disk);
}

void disk_write(struct disk *disk, int inode, int64_t pos, struct slice bytes)
{
    struct disk_op *op;

    if (bytes.size == 0)
        return;
    disk_bytes_write(&disk->inodes[inode].now, pos, bytes);
    op = op_add(disk,
                &(struct disk_op){
                    .kind = DISK_WRITE, .inode = inode, .pos = pos, .size = (int64_t)bytes.size});
    op->bytes = must(malloc(bytes.size));
    memcpy(op->bytes, bytes.at, bytes.size);
    changed(disk);
}

void disk_resize(struct disk *disk, int inode, int64_t size)
{
    if (disk->inodes[inode].now.size == size)
        return; /* as a file system would */
    disk_bytes_resize(&disk->inodes[inode].now, size);
    op_add(disk, &(struct disk_op){.kind = DISK_RESIZE, .inode = inode, .pos = size});
    changed(disk);
}

static void change_names(struct disk *disk, const struct disk_op *op)
{
    disk_names_apply(&disk->inodes[op->inode].names, op);
    op_add(disk, op);
    changed(disk);
}

static void set_text(char to[DISK_NAME_SIZE], const char *text)
{
    if (strlen(text) >= DISK_NAME_SIZE)
        abort();
    memcpy(to, text, strlen(text) + 1);
}

void disk_link(struct disk *disk, int dir, const char *name, int inode)
{
    struct disk_op op = {.kind = DISK_LINK, .inode = dir, .target = inode};

    set_text(op.name, name);
    change_names(disk, &op);
}

void disk_unlink(struct disk *disk, int dir, const char *name)
{
    struct disk_op op = {.kind = DISK_UNLINK, .inode = dir, .target = -1};

    set_text(op.name, name);
    change_names(disk, &op);
}

void disk_rename(struct disk *disk, int dir, const char *from, const char *to)
{
    struct disk_op op = {.kind = DISK_RENAME,
                         .inode = dir,
                         .target = disk_names_find(&disk->inodes[dir].names, from)};

    set_text(op.name, to);
    set_text(op.from, from);
    change_names(disk, &op);
}

static void op_settle(struct disk *disk, struct disk_op *op)
{
    struct disk_inode *inode = &disk->inodes[op->inode];

    if (op->kind == DISK_WRITE)
        disk_bytes_write(&inode->durable, op->pos, slice_of(op->bytes, (size_t)op->size));
    else if (op->kind == DISK_RESIZE)
        disk_bytes_resize(&inode->durable, op->pos);
    else
        disk_names_apply(&inode->durable_names, op);
    free(op->bytes);
}

void disk_sync(struct disk *disk, int inode)
{
    int kept = 0;

    if (disk->is_late && !disk->inodes[inode].is_dir) {
        int late = disk->late_inode;

        disk->late_inode = inode;
        inode = late;
    }
    for (int i = 0; i < disk->op_count; i++) {
        if (disk->ops[i].inode == inode)
            op_settle(disk, &disk->ops[i]);
        else
            disk->ops[kept++] = disk->ops[i];
    }
    if (kept == disk->op_count)
        return;
    disk->op_count = kept;
    changed(disk);
}
