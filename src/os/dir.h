#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

struct os;

/*
 * Directory: names, and their durability. A handle, so that a path is walked
 * once and a renamed directory stays ours.
 *
 * Names are single path components. Errors as in os/file.h.
 */
struct os_dir;

/* Open `path`; with `create`, make it and its parents first, durably. */
NODISCARD enum err os_dir_open(struct os *os, const char *path, bool create,
                               struct os_dir **dir_out);

/* One directory inside another; `create` makes it, durable with the next sync of `parent`. */
NODISCARD enum err os_dir_open_in(struct os_dir *parent, const char *name, bool create,
                                  struct os_dir **dir_out);
void os_dir_close(struct os_dir *dir);

/* fsync of the directory: creations, renames and removals so far are durable. */
NODISCARD enum err os_dir_sync(struct os_dir *dir);

/* Call `each` for every entry but . and .., in name order, until it returns false. */
NODISCARD enum err os_dir_list(struct os_dir *dir,
                               bool (*each)(void *ctx, const char *name, bool is_dir), void *ctx);

/* Atomic; replaces `to`. Not durable before os_dir_sync. Works on directories too. */
NODISCARD enum err os_dir_rename(struct os_dir *dir, const char *from, const char *to);

NODISCARD enum err os_dir_remove_file(struct os_dir *dir, const char *name);

/*
 * A directory with all it holds; follows no symbolic link.
 *
 *   E_NOT_FOUND  it is not there
 *   E_INVAL      it is a file
 *   E_TOO_BIG    directories in directories, 64 deep
 */
NODISCARD enum err os_dir_remove_tree(struct os_dir *dir, const char *name);

/* Size of the file `name`, which is not opened for it. E_NOT_FOUND; E_INVAL: it is a directory */
NODISCARD enum err os_dir_file_size(struct os_dir *dir, const char *name, int64_t *size_out);

/* Append the whole file to `bytes_out`; E_TOO_BIG past its maximum. On error it is unchanged. */
NODISCARD enum err os_dir_read_file(struct os_dir *dir, const char *name, struct buf *bytes_out);

/*
 * Replace `name` by `bytes`: a temporary file, fsync, rename, fsync of the
 * directory. After E_OK and a crash the new bytes are there; after an error or
 * a crash before it, the old ones or the new ones, never a mix. The temporary
 * file is `name`.tmp: what stands there is overwritten, and a crash may leave it.
 */
NODISCARD enum err os_dir_replace_file(struct os_dir *dir, const char *name, struct slice bytes);

/*
 * Take an advisory lock on file `name`, created if missing; held until
 * os_lock_release or the end of the process.
 *
 *   E_BUSY  another process, or another os_lock of ours, holds it
 */
struct os_lock;
NODISCARD enum err os_dir_lock(struct os_dir *dir, const char *name, struct os_lock **lock_out);
void os_lock_release(struct os_lock *lock);

/*
 * Does another process hold the lock on `name`? Creates nothing; false when there is no such file
 * or it cannot be told. For people: by the time it is read the answer may be another.
 */
bool os_dir_is_locked(struct os_dir *dir, const char *name);

/* Bytes of the file system that holds `dir`; `free` is what we may use. */
struct os_disk_usage {
    int64_t size_bytes;
    int64_t free_bytes;
};
NODISCARD enum err os_dir_usage(struct os_dir *dir, struct os_disk_usage *usage_out);
