#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/reader.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "base/writer.h"
#include "wire/types.h"

/*
 * What the generated codecs call, next to the plain fields of base/reader.h
 * and base/writer.h. `flexible` selects the compact encodings of KIP-482.
 * `nullable` is whether null is legal: reading a null that is not legal is
 * E_INVAL; writing one writes an empty value, because a struct that was never
 * filled must not make a message that a peer cannot parse.
 */

/* Kafka's limit for strings, in both encodings. */
enum { WIRE_STRING_SIZE_MAX = INT16_MAX };

struct slice wire_read_string(struct reader *r, bool flexible, bool nullable);
struct slice wire_read_bytes(struct reader *r, bool flexible, bool nullable);
struct wire_records wire_read_records(struct reader *r, bool flexible, bool nullable);

/*
 * Length of an array whose elements take at least `element_size_min` bytes
 * each; -1 is null. A count that the bytes left cannot hold is E_TRUNCATED.
 */
int32_t wire_read_count(struct reader *r, bool flexible, bool nullable, size_t element_size_min);

/* Zeroed room for `count` items; NULL when count <= 0 or past the arena's maximum (E_TOO_BIG). */
void *wire_read_items(struct reader *r, struct arena *a, int32_t count, size_t size);

/* Whether a nullable struct follows. */
bool wire_read_present(struct reader *r);

/* Tagged fields: the count, then for each a tag with a reader of exactly its bytes. */
uint32_t wire_read_tag_count(struct reader *r);
struct reader wire_read_tag(struct reader *r, uint32_t *tag_out);

/* The field's own reader must have come to its end without an error. */
void wire_read_tag_end(struct reader *r, const struct reader *field);

void wire_skip_tags(struct reader *r);

/* The first one that is not 0 stays in the writer, as its note. */
static inline void wire_write_error_code(struct writer *w, int16_t code)
{
    writer_note(w, code);
    writer_i16(w, code);
}

void wire_write_string(struct writer *w, bool flexible, bool nullable, struct slice s);
void wire_write_bytes(struct writer *w, bool flexible, bool nullable, struct slice s);
void wire_write_records(struct writer *w, bool flexible, bool nullable,
                        const struct wire_records *records);
void wire_write_count(struct writer *w, bool flexible, bool nullable, int32_t count);

/* Put tag and size before the field that was written at `pos`. */
void wire_write_tag(struct writer *w, uint32_t tag, size_t pos);
