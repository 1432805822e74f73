#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/dir.h"
#include "os/disk.h"
#include "os/file.h"
#include "storage/log_priv.h"
#include "storage/segment_scan.h"
#include "work.h"

/*
 * Canaries: a checker that cannot fail proves nothing. Each is a bug, put in at link time
 * (-Wl,--wrap) and switched on alone; the workloads must find it within so many seeds.
 *
 * crash-canary [NAME]   all of them, or one; exit code 1 when one is not found
 */
enum canary {
    NONE,
    SYNC_LIES,
    SYNC_LATE,
    DIR_SYNC_LIES,
    REPLACE_IN_PLACE,
    SEALED_UNSYNCED,
    CRC_UNCHECKED,
    CHECKPOINT_STAYS,
    EPOCHS_STAY,
    SNAPSHOT_FORGOTTEN,
    NEVER_SETTLED,
    TAIL_STAYS,
    LEAK,
};

static const struct {
    enum canary bug;
    const char *name;
    const char *text;
} canaries[] = {
    {SYNC_LIES, "sync-lies", "fdatasync does nothing and says it did"},
    {SYNC_LATE, "sync-late", "each fdatasync is done with the next one"},
    {DIR_SYNC_LIES, "dir-sync-lies", "a directory is never synced"},
    {REPLACE_IN_PLACE, "replace-in-place", "small files are overwritten and not synced"},
    {SEALED_UNSYNCED, "sealed-unsynced", "a segment that was sealed is left out of the sync"},
    {CRC_UNCHECKED, "crc-unchecked", "recovery takes a torn tail for records"},
    {CHECKPOINT_STAYS, "checkpoint-stays", "truncate and trim leave the checkpoint as it was"},
    {EPOCHS_STAY, "epochs-stay", "a new leader epoch is not written"},
    {SNAPSHOT_FORGOTTEN, "snapshot-forgotten", "producer snapshots are not written"},
    {NEVER_SETTLED, "never-settled", "the first record goes into a log that has no durable name"},
    {TAIL_STAYS, "tail-stays", "files are never cut"},
    {LEAK, "leak", "a range that was read is not given back"},
};

enum { SEEDS_MAX = 3, DRAWS = 20, NESTED_OF = 8, OUTPUT_SIZE = 1000 };

static enum canary bug; /* the one that is on */

enum err __real_os_file_sync(struct os_file *file);
enum err __wrap_os_file_sync(struct os_file *file);
enum err __real_os_dir_sync(struct os_dir *dir);
enum err __wrap_os_dir_sync(struct os_dir *dir);
enum err __real_os_file_truncate(struct os_file *file, int64_t size);
enum err __wrap_os_file_truncate(struct os_file *file, int64_t size);
enum err __real_os_dir_replace_file(struct os_dir *dir, const char *name, struct slice bytes);
enum err __wrap_os_dir_replace_file(struct os_dir *dir, const char *name, struct slice bytes);
void __real_log_sync_run(struct log_sync *sync);
void __wrap_log_sync_run(struct log_sync *sync);
void __real_log_range_release(struct log_range *range);
void __wrap_log_range_release(struct log_range *range);
enum err __real_segment_scan_check(struct segment_scan *scan, int64_t pos,
                                   const struct batch_header *header);
enum err __wrap_segment_scan_check(struct segment_scan *scan, int64_t pos,
                                   const struct batch_header *header);
enum err __real_log_checkpoint_rewrite(struct log *log, struct os_dir *dir);
enum err __wrap_log_checkpoint_rewrite(struct log *log, struct os_dir *dir);
enum err __real_log_save_epochs(struct log *log, int32_t before, int64_t start);
enum err __wrap_log_save_epochs(struct log *log, int32_t before, int64_t start);
enum err __real_log_write_snapshot(struct log *log, struct os_dir *dir, int64_t offset,
                                   const struct log_snapshot *encoded);
enum err __wrap_log_write_snapshot(struct log *log, struct os_dir *dir, int64_t offset,
                                   const struct log_snapshot *encoded);
enum err __real_log_settle(struct log *log);
enum err __wrap_log_settle(struct log *log);

enum err __wrap_os_file_sync(struct os_file *file)
{
    return bug == SYNC_LIES ? E_OK : __real_os_file_sync(file);
}

enum err __wrap_os_dir_sync(struct os_dir *dir)
{
    return bug == DIR_SYNC_LIES ? E_OK : __real_os_dir_sync(dir);
}

enum err __wrap_os_file_truncate(struct os_file *file, int64_t size)
{
    return bug == TAIL_STAYS ? E_OK : __real_os_file_truncate(file, size);
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

void __wrap_log_sync_run(struct log_sync *sync)
{
    struct os_file *sealed = sync->files[1];

    if (bug == SEALED_UNSYNCED)
        sync->files[1] = NULL;
    __real_log_sync_run(sync);
    sync->files[1] = sealed;
}

void __wrap_log_range_release(struct log_range *range)
{
    if (bug != LEAK)
        __real_log_range_release(range);
}

enum err __wrap_segment_scan_check(struct segment_scan *scan, int64_t pos,
                                   const struct batch_header *header)
{
    return bug == CRC_UNCHECKED ? E_OK : __real_segment_scan_check(scan, pos, header);
}

enum err __wrap_log_checkpoint_rewrite(struct log *log, struct os_dir *dir)
{
    return bug == CHECKPOINT_STAYS ? E_OK : __real_log_checkpoint_rewrite(log, dir);
}

enum err __wrap_log_save_epochs(struct log *log, int32_t before, int64_t start)
{
    return bug == EPOCHS_STAY ? E_OK : __real_log_save_epochs(log, before, start);
}

enum err __wrap_log_write_snapshot(struct log *log, struct os_dir *dir, int64_t offset,
                                   const struct log_snapshot *encoded)
{
    return bug == SNAPSHOT_FORGOTTEN ? E_OK : __real_log_write_snapshot(log, dir, offset, encoded);
}

enum err __wrap_log_settle(struct log *log)
{
    return bug == NEVER_SETTLED ? E_OK : __real_log_settle(log);
}

/* In a process of its own: workloads until one fails, which ends it with a line and code 1. */
static void hunt(void)
{
    const struct trial_options options = {.disks = trial_set_new(),
                                          .draws = DRAWS,
                                          .nested_of = NESTED_OF,
                                          .only_boundary = -1,
                                          .only_state = -1,
                                          .is_late = bug == SYNC_LATE};

    for (uint64_t seed = 1; seed <= SEEDS_MAX; seed++) {
        for (int i = 0; i < work_count(); i++)
            work_run(i, seed, &options);
    }
}

/* What the process said; its exit code to *code_out. */
static void listen(pid_t child, int from, char output[OUTPUT_SIZE], int *code_out)
{
    size_t size = 0;
    ssize_t got;

    while (size < OUTPUT_SIZE - 1 && (got = read(from, output + size, OUTPUT_SIZE - 1 - size)) > 0)
        size += (size_t)got;
    output[size] = '\0';
    output[strcspn(output, "\n")] = '\0';
    waitpid(child, code_out, 0);
}

static bool is_found(size_t number)
{
    char output[OUTPUT_SIZE];
    int ends[2];
    int code;
    pid_t child;

    if (pipe(ends) != 0)
        abort();
    fflush(stdout);
    child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        bug = canaries[number].bug;
        hunt();
        _exit(0);
    }
    close(ends[1]);
    listen(child, ends[0], output, &code);
    close(ends[0]);
    printf("%-20s %s\n    %s\n", canaries[number].name, canaries[number].text,
           code == 0 ? "NOT FOUND" : output);
    return code != 0;
}

int main(int argc, char **argv)
{
    int missed = 0;

    for (size_t i = 0; i < sizeof(canaries) / sizeof(canaries[0]); i++) {
        if (argc < 2 || strcmp(argv[1], canaries[i].name) == 0)
            missed += !is_found(i);
    }
    return missed > 0 ? 1 : 0;
}
