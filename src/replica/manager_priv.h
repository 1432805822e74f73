#pragma once

#include <stdatomic.h>

#include "base/list.h"
#include "base/map.h"
#include "net/loop.h"
#include "replica/cleaner_priv.h"
#include "replica/manager.h"
#include "replica/scrub_priv.h"
#include "trace/trace.h"

/* One directory that was there at start, named "<topic>-<index>". */
struct replica_found {
    char *name;
    size_t root; /* index */
};

struct replica_count {
    _Atomic int32_t value;
};

struct replica_roots {
    struct log_root **roots;
    struct replica_count *partition_counts; /* by root; a hint for placing, hence relaxed */
    size_t count;
    struct replica_found *found; /* by name; constant after open */
    size_t found_count;
    size_t found_capacity;
};

/*
 * Of several roots, the one in which a directory of that name is now that belongs to no topic yet;
 * false: none. With one root there is no choice, and nothing is looked at.
 */
bool replica_roots_look(const struct replica_roots *roots, const char *name, size_t *root_out);

/* Take the root with the fewest partitions, or this one; and give it back. */
size_t replica_roots_take(struct replica_roots *roots);
void replica_roots_count_in(struct replica_roots *roots, size_t root);
void replica_roots_count_out(struct replica_roots *roots, size_t root);

/*
 * queued -> open                   here, some in a turn: a new log, or there is no pool
 *        -> opening -> open        on the pool, some at once: one that may have to be recovered
 *        -> waits -> queued        its name is still somebody else's
 *   any of them -> offline         it could not be opened
 */
enum entry_state { ENTRY_QUEUED, ENTRY_OPENING, ENTRY_WAITS, ENTRY_OPEN, ENTRY_OFFLINE };

/* What is done with a partition as soon as it was opened. */
enum entry_fate { FATE_KEPT, FATE_CLOSED, FATE_DELETED };

enum { REPLICA_NAME_SIZE = 300 }; /* "<topic>-<index>" */

/* One partition that this shard should have. */
struct replica_entry {
    struct partition_id id;
    char *topic;
    enum entry_state state;
    enum entry_fate fate;
    bool is_found;               /* at start, its directory was there */
    bool has_new_options;        /* since its opening began */
    struct partition *partition; /* when open */
    size_t root;
    int32_t leader_epoch;
    struct log_options log_options;
    struct log_compact_options compact_options;
    struct list_node node;       /* in the manager's turns, or doomed */
    struct list_node queue_node; /* in its queue */
};

struct replica_manager {
    struct replica_manager_options options;
    struct loop *loop;
    struct map_slice entries; /* by id */
    struct list_node turns;   /* all entries; the first is the next to be maintained */
    struct uuid known_topic_id;
    struct log_options known_options; /* of that topic, while the image stays as it is */
    struct log_compact_options known_compact_options;
    struct replica_scrub *scrub;
    struct replica_guard *guard;
    size_t offline_count;
    bool is_started;
    struct loop_timer maintain_timer;
    struct replica_cleaner cleaner;

    struct list_node queue;  /* entries to be opened */
    struct list_node doomed; /* entries in opening that are not in the map any more */
    size_t opening_count;    /* on the pool */
    size_t opening_max;
    struct loop_timer open_timer;
    struct loop_timer retry_timer;
    struct loop_timer started_timer;
    void (*started)(void *ctx); /* NULL: told, or nobody asked */
    void *started_ctx;
};

/* ---- manager.c ---- */

struct replica_trouble {
    enum trace_level level;
    const char *event;
    enum err err;
    const char *text; /* NULL: none */
};

void replica_trace_entry(const struct replica_manager *m, const struct replica_entry *entry,
                         const struct replica_trouble *t);

/* A topic's own settings in the image; NULL, which means none, when memory is out. */
struct config_topic *replica_topic_config(const struct meta_image *image,
                                          const struct meta_topic *topic);

/* ---- opening.c ---- */

void replica_opening_init(struct replica_manager *m);
void replica_opening_stop(struct replica_manager *m);

/* The name of its directory. */
void replica_entry_name(const struct replica_entry *entry, char name_out[REPLICA_NAME_SIZE]);

/* A new entry is to be opened. */
void replica_queue(struct replica_manager *m, struct replica_entry *entry);

/* Open what may be opened in this turn. */
void replica_open_some(struct replica_manager *m);

/* Open a queued entry here. */
void replica_open_now(struct replica_manager *m, struct replica_entry *entry);

/* Free an entry that is in no map and no list of entries. */
void replica_entry_release(struct replica_manager *m, struct replica_entry *entry);
