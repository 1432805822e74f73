#pragma once

#include "base/rng.h"
#include "os/disk.h"

/*
 * Settle: what a crash may leave of a disk, one state at a time.
 *
 * The changes that are not durable are taken apart into atoms. Each settles by itself:
 *
 *   NAME  a name that was made, moved or removed: the old state or the new one
 *   PAGE  4 KiB of a file: old (zeroes where there was nothing), new, what it was between
 *         two writes, torn at a sector of 512 bytes, or other bytes that once lay there
 *   SIZE  of a file: the old one, the new one, or one on the way, also in mid-write;
 *         file systems keep changes of sizes in order, so it says which truncates count
 *
 * A state is a choice for each atom. States have numbers: first the systematic ones (all
 * combinations of old and new where there are few atoms; else none, all, each alone, all
 * but one, prefixes, suffixes), then what was done up to each op, in order, then draws.
 * The same disk, number and seed give the same state.
 */
enum atom_kind { ATOM_NAME, ATOM_PAGE, ATOM_SIZE };

struct atom {
    enum atom_kind kind;
    int op; /* the first that it is of */
    int inode;
    int64_t page;
    int options; /* 0 is old, 1 new */
};

struct settle {
    const struct disk *disk;
    struct atom *atoms;
    int atom_count;
    int atom_capacity;
    bool *is_reached; /* inodes that some name may lead to */
    struct disk_bytes stale;
};

void settle_init(struct settle *s, const struct disk *disk);
void settle_release(struct settle *s);

/* How many states are worth a look, `draws` of them drawn. */
int settle_count(const struct settle *s, int draws);

/* The disk that a machine finds after the crash; the caller frees it. */
struct disk *settle_make(const struct settle *s, int state, uint64_t seed);

/* A line for each atom, and what became of it. */
void settle_print(const struct settle *s, int state, uint64_t seed);
