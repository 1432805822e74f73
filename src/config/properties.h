#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "base/slice.h"

/*
 * Config_properties: walk through the text of a Java .properties file.
 *
 *     struct config_properties p = config_properties_init(text);
 *
 *     while ((e = config_properties_next(&p, &name, &value)) == E_OK)
 *         ...
 */
struct config_properties {
    struct slice text; /* borrowed: what is left */
    size_t line;       /* of the entry just read, from 1 */
    size_t lines_read;
};

struct config_properties config_properties_init(struct slice text);

/*
 * The next entry, with its escapes undone, into the two bufs (cleared first).
 *
 *   E_NOT_FOUND  the end
 *   E_INVAL      a broken escape; p->line tells where
 *   E_TOO_BIG    a buf's maximum
 *   E_NOMEM
 */
NODISCARD enum err config_properties_next(struct config_properties *p, struct buf *name_out,
                                          struct buf *value_out);
