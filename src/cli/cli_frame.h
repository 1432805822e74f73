#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "record/record.h"
#include "storage/log_view.h"

/*
 * Frame: the records of what a walk gives, in either format of a log. A message is one record
 * without headers.
 *
 *     e = cli_frame_read(&f, &walk, &item);
 *     while (e == E_OK && cli_frame_next(&f, &record))
 *         ...
 *     e = cli_frame_done(&f);
 *
 * Lifetime: init .. release; records are borrowed until the next read.
 */
struct cli_frame {
    struct buf bytes;
    struct buf unpack;
    struct record_iter it;      /* of a batch */
    struct record_view message; /* of a message */
    bool is_message;
    bool is_given; /* the message was */
};

void cli_frame_init(struct cli_frame *f);
void cli_frame_release(struct cli_frame *f);

/*
 * Read the frame of an item of kind LOG_WALK_BATCH. The checksum is right; what it holds may be
 * wrong all the same:
 *
 *   E_CORRUPT, E_UNSUPPORTED, E_TOO_BIG  the records cannot be read
 *   E_IO, E_NOMEM                        nor the file
 */
NODISCARD enum err cli_frame_read(struct cli_frame *f, struct log_walk *walk,
                                  const struct log_walk_item *item);
bool cli_frame_next(struct cli_frame *f, struct record_view *record_out);

/* Why there is no more. E_CORRUPT: what follows cannot be read. */
NODISCARD enum err cli_frame_done(const struct cli_frame *f);

/* The error says that records cannot be read, rather than that we failed. */
bool cli_frame_is_wrong(enum err e);
