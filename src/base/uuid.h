#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

/*
 * A 128-bit id, as Kafka uses it for topics, directories and clusters.
 * Its text form is Kafka's: URL-safe base64 without padding, 22 characters.
 */
struct uuid {
    uint8_t bytes[16];
};

enum { UUID_TEXT_SIZE = 23 }; /* with the NUL */

bool uuid_equal(struct uuid a, struct uuid b);
bool uuid_is_zero(struct uuid id);
uint64_t uuid_hash(struct uuid id);

void uuid_to_text(struct uuid id, char text_out[UUID_TEXT_SIZE]);

/* E_INVAL: not 22 characters of URL-safe base64 that hold 128 bits. */
NODISCARD enum err uuid_parse(struct slice text, struct uuid *id_out);
