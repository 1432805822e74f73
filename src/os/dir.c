#include "os/dir.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/errno.h"
#include "os/file.h"
#include "os/os_priv.h"

static const mode_t DIR_PERMISSIONS = 0755;
static const mode_t LOCK_PERMISSIONS = 0644;

enum {
    DIR_FLAGS = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
    WALK_FLAGS = O_PATH | O_DIRECTORY | O_CLOEXEC, /* needs no right to read the directory */
    TREE_DEPTH_MAX = 64,                           /* a descriptor each while it is removed */
    LIST_BYTES_MAX = 256 << 20,
    LIST_PIECE_SIZE = 8 << 10 /* of a directory, at a time */
};

struct os_lock {
    struct os *os;
    int fd;
};

static int open_at(int at, const char *name, int flags, mode_t permissions)
{
    int fd;

    do
        fd = openat(at, name, flags, permissions);
    while (fd < 0 && errno == EINTR);
    return fd;
}

static enum err handle_new(struct os *os, int fd, struct os_dir **dir_out)
{
    struct os_dir *dir = mem_alloc_zero(sizeof(*dir));

    if (dir == NULL) {
        close(fd);
        return E_NOMEM;
    }
    dir->os = os;
    dir->fd = fd;
    atomic_fetch_add(&os->handle_count, 1);
    *dir_out = dir;
    return E_OK;
}

/* fsync of the directory `name` ("." or "..") seen from `at`. */
static enum err sync_at(int at, const char *name)
{
    int fd = open_at(at, name, DIR_FLAGS, 0);
    enum err e = E_OK;

    if (fd < 0)
        return os_err_from_errno(errno);
    if (fsync(fd) != 0)
        e = os_err_from_errno(errno);
    close(fd);
    return e;
}

/*
 * Who made a directory may have died before it synced the parent, so finding it
 * there proves nothing. A parent that we may not read is not one we create in.
 */
static enum err sync_parent_of(int at)
{
    enum err e = sync_at(at, "..");

    return e == E_DENIED ? E_OK : e;
}

/* Make `name` in `at`; fine if it is there. */
static enum err make_at(int at, const char *name)
{
    return mkdirat(at, name, DIR_PERMISSIONS) != 0 && errno != EEXIST ? os_err_from_errno(errno)
                                                                      : E_OK;
}

/* One step of the walk: *at becomes the directory `name` in it. */
static enum err walk_step(int *at, const char *name, bool *is_made)
{
    int next = open_at(*at, name, WALK_FLAGS, 0);

    if (next < 0 && errno == ENOENT) {
        enum err e = *is_made ? E_OK : sync_parent_of(*at);

        *is_made = true;
        if (e == E_OK)
            e = make_at(*at, name);
        if (e == E_OK)
            e = sync_at(*at, ".");
        if (e != E_OK)
            return e;
        next = open_at(*at, name, WALK_FLAGS, 0);
    }
    if (next < 0)
        return os_err_from_errno(errno);
    close(*at);
    *at = next;
    return E_OK;
}

/* Make what is missing of `path`. */
static enum err make_path(const char *path)
{
    char name[NAME_MAX + 1];
    bool is_made = false;
    enum err e = E_OK;
    int at = open_at(AT_FDCWD, path[0] == '/' ? "/" : ".", WALK_FLAGS, 0);

    if (at < 0)
        return os_err_from_errno(errno);
    while (e == E_OK && *path != '\0') {
        size_t size = strcspn(path, "/");

        if (size > NAME_MAX) {
            e = E_INVAL;
        } else if (size > 0) {
            memcpy(name, path, size);
            name[size] = '\0';
            e = walk_step(&at, name, &is_made);
        }
        path += size;
        path += strspn(path, "/");
    }
    if (e == E_OK && !is_made)
        e = sync_parent_of(at);
    close(at);
    return e;
}

enum err os_dir_open(struct os *os, const char *path, bool create, struct os_dir **dir_out)
{
    int fd;

    if (create) {
        enum err e = make_path(path);

        if (e != E_OK)
            return e;
    }
    fd = open_at(AT_FDCWD, path, DIR_FLAGS, 0);
    if (fd < 0)
        return os_err_from_errno(errno);
    return handle_new(os, fd, dir_out);
}

enum err os_dir_open_in(struct os_dir *parent, const char *name, bool create,
                        struct os_dir **dir_out)
{
    int fd;

    if (create) {
        enum err e = make_at(parent->fd, name);

        if (e != E_OK)
            return e;
    }
    fd = open_at(parent->fd, name, DIR_FLAGS, 0);
    if (fd < 0)
        return os_err_from_errno(errno);
    return handle_new(parent->os, fd, dir_out);
}

void os_dir_close(struct os_dir *dir)
{
    if (dir == NULL)
        return;
    close(dir->fd);
    atomic_fetch_sub(&dir->os->handle_count, 1);
    mem_free(dir);
}

enum err os_dir_sync(struct os_dir *dir)
{
    return fsync(dir->fd) != 0 ? os_err_from_errno(errno) : E_OK;
}

/* A name as the lister keeps it: one byte of kind, then the name and its NUL. */
struct entry {
    const char *name;
    bool is_dir;
};

static bool entry_is_dir(int fd, const struct dirent64 *entry, int stat_flags)
{
    struct stat status;
    bool is_told = entry->d_type != DT_UNKNOWN &&
                   (entry->d_type != DT_LNK || (stat_flags & AT_SYMLINK_NOFOLLOW) != 0);

    if (is_told)
        return entry->d_type == DT_DIR;
    return fstatat(fd, entry->d_name, &status, stat_flags) == 0 && S_ISDIR(status.st_mode);
}

/* Append one entry to `names`, but for . and .. */
static enum err name_add(int fd, const struct dirent64 *entry, int stat_flags, struct buf *names,
                         size_t *count)
{
    uint8_t is_dir;
    enum err e;

    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
        return E_OK;
    is_dir = entry_is_dir(fd, entry, stat_flags);
    e = buf_append(names, &is_dir, 1);
    if (e == E_OK)
        e = buf_append(names, entry->d_name, strlen(entry->d_name) + 1);
    if (e == E_OK)
        ++*count;
    return e;
}

/*
 * Append every entry of the directory `fd` to `names`; their number to *count_out. Not by
 * readdir(), whose stream is three more system calls and an allocation: thousands of logs are
 * listed at start.
 */
static enum err names_read(int fd, int stat_flags, struct buf *names, size_t *count_out)
{
    _Alignas(struct dirent64) char piece[LIST_PIECE_SIZE];
    size_t count = 0;
    ssize_t got;

    while ((got = getdents64(fd, piece, sizeof(piece))) > 0) {
        for (ssize_t at = 0; at < got;) {
            const struct dirent64 *entry = (const void *)(piece + at);
            enum err e = name_add(fd, entry, stat_flags, names, &count);

            if (e != E_OK)
                return e;
            at += entry->d_reclen;
        }
    }
    if (got < 0)
        return os_err_from_errno(errno);
    *count_out = count;
    return E_OK;
}

static int entry_compare(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

/* All entries of the directory `fd` in name order; their names stand in `names`. */
static enum err entries_read(int fd, int stat_flags, struct buf *names, struct entry **entries_out,
                             size_t *count_out)
{
    int own = open_at(fd, ".", DIR_FLAGS, 0); /* a position of our own in the directory */
    struct entry *entries;
    const char *at;
    size_t count = 0;
    enum err e;

    if (own < 0)
        return os_err_from_errno(errno);
    e = names_read(own, stat_flags, names, &count);
    close(own);
    if (e != E_OK)
        return e;
    entries = mem_alloc(count * sizeof(*entries));
    if (entries == NULL)
        return E_NOMEM;
    at = (const char *)names->at;
    for (size_t i = 0; i < count; i++) {
        entries[i] = (struct entry){.name = at + 1, .is_dir = at[0] != 0};
        at += strlen(at + 1) + 2;
    }
    if (count > 1)
        qsort(entries, count, sizeof(*entries), entry_compare);
    *entries_out = entries;
    *count_out = count;
    return E_OK;
}

enum err os_dir_list(struct os_dir *dir, bool (*each)(void *ctx, const char *name, bool is_dir),
                     void *ctx)
{
    struct entry *entries = NULL;
    struct buf names;
    size_t count = 0;
    enum err e;

    buf_init(&names, LIST_BYTES_MAX);
    e = entries_read(dir->fd, 0, &names, &entries, &count);
    for (size_t i = 0; i < count; i++) {
        if (!each(ctx, entries[i].name, entries[i].is_dir))
            break;
    }
    mem_free(entries);
    buf_release(&names);
    return e;
}

enum err os_dir_rename(struct os_dir *dir, const char *from, const char *to)
{
    return renameat(dir->fd, from, dir->fd, to) != 0 ? os_err_from_errno(errno) : E_OK;
}

enum err os_dir_remove_file(struct os_dir *dir, const char *name)
{
    return unlinkat(dir->fd, name, 0) != 0 ? os_err_from_errno(errno) : E_OK;
}

static enum err remove_tree(int at, const char *name, int depth)
{
    struct entry *entries = NULL;
    struct buf names;
    size_t count = 0;
    enum err e;
    int fd;

    if (depth == TREE_DEPTH_MAX)
        return E_TOO_BIG;
    fd = open_at(at, name, DIR_FLAGS | O_NOFOLLOW, 0);
    if (fd < 0)
        return os_err_from_errno(errno);
    buf_init(&names, LIST_BYTES_MAX);
    e = entries_read(fd, AT_SYMLINK_NOFOLLOW, &names, &entries, &count);
    for (size_t i = 0; e == E_OK && i < count; i++) {
        if (entries[i].is_dir)
            e = remove_tree(fd, entries[i].name, depth + 1);
        else if (unlinkat(fd, entries[i].name, 0) != 0)
            e = os_err_from_errno(errno);
    }
    mem_free(entries);
    buf_release(&names);
    close(fd);
    if (e == E_OK && unlinkat(at, name, AT_REMOVEDIR) != 0)
        e = os_err_from_errno(errno);
    return e;
}

enum err os_dir_remove_tree(struct os_dir *dir, const char *name)
{
    return remove_tree(dir->fd, name, 0);
}

enum err os_dir_file_size(struct os_dir *dir, const char *name, int64_t *size_out)
{
    struct stat status;

    if (fstatat(dir->fd, name, &status, 0) != 0)
        return os_err_from_errno(errno);
    if (S_ISDIR(status.st_mode))
        return E_INVAL;
    *size_out = status.st_size;
    return E_OK;
}

enum err os_dir_read_file(struct os_dir *dir, const char *name, struct buf *bytes_out)
{
    enum { PIECE_SIZE = 64 << 10 };
    struct os_file *file;
    int64_t pos = 0;
    size_t old_size = bytes_out->size;
    size_t want, got;
    uint8_t piece[1];
    enum err e = os_file_open(dir, name, OS_FILE_READ, &file);

    if (e != E_OK)
        return e;
    do { /* until the end, not until its size: it may be growing */
        size_t room = bytes_out->max - bytes_out->size;

        want = room < PIECE_SIZE ? room : PIECE_SIZE;
        got = 0;
        if (want == 0) {
            e = os_file_read(file, pos, piece, 1, &got);
            if (e == E_OK && got > 0)
                e = E_TOO_BIG;
            break;
        }
        e = buf_reserve(bytes_out, want);
        if (e == E_OK)
            e = os_file_read(file, pos, bytes_out->at + bytes_out->size, want, &got);
        bytes_out->size += got;
        pos += (int64_t)got;
    } while (e == E_OK && got == want);
    if (e != E_OK)
        bytes_out->size = old_size;
    os_file_unref(file);
    return e;
}

static enum err write_new(struct os_dir *dir, const char *name, struct slice bytes)
{
    struct os_file *file;
    enum err e = os_file_open(dir, name, OS_FILE_CREATE, &file);

    if (e != E_OK)
        return e;
    e = os_file_truncate(file, 0); /* a crash may have left one */
    if (e == E_OK)
        e = os_file_write(file, 0, bytes.at, bytes.size);
    if (e == E_OK)
        e = os_file_sync(file);
    os_file_unref(file);
    return e;
}

enum err os_dir_replace_file(struct os_dir *dir, const char *name, struct slice bytes)
{
    char temporary[NAME_MAX + 1];
    int size = snprintf(temporary, sizeof(temporary), "%s.tmp", name);
    enum err e;

    if (size < 0 || (size_t)size >= sizeof(temporary))
        return E_INVAL;
    e = write_new(dir, temporary, bytes);
    if (e == E_OK)
        e = os_dir_rename(dir, temporary, name);
    if (e != E_OK) {
        (void)unlinkat(dir->fd, temporary, 0);
        return e;
    }
    return os_dir_sync(dir);
}

enum err os_dir_lock(struct os_dir *dir, const char *name, struct os_lock **lock_out)
{
    struct os_lock *lock = mem_alloc_zero(sizeof(*lock));
    int failed;
    enum err e;

    if (lock == NULL)
        return E_NOMEM;
    lock->fd = open_at(dir->fd, name, O_RDWR | O_CREAT | O_CLOEXEC, LOCK_PERMISSIONS);
    if (lock->fd < 0) {
        e = os_err_from_errno(errno);
        mem_free(lock);
        return e;
    }
    do
        failed = flock(lock->fd, LOCK_EX | LOCK_NB);
    while (failed != 0 && errno == EINTR);
    if (failed != 0) {
        e = errno == EWOULDBLOCK ? E_BUSY : os_err_from_errno(errno);
        close(lock->fd);
        mem_free(lock);
        return e;
    }
    lock->os = dir->os;
    atomic_fetch_add(&lock->os->handle_count, 1);
    *lock_out = lock;
    return E_OK;
}

void os_lock_release(struct os_lock *lock)
{
    if (lock == NULL)
        return;
    (void)flock(lock->fd, LOCK_UN); /* a forked child may hold the same descriptor */
    close(lock->fd);
    atomic_fetch_sub(&lock->os->handle_count, 1);
    mem_free(lock);
}

bool os_dir_is_locked(struct os_dir *dir, const char *name)
{
    int fd = open_at(dir->fd, name, O_RDONLY | O_CLOEXEC, 0);
    bool is_locked;

    if (fd < 0)
        return false;
    is_locked = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd); /* gives back what we may have got */
    return is_locked;
}

enum err os_dir_usage(struct os_dir *dir, struct os_disk_usage *usage_out)
{
    struct statvfs status;

    if (fstatvfs(dir->fd, &status) != 0)
        return os_err_from_errno(errno);
    *usage_out = (struct os_disk_usage){
        .size_bytes = (int64_t)(status.f_blocks * status.f_frsize),
        .free_bytes = (int64_t)(status.f_bavail * status.f_frsize),
    };
    return E_OK;
}
