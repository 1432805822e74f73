#include "os/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/errno.h"
#include "os/os_priv.h"

struct os_file {
    struct os *os;
    int fd;
    atomic_int ref_count;
};

static const mode_t FILE_PERMISSIONS = 0644;

static int flags_of(enum os_file_mode mode)
{
    switch (mode) {
    case OS_FILE_READ:
        return O_RDONLY | O_CLOEXEC;
    case OS_FILE_WRITE:
        return O_RDWR | O_CLOEXEC;
    case OS_FILE_CREATE:
        return O_RDWR | O_CREAT | O_CLOEXEC;
    case OS_FILE_NEW:
        return O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
    }
    assert(!"a mode of enum os_file_mode");
    return O_RDONLY | O_CLOEXEC;
}

enum err os_file_open(struct os_dir *dir, const char *name, enum os_file_mode mode,
                      struct os_file **file_out)
{
    struct os_file *file = mem_alloc_zero(sizeof(*file));

    if (file == NULL)
        return E_NOMEM;
    do
        file->fd = openat(dir->fd, name, flags_of(mode), FILE_PERMISSIONS);
    while (file->fd < 0 && errno == EINTR);
    if (file->fd < 0) {
        enum err e = os_err_from_errno(errno);

        mem_free(file);
        return e;
    }
    file->os = dir->os;
    atomic_init(&file->ref_count, 1);
    atomic_fetch_add(&file->os->handle_count, 1);
    *file_out = file;
    return E_OK;
}

struct os_file *os_file_ref(struct os_file *file)
{
    atomic_fetch_add_explicit(&file->ref_count, 1, memory_order_relaxed);
    return file;
}

void os_file_unref(struct os_file *file)
{
    if (file == NULL || atomic_fetch_sub(&file->ref_count, 1) > 1)
        return;
    close(file->fd); /* nothing to learn here: what must last was synced before */
    atomic_fetch_sub(&file->os->handle_count, 1);
    mem_free(file);
}

enum err os_file_size(struct os_file *file, int64_t *size_out)
{
    struct stat status;

    if (fstat(file->fd, &status) != 0)
        return os_err_from_errno(errno);
    *size_out = status.st_size;
    return E_OK;
}

enum err os_file_read(struct os_file *file, int64_t pos, void *bytes_out, size_t size,
                      size_t *read_out)
{
    size_t done = 0;

    while (done < size) {
        ssize_t got =
            pread(file->fd, (uint8_t *)bytes_out + done, size - done, pos + (int64_t)done);

        if (got == 0)
            break;
        if (got > 0)
            done += (size_t)got;
        else if (errno != EINTR)
            return os_err_from_errno(errno);
    }
    *read_out = done;
    return E_OK;
}

enum err os_file_write(struct os_file *file, int64_t pos, const void *bytes, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t put =
            pwrite(file->fd, (const uint8_t *)bytes + done, size - done, pos + (int64_t)done);

        if (put > 0)
            done += (size_t)put;
        else if (put == 0)
            return E_IO; /* a file that takes nothing would keep us here for ever */
        else if (errno != EINTR)
            return os_err_from_errno(errno);
    }
    return E_OK;
}

/* Drop `put` bytes from the front; returns how many vectors are used up. */
static size_t vectors_advance(struct iovec *vectors, size_t count, size_t put)
{
    size_t used = 0;

    while (used < count && put >= vectors[used].iov_len)
        put -= vectors[used++].iov_len;
    if (used < count) {
        vectors[used].iov_base = (uint8_t *)vectors[used].iov_base + put;
        vectors[used].iov_len -= put;
    }
    return used;
}

enum err os_file_write_slices(struct os_file *file, int64_t pos, const struct slice *slices,
                              size_t count)
{
    struct iovec vectors[OS_SLICES_MAX];
    struct iovec *at = vectors;
    size_t left = 0;

    assert(count <= OS_SLICES_MAX);
    for (size_t i = 0; i < count; i++) {
        /* pwritev only reads from it, but its type cannot say so */
        vectors[i].iov_base = (void *)(uintptr_t)slices[i].at;
        vectors[i].iov_len = slices[i].size;
        left += slices[i].size;
    }
    while (left > 0) {
        ssize_t put = pwritev(file->fd, at, (int)count, pos);
        size_t used;

        if (put == 0)
            return E_IO;
        if (put < 0) {
            if (errno == EINTR)
                continue;
            return os_err_from_errno(errno);
        }
        pos += put;
        left -= (size_t)put;
        used = vectors_advance(at, count, (size_t)put);
        at += used;
        count -= used;
    }
    return E_OK;
}

enum err os_file_sync(struct os_file *file)
{
    /* Not even EINTR is tried again: a second fdatasync may succeed with the data lost. */
    if (fdatasync(file->fd) != 0)
        return os_err_from_errno(errno);
    return E_OK;
}

enum err os_file_truncate(struct os_file *file, int64_t size)
{
    int failed;

    do
        failed = ftruncate(file->fd, size);
    while (failed != 0 && errno == EINTR);
    return failed != 0 ? os_err_from_errno(errno) : E_OK;
}

enum err os_file_zero_fill(struct os_file *file, int64_t pos, int64_t size)
{
    enum { ZERO_SIZE = 16 << 10 };
    static const uint8_t zeroes[ZERO_SIZE];

    while (size > 0) { /* in calls of OS_SLICES_MAX * 16 KiB = 1 MiB */
        struct slice slices[OS_SLICES_MAX];
        int64_t piece = 0;
        size_t count = 0;
        enum err e;

        for (; count < OS_SLICES_MAX && piece < size; count++) {
            int64_t left = size - piece;

            slices[count] = slice_of(zeroes, left < ZERO_SIZE ? (size_t)left : (size_t)ZERO_SIZE);
            piece += (int64_t)slices[count].size;
        }
        e = os_file_write_slices(file, pos, slices, count);
        if (e != E_OK)
            return e;
        pos += piece;
        size -= piece;
    }
    return E_OK;
}

void os_file_will_read(struct os_file *file, int64_t pos, int64_t size)
{
    (void)posix_fadvise(file->fd, pos, size, POSIX_FADV_WILLNEED);
}

void os_file_forget(struct os_file *file, int64_t pos, int64_t size)
{
    (void)posix_fadvise(file->fd, pos, size, POSIX_FADV_DONTNEED);
}

int os_file_descriptor(const struct os_file *file)
{
    return file->fd;
}
