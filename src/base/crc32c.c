#include "base/crc32c.h"

#include <isa-l/crc.h>

/* The library takes the size as an int. */
enum { PIECE_SIZE_MAX = 1 << 30 };

uint32_t crc32c_add(uint32_t crc, const void *bytes, size_t size)
{
    uintptr_t at = (uintptr_t)bytes; /* the library reads only, but forgot const */

    crc = ~crc; /* it leaves both inversions of the standard to its caller */
    while (size > 0) {
        size_t piece = size < PIECE_SIZE_MAX ? size : PIECE_SIZE_MAX;

        crc = crc32_iscsi((unsigned char *)at, (int)piece, crc);
        at += piece;
        size -= piece;
    }
    return ~crc;
}

uint32_t crc32c_of(const void *bytes, size_t size)
{
    return crc32c_add(0, bytes, size);
}
