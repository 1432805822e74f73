#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/reader.h"
#include "base/writer.h"

/*
 * Every message that the build has a codec for, behind one signature. The
 * table is generated (tools/wiregen.py visits). For tests and fuzzing only.
 */
struct visit;

struct message {
    const char *name; /* as Kafka's class, without "Data": "FetchRequest", "TopicRecord" */
    int16_t version_min;
    int16_t version_max;
    size_t size; /* of the struct */
    void (*init)(void *m);
    void (*visit)(struct visit *v, int16_t version, void *m); /* visit.h */
    enum err (*decode)(struct reader *r, int16_t version, struct arena *a, void *m_out);
    void (*encode)(struct writer *w, int16_t version, const void *m);
};

extern const struct message messages[];
extern const size_t message_count;
