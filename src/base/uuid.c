#include "base/uuid.h"

#include <string.h>

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

bool uuid_equal(struct uuid a, struct uuid b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

bool uuid_is_zero(struct uuid id)
{
    return uuid_equal(id, (struct uuid){{0}});
}

uint64_t uuid_hash(struct uuid id)
{
    uint64_t high;
    uint64_t low;

    memcpy(&high, id.bytes, 8);
    memcpy(&low, id.bytes + 8, 8);
    high = (high ^ low) * 0x9e3779b97f4a7c15u;
    return high ^ high >> 32;
}

void uuid_to_text(struct uuid id, char text_out[UUID_TEXT_SIZE])
{
    unsigned bits = 0;
    unsigned held = 0;
    size_t size = 0;

    for (size_t i = 0; i < sizeof(id.bytes); i++) {
        bits = bits << 8 | id.bytes[i];
        for (held += 8; held >= 6; held -= 6)
            text_out[size++] = DIGITS[bits >> (held - 6) & 63];
    }
    text_out[size++] = DIGITS[bits << (6 - held) & 63];
    text_out[size] = '\0';
}

enum err uuid_parse(struct slice text, struct uuid *id_out)
{
    struct uuid id = {{0}};
    unsigned bits = 0;
    unsigned held = 0;
    size_t size = 0;

    if (text.size != UUID_TEXT_SIZE - 1)
        return E_INVAL;
    for (size_t i = 0; i < text.size; i++) {
        const char *digit = text.at[i] == 0 ? NULL : strchr(DIGITS, text.at[i]);

        if (digit == NULL)
            return E_INVAL;
        bits = bits << 6 | (unsigned)(digit - DIGITS);
        held += 6;
        if (held >= 8) {
            held -= 8;
            id.bytes[size++] = (uint8_t)(bits >> held);
        }
    }
    if ((bits & ((1u << held) - 1)) != 0)
        return E_INVAL;
    *id_out = id;
    return E_OK;
}
