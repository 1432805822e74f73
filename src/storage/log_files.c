#include "storage/log_priv.h"

#include "base/mem.h"
#include "os/file.h"

/*
 * Logs with open files stand in a list, the one that was used last at the end. When one more file
 * would be too many the logs at the front let theirs go: those that have nothing to sync first,
 * since what a file could not write is only told to who has had it open.
 */
enum {
    SEALED_FILES = 3, /* the log and its two indexes */
    LOOK_MAX = 64,    /* logs that are looked at for one without unsynced bytes */
};

struct log_files {
    struct list_node logs;
    int count;
    int max;
};

enum err log_files_open(int files_max, struct log_files **files_out)
{
    struct log_files *files = mem_alloc_zero(sizeof(*files));

    if (files == NULL)
        return E_NOMEM;
    list_init(&files->logs);
    files->max = files_max;
    *files_out = files;
    return E_OK;
}

void log_files_close(struct log_files *files)
{
    mem_free(files);
}

int log_files_count(const struct log_files *files)
{
    return files->count;
}

/* Count the log's files anew, and its place if it was used. */
static void count(struct log *log, bool is_used)
{
    struct log_files *files = log->files;
    int now = SEALED_FILES * log->open_sealed_count;

    if (log_segment_count(log) > 0 && log_active(log)->file != NULL)
        now++;
    files->count += now - log->files_count;
    log->files_count = now;
    if (is_used || now == 0)
        list_remove(&log->files_node);
    if (now > 0 && !list_is_linked(&log->files_node))
        list_push_back(&files->logs, &log->files_node);
}

void log_files_note(struct log *log)
{
    if (log->files != NULL)
        count(log, false);
}

void log_files_leave(struct log *log)
{
    if (log->files == NULL)
        return;
    log->files->count -= log->files_count;
    log->files_count = 0;
    list_remove(&log->files_node);
    log->files = NULL;
}

void log_set_files(struct log *log, struct log_files *files)
{
    log_files_leave(log);
    log->files = files;
    log_files_note(log);
}

static bool is_synced(const struct log *log)
{
    return log->synced_offset == log->end_offset && log->sealed_unsynced == NULL;
}

/* The log to let go of its files: not `user`; NULL when there is no other. */
static struct log *victim(struct log_files *files, const struct log *user)
{
    struct log *oldest = NULL;
    int looked = 0;

    for (struct list_node *n = files->logs.next; n != &files->logs && looked < LOOK_MAX;
         n = n->next, looked++) {
        struct log *log = LIST_ENTRY(n, struct log, files_node);

        if (log == user)
            continue;
        if (is_synced(log))
            return log;
        if (oldest == NULL)
            oldest = log;
    }
    return oldest;
}

/* False: its bytes could not be synced, so its files stay. */
static bool let_go(struct log *log)
{
    if (!is_synced(log) && (log_sync(log) != E_OK || !is_synced(log)))
        return false;
    for (size_t i = 0; i < log_segment_count(log); i++) {
        struct segment *s = log_segment_at(log, i);

        if (s == log_active(log)) { /* its indexes stay in memory */
            os_file_unref(s->file);
            s->file = NULL;
        } else {
            segment_close_files(s);
        }
    }
    log->open_sealed_count = 0;
    count(log, false);
    return true;
}

bool log_files_give_up_one(struct log *user)
{
    struct log *log = user->files == NULL ? NULL : victim(user->files, user);

    if (log == NULL)
        return false;
    if (let_go(log))
        return true;
    list_remove(&log->files_node); /* broken: it is of no use to ask again */
    return true;
}

void log_files_use(struct log *log, int more)
{
    if (log->files == NULL)
        return;
    count(log, true);
    while (log->files->count + more > log->files->max && log_files_give_up_one(log))
        ;
}
