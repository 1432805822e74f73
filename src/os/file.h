#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

struct os_dir;

/*
 * File: positional reads and writes, and what it takes to make them durable.
 *
 * Owner:    reference counted (atomically), because a fetch answer on another
 *           shard may still send from a segment that its log has let go.
 * Thread:   any; the caller orders its own writes.
 * Errors:   E_IO, E_NO_SPACE, E_TOO_MANY_FILES, E_NOT_FOUND, E_EXISTS, E_DENIED,
 *           E_NOMEM, from whatever the system said (os/errno.h); E_INVAL for a
 *           name that cannot be one.
 *
 * What a crash leaves: of the bytes written since the last os_file_sync() any
 * subset, in blocks of 512 bytes. A name created, renamed or removed since the
 * last os_dir_sync() of its directory may be in its old or its new state.
 */
struct os_file;

enum os_file_mode {
    OS_FILE_READ = 0,   /* must exist */
    OS_FILE_WRITE = 1,  /* read and write; must exist */
    OS_FILE_CREATE = 2, /* read and write; created if missing */
    OS_FILE_NEW = 3     /* read and write; E_EXISTS if there */
};

NODISCARD enum err os_file_open(struct os_dir *dir, const char *name, enum os_file_mode mode,
                                struct os_file **file_out);
struct os_file *os_file_ref(struct os_file *file);
void os_file_unref(struct os_file *file); /* the last one closes; NULL is fine */

NODISCARD enum err os_file_size(struct os_file *file, int64_t *size_out);

/* Fewer than `size` bytes only at the end of the file: the count goes to *read_out. */
NODISCARD enum err os_file_read(struct os_file *file, int64_t pos, void *bytes_out, size_t size,
                                size_t *read_out);

/* All of it or an error; after an error any part may have been written. */
NODISCARD enum err os_file_write(struct os_file *file, int64_t pos, const void *bytes, size_t size);

/* One write of several slices, in order (at most OS_SLICES_MAX). Errors as os_file_write. */
enum { OS_SLICES_MAX = 64 };
NODISCARD enum err os_file_write_slices(struct os_file *file, int64_t pos,
                                        const struct slice *slices, size_t count);

/*
 * fdatasync: all bytes written so far are durable on E_OK. After an error the
 * kernel may have dropped them: never call it again, see STYLE "broken".
 */
NODISCARD enum err os_file_sync(struct os_file *file);

NODISCARD enum err os_file_truncate(struct os_file *file, int64_t size);

/* Write zeroes over [pos, pos + size) so that later syncs need no new blocks. */
NODISCARD enum err os_file_zero_fill(struct os_file *file, int64_t pos, int64_t size);

/* Hint: [pos, pos + size) will be read soon. */
void os_file_will_read(struct os_file *file, int64_t pos, int64_t size);

/*
 * Hint: drop the copy of [pos, pos + size) that memory holds, so that the next read asks the disk.
 * What was not synced stays.
 */
void os_file_forget(struct os_file *file, int64_t pos, int64_t size);

/* The descriptor, for sendfile in src/net; -1 in a simulation. */
int os_file_descriptor(const struct os_file *file);
