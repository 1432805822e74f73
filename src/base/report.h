#pragma once

/*
 * Report: one text for people, filled where an operator's action goes wrong (config,
 * open, recover, command line). The data path carries codes and counters instead.
 * Starts as {0}. Text that does not fit is cut and ends in "...".
 * Every function accepts NULL: the caller does not want to know.
 *
 *     report_set(report, "short read");
 *     report_prefix(report, "open segment %s", name);   "open segment 42.log: short read"
 */
enum { REPORT_SIZE = 1024 };

struct report {
    char text[REPORT_SIZE];
};

void report_set(struct report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Add to the end. */
void report_append(struct report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Put a context and ": " in front. */
void report_prefix(struct report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
