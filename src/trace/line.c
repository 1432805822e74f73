#include "trace/line_priv.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/*
 * Room that fields leave for the closing quote, the mark and the end: a text may always be
 * closed, and a line may always be ended.
 */
enum { TAIL_SIZE = 24, LIMIT = TRACE_LINE_SIZE - TAIL_SIZE, ESCAPE_SIZE = 6 };

static const char CUT_LOGFMT[] = " cut=true\n";
static const char CUT_JSON[] = ",\"cut\":true}\n";

void trace_line_init(struct trace_line *l, enum trace_format format)
{
    l->format = format;
    l->size = 0;
    l->is_cut = false;
}

static void put(struct trace_line *l, const char *bytes, size_t size)
{
    assert(size <= sizeof(l->text) - l->size);
    memcpy(l->text + l->size, bytes, size);
    l->size += size;
}

static void put_text(struct trace_line *l, const char *text)
{
    put(l, text, strlen(text));
}

/* Begin a field whose value takes at least `size` bytes; false when it does not fit. */
static bool begin(struct trace_line *l, const char *name, size_t size)
{
    size_t separators = 8; /* of either format, quotes included */

    if (l->is_cut || strlen(name) + separators + size > LIMIT - l->size) {
        l->is_cut = true;
        return false;
    }
    if (l->format == TRACE_JSON) {
        put_text(l, l->size == 0 ? "{\"" : ",\"");
        put_text(l, name);
        put_text(l, "\":");
    } else {
        put_text(l, l->size == 0 ? "" : " ");
        put_text(l, name);
        put_text(l, "=");
    }
    return true;
}

void trace_line_i64(struct trace_line *l, const char *name, int64_t number)
{
    char digits[24];
    int size = snprintf(digits, sizeof(digits), "%lld", (long long)number);

    assert(size > 0 && (size_t)size < sizeof(digits));
    if (begin(l, name, (size_t)size))
        put(l, digits, (size_t)size);
}

void trace_line_bool(struct trace_line *l, const char *name, bool yes)
{
    if (begin(l, name, 5))
        put_text(l, yes ? "true" : "false");
}

/* Size of the UTF-8 character at the front (RFC 3629); 0: it is none. */
static size_t utf8_size(struct slice s)
{
    uint8_t c = s.at[0];
    size_t size = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

    if (size == 0 || size > s.size)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if ((s.at[i] & 0xc0) != 0x80)
            return 0;
    }
    if (size < 3)
        return size;
    /* Overlong forms, surrogates, past U+10FFFF. */
    if ((c == 0xe0 && s.at[1] < 0xa0) || (c == 0xed && s.at[1] > 0x9f) ||
        (c == 0xf0 && s.at[1] < 0x90) || (c == 0xf4 && s.at[1] > 0x8f))
        return 0;
    return size;
}

/* Write the character of `size` bytes (0: a byte that is none) at the front of `s`. */
static void put_character(struct trace_line *l, struct slice s, size_t size)
{
    char escape[ESCAPE_SIZE + 1];
    uint8_t c = s.at[0];

    if (size == 0)
        put_text(l, "\\ufffd");
    else if (c == '"' || c == '\\')
        put_text(l, c == '"' ? "\\\"" : "\\\\");
    else if (c == '\n' || c == '\t' || c == '\r')
        put_text(l, c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r");
    else if (c < 0x20 || c == 0x7f || (c == 0xc2 && s.at[1] < 0xa0)) {
        snprintf(escape, sizeof(escape), "\\u%04x", c == 0xc2 ? s.at[1] : c);
        put_text(l, escape);
    } else
        put(l, (const char *)s.at, size);
}

/* May logfmt have it without quotes? "null" may not: that is the null text. */
static bool is_plain(struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.at[i];

        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return text.size > 0 && !slice_equal_text(text, "null");
}

void trace_line_text(struct trace_line *l, const char *name, struct slice text)
{
    bool quotes = text.at != NULL && (l->format == TRACE_JSON || !is_plain(text));

    if (!begin(l, name, ESCAPE_SIZE))
        return;
    if (text.at == NULL) {
        put_text(l, "null");
        return;
    }
    if (quotes)
        put_text(l, "\"");
    while (text.size > 0) {
        size_t size = utf8_size(text);
        size_t taken = size == 0 ? 1 : size;

        if (l->size + ESCAPE_SIZE + 1 > LIMIT) {
            l->is_cut = true;
            break;
        }
        put_character(l, text, size);
        text = slice_of(text.at + taken, text.size - taken);
    }
    if (quotes)
        put_text(l, "\"");
}

void trace_line_time(struct trace_line *l, const char *name, int64_t wall_ms)
{
    enum { DAY_MS = 86400000, ERA_DAYS = 146097 };
    int64_t days = wall_ms / DAY_MS - (wall_ms % DAY_MS < 0);
    int ms = (int)(wall_ms % DAY_MS) + (wall_ms % DAY_MS < 0 ? DAY_MS : 0);
    char text[64];
    int64_t era, day, year, month;

    /* Days since 1 March of year 0, in eras of 400 years: the leap day comes last. */
    days += 719468;
    era = (days >= 0 ? days : days - (ERA_DAYS - 1)) / ERA_DAYS;
    day = days - era * ERA_DAYS;
    year = (day - day / 1460 + day / 36524 - day / (ERA_DAYS - 1)) / 365;
    day -= year * 365 + year / 4 - year / 100;
    month = (5 * day + 2) / 153; /* from March: 153 days are five months */
    day -= (153 * month + 2) / 5;
    year += era * 400 + (month >= 10);
    snprintf(text, sizeof(text), "%04lld-%02d-%02dT%02d:%02d:%02d.%03dZ", (long long)year,
             (int)(month < 10 ? month + 3 : month - 9), (int)day + 1, ms / 3600000, ms / 60000 % 60,
             ms / 1000 % 60, ms % 1000);
    trace_line_text(l, name, slice_of_text(text));
}

void trace_line_end(struct trace_line *l)
{
    if (l->format == TRACE_JSON)
        put_text(l, l->is_cut ? CUT_JSON : "}\n");
    else
        put_text(l, l->is_cut ? CUT_LOGFMT : "\n");
}
