/* leader-epoch-checkpoint: any text; what is accepted holds its invariant and is written again. */
#include "storage/epoch.h"

#include "fuzz.h"

enum { LIMIT = 1 << 22 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct epochs es, again;
    struct buf out;
    const struct epoch_entry *before = NULL;

    epoch_init(&es);
    epoch_init(&again);
    buf_init(&out, LIMIT);
    if (epoch_decode(&es, slice_of(bytes, size)) == E_OK) {
        for (size_t i = 0; i < es.entries.count; i++) {
            const struct epoch_entry *entry = vec_at(&es.entries, i);

            FUZZ_CHECK(entry->epoch >= 0 && entry->start >= 0);
            FUZZ_CHECK(before == NULL ||
                       (entry->epoch > before->epoch && entry->start >= before->start));
            before = entry;
        }
        FUZZ_CHECK(epoch_encode(&es, &out) == E_OK);
        FUZZ_CHECK(epoch_decode(&again, buf_slice(&out)) == E_OK);
        FUZZ_CHECK(again.entries.count == es.entries.count);
    } else {
        FUZZ_CHECK(es.entries.count == 0);
    }
    buf_release(&out);
    epoch_release(&es);
    epoch_release(&again);
    return 0;
}
