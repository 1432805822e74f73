#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Slice: bytes borrowed from somebody else. The body is open: it *is* the
 * interface. `at == NULL` is Kafka's null; an empty slice has size 0.
 */
struct slice {
    const uint8_t *at;
    size_t size;
};

static inline struct slice slice_of(const void *at, size_t size)
{
    return (struct slice){.at = at, .size = size};
}

/* The bytes of a C string without its NUL; NULL gives the null slice. */
struct slice slice_of_text(const char *text);

bool slice_equal(struct slice a, struct slice b);
bool slice_equal_text(struct slice a, const char *text);

/* memcmp order, shorter first on a tie: <0, 0, >0. */
int slice_compare(struct slice a, struct slice b);

/* Copy into a NUL-terminated `text_out` of `size` bytes, cut if too long. */
void slice_to_text(struct slice s, char *text_out, size_t size);
