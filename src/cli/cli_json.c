#include "cli/cli_json.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { NUMBER_TEXT_MAX = 24 };

struct cli_json cli_json_init(struct buf *buf)
{
    return (struct cli_json){.buf = buf};
}

static void put(struct cli_json *j, const void *bytes, size_t size)
{
    if (j->err == E_OK)
        j->err = buf_append(j->buf, bytes, size);
}

static void put_text(struct cli_json *j, const char *text)
{
    put(j, text, strlen(text));
}

/* The comma before a value or key, unless it is the first or belongs to a key. */
static void separate(struct cli_json *j)
{
    uint32_t bit = (uint32_t)1 << j->depth;

    if (!j->after_key && j->depth > 0 && (j->some & bit) != 0)
        put(j, ",", 1);
    j->some |= bit;
    j->after_key = false;
}

void cli_json_open(struct cli_json *j, char bracket)
{
    assert(j->depth + 1 < CLI_JSON_DEPTH_MAX);
    separate(j);
    put(j, &bracket, 1);
    j->depth++;
    j->some &= ~((uint32_t)1 << j->depth);
}

void cli_json_close(struct cli_json *j, char bracket)
{
    assert(j->depth > 0 && !j->after_key);
    put(j, &bracket, 1);
    j->depth--;
}

void cli_json_key(struct cli_json *j, const char *name)
{
    cli_json_text(j, name);
    put(j, ":", 1);
    j->after_key = true;
}

void cli_json_i64(struct cli_json *j, int64_t value)
{
    char text[NUMBER_TEXT_MAX];

    separate(j);
    snprintf(text, sizeof(text), "%lld", (long long)value);
    put_text(j, text);
}

void cli_json_bool(struct cli_json *j, bool value)
{
    separate(j);
    put_text(j, value ? "true" : "false");
}

void cli_json_null(struct cli_json *j)
{
    separate(j);
    put_text(j, "null");
}

/* Bytes of the well-formed UTF-8 sequence at the start of `text` (not empty), or 0. */
static size_t utf8_size(struct slice text)
{
    static const uint32_t SMALLEST[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t first = text.at[0];
    size_t size = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    uint32_t code;

    if (size <= 1)
        return size;
    if (first >= 0xf8 || size > text.size)
        return 0;
    code = first & (0xffU >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if ((text.at[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (text.at[i] & 0x3fU);
    }
    if (code < SMALLEST[size] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return 0;
    return size;
}

bool cli_json_is_utf8(struct slice text)
{
    for (size_t at = 0, size; at < text.size; at += size) {
        size = utf8_size(slice_of(text.at + at, text.size - at));
        if (size == 0)
            return false;
    }
    return true;
}

static void put_escaped(struct cli_json *j, uint8_t byte)
{
    static const char NAMED[] = "\"\\\b\f\n\r\t";
    static const char LETTERS[] = "\"\\bfnrt";
    const char *named = memchr(NAMED, byte, sizeof(NAMED) - 1);
    char text[8];

    if (named != NULL)
        snprintf(text, sizeof(text), "\\%c", LETTERS[named - NAMED]);
    else
        snprintf(text, sizeof(text), "\\u%04x", byte);
    put_text(j, text);
}

void cli_json_string(struct cli_json *j, struct slice text)
{
    static const char REPLACEMENT[] = "\xef\xbf\xbd";
    size_t plain = 0; /* start of what goes out as it is */

    if (text.at == NULL) {
        cli_json_null(j);
        return;
    }
    separate(j);
    put(j, "\"", 1);
    for (size_t at = 0, size; at < text.size; at += size) {
        uint8_t byte = text.at[at];
        size_t valid = utf8_size(slice_of(text.at + at, text.size - at));

        size = valid != 0 ? valid : 1;
        if (valid != 0 && byte >= 0x20 && byte != '"' && byte != '\\')
            continue;
        put(j, text.at + plain, at - plain);
        plain = at + 1;
        if (valid == 0)
            put_text(j, REPLACEMENT);
        else
            put_escaped(j, byte);
    }
    put(j, text.at + plain, text.size - plain);
    put(j, "\"", 1);
}

void cli_json_text(struct cli_json *j, const char *text)
{
    cli_json_string(j, slice_of_text(text));
}

void cli_json_base64(struct cli_json *j, struct slice bytes)
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    separate(j);
    put(j, "\"", 1);
    for (size_t at = 0; at < bytes.size; at += 3) {
        size_t left = bytes.size - at;
        uint32_t group = (uint32_t)bytes.at[at] << 16;
        char text[4];

        if (left > 1)
            group |= (uint32_t)bytes.at[at + 1] << 8;
        if (left > 2)
            group |= bytes.at[at + 2];
        text[0] = DIGITS[group >> 18];
        text[1] = DIGITS[group >> 12 & 63];
        text[2] = left > 1 ? DIGITS[group >> 6 & 63] : '=';
        text[3] = left > 2 ? DIGITS[group & 63] : '=';
        put(j, text, sizeof(text));
    }
    put(j, "\"", 1);
}

void cli_json_bytes(struct cli_json *j, const char *name, struct slice bytes)
{
    char key[64];

    if (bytes.at == NULL || cli_json_is_utf8(bytes)) {
        cli_json_key(j, name);
        cli_json_string(j, bytes);
        return;
    }
    snprintf(key, sizeof(key), "%s_base64", name);
    cli_json_key(j, key);
    cli_json_base64(j, bytes);
}

enum err cli_json_done(const struct cli_json *j)
{
    assert(j->depth == 0 && !j->after_key);
    return j->err;
}
