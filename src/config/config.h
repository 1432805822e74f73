#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/report.h"
#include "base/slice.h"
#include "config/table.h"

/*
 * Config: the settings of one broker.
 *
 * Owner: whoever made it; opaque. Read by any thread while nobody sets; a dynamic change
 * happens on one thread, and the others are told by a message.
 * Precedence is that of enum config_source whatever the order of the calls; within one
 * source the last call wins. Nothing is ever half set.
 *
 *     struct config *c = config_new();
 *
 *     config_parse_properties(c, text, "server.properties", &report);
 *     config_set_env(c, slice_of_text("DLOG_LOG_RETENTION_MS=1000"), &report);
 *     config_set_argument(c, slice_of_text("shards=2"), &report);
 *     config_i64(c, CONFIG_LOG_SEGMENT_BYTES);
 */
struct config;

enum config_source {
    CONFIG_SOURCE_DEFAULT,
    CONFIG_SOURCE_FILE,
    CONFIG_SOURCE_ENV,
    CONFIG_SOURCE_ARGUMENT,        /* --set */
    CONFIG_SOURCE_DYNAMIC_DEFAULT, /* set in the cluster, for all brokers */
    CONFIG_SOURCE_DYNAMIC,         /* set in the cluster, for this broker */
    CONFIG_SOURCE_COUNT,
    CONFIG_SOURCE_TOPIC = CONFIG_SOURCE_COUNT, /* in config/topic.h only */
};

/* Choices, in the order of the table: see config_choice. */
enum { CONFIG_DURABILITY_ALWAYS, CONFIG_DURABILITY_INTERVAL, CONFIG_DURABILITY_OS };
enum { CONFIG_CREATE_TIME, CONFIG_LOG_APPEND_TIME };
enum { CONFIG_CLEANUP_COMPACT = 1, CONFIG_CLEANUP_DELETE = 2 };
enum { CONFIG_ROLE_BROKER = 1, CONFIG_ROLE_CONTROLLER = 2 };
enum { CONFIG_TRACE_LOGFMT, CONFIG_TRACE_JSON };
enum {
    CONFIG_COMPRESSION_NONE, /* "uncompressed" */
    CONFIG_COMPRESSION_ZSTD,
    CONFIG_COMPRESSION_LZ4,
    CONFIG_COMPRESSION_SNAPPY,
    CONFIG_COMPRESSION_GZIP,
    CONFIG_COMPRESSION_PRODUCER,
};

enum { CONFIG_VALUE_SIZE_MAX = 64 * 1024, CONFIG_FILE_SIZE_MAX = 4 * 1024 * 1024 };

/* All settings at their defaults; NULL: out of memory. */
struct config *config_new(void);
void config_free(struct config *c);

/* Another one with the same values from the same sources, without the warning. */
NODISCARD enum err config_copy(const struct config *c, struct config **copy_out);

/*
 * Set one broker setting. A name that Kafka knows and we do not use is accepted, does
 * nothing and is told by config_warning. Blanks around the value do not count.
 *
 *   E_INVAL    unknown name, not a value of the type, out of range; the report says it
 *   E_DENIED   a dynamic source, and the setting is not dynamic
 *   E_TOO_BIG  the value passes CONFIG_VALUE_SIZE_MAX
 *   E_NOMEM
 */
NODISCARD enum err config_set(struct config *c, struct slice name, struct slice value,
                              enum config_source source, struct report *report);

/* Take the value of one source back. Unknown and unused names: nothing happens. */
void config_unset(struct config *c, struct slice name, enum config_source source);

/* A dynamic source as a whole: before it is loaded anew. */
void config_unset_all(struct config *c, enum config_source source);

/*
 * The text of a .properties file, as Java reads it: name=value, name: value or name value;
 * comments after # or !; a backslash at the end of a line continues it; \t \n \r \f \uXXXX.
 * Stops at the first error; what stood before it is set. Errors as config_set, and
 *
 *   E_INVAL    a broken escape; the report names file and line
 *   E_TOO_BIG  the text passes CONFIG_FILE_SIZE_MAX
 */
NODISCARD enum err config_parse_properties(struct config *c, struct slice text,
                                           const char *file_name, struct report *report);

/*
 * One entry of the environment: DLOG_LOG_RETENTION_MS=1000 is log.retention.ms. Others than
 * DLOG_ are skipped, and DLOG_TEST_ is left to the tests. Errors as config_set.
 */
NODISCARD enum err config_set_env(struct config *c, struct slice entry, struct report *report);

/* "name=value" after --set. Errors as config_set; E_INVAL also without a '='. */
NODISCARD enum err config_set_argument(struct config *c, struct slice text, struct report *report);

/*
 * What belongs together, after all is set: limits that contradict each other.
 *
 *   E_INVAL  the report says which
 */
NODISCARD enum err config_check(const struct config *c, struct report *report);

/* One line about the names that are ignored; "" when there are none. */
const char *config_warning(const struct config *c);

/*
 * Values. The getter must fit the type (asserted). An unset setting takes the value of the
 * one that stands in for it: log.retention.ms that of log.retention.minutes, then .hours.
 */
bool config_bool(const struct config *c, enum config_id id);
int64_t config_i64(const struct config *c, enum config_id id);
double config_f64(const struct config *c, enum config_id id);

/* Any type, as text; NULL: unset. Borrowed until the setting changes. */
const char *config_text(const struct config *c, enum config_id id);

/* CONFIG_ENUM: number of the choice, from 0. CONFIG_LIST with choices: a bit per choice. */
unsigned config_choice(const struct config *c, enum config_id id);

/* Where the value comes from; of one source its text or NULL. */
enum config_source config_source(const struct config *c, enum config_id id);
const char *config_source_text(const struct config *c, enum config_id id,
                               enum config_source source);

/* "default", "file", "environment", "argument", "cluster", "broker", "topic". */
const char *config_source_name(enum config_source source);

/* The items of a list without the blanks around them; empty ones are skipped. Start with
 * `*pos` 0; false at the end. `text` may be NULL. */
bool config_list_next(const char *text, size_t *pos, struct slice *item_out);
