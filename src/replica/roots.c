#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "os/dir.h"
#include "replica/manager_priv.h"

enum { FOUND_MAX = 1000 * 1000 };

struct listing {
    struct replica_roots *roots;
    size_t root;
    enum err err;
};

/* Where `name` is in the sorted array, or belongs. */
static size_t position(const struct replica_roots *roots, const char *name)
{
    size_t low = 0;
    size_t high = roots->found_count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (strcmp(roots->found[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static char *copy_name(const char *name)
{
    size_t size = strlen(name) + 1;
    char *copy = mem_alloc(size);

    if (copy != NULL)
        memcpy(copy, name, size);
    return copy;
}

static bool on_name(void *ctx, const char *name)
{
    struct listing *l = ctx;
    struct replica_roots *roots = l->roots;
    size_t at = position(roots, name);
    struct replica_found *found;

    if (roots->found_count >= FOUND_MAX) {
        l->err = E_TOO_BIG;
        return false;
    }
    if (roots->found_count == roots->found_capacity) {
        size_t capacity = roots->found_capacity * 2 + 16;

        found = mem_realloc(roots->found, capacity * sizeof(*found));
        if (found == NULL) {
            l->err = E_NOMEM;
            return false;
        }
        roots->found = found;
        roots->found_capacity = capacity;
    }
    found = &roots->found[at];
    memmove(found + 1, found, (roots->found_count - at) * sizeof(*found));
    found->name = copy_name(name);
    found->root = l->root;
    roots->found_count++;
    if (found->name == NULL)
        l->err = E_NOMEM;
    return l->err == E_OK;
}

static enum err open_one(struct replica_roots *roots, struct os *os, const char *path,
                         struct report *report)
{
    struct listing l = {.roots = roots, .root = roots->count};
    enum err e = log_root_open(os, path, &roots->roots[roots->count], report);

    if (e != E_OK)
        return e;
    roots->count++;
    e = log_root_list(roots->roots[l.root], on_name, &l);
    if (e == E_OK)
        e = l.err;
    if (e != E_OK)
        report_set(report, "list directory %s: %s", path, err_text(e));
    return e;
}

enum err replica_roots_open(struct os *os, const char *const *paths, size_t count,
                            struct replica_roots **roots_out, struct report *report)
{
    struct replica_roots *roots = mem_must_alloc(sizeof(*roots));
    enum err e = E_OK;

    roots->roots = mem_must_alloc(count * sizeof(*roots->roots));
    roots->partition_counts = mem_must_alloc(count * sizeof(*roots->partition_counts));
    for (size_t i = 0; i < count && e == E_OK; i++)
        e = open_one(roots, os, paths[i], report);
    if (e != E_OK) {
        replica_roots_close(roots);
        return e;
    }
    *roots_out = roots;
    return E_OK;
}

void replica_roots_close(struct replica_roots *roots)
{
    if (roots == NULL)
        return;
    for (size_t i = 0; i < roots->count; i++)
        log_root_close(roots->roots[i]);
    for (size_t i = 0; i < roots->found_count; i++)
        mem_free(roots->found[i].name);
    mem_free(roots->found);
    mem_free(roots->roots);
    mem_free(roots->partition_counts);
    mem_free(roots);
}

size_t replica_roots_count(const struct replica_roots *roots)
{
    return roots->count;
}

struct log_root *replica_roots_at(const struct replica_roots *roots, size_t index)
{
    assert(index < roots->count);
    return roots->roots[index];
}

bool replica_roots_find(const struct replica_roots *roots, const char *name, size_t *root_out)
{
    size_t at = position(roots, name);

    if (at == roots->found_count || strcmp(roots->found[at].name, name) != 0)
        return false;
    *root_out = roots->found[at].root;
    return true;
}

bool replica_roots_look(const struct replica_roots *roots, const char *name, size_t *root_out)
{
    for (size_t i = 0; i < roots->count && roots->count > 1; i++) {
        struct os_dir *dir;

        if (os_dir_open_in(log_root_dir(roots->roots[i]), name, false, &dir) != E_OK)
            continue;
        os_dir_close(dir);
        if (!uuid_is_zero(log_root_topic_id(roots->roots[i], name)))
            continue;
        *root_out = i;
        return true;
    }
    return false;
}

size_t replica_roots_take(struct replica_roots *roots)
{
    int32_t fewest = INT32_MAX;
    size_t best = 0;

    for (size_t i = 0; i < roots->count; i++) {
        int32_t n = atomic_load_explicit(&roots->partition_counts[i].value, memory_order_relaxed);

        if (n < fewest && !log_root_is_broken(roots->roots[i])) {
            fewest = n;
            best = i;
        }
    }
    replica_roots_count_in(roots, best);
    return best;
}

void replica_roots_count_in(struct replica_roots *roots, size_t root)
{
    atomic_fetch_add_explicit(&roots->partition_counts[root].value, 1, memory_order_relaxed);
}

void replica_roots_count_out(struct replica_roots *roots, size_t root)
{
    atomic_fetch_sub_explicit(&roots->partition_counts[root].value, 1, memory_order_relaxed);
}
