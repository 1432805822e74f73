#include <stdlib.h>
#include <string.h>

#include "os/dir.h"
#include "os/file.h"
#include "storage/log.h"
#include "storage/log_compact.h"

/*
 * Bugs for sim-compact to find, put in at link time and switched on by DLOG_TEST_CANARY. The
 * test of each is one that has to fail.
 */
static bool is_running, is_finishing; /* a compaction */

static bool is_on(const char *name)
{
    const char *on = getenv("DLOG_TEST_CANARY");

    return on != NULL && strcmp(on, name) == 0;
}

enum err __real_os_file_sync(struct os_file *file);
enum err __wrap_os_file_sync(struct os_file *file);
enum err __real_os_dir_sync(struct os_dir *dir);
enum err __wrap_os_dir_sync(struct os_dir *dir);
bool __real_log_compact_run(struct log_compact *job);
bool __wrap_log_compact_run(struct log_compact *job);
enum err __real_log_compact_finish(struct log_compact *job, struct log_compact_result *result_out);
enum err __wrap_log_compact_finish(struct log_compact *job, struct log_compact_result *result_out);
enum err __real_log_compact_begin(struct log *log, const struct log_compact_options *options,
                                  int64_t limit_offset, int64_t wall_ms,
                                  struct log_compact **job_out);
enum err __wrap_log_compact_begin(struct log *log, const struct log_compact_options *options,
                                  int64_t limit_offset, int64_t wall_ms,
                                  struct log_compact **job_out);

enum err __real_log_root_open(struct os *os, const char *path, struct log_root **root_out,
                              struct report *report);
enum err __wrap_log_root_open(struct os *os, const char *path, struct log_root **root_out,
                              struct report *report);

/* A life begins: the crash before it may have been inside of a compaction. */
enum err __wrap_log_root_open(struct os *os, const char *path, struct log_root **root_out,
                              struct report *report)
{
    is_running = false;
    is_finishing = false;
    return __real_log_root_open(os, path, root_out, report);
}

/* cleaned-unsynced: what compaction wrote is put in place without being synced */
enum err __wrap_os_file_sync(struct os_file *file)
{
    return is_running && is_on("cleaned-unsynced") ? E_OK : __real_os_file_sync(file);
}

/* swap-unordered: old segments are removed before the new names are durable */
enum err __wrap_os_dir_sync(struct os_dir *dir)
{
    return is_finishing && is_on("swap-unordered") ? E_OK : __real_os_dir_sync(dir);
}

bool __wrap_log_compact_run(struct log_compact *job)
{
    bool has_more;

    is_running = true;
    has_more = __real_log_compact_run(job);
    is_running = false;
    return has_more;
}

enum err __wrap_log_compact_finish(struct log_compact *job, struct log_compact_result *result_out)
{
    enum err e;

    is_finishing = true;
    e = __real_log_compact_finish(job, result_out);
    is_finishing = false;
    return e;
}

/* tombstones-early: they go with the next compaction, whatever delete.retention.ms says */
enum err __wrap_log_compact_begin(struct log *log, const struct log_compact_options *options,
                                  int64_t limit_offset, int64_t wall_ms,
                                  struct log_compact **job_out)
{
    struct log_compact_options o = *options;

    if (is_on("tombstones-early"))
        o.delete_retention_ms = -1;
    return __real_log_compact_begin(log, &o, limit_offset, wall_ms, job_out);
}
