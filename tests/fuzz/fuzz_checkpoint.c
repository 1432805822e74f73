/*
 * dlog.checkpoint: any text, and a body with first line and CRC made right. What is accepted is
 * written again as the same.
 */
#include "storage/log_priv.h"

#include "base/crc32c.h"

#include "fuzz.h"

enum { LIMIT = 1 << 22 };

static void decode(struct slice text)
{
    struct log_checkpoint c, again;
    struct buf out, out_again;

    log_checkpoint_init(&c);
    log_checkpoint_init(&again);
    buf_init(&out, LIMIT);
    buf_init(&out_again, LIMIT);
    if (log_checkpoint_decode(&c, text) == E_OK) {
        FUZZ_CHECK(log_checkpoint_encode(&c, &out) == E_OK);
        FUZZ_CHECK(log_checkpoint_decode(&again, buf_slice(&out)) == E_OK);
        FUZZ_CHECK(log_checkpoint_encode(&again, &out_again) == E_OK);
        FUZZ_CHECK(slice_equal(buf_slice(&out), buf_slice(&out_again)));
    }
    buf_release(&out);
    buf_release(&out_again);
    log_checkpoint_release(&c);
    log_checkpoint_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct buf b;

    decode(slice_of(bytes, size));
    buf_init(&b, size + 64);
    FUZZ_CHECK(buf_printf(&b, "dlog.checkpoint 1\n") == E_OK);
    FUZZ_CHECK(buf_append(&b, bytes, size) == E_OK);
    FUZZ_CHECK(buf_printf(&b, "crc32c %08x\n", (unsigned)crc32c_of(b.at, b.size)) == E_OK);
    decode(buf_slice(&b));
    buf_release(&b);
    return 0;
}
