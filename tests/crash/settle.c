#include "settle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Options of a page: the named ones, then what it held after its i-th write. */
enum {
    OLD,
    NEW,
    TORN_FIRST,                 /* 1 to 7 sectors of the new page, then the old one */
    TORN_LAST = TORN_FIRST + 7, /* 1 to 7 sectors of the old page, then the new one */
    STALE = TORN_LAST + 7,
    VERSIONS
};

enum {
    PAGE_SIZE = 4096,
    SECTOR_SIZE = 512,
    SECTORS = PAGE_SIZE / SECTOR_SIZE,
    EXHAUSTIVE_ATOMS = 7, /* up to so many all combinations are tried */
    ATOMS_MAX = 4096,
    STALE_SHIFT = 531
};

static void *must(void *p)
{
    if (p == NULL)
        abort();
    return p;
}

/* Atoms. */

static void reach(struct settle *s, int inode)
{
    const struct disk_inode *at = &s->disk->inodes[inode];

    if (s->is_reached[inode])
        return;
    s->is_reached[inode] = true;
    for (int i = 0; i < at->durable_names.count; i++)
        reach(s, at->durable_names.at[i].inode);
    for (int i = 0; i < s->disk->op_count; i++) {
        const struct disk_op *o = &s->disk->ops[i];

        if (o->inode == inode && (o->kind == DISK_LINK || o->kind == DISK_RENAME))
            reach(s, o->target);
    }
}

static struct atom *atom_find(const struct settle *s, enum atom_kind kind, int inode, int64_t page)
{
    for (int i = 0; i < s->atom_count; i++) {
        struct atom *a = &s->atoms[i];

        if (a->kind == kind && a->inode == inode && a->page == page)
            return a;
    }
    return NULL;
}

static void atom_add(struct settle *s, struct atom atom)
{
    if (s->atom_count == s->atom_capacity) {
        s->atom_capacity = s->atom_capacity == 0 ? 32 : 2 * s->atom_capacity;
        s->atoms = must(realloc(s->atoms, (size_t)s->atom_capacity * sizeof(*s->atoms)));
    }
    if (s->atom_count == ATOMS_MAX)
        abort();
    s->atoms[s->atom_count++] = atom;
}

/* One more size that the file had; whole pages of a growing write count as such. */
static void add_sizes(struct settle *s, int op, int64_t before, int64_t after)
{
    int inode = s->disk->ops[op].inode;
    struct atom *a = atom_find(s, ATOM_SIZE, inode, 0);
    int64_t pages = after > before && s->disk->ops[op].kind == DISK_WRITE
                        ? (after - 1) / PAGE_SIZE - before / PAGE_SIZE
                        : 0;

    if (a == NULL) {
        atom_add(s, (struct atom){.kind = ATOM_SIZE, .op = op, .inode = inode, .options = 1});
        a = &s->atoms[s->atom_count - 1];
    }
    a->options += (int)pages + 1; /* 0: old, 1: the last, then the others in order */
}

static void add_pages(struct settle *s, int op)
{
    const struct disk_op *o = &s->disk->ops[op];

    for (int64_t page = o->pos / PAGE_SIZE; page * PAGE_SIZE < o->pos + o->size; page++) {
        struct atom *a = atom_find(s, ATOM_PAGE, o->inode, page);

        if (a == NULL)
            atom_add(s, (struct atom){.kind = ATOM_PAGE,
                                      .op = op,
                                      .inode = o->inode,
                                      .page = page,
                                      .options = VERSIONS});
        else
            a->options++;
    }
}

/* Bytes of another file, or of an earlier place of the same, for blocks that hold what was there.
 */
static void find_stale(struct settle *s)
{
    const struct disk_bytes *largest = NULL;

    for (int i = 0; i < s->disk->inode_count; i++) {
        const struct disk_inode *inode = &s->disk->inodes[i];

        if (!inode->is_dir && (largest == NULL || inode->now.size > largest->size))
            largest = &inode->now;
    }
    if (largest != NULL)
        disk_bytes_write(&s->stale, STALE_SHIFT, slice_of(largest->at, (size_t)largest->size));
    if (s->stale.size < PAGE_SIZE) {
        int64_t size = s->stale.size;

        disk_bytes_resize(&s->stale, PAGE_SIZE);
        memset(s->stale.at + size, 0x5a, (size_t)(PAGE_SIZE - size));
    }
}

void settle_init(struct settle *s, const struct disk *disk)
{
    int64_t *sizes = must(calloc((size_t)disk->inode_count, sizeof(*sizes)));

    *s = (struct settle){.disk = disk};
    s->is_reached = must(calloc((size_t)disk->inode_count, sizeof(bool)));
    reach(s, 0);
    find_stale(s);
    for (int i = 0; i < disk->inode_count; i++)
        sizes[i] = disk->inodes[i].durable.size;
    for (int i = 0; i < disk->op_count; i++) {
        const struct disk_op *o = &disk->ops[i];
        int64_t end = o->kind == DISK_RESIZE ? o->pos : o->pos + o->size;

        if (!s->is_reached[o->inode])
            continue;
        if (o->kind >= DISK_LINK) {
            atom_add(s,
                     (struct atom){
                         .kind = ATOM_NAME, .op = i, .inode = o->inode, .options = 2, .page = i});
            continue;
        }
        if (o->kind == DISK_WRITE)
            add_pages(s, i);
        if (o->kind == DISK_RESIZE || end > sizes[o->inode]) {
            add_sizes(s, i, sizes[o->inode], end);
            sizes[o->inode] = end;
        }
    }
    free(sizes);
}

void settle_release(struct settle *s)
{
    free(s->atoms);
    free(s->is_reached);
    free(s->stale.at);
}

/* Choices. */

/* What was done up to `op`: which option of the atom is that? */
static int option_at(const struct settle *s, const struct atom *a, int op)
{
    int versions = 0, all = 0;
    int64_t size = s->disk->inodes[a->inode].durable.size;

    if (a->kind == ATOM_NAME)
        return a->op <= op ? NEW : OLD;
    for (int i = 0; i < s->disk->op_count; i++) {
        const struct disk_op *o = &s->disk->ops[i];
        int64_t end = o->kind == DISK_RESIZE ? o->pos : o->pos + o->size;
        int steps = 0;

        if (o->inode != a->inode)
            continue;
        if (a->kind == ATOM_PAGE)
            steps = o->kind == DISK_WRITE && o->pos < (a->page + 1) * PAGE_SIZE &&
                    end > a->page * PAGE_SIZE;
        else if (o->kind == DISK_RESIZE)
            steps = 1;
        else if (end > size)
            steps = 1 + (int)((end - 1) / PAGE_SIZE - size / PAGE_SIZE);
        if (a->kind == ATOM_SIZE && steps > 0)
            size = end;
        all += steps;
        versions += i <= op ? steps : 0;
    }
    if (versions == 0 || versions == all)
        return versions == 0 ? OLD : NEW;
    return a->kind == ATOM_PAGE ? VERSIONS + versions - 1 : 1 + versions;
}

static int exotic(const struct atom *a, struct rng *rng)
{
    if (a->kind != ATOM_PAGE || !rng_chance(rng, 1, 2))
        return (int)rng_below(rng, (uint64_t)a->options);
    return rng_chance(rng, 1, 4) ? STALE : TORN_FIRST + (int)rng_below(rng, 14);
}

/* Evenly, mostly new, mostly old, or in order with some disorder around a point. */
static void draw(const struct settle *s, struct rng *rng, uint8_t *choice)
{
    static const int new_of_16[] = {8, 14, 2, 8};
    int pattern = (int)rng_below(rng, 4);
    int at = (int)rng_below(rng, (uint64_t)s->disk->op_count + 1);

    for (int i = 0; i < s->atom_count; i++) {
        const struct atom *a = &s->atoms[i];

        choice[i] = rng_chance(rng, (uint64_t)new_of_16[pattern], 16) ? NEW : OLD;
        if (pattern == 3 && (a->op < at - 2 || a->op > at + 2))
            choice[i] = (uint8_t)option_at(s, a, at);
        if (rng_chance(rng, 1, 5))
            choice[i] = (uint8_t)exotic(a, rng);
    }
}

static int systematic_count(const struct settle *s)
{
    return s->atom_count <= EXHAUSTIVE_ATOMS ? 1 << s->atom_count : 4 * s->atom_count;
}

static void systematic(const struct settle *s, int state, uint8_t *choice)
{
    int n = s->atom_count;
    int at = state / 4;

    for (int i = 0; i < n; i++) {
        if (n <= EXHAUSTIVE_ATOMS) {
            choice[i] = (state >> i) & 1;
            continue;
        }
        switch (state % 4) {
        case 0: /* it alone */
            choice[i] = i == at;
            break;
        case 1: /* all but it */
            choice[i] = i != at;
            break;
        case 2: /* none, and prefixes */
            choice[i] = i < at;
            break;
        default: /* all, and suffixes */
            choice[i] = i >= at;
        }
    }
}

int settle_count(const struct settle *s, int draws)
{
    if (s->atom_count == 0)
        return 1;
    return systematic_count(s) + s->disk->op_count + draws;
}

static uint8_t *choose(const struct settle *s, int state, uint64_t seed)
{
    uint8_t *choice = must(calloc((size_t)s->atom_count + 1, 1));
    int fixed = systematic_count(s);

    if (state < fixed) {
        systematic(s, state, choice);
    } else if (state < fixed + s->disk->op_count) {
        for (int i = 0; i < s->atom_count; i++)
            choice[i] = (uint8_t)option_at(s, &s->atoms[i], state - fixed);
    } else {
        struct rng rng;

        rng_init(&rng, seed * 1000003 + (uint64_t)state);
        draw(s, &rng, choice);
    }
    return choice;
}

/* Making. */

struct making {
    const struct settle *s;
    const uint8_t *choice;
    struct disk *disk;
};

/* How far the changes of a file's size got: those up to `op`, and then it has this size. */
struct extent {
    int op;
    int64_t size;
};

static struct extent extent_of(const struct making *m, int inode)
{
    const struct settle *s = m->s;
    const struct atom *a = atom_find(s, ATOM_SIZE, inode, 0);
    struct extent at = {-1, s->disk->inodes[inode].durable.size};
    int choice = a == NULL ? OLD : m->choice[a - s->atoms];
    int steps = choice == OLD ? 0 : choice == NEW ? INT32_MAX : choice - 1;

    for (int i = 0; i < s->disk->op_count && steps > 0; i++) {
        const struct disk_op *o = &s->disk->ops[i];
        int64_t end = o->pos + o->size;
        int pages = 0;

        if (o->inode != inode || (o->kind == DISK_WRITE && end <= at.size))
            continue;
        if (o->kind == DISK_WRITE)
            pages = (int)((end - 1) / PAGE_SIZE - at.size / PAGE_SIZE);
        at.op = i;
        at.size = steps > pages ? end : (at.size / PAGE_SIZE + steps) * PAGE_SIZE;
        steps -= pages + 1;
    }
    return at;
}

static bool is_cut(const struct disk_op *o, int inode)
{
    return o->inode == inode && o->kind == DISK_RESIZE;
}

/* The writes of the atom's page, applied to what was there, up to the `count`-th. */
static void page_version(const struct making *m, const struct atom *a, int count, uint8_t *page)
{
    const struct disk_inode *inode = &m->s->disk->inodes[a->inode];
    struct extent extent = extent_of(m, a->inode);
    int64_t from = a->page * PAGE_SIZE, to = from + PAGE_SIZE;

    memset(page, 0, PAGE_SIZE);
    if (inode->durable.size > from)
        memcpy(page, inode->durable.at + from,
               (size_t)(inode->durable.size < to ? inode->durable.size - from : PAGE_SIZE));
    for (int i = 0; i < m->s->disk->op_count; i++) {
        const struct disk_op *o = &m->s->disk->ops[i];
        int64_t begin = o->pos > from ? o->pos : from;
        int64_t end = o->pos + o->size < to ? o->pos + o->size : to;

        if (is_cut(o, a->inode) && i <= extent.op && begin < to)
            memset(page + (begin - from), 0, (size_t)(to - begin));
        if (o->inode != a->inode || o->kind != DISK_WRITE || begin >= end || count == 0)
            continue;
        memcpy(page + (begin - from), o->bytes + (begin - o->pos), (size_t)(end - begin));
        count--;
    }
}

static void make_page(const struct making *m, const struct atom *a, int option)
{
    struct disk_bytes *bytes = &m->disk->inodes[a->inode].durable;
    int64_t pages = m->s->stale.size / PAGE_SIZE;
    uint8_t old[PAGE_SIZE], page[PAGE_SIZE];
    int torn;

    if (option == OLD)
        return;
    page_version(m, a, 0, old);
    page_version(m, a, option >= VERSIONS ? option - VERSIONS + 1 : -1, page);
    if (option >= TORN_FIRST && option < TORN_LAST) {
        torn = (option - TORN_FIRST + 1) * SECTOR_SIZE;
        memcpy(page + torn, old + torn, (size_t)(PAGE_SIZE - torn));
    } else if (option >= TORN_LAST && option < STALE) {
        torn = (option - TORN_LAST + 1) * SECTOR_SIZE;
        memcpy(page, old, (size_t)torn);
    } else if (option == STALE) {
        /* only where nothing durable is: a block is never given away under a file */
        if (m->s->disk->inodes[a->inode].durable.size > a->page * PAGE_SIZE)
            return;
        memcpy(page, m->s->stale.at + ((a->page + 1) % pages) * PAGE_SIZE, PAGE_SIZE);
    }
    disk_bytes_write(bytes, a->page * PAGE_SIZE, slice_of(page, PAGE_SIZE));
}

static void make_file(const struct making *m, int inode)
{
    struct disk_bytes *bytes = &m->disk->inodes[inode].durable;
    struct extent extent = extent_of(m, inode);

    for (int i = 0; i <= extent.op; i++) {
        const struct disk_op *o = &m->s->disk->ops[i];

        if (is_cut(o, inode) && o->pos < bytes->size)
            memset(bytes->at + o->pos, 0, (size_t)(bytes->size - o->pos));
    }
    for (int i = 0; i < m->s->atom_count; i++) {
        const struct atom *a = &m->s->atoms[i];

        if (a->kind == ATOM_PAGE && a->inode == inode)
            make_page(m, a, m->choice[i]);
    }
    disk_bytes_resize(bytes, extent.size);
}

struct disk *settle_make(const struct settle *s, int state, uint64_t seed)
{
    uint8_t *choice = choose(s, state, seed);
    struct making m = {s, choice, disk_new()};

    m.disk->random = s->disk->random + 1000;
    m.disk->is_late = s->disk->is_late;
    for (int i = 0; i < s->disk->inode_count; i++) {
        const struct disk_inode *from = &s->disk->inodes[i];
        int inode = i == 0 ? 0 : disk_inode_add(m.disk, from->is_dir);

        if (!s->is_reached[i])
            continue;
        disk_bytes_write(&m.disk->inodes[inode].durable, 0,
                         slice_of(from->durable.at, (size_t)from->durable.size));
        for (int n = 0; n < from->durable_names.count; n++)
            disk_names_set(&m.disk->inodes[inode].durable_names, from->durable_names.at[n].text,
                           from->durable_names.at[n].inode);
    }
    for (int i = 0; i < s->atom_count; i++) {
        const struct disk_op *o = &s->disk->ops[s->atoms[i].op];

        if (s->atoms[i].kind == ATOM_NAME && choice[i] != OLD)
            disk_names_apply(&m.disk->inodes[o->inode].durable_names, o);
    }
    for (int i = 0; i < s->disk->inode_count; i++) {
        if (s->is_reached[i] && !s->disk->inodes[i].is_dir)
            make_file(&m, i);
    }
    for (int i = 0; i < m.disk->inode_count; i++) { /* the page cache is empty */
        struct disk_inode *inode = &m.disk->inodes[i];

        disk_bytes_write(&inode->now, 0, slice_of(inode->durable.at, (size_t)inode->durable.size));
        for (int n = 0; n < inode->durable_names.count; n++)
            disk_names_set(&inode->names, inode->durable_names.at[n].text,
                           inode->durable_names.at[n].inode);
    }
    free(choice);
    return m.disk;
}

/* The name that leads or led to an inode. */
static const char *name_of(const struct disk *disk, int inode)
{
    for (int i = 0; i < disk->inode_count; i++) {
        const struct disk_names *sets[] = {&disk->inodes[i].names, &disk->inodes[i].durable_names};

        for (int k = 0; k < 2; k++) {
            for (int n = 0; n < sets[k]->count; n++) {
                if (sets[k]->at[n].inode == inode)
                    return sets[k]->at[n].text;
            }
        }
    }
    return inode == 0 ? "/" : "?";
}

void settle_print(const struct settle *s, int state, uint64_t seed)
{
    uint8_t *choice = choose(s, state, seed);

    for (int i = 0; i < s->atom_count; i++) {
        const struct atom *a = &s->atoms[i];
        const struct disk_op *o = &s->disk->ops[a->op];

        if (a->kind == ATOM_NAME)
            printf("    %-7s %s/%s%s%s", o->kind == DISK_UNLINK ? "remove" : "name",
                   name_of(s->disk, a->inode), o->from, o->kind == DISK_RENAME ? " -> " : "",
                   o->name);
        else if (a->kind == ATOM_PAGE)
            printf("    page    %s %lld", name_of(s->disk, a->inode), (long long)a->page);
        else
            printf("    size    %s of %d", name_of(s->disk, a->inode), a->options);
        printf(": %s%.0d\n",
               choice[i] == OLD                             ? "old"
               : choice[i] == NEW                           ? "new"
               : choice[i] == STALE && a->kind == ATOM_PAGE ? "stale "
                                                            : "between ",
               choice[i] <= NEW ? 0 : choice[i]);
    }
    free(choice);
}
