#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/report.h"
#include "cli/cli.h"
#include "cli/cli_json.h"
#include "record/record.h"
#include "storage/log_view.h"

struct os;
struct os_dir;

/*
 * Log: what the commands on a log directory share. They work without a broker, on files. A log is
 * a partition's directory, DATA/TOPIC-PARTITION.
 *
 * Looking changes nothing on disk and takes no lock.
 */
struct cli_log {
    const char *path; /* borrowed */
    struct os *os;
    struct os_dir *dir;
    struct log_view view;
};

/* Look at the log in directory `path`. Errors of log_view_open; the report says what to do. */
NODISCARD enum err cli_log_open(const char *path, struct cli_log *log_out, struct report *report);
void cli_log_close(struct cli_log *log);

/*
 * DATA/orders-0 is the log orders-0 in the root DATA; so is orders-0/ seen from DATA. Free
 * `root_out` with mem_free(); `name_out` points into it.
 *
 *   E_INVAL  such as "." or "/": not a directory's name in another directory
 *   E_NOMEM
 */
NODISCARD enum err cli_log_split(const char *path, char **root_out, const char **name_out,
                                 struct report *report);

/* The last segment that begins at or before `offset`. */
size_t cli_log_segment_of(const struct log_view *view, int64_t offset);

/* A process has the data directory of `log` open, so that its end may move while we look. */
bool cli_log_is_live(const struct cli_log *log);

/* "damage", "lost", "torn", "unreadable"; "batch" for what is right. */
const char *cli_log_kind_text(enum log_walk_kind kind);

/* The members of a record's object: offset, timestamp, key, value, headers. */
void cli_log_record_json(struct cli_json *j, const struct record_view *record);

/* The record in a line for people; what a terminal would obey is written as \xHH. */
NODISCARD enum err cli_log_record_text(const struct record_view *record, struct buf *out);

/* Print what is in `text` and clear it. E_CLOSED, E_IO as cli_out_flush. */
NODISCARD enum err cli_log_print(const struct cli *cli, struct buf *text, struct report *report);

/*
 * How far long work is, on a terminal only: at most a few times a second, in one line that the
 * next one replaces.
 */
struct cli_progress {
    const struct cli *cli; /* borrowed */
    struct os *os;         /* borrowed */
    const char *what;      /* borrowed: "verify data/orders-0" */
    int64_t told_ms;
    bool is_shown;
};

void cli_progress_tell(struct cli_progress *p, int64_t done, int64_t total);
void cli_progress_end(struct cli_progress *p);
