#include "os/disk.h"

#include <assert.h>
#include <string.h>

#include "base/hash.h"

enum { MILLION = 1000000, CALL_NS_MAX = 4000 };

/* Inodes. */

struct sim_inode *sim_inode_new(struct sim_disk *disk, bool is_dir)
{
    struct sim_inode *inode = sim_alloc(sizeof(*inode));

    inode->is_dir = is_dir;
    inode->spoilt_pos = -1;
    list_init(&inode->ops);
    list_init(&inode->names);
    list_init(&inode->durable_names);
    list_push_back(&disk->inodes, &inode->entry);
    return inode;
}

static void inode_free(struct sim_disk *disk, struct sim_inode *inode)
{
    disk->used_bytes -= inode->now.size;
    sim_inode_apply(inode, UINT64_MAX);
    while (!list_is_empty(&inode->names))
        sim_names_remove(&inode->names,
                         LIST_ENTRY(inode->names.next, struct sim_name, entry)->name);
    while (!list_is_empty(&inode->durable_names))
        sim_names_remove(&inode->durable_names,
                         LIST_ENTRY(inode->durable_names.next, struct sim_name, entry)->name);
    list_remove(&inode->entry);
    sim_free(inode->now.at);
    sim_free(inode->durable.at);
    sim_free(inode);
}

static void reach(struct sim_inode *inode)
{
    struct list_node *n;

    if (inode->is_reached)
        return;
    inode->is_reached = true;
    if (!inode->is_dir)
        return;
    for (n = inode->names.next; n != &inode->names; n = n->next)
        reach(LIST_ENTRY(n, struct sim_name, entry)->inode);
    for (n = inode->durable_names.next; n != &inode->durable_names; n = n->next)
        reach(LIST_ENTRY(n, struct sim_name, entry)->inode);
    for (n = inode->ops.next; n != &inode->ops; n = n->next) {
        struct sim_name_op *op = LIST_ENTRY(n, struct sim_name_op, entry);

        if (op->inode != NULL)
            reach(op->inode);
    }
}

void sim_disk_sweep(struct sim_disk *disk)
{
    struct list_node *n;
    struct list_node *next;

    for (n = disk->inodes.next; n != &disk->inodes; n = n->next)
        LIST_ENTRY(n, struct sim_inode, entry)->is_reached = false;
    reach(disk->root);
    for (n = disk->inodes.next; n != &disk->inodes; n = n->next) {
        struct sim_inode *inode = LIST_ENTRY(n, struct sim_inode, entry);

        if (inode->open_count > 0)
            reach(inode);
    }
    for (n = disk->inodes.next; n != &disk->inodes; n = next) {
        struct sim_inode *inode = LIST_ENTRY(n, struct sim_inode, entry);

        next = n->next;
        if (!inode->is_reached)
            inode_free(disk, inode);
    }
}

/* Life. */

void sim_disk_open(struct sim_node *node)
{
    struct sim_disk *disk = &node->disk;

    list_init(&disk->inodes);
    disk->root = sim_inode_new(disk, true);
    disk->faults.sync_ns_min = 100 * SIM_US;
    disk->faults.sync_ns_max = 400 * SIM_US;
    disk->faults.slow_sync_ns = 500 * SIM_MS;
}

void sim_disk_close(struct sim_node *node)
{
    struct list_node *n;

    while ((n = list_first(&node->disk.inodes)) != NULL)
        inode_free(&node->disk, LIST_ENTRY(n, struct sim_inode, entry));
}

void sim_disk_replace(struct sim_node *node)
{
    assert(!node->is_up);
    sim_disk_close(node);
    node->disk.root = sim_inode_new(&node->disk, true);
}

void sim_disk_end_life(struct sim_node *node, bool is_power_lost)
{
    struct list_node *n;

    for (n = node->disk.inodes.next; n != &node->disk.inodes; n = n->next) {
        struct sim_inode *inode = LIST_ENTRY(n, struct sim_inode, entry);

        inode->open_count = 0;
        inode->is_locked = false;
        if (is_power_lost && inode->is_dir)
            sim_dir_settle(node, inode);
        else if (is_power_lost)
            sim_file_settle(node, inode, true);
    }
    node->disk.handle_count = 0;
    node->disk.sync_failed_ns = 0;
    sim_disk_sweep(&node->disk);
    sim_trace(node->world, node, "disk", (uint64_t)node->disk.used_bytes, sim_disk_hash(node));
}

void sim_disk_enter(struct sim_node *node)
{
    struct sim_disk *disk = &node->disk;

    disk->call_count++;
    sim_thread_spend(node->world, (int64_t)rng_below(&node->world->rng, CALL_NS_MAX));
    if (disk->crash_at > 0 && disk->call_count >= disk->crash_at && node->world->current != NULL)
        sim_node_die(node, true);
}

bool sim_disk_fails(struct sim_node *node, uint32_t ppm)
{
    return ppm > 0 && rng_chance(&node->world->rng, ppm, MILLION);
}

enum err sim_disk_wait(struct sim_node *node)
{
    const struct sim_disk_faults *faults = &node->disk.faults;
    struct rng *rng = &node->world->rng;
    int64_t ns = rng_between(rng, faults->sync_ns_min, faults->sync_ns_max);

    if (sim_disk_fails(node, faults->slow_sync_ppm))
        ns += (int64_t)rng_below(rng, (uint64_t)faults->slow_sync_ns + 1);
    sim_thread_sleep(node->world, ns);
    if (!sim_disk_fails(node, faults->sync_fail_ppm))
        return E_OK;
    node->disk.sync_failed_ns = node->world->now_ns;
    return E_IO;
}

int64_t sim_disk_sync_failed(const struct sim_node *node)
{
    return node->disk.sync_failed_ns;
}

void sim_node_crash_after(struct sim_node *node, uint64_t count)
{
    node->disk.crash_at = count == 0 ? 0 : node->disk.call_count + count;
}

uint64_t sim_node_disk_calls(const struct sim_node *node)
{
    return node->disk.call_count;
}

struct sim_disk_faults *sim_node_disk(struct sim_node *node)
{
    return &node->disk.faults;
}

/* Names. */

struct sim_name *sim_name_find(const struct list_node *names, const char *name)
{
    for (struct list_node *n = names->next; n != names; n = n->next) {
        struct sim_name *found = LIST_ENTRY(n, struct sim_name, entry);

        if (strcmp(found->name, name) == 0)
            return found;
    }
    return NULL;
}

static char *name_copy(const char *name)
{
    size_t size = strlen(name) + 1;

    return memcpy(sim_alloc(size), name, size);
}

void sim_names_set(struct list_node *names, const char *name, struct sim_inode *inode)
{
    struct sim_name *found = sim_name_find(names, name);
    struct list_node *at = names->next;

    if (found != NULL) {
        found->inode = inode;
        return;
    }
    while (at != names && strcmp(LIST_ENTRY(at, struct sim_name, entry)->name, name) < 0)
        at = at->next;
    found = sim_alloc(sizeof(*found));
    found->name = name_copy(name);
    found->inode = inode;
    list_insert_after(at->prev, &found->entry);
}

void sim_names_remove(struct list_node *names, const char *name)
{
    struct sim_name *found = sim_name_find(names, name);

    if (found == NULL)
        return;
    list_remove(&found->entry);
    sim_free(found->name);
    sim_free(found);
}

void sim_name_op_add(struct sim_inode *dir, const char *name, struct sim_inode *inode,
                     const char *from)
{
    struct sim_name_op *op = sim_alloc(sizeof(*op));

    op->number = ++dir->op_number;
    op->inode = inode;
    op->name = name_copy(name);
    op->from = from == NULL ? NULL : name_copy(from);
    list_push_back(&dir->ops, &op->entry);
}

/* Files. */

void sim_bytes_resize(struct sim_bytes *bytes, int64_t size)
{
    if (size > bytes->capacity) {
        int64_t capacity = bytes->capacity * 2 > size ? bytes->capacity * 2 : size;

        bytes->at = sim_realloc(bytes->at, (size_t)capacity);
        bytes->capacity = capacity;
    }
    if (size > bytes->size)
        memset(bytes->at + bytes->size, 0, (size_t)(size - bytes->size));
    bytes->size = size;
}

void sim_bytes_write(struct sim_bytes *bytes, int64_t pos, const void *at, int64_t size)
{
    if (size == 0)
        return;
    if (pos + size > bytes->size)
        sim_bytes_resize(bytes, pos + size);
    memcpy(bytes->at + pos, at, (size_t)size);
}

void sim_file_op_add(struct sim_inode *file, bool is_truncate, int64_t pos, struct slice bytes)
{
    struct sim_file_op *op = sim_alloc(sizeof(*op) + bytes.size);

    op->number = ++file->op_number;
    op->is_truncate = is_truncate;
    op->pos = pos;
    op->size = (int64_t)bytes.size;
    if (bytes.size > 0)
        memcpy(op->bytes, bytes.at, bytes.size);
    list_push_back(&file->ops, &op->entry);
}

/* For tests. */

static struct sim_inode *find(struct sim_node *node, const char *path)
{
    struct sim_inode *at = node->disk.root;
    char name[256];

    while (at != NULL && *path != '\0') {
        size_t size = strcspn(path, "/");
        struct sim_name *found;

        if (size >= sizeof(name))
            return NULL;
        memcpy(name, path, size);
        name[size] = '\0';
        path += size;
        path += strspn(path, "/");
        if (size == 0 || strcmp(name, ".") == 0)
            continue;
        found = at->is_dir ? sim_name_find(&at->names, name) : NULL;
        at = found == NULL ? NULL : found->inode;
    }
    return at;
}

bool sim_disk_flip(struct sim_node *node, const char *path, int64_t pos, uint8_t mask)
{
    struct sim_inode *file = find(node, path);

    if (file == NULL || file->is_dir || pos < 0 || pos >= file->now.size)
        return false;
    sim_trace(node->world, node, "flip", (uint64_t)pos, mask);
    file->now.at[pos] ^= mask;
    if (pos < file->durable.size)
        file->durable.at[pos] ^= mask;
    return true;
}

bool sim_disk_spoil(struct sim_node *node, const char *path, int64_t pos)
{
    struct sim_inode *file = find(node, path);

    if (file == NULL || file->is_dir || pos < 0 || pos >= file->now.size)
        return false;
    sim_trace(node->world, node, "spoil", (uint64_t)pos, 0);
    file->spoilt_pos = pos;
    return true;
}

int64_t sim_disk_size(struct sim_node *node, const char *path)
{
    struct sim_inode *file = find(node, path);

    return file == NULL || file->is_dir ? -1 : file->now.size;
}

int64_t sim_disk_used(const struct sim_node *node)
{
    return node->disk.used_bytes;
}

static uint64_t hash_of(const struct sim_inode *inode, uint64_t seed)
{
    if (!inode->is_dir)
        return hash_bytes(slice_of(inode->now.at, (size_t)inode->now.size), seed);
    for (struct list_node *n = inode->names.next; n != &inode->names; n = n->next) {
        struct sim_name *name = LIST_ENTRY(n, struct sim_name, entry);

        seed = hash_bytes(slice_of_text(name->name), seed);
        seed = hash_of(name->inode, seed + 1);
    }
    return hash_u64(seed, 1);
}

uint64_t sim_disk_hash(const struct sim_node *node)
{
    return hash_of(node->disk.root, 0);
}
