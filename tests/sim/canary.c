#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/fetch_session_priv.h"
#include "os/dir.h"
#include "os/file.h"
#include "replica/partition.h"
#include "sim_broker_world.h"
#include "storage/log_priv.h"
#include "storage/segment_scan.h"

/*
 * Canaries: a checker that cannot fail proves nothing. Each is a bug, put in at link time
 * (-Wl,--wrap) and switched on alone; sim-broker's worlds must find it within a stated
 * number of seeds. Nothing of this is in the product.
 *
 * sim-canary [NAME]   all of them, or one; exit code 1 when one is not found
 */
enum canary {
    NONE,
    SYNC_LIES,
    SYNC_AGAIN,
    DIR_SYNC_LIES,
    COMMIT_BEFORE_SYNC,
    SERVE_UNCOMMITTED,
    CRC_UNCHECKED,
    WINDOW_OF_ONE,
    WINDOW_LOST,
    DUPLICATES_UNSEEN,
    REPLACE_IN_PLACE,
    SESSION_SILENT,
    SEALED_UNSYNCED,
    FENCE_OPEN,
};

static const struct {
    enum canary bug;
    const char *name;
    const char *text;
    uint64_t seeds_max;
} canaries[] = {
    {SYNC_LIES, "sync-lies", "fdatasync does nothing and says it did", 30},
    {SYNC_AGAIN, "sync-again", "a failed fdatasync is tried again and believed", 400},
    {DIR_SYNC_LIES, "dir-sync-lies", "a directory is never synced", 100},
    {COMMIT_BEFORE_SYNC, "commit-before-sync", "what is appended counts as synced", 60},
    {SERVE_UNCOMMITTED, "serve-uncommitted", "consumers are served past the high watermark", 30},
    {CRC_UNCHECKED, "crc-unchecked", "recovery takes a torn tail for records", 200},
    {WINDOW_OF_ONE, "window-of-one", "a restart keeps one batch of a producer's window", 100},
    {WINDOW_LOST, "window-lost", "a restart forgets the producers of the snapshot", 100},
    {DUPLICATES_UNSEEN, "duplicates-unseen", "sequences are not looked at", 30},
    {REPLACE_IN_PLACE, "replace-in-place", "small files are overwritten and not synced", 100},
    {SESSION_SILENT, "session-silent", "a moved high watermark is no news to a session", 30},
    {SEALED_UNSYNCED, "sealed-unsynced", "a segment that was sealed is left out of the sync", 300},
    {FENCE_OPEN, "fence-open", "a log directory is used on after a failed sync", 400},
};

static enum canary bug; /* the one that is on; set before a process's first world */

enum err __real_os_file_sync(struct os_file *file);
enum err __wrap_os_file_sync(struct os_file *file);
enum err __real_os_dir_sync(struct os_dir *dir);
enum err __wrap_os_dir_sync(struct os_dir *dir);
enum err __real_os_dir_replace_file(struct os_dir *dir, const char *name, struct slice bytes);
enum err __wrap_os_dir_replace_file(struct os_dir *dir, const char *name, struct slice bytes);
int64_t __real_log_synced_offset(const struct log *log);
int64_t __wrap_log_synced_offset(const struct log *log);
void __real_log_sync_run(struct log_sync *sync);
void __wrap_log_sync_run(struct log_sync *sync);
enum err __real_partition_read(struct partition *p, int64_t offset,
                               enum partition_isolation isolation, size_t size_max,
                               struct log_range *range_out);
enum err __wrap_partition_read(struct partition *p, int64_t offset,
                               enum partition_isolation isolation, size_t size_max,
                               struct log_range *range_out);
enum err __real_segment_scan_check(struct segment_scan *scan, int64_t pos,
                                   const struct batch_header *header);
enum err __wrap_segment_scan_check(struct segment_scan *scan, int64_t pos,
                                   const struct batch_header *header);
enum err __real_producer_decode(struct producers *ps, struct slice bytes);
enum err __wrap_producer_decode(struct producers *ps, struct slice bytes);
enum err __real_producer_decode_window(struct producers *ps, struct slice snapshot,
                                       struct slice bytes);
enum err __wrap_producer_decode_window(struct producers *ps, struct slice snapshot,
                                       struct slice bytes);
enum err __real_producer_check_batch(const struct producers *ps, struct producer_check *check,
                                     const struct batch_header *h);
enum err __wrap_producer_check_batch(const struct producers *ps, struct producer_check *check,
                                     const struct batch_header *h);
bool __real_fetch_session_tell(struct fetch_session *session, struct fetch_want *want,
                               const struct fetch_told *told);
bool __wrap_fetch_session_tell(struct fetch_session *session, struct fetch_want *want,
                               const struct fetch_told *told);

bool __real_log_refuses(const struct log *log);
bool __wrap_log_refuses(const struct log *log);
bool __real_log_root_is_broken(const struct log_root *root);
bool __wrap_log_root_is_broken(const struct log_root *root);
bool __real_log_is_broken(const struct log *log);
bool __wrap_log_is_broken(const struct log *log);

bool __wrap_log_refuses(const struct log *log)
{
    return bug != FENCE_OPEN && __real_log_refuses(log);
}

bool __wrap_log_root_is_broken(const struct log_root *root)
{
    return bug != FENCE_OPEN && __real_log_root_is_broken(root);
}

bool __wrap_log_is_broken(const struct log *log)
{
    return bug != FENCE_OPEN && __real_log_is_broken(log);
}

enum err __wrap_os_file_sync(struct os_file *file)
{
    enum err e = bug == SYNC_LIES ? E_OK : __real_os_file_sync(file);

    while (bug == SYNC_AGAIN && e == E_IO)
        e = __real_os_file_sync(file);
    return e;
}

enum err __wrap_os_dir_sync(struct os_dir *dir)
{
    return bug == DIR_SYNC_LIES ? E_OK : __real_os_dir_sync(dir);
}

enum err __wrap_os_dir_replace_file(struct os_dir *dir, const char *name, struct slice bytes)
{
    struct os_file *file;
    enum err e;

    if (bug != REPLACE_IN_PLACE)
        return __real_os_dir_replace_file(dir, name, bytes);
    e = os_file_open(dir, name, OS_FILE_CREATE, &file);
    if (e != E_OK)
        return e;
    e = os_file_truncate(file, 0);
    if (e == E_OK)
        e = os_file_write(file, 0, bytes.at, bytes.size);
    os_file_unref(file);
    return e;
}

int64_t __wrap_log_synced_offset(const struct log *log)
{
    return bug == COMMIT_BEFORE_SYNC ? log_end_offset(log) : __real_log_synced_offset(log);
}

void __wrap_log_sync_run(struct log_sync *sync)
{
    struct os_file *sealed = sync->files[1];

    if (bug == SEALED_UNSYNCED)
        sync->files[1] = NULL;
    __real_log_sync_run(sync);
    sync->files[1] = sealed;
}

enum err __wrap_partition_read(struct partition *p, int64_t offset,
                               enum partition_isolation isolation, size_t size_max,
                               struct log_range *range_out)
{
    if (bug == SERVE_UNCOMMITTED)
        isolation = PARTITION_READ_LOG_END;
    return __real_partition_read(p, offset, isolation, size_max, range_out);
}

enum err __wrap_segment_scan_check(struct segment_scan *scan, int64_t pos,
                                   const struct batch_header *header)
{
    return bug == CRC_UNCHECKED ? E_OK : __real_segment_scan_check(scan, pos, header);
}

enum err __wrap_producer_decode(struct producers *ps, struct slice bytes)
{
    enum err e = __real_producer_decode(ps, bytes);

    if (e == E_OK && bug == WINDOW_LOST)
        producer_clear(ps);
    return e;
}

enum err __wrap_producer_decode_window(struct producers *ps, struct slice snapshot,
                                       struct slice bytes)
{
    return bug == WINDOW_OF_ONE ? E_CORRUPT : __real_producer_decode_window(ps, snapshot, bytes);
}

enum err __wrap_producer_check_batch(const struct producers *ps, struct producer_check *check,
                                     const struct batch_header *h)
{
    return bug == DUPLICATES_UNSEEN ? E_OK : __real_producer_check_batch(ps, check, h);
}

bool __wrap_fetch_session_tell(struct fetch_session *session, struct fetch_want *want,
                               const struct fetch_told *told)
{
    bool is_news = __real_fetch_session_tell(session, want, told);

    return bug == SESSION_SILENT ? told->has_records || told->has_error : is_news;
}

/* In a process of its own: worlds until one fails. Exit code 0: found. */
static int hunt(size_t number)
{
    struct broker_result result;

    bug = canaries[number].bug;
    for (uint64_t seed = 1; seed <= canaries[number].seeds_max; seed++) {
        struct broker_run_options options = {.seed = seed};

        broker_world_run(&options, &result);
        if (result.text[0] == '\0')
            continue;
        printf("%-20s seed %3llu of %3llu  %s: %s\n", canaries[number].name,
               (unsigned long long)seed, (unsigned long long)canaries[number].seeds_max,
               canaries[number].text, result.text);
        return 0;
    }
    printf("%-20s NOT FOUND in %llu seeds: %s\n", canaries[number].name,
           (unsigned long long)canaries[number].seeds_max, canaries[number].text);
    return 1;
}

int main(int argc, char **argv)
{
    int missed = 0;

    for (size_t i = 0; i < sizeof(canaries) / sizeof(canaries[0]); i++) {
        int status = 0;
        pid_t child;

        if (argc > 1 && strcmp(argv[1], canaries[i].name) != 0)
            continue;
        fflush(stdout);
        child = fork();
        if (child == 0) {
            int code = hunt(i);

            fflush(stdout);
            _exit(code);
        }
        waitpid(child, &status, 0);
        if (WIFSIGNALED(status)) /* an assertion is a way to be found */
            printf("%-20s found by an assertion: %s\n", canaries[i].name, canaries[i].text);
        else if (WEXITSTATUS(status) != 0)
            missed++;
    }
    return missed > 0 ? 1 : 0;
}
