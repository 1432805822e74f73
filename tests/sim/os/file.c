#include "os/file.h"

#include <assert.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "os/dir_handle.h"
#include "os/disk.h"

struct os_file {
    struct sim_node *node;
    struct sim_inode *inode;
    int ref_count;
    bool can_write;
};

static enum err find_or_make(struct os_dir *dir, const char *name, enum os_file_mode mode,
                             struct sim_inode **inode_out)
{
    struct sim_node *node = dir->node;
    struct sim_name *found = sim_name_find(&dir->inode->names, name);
    struct sim_inode *made;

    if (found != NULL) {
        if (mode == OS_FILE_NEW)
            return E_EXISTS;
        if (found->inode->is_dir && mode != OS_FILE_READ)
            return E_INVAL;
        *inode_out = found->inode;
        return E_OK;
    }
    if (mode == OS_FILE_READ || mode == OS_FILE_WRITE)
        return E_NOT_FOUND;
    made = sim_inode_new(&node->disk, false);
    sim_names_set(&dir->inode->names, name, made);
    sim_name_op_add(dir->inode, name, made, NULL);
    *inode_out = made;
    return E_OK;
}

enum err os_file_open(struct os_dir *dir, const char *name, enum os_file_mode mode,
                      struct os_file **file_out)
{
    struct sim_node *node = dir->node;
    struct os_file *file;
    enum err e;

    sim_disk_enter(node);
    if (!sim_name_is_valid(name))
        return E_INVAL;
    if (!sim_handle_take(node))
        return E_TOO_MANY_FILES;
    file = mem_alloc_zero(sizeof(*file));
    e = file == NULL ? E_NOMEM : E_OK;
    if (e == E_OK && sim_disk_fails(node, node->disk.faults.open_fail_ppm))
        e = E_IO;
    if (e == E_OK)
        e = find_or_make(dir, name, mode, &file->inode);
    if (e != E_OK) {
        sim_handle_give(node);
        mem_free(file);
        return e;
    }
    file->node = node;
    file->ref_count = 1;
    file->can_write = mode != OS_FILE_READ;
    file->inode->open_count++;
    *file_out = file;
    return E_OK;
}

struct os_file *os_file_ref(struct os_file *file)
{
    file->ref_count++;
    return file;
}

void os_file_unref(struct os_file *file)
{
    if (file == NULL || --file->ref_count > 0)
        return;
    sim_handle_give(file->node);
    if (--file->inode->open_count == 0)
        sim_disk_sweep(&file->node->disk);
    mem_free(file);
}

enum err os_file_size(struct os_file *file, int64_t *size_out)
{
    *size_out = file->inode->now.size;
    return E_OK;
}

enum err os_file_read(struct os_file *file, int64_t pos, void *bytes_out, size_t size,
                      size_t *read_out)
{
    const struct sim_inode *inode = file->inode;
    size_t left;

    sim_disk_enter(file->node);
    if (pos < 0 || inode->is_dir)
        return E_INVAL;
    left = pos < inode->now.size ? (size_t)(inode->now.size - pos) : 0;
    size = size < left ? size : left;
    if (sim_disk_fails(file->node, file->node->disk.faults.read_fail_ppm))
        return E_IO;
    if (inode->spoilt_pos >= pos && inode->spoilt_pos < pos + (int64_t)size)
        return E_IO;
    if (size > 0)
        memcpy(bytes_out, inode->now.at + pos, size);
    *read_out = size;
    return E_OK;
}

/* Some of the bytes, all if there is room for them. */
static enum err write_some(struct os_file *file, int64_t pos, struct slice bytes)
{
    struct sim_node *node = file->node;
    struct sim_disk *disk = &node->disk;
    struct sim_inode *inode = file->inode;
    int64_t growth = pos + (int64_t)bytes.size - inode->now.size;
    enum err e = E_OK;

    if (sim_disk_fails(node, disk->faults.write_fail_ppm)) {
        bytes.size = (size_t)rng_below(&node->world->rng, bytes.size + 1);
        e = E_IO;
    } else if (disk->faults.size_bytes > 0 && growth > 0 &&
               disk->used_bytes + growth > disk->faults.size_bytes) {
        int64_t room = disk->faults.size_bytes - disk->used_bytes;
        int64_t fits = inode->now.size + (room > 0 ? room : 0) - pos;

        bytes.size = fits > 0 ? (size_t)fits : 0;
        e = E_NO_SPACE;
    }
    if (bytes.size > 0) {
        growth = pos + (int64_t)bytes.size - inode->now.size;
        disk->used_bytes += growth > 0 ? growth : 0;
        sim_bytes_write(&inode->now, pos, bytes.at, (int64_t)bytes.size);
        sim_file_op_add(inode, false, pos, bytes);
        if (inode->spoilt_pos >= pos && inode->spoilt_pos < pos + (int64_t)bytes.size)
            inode->spoilt_pos = -1;
    }
    sim_trace(node->world, node, "write", (uint64_t)pos,
              bytes.size > 0 ? hash_bytes(bytes, bytes.size) : 0);
    return e;
}

enum err os_file_write(struct os_file *file, int64_t pos, const void *bytes, size_t size)
{
    struct slice slice = slice_of(bytes, size);

    return os_file_write_slices(file, pos, &slice, 1);
}

enum err os_file_write_slices(struct os_file *file, int64_t pos, const struct slice *slices,
                              size_t count)
{
    enum err e = E_OK;

    assert(count <= OS_SLICES_MAX);
    sim_disk_enter(file->node);
    if (!file->can_write || pos < 0)
        return E_INVAL;
    for (size_t i = 0; e == E_OK && i < count; i++) {
        if (slices[i].size > 0)
            e = write_some(file, pos, slices[i]);
        pos += (int64_t)slices[i].size;
    }
    return e;
}

enum err os_file_sync(struct os_file *file)
{
    struct sim_node *node = file->node;
    struct sim_inode *inode = file->inode;
    uint64_t number = inode->op_number;
    enum err e;

    sim_disk_enter(node);
    inode->open_count++; /* who else holds the file may let it go meanwhile */
    e = sim_disk_wait(node);
    inode->open_count--;
    sim_trace(node->world, node, "sync", number, e);
    if (e == E_OK) {
        sim_inode_apply(inode, number);
        return E_OK;
    }
    /* As Linux does: the pages are clean now, and in the cache until memory is wanted. */
    sim_file_settle(node, inode, rng_chance(&node->world->rng, 1, 2));
    return e;
}

enum err os_file_truncate(struct os_file *file, int64_t size)
{
    struct sim_inode *inode = file->inode;

    sim_disk_enter(file->node);
    if (!file->can_write || size < 0)
        return E_INVAL;
    sim_trace(file->node->world, file->node, "truncate", (uint64_t)size, 0);
    file->node->disk.used_bytes += size - inode->now.size;
    sim_bytes_resize(&inode->now, size);
    sim_file_op_add(inode, true, size, slice_of(NULL, 0));
    return E_OK;
}

enum err os_file_zero_fill(struct os_file *file, int64_t pos, int64_t size)
{
    static const uint8_t zeroes[64 << 10];

    while (size > 0) {
        int64_t piece = size < (int64_t)sizeof(zeroes) ? size : (int64_t)sizeof(zeroes);
        enum err e = os_file_write(file, pos, zeroes, (size_t)piece);

        if (e != E_OK)
            return e;
        pos += piece;
        size -= piece;
    }
    return E_OK;
}

void os_file_will_read(struct os_file *file, int64_t pos, int64_t size)
{
}

void os_file_forget(struct os_file *file, int64_t pos, int64_t size)
{
}

int os_file_descriptor(const struct os_file *file)
{
    return -1;
}
