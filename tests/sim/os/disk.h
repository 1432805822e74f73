#pragma once

#include "base/err.h"
#include "base/slice.h"
#include "sim_priv.h"

/*
 * Disk of a node: what the page cache shows, what the platter holds, and in
 * between, in order, what was done since.
 *
 *     durable content + ops = content now
 *
 * A sync moves the ops up to its start into the durable content. A crash settles:
 * it draws what each op has reached (see settle.c), and then both are the same.
 */

/* One change of a file since its last sync: a write, or a new size. */
struct sim_file_op {
    struct list_node entry;
    uint64_t number;
    bool is_truncate;
    int64_t pos; /* of a write; the new size of a truncate */
    int64_t size;
    uint8_t bytes[];
};

/* One change of a directory since its last sync. SET may have a `from` that goes with it. */
struct sim_name_op {
    struct list_node entry;
    uint64_t number;
    struct sim_inode *inode; /* NULL: `name` is removed */
    char *name;
    char *from; /* rename: goes in the same instant; may be NULL */
};

struct sim_name {
    struct list_node entry; /* in name order */
    struct sim_inode *inode;
    char *name;
};

struct sim_bytes {
    uint8_t *at;
    int64_t size;
    int64_t capacity;
};

struct sim_inode {
    struct list_node entry; /* in disk->inodes */
    bool is_dir;
    bool is_reached; /* by the sweep */
    bool is_locked;
    int open_count;
    uint64_t op_number; /* of the latest op */
    struct list_node ops;

    struct sim_bytes now; /* of a file */
    struct sim_bytes durable;
    int64_t spoilt_pos; /* reads of this byte fail; -1: none */

    struct list_node names; /* of a directory */
    struct list_node durable_names;
};

struct sim_inode *sim_inode_new(struct sim_disk *disk, bool is_dir);

/* Free what no name, op or handle leads to. */
void sim_disk_sweep(struct sim_disk *disk);

/*
 * Each disk call begins with this: it counts, takes a little time and may be the
 * one in which power is lost.
 */
void sim_disk_enter(struct sim_node *node);

/* A sync's time passes; E_IO when it shall fail. */
enum err sim_disk_wait(struct sim_node *node);
bool sim_disk_fails(struct sim_node *node, uint32_t ppm);

/* Names. */

struct sim_name *sim_name_find(const struct list_node *names, const char *name);
void sim_names_set(struct list_node *names, const char *name, struct sim_inode *inode);
void sim_names_remove(struct list_node *names, const char *name);
void sim_name_op_add(struct sim_inode *dir, const char *name, struct sim_inode *inode,
                     const char *from);

/* Files. */

void sim_bytes_resize(struct sim_bytes *bytes, int64_t size);
void sim_bytes_write(struct sim_bytes *bytes, int64_t pos, const void *at, int64_t size);
void sim_file_op_add(struct sim_inode *file, bool is_truncate, int64_t pos, struct slice bytes);

/* Settle (settle.c). */

/* The ops up to `number` are durable. */
void sim_inode_apply(struct sim_inode *inode, uint64_t number);

/* Draw how much of each op got to the platter; the cache shows it if `is_cache_lost`. */
void sim_file_settle(struct sim_node *node, struct sim_inode *file, bool is_cache_lost);
void sim_dir_settle(struct sim_node *node, struct sim_inode *dir);
