#include "trial.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "mem.h"
#include "os/machine.h"

enum { TEXT_SIZE = 200, LINE_SIZE = 600, WALL_MS = 1000, NESTED_DRAWS = 2, NESTED_STEP = 3 };

struct trial_set {
    uint64_t *slots; /* 0: free */
    size_t count;
    size_t capacity;
};

struct trial {
    const char *workload;
    uint64_t seed;
    struct trial_options options;
    const struct model *model;
    const struct model *expected; /* of the state at hand: the model, or a new log */
    struct disk *disk;
    struct trial_set seen; /* disks and promises together */
    struct trial_count count;
    int64_t boundary;
    int state;
    int64_t nested_boundary; /* of the recovery that runs */
    int nested_state;        /* -1: not nested */
    bool is_nesting;
};

/* Sets of hashes. */

static bool set_add(struct trial_set *set, uint64_t hash)
{
    size_t i;

    hash += hash == 0;
    if (2 * set->count >= set->capacity) {
        struct trial_set larger = {.capacity = set->capacity == 0 ? 4096 : 2 * set->capacity};

        larger.slots = calloc(larger.capacity, sizeof(*larger.slots));
        if (larger.slots == NULL)
            abort();
        for (size_t k = 0; k < set->capacity; k++) {
            if (set->slots[k] != 0)
                set_add(&larger, set->slots[k]);
        }
        free(set->slots);
        *set = larger;
    }
    for (i = hash % set->capacity; set->slots[i] != 0; i = (i + 1) % set->capacity) {
        if (set->slots[i] == hash)
            return false;
    }
    set->slots[i] = hash;
    set->count++;
    return true;
}

struct trial_set *trial_set_new(void)
{
    struct trial_set *set = calloc(1, sizeof(*set));

    if (set == NULL)
        abort();
    return set;
}

void trial_set_free(struct trial_set *set)
{
    free(set->slots);
    free(set);
}

/* Failures. The line stands ready, for an assertion of the product ends the process as well. */

static char line[LINE_SIZE];

static void on_abort(int signal_number)
{
    ssize_t ignored = write(STDOUT_FILENO, line, strlen(line));

    (void)ignored;
    (void)signal_number;
    _exit(1);
}

static void set_line(const struct trial *t, const char *text)
{
    char nested[64] = "";

    if (t->nested_state >= 0)
        snprintf(nested, sizeof(nested), ", change %lld of the recovery, state %d",
                 (long long)t->nested_boundary, t->nested_state);
    snprintf(line, sizeof(line),
             "FAILED %s seed %llu, boundary %lld, state %d%s: %s; "
             "replay: crash-states -v --at %lld %d %s %llu\n",
             t->workload, (unsigned long long)t->seed, (long long)t->boundary, t->state, nested,
             text, (long long)t->boundary, t->state, t->workload, (unsigned long long)t->seed);
}

void trial_fail(const struct trial *t, const char *format, ...)
{
    char text[TEXT_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    set_line(t, text);
    fputs(line, stdout);
    fflush(stdout);
    _Exit(1);
}

/* A machine that was switched on after a crash. */

struct mount {
    struct os *os;
    struct log_root *root;
    struct log *log;
    struct log_recovery recovery;
    bool had_log;
};

struct listing {
    bool has_log;
    bool has_other;
};

static bool see(void *ctx, const char *name)
{
    struct listing *l = ctx;

    l->has_log |= strcmp(name, "t-0") == 0;
    l->has_other |= strcmp(name, "t-0") != 0;
    return true;
}

static void mount_open(const struct trial *t, struct disk *disk, struct mount *mount)
{
    struct report report = {0};
    struct listing listing = {0};
    enum err e;

    *mount = (struct mount){.os = machine_on(disk)};
    e = log_root_open(mount->os, "data", &mount->root, &report);
    if (e == E_OK)
        e = log_root_list(mount->root, see, &listing);
    if (e != E_OK)
        trial_fail(t, "open root: %s %s", err_name(e), report.text);
    if (listing.has_other)
        trial_fail(t, "a log that nobody made");
    e = log_open(&(struct log_open){mount->root, "t-0", &t->expected->options, WALL_MS},
                 &mount->log, &mount->recovery, &report);
    if (e != E_OK)
        trial_fail(t, "open: %s: %s", err_name(e), report.text);
    if (mount->recovery.damaged_ranges > 0 && t->model->damage < 0)
        trial_fail(t, "took a crash for damage: %d ranges", mount->recovery.damaged_ranges);
    if (!listing.has_log && log_end_offset(mount->log) != 0)
        trial_fail(t, "a log that is gone has records");
    mount->had_log = listing.has_log;
}

/* As by kill -9: the disk stays as it is. */
static void mount_kill(struct mount *mount, struct disk *disk)
{
    disk->is_off = true;
    log_close(mount->log);
    log_root_close(mount->root);
    os_close(mount->os);
    disk->is_off = false;
}

static void check(const struct trial *t, const struct mount *mount, int64_t acked)
{
    char text[TEXT_SIZE];

    if (!mount->had_log)
        return; /* not yet, or no more */
    if (!model_check(t->expected, mount->log, acked, text))
        trial_fail(t, "%s", text);
}

/* Nested: the recovery is cut off. */

static void try_nested(struct trial *t, const struct settle *s, int state)
{
    struct disk *disk = settle_make(s, state, t->seed + (uint64_t)t->state);
    struct mount mount;

    t->nested_state = state;
    set_line(t, "a crash of the program");
    if (set_add(t->options.disks, disk_hash(disk)))
        t->count.nested++;
    mount_open(t, disk, &mount);
    check(t, &mount, 0);
    mount_kill(&mount, disk);
    disk_free(disk);
    t->nested_state = -1;
}

static void on_recovery_change(void *ctx, struct disk *disk)
{
    struct trial *t = ctx;
    struct settle s;
    int count;

    t->nested_boundary++;
    settle_init(&s, disk);
    count = settle_count(&s, NESTED_DRAWS);
    for (int state = (int)(t->nested_boundary % NESTED_STEP); state < count; state += NESTED_STEP)
        try_nested(t, &s, state);
    settle_release(&s);
}

/* One state. */

/* Recovery once more: it shows the same as the first, and changes nothing of what that `left`. */
static void try_again(const struct trial *t, struct disk *disk, const struct log *first,
                      const struct disk *left)
{
    struct mount mount;

    mount_open(t, disk, &mount);
    if (log_end_offset(mount.log) != log_end_offset(first) ||
        log_start_offset(mount.log) != log_start_offset(first))
        trial_fail(t, "recovered again [%lld, %lld), first [%lld, %lld)",
                   (long long)log_start_offset(mount.log), (long long)log_end_offset(mount.log),
                   (long long)log_start_offset(first), (long long)log_end_offset(first));
    check(t, &mount, log_end_offset(first));
    if (left != NULL && disk_hash(disk) != disk_hash(left) && t->options.is_verbose) {
        disk_print(left);
        printf("and after recovering again\n");
        disk_print(disk);
    }
    if (left != NULL && disk_hash(disk) != disk_hash(left))
        trial_fail(t, "recovering again changes something");
    mount_kill(&mount, disk);
    disk_free(disk);
}

/* The machine loses its power when recovery is done and nothing was asked of it yet. */
static struct disk *without_cache(const struct disk *disk)
{
    struct settle s;
    struct disk *durable;

    settle_init(&s, disk);
    durable = settle_make(&s, 0, 0);
    settle_release(&s);
    return durable;
}

static void try_appends(const struct trial *t, struct disk *disk, struct mount *mount)
{
    char text[TEXT_SIZE];
    int64_t end;

    if (!model_check_appends(t->expected, mount->log, text))
        trial_fail(t, "%s", text);
    end = log_end_offset(mount->log);
    log_close(mount->log);
    log_root_close(mount->root);
    os_close(mount->os);
    mount_open(t, disk, mount);
    if (!mount->recovery.was_clean || log_end_offset(mount->log) != end)
        trial_fail(t, "after a stop in order: %s, the end is %lld of %lld",
                   mount->recovery.was_clean ? "clean" : "scanned",
                   (long long)log_end_offset(mount->log), (long long)end);
}

static bool has_name(const struct disk *disk)
{
    int root = disk_names_find(&disk->inodes[0].names, "data");

    return root >= 0 && disk_names_find(&disk->inodes[root].names, "t-0") >= 0;
}

static void try_state(struct trial *t, struct disk *disk)
{
    struct model fresh = {.presence = MODEL_COMING,
                          .options = t->model->options,
                          .cut = -1,
                          .epoch_next = -1,
                          .damage = -1};
    size_t alive = crash_mem_alive();
    struct mount mount;
    bool has_log;

    has_log = has_name(disk);
    if (has_log && t->model->presence == MODEL_ABSENT)
        trial_fail(t, "a log that should not be there");
    if (!has_log && t->model->presence == MODEL_PRESENT)
        trial_fail(t, "lost: the whole log");
    t->expected = has_log ? t->model : &fresh;
    t->nested_boundary = 0;
    if (t->options.nested_of > 0 && t->state % t->options.nested_of == 0) {
        disk->on_change = on_recovery_change;
        disk->ctx = t;
    }
    mount_open(t, disk, &mount);
    disk->on_change = NULL;
    check(t, &mount, 0);
    try_again(t, disk_copy(disk), mount.log, disk);
    if (disk->op_count > 0)
        try_again(t, without_cache(disk), mount.log, NULL); /* removals may come back */
    try_appends(t, disk, &mount);
    mount_kill(&mount, disk);
    if (crash_mem_alive() != alive)
        trial_fail(t, "leaked %zu allocations", crash_mem_alive() - alive);
}

static void on_change(void *ctx, struct disk *disk)
{
    struct trial *t = ctx;
    bool is_only = t->options.only_boundary >= 0;
    struct settle s;
    int count;

    t->boundary++;
    if (is_only && t->boundary != t->options.only_boundary)
        return;
    t->count.boundaries++;
    settle_init(&s, disk);
    count = settle_count(&s, t->options.draws);
    for (t->state = 0; t->state < count; t->state++) {
        struct disk *left;
        uint64_t hash;

        if (t->options.only_state >= 0 && t->state != t->options.only_state)
            continue;
        left = settle_make(&s, t->state, t->seed + (uint64_t)t->boundary);
        hash = disk_hash(left);
        if (is_only && t->options.is_verbose) {
            printf("boundary %lld, state %d\n", (long long)t->boundary, t->state);
            settle_print(&s, t->state, t->seed + (uint64_t)t->boundary);
            disk_print(left);
            fflush(stdout);
        }
        set_line(t, "a crash of the program");
        t->count.states += set_add(t->options.disks, hash);
        if (set_add(&t->seen, hash_u64(hash, t->model->version)))
            try_state(t, left);
        disk_free(left);
    }
    settle_release(&s);
    t->state = -1;
}

struct trial *trial_new(const char *workload, uint64_t seed, const struct trial_options *options,
                        struct model *model)
{
    struct trial *t = calloc(1, sizeof(*t));

    if (t == NULL)
        abort();
    t->workload = workload;
    t->seed = seed;
    t->options = *options;
    t->model = model;
    t->nested_state = -1;
    t->state = -1;
    t->disk = disk_new();
    t->disk->on_change = on_change;
    t->disk->ctx = t;
    t->disk->is_late = options->is_late;
    signal(SIGABRT, on_abort);
    signal(SIGSEGV, on_abort);
    set_line(t, "a crash of the program");
    return t;
}

void trial_free(struct trial *t)
{
    disk_free(t->disk);
    free(t->seen.slots);
    free(t);
}

struct disk *trial_disk(struct trial *t)
{
    return t->disk;
}

void trial_end(struct trial *t)
{
    on_change(t, t->disk);
}

struct trial_count trial_count(const struct trial *t)
{
    return t->count;
}
