#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * What generated messages are made of, beside base/slice.h and base/uuid.h.
 *
 * A string or bytes field is a slice; `at == NULL` is null. An array is a
 * pointer and a count; count -1 is null. Decoded slices and records borrow
 * the input, decoded arrays live in the arena.
 */

/*
 * Bounds what decoding allocates. An array is allocated only after its count
 * was checked against the bytes left, and no element takes more than
 * WIRE_GROWTH_MAX times its fewest bytes on the wire. Arrays nest at most
 * WIRE_DEPTH_MAX deep and each level is checked against the same bytes, so a
 * message of n bytes never takes more than
 * WIRE_DEPTH_MAX * WIRE_GROWTH_MAX * n bytes of the arena, and an honest one
 * at most WIRE_GROWTH_MAX * n. The arena's own maximum is the second bound.
 */
enum { WIRE_GROWTH_MAX = 64, WIRE_DEPTH_MAX = 4 };

/*
 * A field of type records: bytes of record batches, never looked at here.
 *
 * Decoded: `at` borrows the input. Encoded with `cut` set: the length goes
 * into the buf and the place becomes a cut of the writer, with cut_ref as its
 * ref, so that the sender can insert the bytes from a file (base/writer.h).
 */
struct wire_records {
    const uint8_t *at; /* unused with cut */
    int32_t size;      /* -1 is null */
    uint32_t cut_ref;  /* with cut: whose bytes, the caller's number */
    bool cut;
};
