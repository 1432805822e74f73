#include "config/properties.h"

#include <stdbool.h>

/* What take() returns beside bytes and code points. */
enum { LINE_END = -1, BROKEN = -2 };

struct config_properties config_properties_init(struct slice text)
{
    return (struct config_properties){.text = text};
}

static uint8_t byte_take(struct config_properties *p)
{
    uint8_t c = p->text.at[0];

    p->text = slice_of(p->text.at + 1, p->text.size - 1);
    return c;
}

static bool is_at(const struct config_properties *p, uint8_t c)
{
    return p->text.size > 0 && p->text.at[0] == c;
}

/* Take \n, \r or \r\n. */
static bool newline_take(struct config_properties *p)
{
    if (!is_at(p, '\n') && !is_at(p, '\r'))
        return false;
    if (byte_take(p) == '\r' && is_at(p, '\n'))
        byte_take(p);
    p->lines_read++;
    return true;
}

static void blanks_skip(struct config_properties *p)
{
    while (is_at(p, ' ') || is_at(p, '\t') || is_at(p, '\f'))
        byte_take(p);
}

/* The code point of \uXXXX. Halves of a pair and NUL are refused. */
static int unicode_take(struct config_properties *p)
{
    int code = 0;

    for (int i = 0; i < 4; i++) {
        uint8_t c = p->text.size == 0 ? 0 : byte_take(p);

        if (c >= '0' && c <= '9')
            code = code * 16 + (c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            code = code * 16 + ((c | 0x20) - 'a' + 10);
        else
            return BROKEN;
    }
    return code == 0 || (code >= 0xd800 && code < 0xe000) ? BROKEN : code;
}

/* One character of a logical line: a continued line is one line. */
struct character {
    int code; /* a byte, a code point, LINE_END or BROKEN */
    bool escaped;
    bool is_unicode;
};

static struct character escape_take(struct config_properties *p)
{
    struct character c = {.escaped = true};

    c.code = byte_take(p);
    switch (c.code) {
    case 't':
        c.code = '\t';
        break;
    case 'n':
        c.code = '\n';
        break;
    case 'r':
        c.code = '\r';
        break;
    case 'f':
        c.code = '\f';
        break;
    case 'u':
        c.code = unicode_take(p);
        c.is_unicode = true;
        break;
    }
    return c;
}

static struct character take(struct config_properties *p)
{
    while (p->text.size > 0 && !newline_take(p)) {
        uint8_t c = byte_take(p);

        if (c != '\\')
            return (struct character){.code = c};
        if (p->text.size == 0)
            break;
        if (!newline_take(p))
            return escape_take(p);
        blanks_skip(p);
    }
    return (struct character){.code = LINE_END};
}

static enum err put(struct buf *out, struct character c)
{
    uint8_t bytes[3];
    size_t size = 0;

    if (c.is_unicode && c.code >= 0x800) {
        bytes[size++] = (uint8_t)(0xe0 | c.code >> 12);
        bytes[size++] = (uint8_t)(0x80 | (c.code >> 6 & 0x3f));
        bytes[size++] = (uint8_t)(0x80 | (c.code & 0x3f));
    } else if (c.is_unicode && c.code >= 0x80) {
        bytes[size++] = (uint8_t)(0xc0 | c.code >> 6);
        bytes[size++] = (uint8_t)(0x80 | (c.code & 0x3f));
    } else {
        bytes[size++] = (uint8_t)c.code;
    }
    return buf_append(out, bytes, size);
}

/* Blank lines and comments. A comment is not continued by a backslash. */
static void gaps_skip(struct config_properties *p)
{
    for (;;) {
        blanks_skip(p);
        if (is_at(p, '#') || is_at(p, '!')) {
            while (p->text.size > 0 && !is_at(p, '\n') && !is_at(p, '\r'))
                byte_take(p);
        }
        if (!newline_take(p))
            return;
    }
}

enum err config_properties_next(struct config_properties *p, struct buf *name_out,
                                struct buf *value_out)
{
    enum { NAME, BLANKS, SEPARATOR, VALUE } state = NAME; /* where in `name  =  value` */

    gaps_skip(p);
    if (p->text.size == 0)
        return E_NOT_FOUND;
    buf_clear(name_out);
    buf_clear(value_out);
    p->line = p->lines_read + 1;
    for (;;) {
        struct character c = take(p);
        bool is_blank = !c.escaped && (c.code == ' ' || c.code == '\t' || c.code == '\f');
        bool is_separator = !c.escaped && (c.code == '=' || c.code == ':');
        enum err e;

        if (c.code == LINE_END)
            return E_OK;
        if (c.code == BROKEN)
            return E_INVAL;
        if (state <= BLANKS && is_separator) {
            state = SEPARATOR;
            continue;
        }
        if (state != VALUE && is_blank) {
            state = state == NAME ? BLANKS : state;
            continue;
        }
        if (state != NAME)
            state = VALUE;
        e = put(state == NAME ? name_out : value_out, c);
        if (e != E_OK)
            return e;
    }
}
