/* Decompress anything under a limit; compress anything and get it back. First byte: the codec. */
#include "codec/codec.h"

#include "fuzz.h"

enum { LIMIT = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct buf out, back;
    struct slice in;
    int id;

    if (size == 0)
        return 0;
    id = bytes[0] % (CODEC_COUNT + 1);
    in = slice_of(bytes + 1, size - 1);
    buf_init(&out, LIMIT);
    buf_init(&back, in.size);
    if (codec_decompress(id, in, &out) != E_OK)
        FUZZ_CHECK(out.size == 0);
    FUZZ_CHECK(out.size <= LIMIT && out.capacity <= LIMIT);

    buf_release(&out);
    buf_init(&out, LIMIT + 2 * size);
    if (codec_compress(id, CODEC_LEVEL_DEFAULT, in, &out) == E_OK) {
        FUZZ_CHECK(codec_decompress(id, buf_slice(&out), &back) == E_OK);
        FUZZ_CHECK(slice_equal(buf_slice(&back), in));
    }
    buf_release(&out);
    buf_release(&back);
    return 0;
}
