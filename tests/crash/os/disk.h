#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/*
 * Disk: files and directories in memory, and every change that is not durable yet.
 *
 *     durable content + ops, in order = content now
 *
 * A sync of a file or directory moves its ops into the durable content. What a crash
 * leaves is the durable content and whatever of the ops: see settle.h.
 *
 * Owner: a test, one thread. Many may exist; code under test reaches one by its `os`.
 * What cannot go on (no memory for the disk itself) aborts.
 */
enum { DISK_NAME_SIZE = 80 };

struct disk_bytes {
    uint8_t *at;
    int64_t size;
    int64_t capacity;
};

struct disk_name {
    char text[DISK_NAME_SIZE];
    int inode;
};

/* In the order of their texts. */
struct disk_names {
    struct disk_name *at;
    int count;
    int capacity;
};

struct disk_inode {
    bool is_dir;
    bool is_locked;
    struct disk_bytes now;
    struct disk_bytes durable;
    struct disk_names names;
    struct disk_names durable_names;
};

enum disk_op_kind {
    DISK_WRITE,  /* bytes at pos */
    DISK_RESIZE, /* to pos */
    DISK_LINK,   /* `name` leads to `target` */
    DISK_UNLINK, /* `name` is gone */
    DISK_RENAME  /* `from` is gone and `name` leads to `target`, in one instant */
};

struct disk_op {
    enum disk_op_kind kind;
    int inode; /* that it changes: a file, or a directory */
    int target;
    int64_t pos;
    int64_t size;
    uint8_t *bytes;
    char name[DISK_NAME_SIZE];
    char from[DISK_NAME_SIZE];
};

struct disk {
    struct disk_inode *inodes; /* 0 is the root directory */
    int inode_count;
    int inode_capacity;
    struct disk_op *ops; /* oldest first */
    int op_count;
    int op_capacity;
    int handle_count; /* open files, directories and locks */
    uint64_t random;
    uint64_t change_count;
    bool is_off;    /* every call fails, nothing changes: the machine is dead */
    bool is_late;   /* canary: a sync of a file is done when the next one is asked for */
    int late_inode; /* whose; 0: none */
    void (*on_change)(void *ctx, struct disk *disk); /* after each change; NULL is fine */
    void *ctx;
};

struct disk *disk_new(void);
void disk_free(struct disk *disk); /* NULL is fine */

/* What a killed process leaves: all that was done, with what is durable of it. */
struct disk *disk_copy(const struct disk *disk);

/* Number that depends on every name and byte there is now. */
uint64_t disk_hash(const struct disk *disk);

/* A line a file: its name, size and hash. */
void disk_print(const struct disk *disk);

/* Inodes. */

int disk_inode_add(struct disk *disk, bool is_dir);
void disk_bytes_resize(struct disk_bytes *bytes, int64_t size);
void disk_bytes_write(struct disk_bytes *bytes, int64_t pos, struct slice from);

/* The inode of a name; -1 when there is none. */
int disk_names_find(const struct disk_names *names, const char *text);
void disk_names_set(struct disk_names *names, const char *text, int inode);
void disk_names_remove(struct disk_names *names, const char *text);
void disk_names_apply(struct disk_names *names, const struct disk_op *op);

/* Changes, as code under test makes them; each ends with on_change(). */

void disk_write(struct disk *disk, int inode, int64_t pos, struct slice bytes);
void disk_resize(struct disk *disk, int inode, int64_t size);
void disk_link(struct disk *disk, int dir, const char *name, int inode);
void disk_unlink(struct disk *disk, int dir, const char *name);
void disk_rename(struct disk *disk, int dir, const char *from, const char *to);
void disk_sync(struct disk *disk, int inode);
