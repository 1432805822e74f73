#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"
#include "storage/log_view.h"

struct log;

/*
 * Verify: read everything a log has and say what is wrong with it. Every batch by the rules of a
 * walk (log_view.h); every entry of .index and .timeindex against the batches; every .snapshot;
 * checkpoint and epoch cache as far as a start would read them. Nothing is changed or marked.
 *
 * Thread: that of the log's owner; of a view, any one.
 */
struct log_verify_range {
    enum log_walk_kind kind;
    int64_t segment; /* base offset */
    int64_t pos;     /* bytes [pos, end) of its .log */
    int64_t end;
    int64_t offset; /* offsets [offset, offset_end) */
    int64_t offset_end;
    const char *why; /* static */
};

/* A file beside the .log files. What is wrong there costs time, not records: a start rebuilds it.
 */
struct log_verify_file {
    char name[64];
    int64_t entry;   /* the first wrong one; -1: the file as such */
    const char *why; /* static */
};

enum { LOG_VERIFY_MAX = 1 << 16 }; /* of each kind; the rest is counted only */

struct log_verify_result {
    int64_t start_offset;
    int64_t end_offset; /* behind the last right batch */
    int64_t batches;    /* right ones */
    int64_t bytes;      /* of them */
    int64_t segments;
    int64_t range_count;
    int64_t file_count;
    struct vec ranges; /* of struct log_verify_range */
    struct vec files;  /* of struct log_verify_file */
};

/*
 * progress() is called every few megabytes and after each segment, `done` of `total` bytes were
 * read; false ends it with E_CANCELLED. It may be NULL.
 */
struct log_verify_options {
    bool (*progress)(void *ctx, int64_t done, int64_t total);
    void *ctx;
    bool is_uncached; /* ask the disk, not the page cache */
};

/*
 * The result is to be released, also when what was found is bad: that is E_OK.
 *
 *   E_CANCELLED, E_DENIED, E_IO, E_NOMEM, E_TOO_MANY_FILES  it could not be told
 */
NODISCARD enum err log_verify(const struct log *log, const struct log_verify_options *options,
                              struct log_verify_result *result_out);
NODISCARD enum err log_verify_view(const struct log_view *view,
                                   const struct log_verify_options *options,
                                   struct log_verify_result *result_out);
void log_verify_release(struct log_verify_result *result);

static inline bool log_verify_is_right(const struct log_verify_result *result)
{
    return result->range_count == 0 && result->file_count == 0;
}

static inline const struct log_verify_range *log_verify_range_at(
    const struct log_verify_result *result, size_t i)
{
    return (const struct log_verify_range *)vec_at(&result->ranges, i);
}
