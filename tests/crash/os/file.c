#include "os/file.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "os/disk.h"
#include "os/machine.h"

struct os_file {
    struct disk *disk;
    int inode;
    int ref_count;
    bool can_write;
};

enum err os_file_open(struct os_dir *dir, const char *name, enum os_file_mode mode,
                      struct os_file **file_out)
{
    struct disk *disk = dir->disk;
    int inode = disk_names_find(&disk->inodes[dir->inode].names, name);
    struct os_file *file;

    if (disk->is_off)
        return E_IO;
    if (inode >= 0 && mode == OS_FILE_NEW)
        return E_EXISTS;
    if (inode < 0 && (mode == OS_FILE_READ || mode == OS_FILE_WRITE))
        return E_NOT_FOUND;
    if (inode < 0) {
        inode = disk_inode_add(disk, false);
        disk_link(disk, dir->inode, name, inode);
    }
    file = calloc(1, sizeof(*file));
    if (file == NULL)
        abort();
    *file = (struct os_file){disk, inode, 1, mode != OS_FILE_READ};
    disk->handle_count++;
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
    file->disk->handle_count--;
    free(file);
}

static struct disk_bytes *content(const struct os_file *file)
{
    return &file->disk->inodes[file->inode].now;
}

enum err os_file_size(struct os_file *file, int64_t *size_out)
{
    if (file->disk->is_off)
        return E_IO;
    *size_out = content(file)->size;
    return E_OK;
}

enum err os_file_read(struct os_file *file, int64_t pos, void *bytes_out, size_t size,
                      size_t *read_out)
{
    const struct disk_bytes *bytes = content(file);
    size_t left;

    if (file->disk->is_off)
        return E_IO;
    if (pos < 0)
        return E_INVAL;
    left = pos < bytes->size ? (size_t)(bytes->size - pos) : 0;
    size = size < left ? size : left;
    if (size > 0)
        memcpy(bytes_out, bytes->at + pos, size);
    *read_out = size;
    return E_OK;
}

enum err os_file_write(struct os_file *file, int64_t pos, const void *bytes, size_t size)
{
    if (file->disk->is_off)
        return E_IO;
    assert(file->can_write && pos >= 0);
    disk_write(file->disk, file->inode, pos, slice_of(bytes, size));
    return E_OK;
}

enum err os_file_write_slices(struct os_file *file, int64_t pos, const struct slice *slices,
                              size_t count)
{
    enum err e = E_OK;

    for (size_t i = 0; i < count && e == E_OK; i++) {
        e = os_file_write(file, pos, slices[i].at, slices[i].size);
        pos += (int64_t)slices[i].size;
    }
    return e;
}

enum err os_file_sync(struct os_file *file)
{
    if (file->disk->is_off)
        return E_IO;
    disk_sync(file->disk, file->inode);
    return E_OK;
}

enum err os_file_truncate(struct os_file *file, int64_t size)
{
    if (file->disk->is_off)
        return E_IO;
    assert(file->can_write && size >= 0);
    disk_resize(file->disk, file->inode, size);
    return E_OK;
}

enum err os_file_zero_fill(struct os_file *file, int64_t pos, int64_t size)
{
    uint8_t *zeroes = calloc(1, (size_t)size + 1);
    enum err e;

    if (zeroes == NULL)
        abort();
    e = os_file_write(file, pos, zeroes, (size_t)size);
    free(zeroes);
    return e;
}

void os_file_will_read(struct os_file *file, int64_t pos, int64_t size)
{
}

void os_file_forget(struct os_file *file, int64_t pos, int64_t size)
{
}
