#pragma once

#include "base/err.h"
#include "base/report.h"
#include "base/slice.h"
#include "config/table.h"

/*
 * Config_value: one value, parsed. Owns its text.
 * `number` is the bool, the number, the choice or the bits of a list with choices.
 */
struct config_value {
    char *text; /* NULL: unset */
    int64_t number;
    double real;
};

/*
 * Check `text` against the table and, with `value_out` not NULL, keep a copy. Errors as
 * config_set. The report names the setting and, unless it is a password, the value.
 */
NODISCARD enum err config_value_parse(const struct config_entry *entry, struct slice text,
                                      struct config_value *value_out, struct report *report);
void config_value_release(struct config_value *v);

enum { CONFIG_SHOW_SIZE = 84 };

/* Text of strangers for a message: cut at 80 bytes, control characters as '?'. */
void config_show(struct slice text, char text_out[CONFIG_SHOW_SIZE]);

/* Without blanks at either end. */
struct slice config_trim(struct slice text);
