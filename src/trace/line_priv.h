#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace/trace.h"

/*
 * One line under construction. Fields go in whole or, a text, cut at a character; after the
 * first one that did not fit all others are dropped.
 */
struct trace_line {
    enum trace_format format;
    size_t size;
    bool is_cut;
    char text[TRACE_LINE_SIZE];
};

void trace_line_init(struct trace_line *l, enum trace_format format);
void trace_line_i64(struct trace_line *l, const char *name, int64_t number);
void trace_line_bool(struct trace_line *l, const char *name, bool yes);
void trace_line_text(struct trace_line *l, const char *name, struct slice text);

/* 2026-01-31T23:59:59.001Z */
void trace_line_time(struct trace_line *l, const char *name, int64_t wall_ms);

/* Close it, with its newline. */
void trace_line_end(struct trace_line *l);
