#include "os/dir.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/disk.h"
#include "os/file.h"
#include "os/machine.h"

struct os_lock {
    struct disk *disk;
    int inode;
};

static struct disk_names *names_of(const struct os_dir *dir)
{
    return &dir->disk->inodes[dir->inode].names;
}

static enum err handle_new(struct disk *disk, int inode, struct os_dir **dir_out)
{
    struct os_dir *dir = calloc(1, sizeof(*dir));

    if (dir == NULL)
        abort();
    *dir = (struct os_dir){disk, inode};
    disk->handle_count++;
    *dir_out = dir;
    return E_OK;
}

static enum err open_in(struct disk *disk, int at, const char *name, bool create,
                        struct os_dir **dir_out)
{
    int inode = disk_names_find(&disk->inodes[at].names, name);

    if (disk->is_off)
        return E_IO;
    if (inode < 0 && !create)
        return E_NOT_FOUND;
    if (inode < 0) {
        inode = disk_inode_add(disk, true);
        disk_link(disk, at, name, inode);
    }
    if (!disk->inodes[inode].is_dir)
        return E_INVAL;
    return handle_new(disk, inode, dir_out);
}

/* One component is enough for a test. What is made is durable, by whomever. */
enum err os_dir_open(struct os *os, const char *path, bool create, struct os_dir **dir_out)
{
    enum err e = open_in(os->disk, 0, path, create, dir_out);

    if (e == E_OK && create)
        disk_sync(os->disk, 0);
    return e;
}

enum err os_dir_open_in(struct os_dir *parent, const char *name, bool create,
                        struct os_dir **dir_out)
{
    return open_in(parent->disk, parent->inode, name, create, dir_out);
}

void os_dir_close(struct os_dir *dir)
{
    if (dir == NULL)
        return;
    dir->disk->handle_count--;
    free(dir);
}

enum err os_dir_sync(struct os_dir *dir)
{
    if (dir->disk->is_off)
        return E_IO;
    disk_sync(dir->disk, dir->inode);
    return E_OK;
}

enum err os_dir_list(struct os_dir *dir, bool (*each)(void *ctx, const char *name, bool is_dir),
                     void *ctx)
{
    const struct disk *disk = dir->disk;
    struct disk_name *copy;
    int count = names_of(dir)->count;

    if (disk->is_off)
        return E_IO;
    copy = calloc((size_t)count + 1, sizeof(*copy)); /* `each` may change the directory */
    if (copy == NULL)
        abort();
    if (count > 0)
        memcpy(copy, names_of(dir)->at, (size_t)count * sizeof(*copy));
    for (int i = 0; i < count; i++) {
        if (!each(ctx, copy[i].text, disk->inodes[copy[i].inode].is_dir))
            break;
    }
    free(copy);
    return E_OK;
}

enum err os_dir_rename(struct os_dir *dir, const char *from, const char *to)
{
    if (dir->disk->is_off)
        return E_IO;
    if (disk_names_find(names_of(dir), from) < 0)
        return E_NOT_FOUND;
    disk_rename(dir->disk, dir->inode, from, to);
    return E_OK;
}

enum err os_dir_remove_file(struct os_dir *dir, const char *name)
{
    int inode = disk_names_find(names_of(dir), name);

    if (dir->disk->is_off)
        return E_IO;
    if (inode < 0)
        return E_NOT_FOUND;
    if (dir->disk->inodes[inode].is_dir)
        return E_INVAL;
    disk_unlink(dir->disk, dir->inode, name);
    return E_OK;
}

/* Of a directory without directories. */
enum err os_dir_remove_tree(struct os_dir *dir, const char *name)
{
    struct disk *disk = dir->disk;
    int inode = disk_names_find(names_of(dir), name);

    if (disk->is_off)
        return E_IO;
    if (inode < 0)
        return E_NOT_FOUND;
    while (disk->inodes[inode].names.count > 0) {
        struct disk_name first = disk->inodes[inode].names.at[0];

        assert(!disk->inodes[first.inode].is_dir);
        disk_unlink(disk, inode, first.text);
    }
    disk_unlink(disk, dir->inode, name);
    return E_OK;
}

enum err os_dir_file_size(struct os_dir *dir, const char *name, int64_t *size_out)
{
    int inode = disk_names_find(names_of(dir), name);

    if (dir->disk->is_off)
        return E_IO;
    if (inode < 0)
        return E_NOT_FOUND;
    *size_out = dir->disk->inodes[inode].now.size;
    return E_OK;
}

enum err os_dir_read_file(struct os_dir *dir, const char *name, struct buf *bytes_out)
{
    struct disk *disk = dir->disk;
    int inode = disk_names_find(names_of(dir), name);

    if (disk->is_off)
        return E_IO;
    if (inode < 0)
        return E_NOT_FOUND;
    return buf_append(bytes_out, disk->inodes[inode].now.at, (size_t)disk->inodes[inode].now.size);
}

enum err os_dir_replace_file(struct os_dir *dir, const char *name, struct slice bytes)
{
    char temporary[DISK_NAME_SIZE];
    struct os_file *file;
    enum err e;

    snprintf(temporary, sizeof(temporary), "%s.tmp", name);
    e = os_file_open(dir, temporary, OS_FILE_CREATE, &file);
    if (e != E_OK)
        return e;
    e = os_file_truncate(file, 0);
    if (e == E_OK)
        e = os_file_write(file, 0, bytes.at, bytes.size);
    if (e == E_OK)
        e = os_file_sync(file);
    os_file_unref(file);
    if (e == E_OK)
        e = os_dir_rename(dir, temporary, name);
    return e == E_OK ? os_dir_sync(dir) : e;
}

enum err os_dir_lock(struct os_dir *dir, const char *name, struct os_lock **lock_out)
{
    struct disk *disk = dir->disk;
    int inode = disk_names_find(names_of(dir), name);
    struct os_lock *lock;

    if (disk->is_off)
        return E_IO;
    if (inode >= 0 && disk->inodes[inode].is_locked)
        return E_BUSY;
    if (inode < 0) {
        inode = disk_inode_add(disk, false);
        disk_link(disk, dir->inode, name, inode);
    }
    lock = calloc(1, sizeof(*lock));
    if (lock == NULL)
        abort();
    *lock = (struct os_lock){disk, inode};
    disk->inodes[inode].is_locked = true;
    disk->handle_count++;
    *lock_out = lock;
    return E_OK;
}

void os_lock_release(struct os_lock *lock)
{
    if (lock == NULL)
        return;
    lock->disk->inodes[lock->inode].is_locked = false;
    lock->disk->handle_count--;
    free(lock);
}

bool os_dir_is_locked(struct os_dir *dir, const char *name)
{
    int inode = disk_names_find(names_of(dir), name);

    return inode >= 0 && dir->disk->inodes[inode].is_locked;
}

/* It never gets full. */
enum err os_dir_usage(struct os_dir *dir, struct os_disk_usage *usage_out)
{
    const int64_t size = (int64_t)1 << 40;

    if (dir->disk->is_off)
        return E_IO;
    *usage_out = (struct os_disk_usage){.size_bytes = size, .free_bytes = size};
    return E_OK;
}
