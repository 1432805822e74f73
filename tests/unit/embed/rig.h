#pragma once

/* A root in a folder of its own, a log in it, and short ways to append and to look. */
#include <stdbool.h>
#include <stdint.h>

#include "dlog.h"

struct rig {
    char path[256];
    struct dlog_env *env;
    struct dlog *log;
    struct dlog_options options;
    struct dlog_env_options env_options;
    char report[512];
    char trace[2048]; /* all lines */
};

enum { RIG_NOW = 1767225600 };

/* The folder and its environment; no log yet. */
void rig_init(struct rig *r);

/* And log "t" with r->options. */
void rig_open(struct rig *r);

/* dlog_close and dlog_open. */
void rig_reopen(struct rig *r);

/* Everything closed and removed. */
void rig_close(struct rig *r);

/* A record whose value is `text` and whose time is RIG_NOW. */
struct dlog_record rig_record(const char *text);

/* Append `count` records whose values are their offsets, in letters, up to `count` more. */
void rig_fill(struct rig *r, int count);

/* Read all from the start and check that offsets continue; how many. */
int64_t rig_count(struct rig *r);

/* Is there a file in the folder of the log? */
bool rig_has_file(const struct rig *r, const char *name);

/* Turn the bits of a byte of a file of log "t". */
void rig_flip(const struct rig *r, const char *name, long pos);

void rig_sleep_ms(int ms);
