#include "os/dir.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "os/dir_handle.h"
#include "os/disk.h"
#include "os/file.h"

enum { NAME_SIZE_MAX = 255, TREE_DEPTH_MAX = 64 };

/* Of a node whose disk has no limit. */
static const int64_t DISK_SIZE = 1LL << 40;

struct os_lock {
    struct sim_node *node;
    struct sim_inode *inode;
};

/* Handles. */

bool sim_name_is_valid(const char *name)
{
    size_t size = strlen(name);

    return size > 0 && size <= NAME_SIZE_MAX && strchr(name, '/') == NULL;
}

bool sim_handle_take(struct sim_node *node)
{
    int max = node->disk.faults.handles_max;

    if (max > 0 && node->disk.handle_count >= max)
        return false;
    node->disk.handle_count++;
    return true;
}

void sim_handle_give(struct sim_node *node)
{
    node->disk.handle_count--;
}

static enum err handle_new(struct sim_node *node, struct sim_inode *inode, struct os_dir **dir_out)
{
    struct os_dir *dir;

    if (!inode->is_dir)
        return E_INVAL;
    if (!sim_handle_take(node))
        return E_TOO_MANY_FILES;
    dir = mem_alloc_zero(sizeof(*dir));
    if (dir == NULL) {
        sim_handle_give(node);
        return E_NOMEM;
    }
    dir->node = node;
    dir->inode = inode;
    inode->open_count++;
    *dir_out = dir;
    return E_OK;
}

/* Directories. */

static enum err sync_dir(struct sim_node *node, struct sim_inode *dir)
{
    uint64_t number = dir->op_number;
    enum err e;

    sim_disk_enter(node);
    dir->open_count++;
    e = sim_disk_wait(node);
    dir->open_count--;
    sim_trace(node->world, node, "sync dir", number, e);
    if (e != E_OK)
        return e;
    sim_inode_apply(dir, number);
    sim_disk_sweep(&node->disk);
    return E_OK;
}

/* *at becomes `name` in it; made when it is missing, and then durable if the caller says so. */
static enum err step(struct sim_node *node, struct sim_inode **at, const char *name, bool create,
                     bool is_durable)
{
    struct sim_inode *dir = *at;
    struct sim_name *found;
    enum err e;

    sim_disk_enter(node);
    if (!dir->is_dir)
        return E_INVAL;
    found = sim_name_find(&dir->names, name);
    if (found == NULL) {
        struct sim_inode *made;

        if (!create)
            return E_NOT_FOUND;
        made = sim_inode_new(&node->disk, true);
        sim_names_set(&dir->names, name, made);
        sim_name_op_add(dir, name, made, NULL);
    }
    if (create && !is_durable) {
        found = sim_name_find(&dir->names, name);
    } else if (create) {
        e = sync_dir(node, dir);
        if (e != E_OK)
            return e;
        found = sim_name_find(&dir->names, name); /* others ran meanwhile */
    }
    if (found == NULL)
        return E_NOT_FOUND;
    *at = found->inode;
    return E_OK;
}

enum err os_dir_open(struct os *os, const char *path, bool create, struct os_dir **dir_out)
{
    struct sim_inode *at = os->node->disk.root;
    char name[NAME_SIZE_MAX + 1];

    while (*path != '\0') { /* relative ones begin at the root too */
        size_t size = strcspn(path, "/");

        if (size > NAME_SIZE_MAX)
            return E_INVAL;
        memcpy(name, path, size);
        name[size] = '\0';
        if (size > 0 && strcmp(name, ".") != 0) {
            enum err e = step(os->node, &at, name, create, true);

            if (e != E_OK)
                return e;
        }
        path += size;
        path += strspn(path, "/");
    }
    return handle_new(os->node, at, dir_out);
}

enum err os_dir_open_in(struct os_dir *parent, const char *name, bool create,
                        struct os_dir **dir_out)
{
    struct sim_inode *at = parent->inode;
    enum err e;

    if (!sim_name_is_valid(name))
        return E_INVAL;
    e = step(parent->node, &at, name, create, false);
    return e != E_OK ? e : handle_new(parent->node, at, dir_out);
}

void os_dir_close(struct os_dir *dir)
{
    if (dir == NULL)
        return;
    sim_handle_give(dir->node);
    if (--dir->inode->open_count == 0)
        sim_disk_sweep(&dir->node->disk);
    mem_free(dir);
}

enum err os_dir_sync(struct os_dir *dir)
{
    return sync_dir(dir->node, dir->inode);
}

enum err os_dir_list(struct os_dir *dir, bool (*each)(void *ctx, const char *name, bool is_dir),
                     void *ctx)
{
    const struct list_node *names = &dir->inode->names;
    char name[NAME_SIZE_MAX + 1] = "";

    sim_disk_enter(dir->node);
    for (;;) { /* `each` may remove what it is told of: go on after the last name */
        struct list_node *n = names->next;
        struct sim_name *next;

        while (n != names && strcmp(LIST_ENTRY(n, struct sim_name, entry)->name, name) <= 0)
            n = n->next;
        if (n == names)
            return E_OK;
        next = LIST_ENTRY(n, struct sim_name, entry);
        memcpy(name, next->name, strlen(next->name) + 1);
        if (!each(ctx, name, next->inode->is_dir))
            return E_OK;
    }
}

static bool is_descendant(const struct sim_inode *dir, const struct sim_inode *inode)
{
    for (struct list_node *n = dir->names.next; n != &dir->names; n = n->next) {
        struct sim_name *name = LIST_ENTRY(n, struct sim_name, entry);

        if (name->inode == inode || (name->inode->is_dir && is_descendant(name->inode, inode)))
            return true;
    }
    return false;
}

enum err os_dir_rename(struct os_dir *dir, const char *from, const char *to)
{
    struct list_node *names = &dir->inode->names;
    struct sim_name *source;
    struct sim_name *target;
    struct sim_inode *inode;

    sim_disk_enter(dir->node);
    if (!sim_name_is_valid(from) || !sim_name_is_valid(to))
        return E_INVAL;
    source = sim_name_find(names, from);
    target = sim_name_find(names, to);
    if (source == NULL)
        return E_NOT_FOUND;
    inode = source->inode;
    assert(!inode->is_dir || !is_descendant(inode, dir->inode));
    if (target != NULL && target->inode->is_dir != inode->is_dir)
        return E_INVAL;
    if (target != NULL && target->inode->is_dir && !list_is_empty(&target->inode->names))
        return E_EXISTS;
    if (strcmp(from, to) == 0)
        return E_OK;
    sim_trace(dir->node->world, dir->node, "rename", strlen(from), strlen(to));
    sim_names_remove(names, from);
    sim_names_set(names, to, inode);
    sim_name_op_add(dir->inode, to, inode, from);
    return E_OK;
}

enum err os_dir_remove_file(struct os_dir *dir, const char *name)
{
    struct sim_name *found;

    sim_disk_enter(dir->node);
    found = sim_name_find(&dir->inode->names, name);
    if (found == NULL)
        return E_NOT_FOUND;
    if (found->inode->is_dir)
        return E_INVAL;
    sim_names_remove(&dir->inode->names, name);
    sim_name_op_add(dir->inode, name, NULL, NULL);
    return E_OK;
}

static enum err remove_tree(struct sim_node *node, struct sim_inode *dir, const char *name,
                            int depth)
{
    struct sim_name *found = sim_name_find(&dir->names, name);
    struct list_node *n;

    if (depth == TREE_DEPTH_MAX)
        return E_TOO_BIG;
    if (found == NULL)
        return E_NOT_FOUND;
    if (!found->inode->is_dir)
        return E_INVAL;
    while ((n = list_first(&found->inode->names)) != NULL) {
        struct sim_name *inner = LIST_ENTRY(n, struct sim_name, entry);
        char copy[NAME_SIZE_MAX + 1];

        sim_disk_enter(node);
        memcpy(copy, inner->name, strlen(inner->name) + 1);
        if (inner->inode->is_dir) {
            enum err e = remove_tree(node, found->inode, copy, depth + 1);

            if (e != E_OK)
                return e;
        } else {
            sim_names_remove(&found->inode->names, copy);
            sim_name_op_add(found->inode, copy, NULL, NULL);
        }
    }
    sim_disk_enter(node);
    sim_names_remove(&dir->names, name);
    sim_name_op_add(dir, name, NULL, NULL);
    return E_OK;
}

enum err os_dir_remove_tree(struct os_dir *dir, const char *name)
{
    sim_disk_enter(dir->node);
    return remove_tree(dir->node, dir->inode, name, 0);
}

enum err os_dir_file_size(struct os_dir *dir, const char *name, int64_t *size_out)
{
    struct os_file *file;
    enum err e = os_file_open(dir, name, OS_FILE_READ, &file);

    if (e != E_OK)
        return e;
    e = os_file_size(file, size_out);
    os_file_unref(file);
    return e;
}

enum err os_dir_read_file(struct os_dir *dir, const char *name, struct buf *bytes_out)
{
    struct os_file *file;
    int64_t size;
    size_t got = 0;
    enum err e = os_file_open(dir, name, OS_FILE_READ, &file);

    if (e != E_OK)
        return e;
    e = os_file_size(file, &size);
    if (e == E_OK)
        e = buf_reserve(bytes_out, (size_t)size);
    if (e == E_OK && size > 0)
        e = os_file_read(file, 0, bytes_out->at + bytes_out->size, (size_t)size, &got);
    if (e == E_OK)
        bytes_out->size += got;
    os_file_unref(file);
    return e;
}

static enum err write_new(struct os_dir *dir, const char *name, struct slice bytes)
{
    struct os_file *file;
    enum err e = os_file_open(dir, name, OS_FILE_CREATE, &file);

    if (e != E_OK)
        return e;
    e = os_file_truncate(file, 0);
    if (e == E_OK)
        e = os_file_write(file, 0, bytes.at, bytes.size);
    if (e == E_OK)
        e = os_file_sync(file);
    os_file_unref(file);
    return e;
}

enum err os_dir_replace_file(struct os_dir *dir, const char *name, struct slice bytes)
{
    char temporary[NAME_SIZE_MAX + 5];
    int size = snprintf(temporary, sizeof(temporary), "%s.tmp", name);
    enum err e;

    if (size < 0 || size > NAME_SIZE_MAX)
        return E_INVAL;
    e = write_new(dir, temporary, bytes);
    if (e == E_OK)
        e = os_dir_rename(dir, temporary, name);
    if (e != E_OK) {
        enum err ignored = os_dir_remove_file(dir, temporary);

        (void)ignored;
        return e;
    }
    return os_dir_sync(dir);
}

/* Locks and usage. */

enum err os_dir_lock(struct os_dir *dir, const char *name, struct os_lock **lock_out)
{
    struct sim_node *node = dir->node;
    struct sim_name *found;
    struct os_lock *lock;

    sim_disk_enter(node);
    if (!sim_name_is_valid(name))
        return E_INVAL;
    found = sim_name_find(&dir->inode->names, name);
    if (found != NULL && found->inode->is_dir)
        return E_INVAL;
    if (found != NULL && found->inode->is_locked)
        return E_BUSY;
    if (!sim_handle_take(node))
        return E_TOO_MANY_FILES;
    lock = mem_alloc_zero(sizeof(*lock));
    if (lock == NULL) {
        sim_handle_give(node);
        return E_NOMEM;
    }
    lock->node = node;
    lock->inode = found == NULL ? sim_inode_new(&node->disk, false) : found->inode;
    if (found == NULL) {
        sim_names_set(&dir->inode->names, name, lock->inode);
        sim_name_op_add(dir->inode, name, lock->inode, NULL);
    }
    lock->inode->is_locked = true;
    lock->inode->open_count++;
    *lock_out = lock;
    return E_OK;
}

void os_lock_release(struct os_lock *lock)
{
    if (lock == NULL)
        return;
    lock->inode->is_locked = false;
    sim_handle_give(lock->node);
    if (--lock->inode->open_count == 0)
        sim_disk_sweep(&lock->node->disk);
    mem_free(lock);
}

bool os_dir_is_locked(struct os_dir *dir, const char *name)
{
    struct sim_name *found = sim_name_find(&dir->inode->names, name);

    return found != NULL && found->inode->is_locked;
}

enum err os_dir_usage(struct os_dir *dir, struct os_disk_usage *usage_out)
{
    const struct sim_disk *disk = &dir->node->disk;
    int64_t size = disk->faults.size_bytes > 0 ? disk->faults.size_bytes : DISK_SIZE;
    int64_t left = size - disk->used_bytes;

    usage_out->size_bytes = size;
    usage_out->free_bytes = left > 0 ? left : 0;
    return E_OK;
}
