#include "storage/log_priv.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "os/dir.h"
#include "os/os.h"

static const char DELETED_SUFFIX[] = "-delete";
enum { DELETED_DIGITS = 16, DELETED_KAFKA_DIGITS = 32 };

static char *text_copy(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = mem_alloc(size);

    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}

enum err log_root_open(struct os *os, const char *path, struct log_root **root_out,
                       struct report *report)
{
    struct log_root *root = mem_alloc_zero(sizeof(*root));
    enum err e = E_NOMEM;

    if (root == NULL)
        goto out;
    root->os = os;
    log_guard_init(&root->guard);
    atomic_init(&root->is_broken, false);
    atomic_init(&root->made_count, 0);
    atomic_init(&root->durable_count, 0);
    root->path = text_copy(path);
    if (root->path == NULL)
        goto out;
    e = os_dir_open(os, path, true, &root->dir);
    if (e == E_OK)
        e = os_dir_lock(root->dir, LOG_LOCK_NAME, &root->lock);
out:
    if (e != E_OK) {
        if (e == E_BUSY)
            report_set(report, "another process has it open and holds the lock on %s/%s", path,
                       LOG_LOCK_NAME);
        else
            report_set(report, "%s", err_text(e));
        report_prefix(report, "log directory %s", path);
        log_root_close(root);
        return e;
    }
    *root_out = root;
    return E_OK;
}

void log_root_close(struct log_root *root)
{
    if (root == NULL)
        return;
    os_lock_release(root->lock);
    os_dir_close(root->dir);
    mem_free(root->path);
    mem_free(root);
}

struct os_dir *log_root_dir(struct log_root *root)
{
    return root->dir;
}

const char *log_root_path(const struct log_root *root)
{
    return root->path;
}

bool log_root_is_broken(const struct log_root *root)
{
    return atomic_load_explicit(&root->is_broken, memory_order_relaxed);
}

/* The names are collected first: nothing changes under the walk. */
struct listing {
    struct vec names; /* of char *, owned */
    enum err err;
};

/*
 * "orders-0.0123456789abcdef-delete", or with the 32 digits of Kafka: nothing else, because it is
 * removed, and the root may be a folder that holds more than logs.
 */
static bool is_deleted_name(const char *name)
{
    size_t size = strlen(name), end_size = strlen(DELETED_SUFFIX);
    size_t digits;

    if (size < end_size || strcmp(name + size - end_size, DELETED_SUFFIX) != 0)
        return false;
    size -= end_size;
    for (digits = 0; digits < size && strchr("0123456789abcdef", name[size - digits - 1]) != NULL;)
        digits++;
    return (digits == DELETED_DIGITS || digits == DELETED_KAFKA_DIGITS) && size > digits + 1 &&
           name[size - digits - 1] == '.';
}

static bool collect(void *ctx, const char *name, bool is_dir)
{
    struct listing *l = ctx;
    char *copy;

    if (!is_dir || name[0] == '.' || strcmp(name, "lost+found") == 0)
        return true;
    copy = text_copy(name);
    l->err = copy == NULL ? E_NOMEM : vec_push(&l->names, &copy);
    if (l->err != E_OK)
        mem_free(copy);
    return l->err == E_OK;
}

enum err log_root_list(struct log_root *root, bool (*each)(void *ctx, const char *name), void *ctx)
{
    struct listing l = {.err = E_OK};
    bool is_wanted = true;
    enum err e;

    vec_init(&l.names, sizeof(char *), LOG_SEGMENTS_MAX);
    e = os_dir_list(root->dir, collect, &l);
    if (e == E_OK)
        e = l.err;
    for (size_t i = 0; i < l.names.count; i++) {
        char *name = *(char **)vec_at(&l.names, i);

        if (e == E_OK && is_deleted_name(name)) {
            e = os_dir_remove_tree(root->dir, name);
            if (e == E_NOT_FOUND)
                e = E_OK;
        } else if (e == E_OK && is_wanted) {
            is_wanted = each(ctx, name);
        }
        mem_free(name);
    }
    vec_release(&l.names);
    return e;
}

enum err log_root_delete(struct log_root *root, const char *name)
{
    char to[512];
    uint8_t random[8];
    uint64_t number;
    enum err e;

    os_random(root->os, random, sizeof(random));
    memcpy(&number, random, sizeof(number));
    snprintf(to, sizeof(to), "%.400s.%016llx%s", name, (unsigned long long)number, DELETED_SUFFIX);
    e = os_dir_rename(root->dir, name, to);
    if (e != E_OK)
        return e;
    e = os_dir_sync(root->dir);
    if (e != E_OK) {
        enum err back = os_dir_rename(root->dir, to, name);

        (void)back; /* reads of the log go on if they can */
        atomic_store_explicit(&root->is_broken, true, memory_order_relaxed);
        return e;
    }
    e = os_dir_remove_tree(root->dir, to);
    (void)e; /* what is left is log_root_list's */
    return E_OK;
}
