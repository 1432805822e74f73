#include "cli/cli_record.h"

#include <stdbool.h>
#include <string.h>

#include "cli/cli_json.h"
#include "cli/cli_time.h"

static enum err append_slice(struct slice s, struct buf *out)
{
    return s.size == 0 ? E_OK : buf_append(out, s.at, s.size);
}

static enum err append_size(struct slice s, struct buf *out)
{
    return buf_printf(out, "%lld", s.at == NULL ? -1LL : (long long)s.size);
}

static enum err append_headers(const struct cli_record *record, struct buf *out)
{
    enum err e = E_OK;

    for (size_t i = 0; e == E_OK && i < record->header_count; i++) {
        e = buf_printf(out, "%s%s=", i > 0 ? "," : "", record->headers[i].name);
        if (e == E_OK)
            e = append_slice(record->headers[i].value, out);
    }
    return e;
}

static enum err append_time(int64_t time_ms, struct buf *out)
{
    char text[CLI_TIME_SIZE];

    cli_time_print(time_ms, text);
    return buf_append(out, text, strlen(text));
}

static enum err append_field(const struct cli_record *record, char letter, struct buf *out)
{
    switch (letter) {
    case 't':
        return buf_append(out, record->topic, strlen(record->topic));
    case 'p':
        return buf_printf(out, "%d", record->partition);
    case 'o':
        return buf_printf(out, "%lld", (long long)record->offset);
    case 'd':
        return buf_printf(out, "%lld", (long long)record->timestamp_ms);
    case 'D':
        return append_time(record->timestamp_ms, out);
    case 'k':
        return append_slice(record->key, out);
    case 'K':
        return append_size(record->key, out);
    case 'v':
        return append_slice(record->value, out);
    case 'V':
        return append_size(record->value, out);
    case 'h':
        return append_headers(record, out);
    case '%':
        return buf_append(out, "%", 1);
    default:
        return E_INVAL;
    }
}

/* Two hex digits at `text`; false if they are not. */
static bool hex_byte(const char *text, uint8_t *byte_out)
{
    static const char DIGITS[] = "0123456789abcdef0123456789ABCDEF";
    unsigned value = 0;

    for (int i = 0; i < 2; i++) {
        const char *at = text[i] == 0 ? NULL : strchr(DIGITS, text[i]);

        if (at == NULL)
            return false;
        value = value << 4 | (unsigned)((at - DIGITS) % 16);
    }
    *byte_out = (uint8_t)value;
    return true;
}

/* `*at` is behind the backslash; moves it behind the escape. */
static enum err append_escape(const char **at, struct buf *out)
{
    static const char LETTERS[] = "ntr0\\";
    static const char BYTES[] = "\n\t\r\0\\";
    const char *letter = **at == 0 ? NULL : strchr(LETTERS, **at);
    uint8_t byte;

    if (letter != NULL) {
        (*at)++;
        return buf_append(out, &BYTES[letter - LETTERS], 1);
    }
    if ((*at)[0] != 'x' || !hex_byte(*at + 1, &byte))
        return E_INVAL;
    *at += 3;
    return buf_append(out, &byte, 1);
}

enum err cli_record_format(const struct cli_record *record, const char *format, struct buf *out)
{
    size_t before = out->size;
    enum err e = E_OK;

    while (e == E_OK && *format != 0) {
        size_t plain = strcspn(format, "%\\");

        e = plain == 0 ? E_OK : buf_append(out, format, plain);
        format += plain;
        if (e == E_OK && *format == '%') {
            e = append_field(record, format[1], out);
            format += 2;
        } else if (e == E_OK && *format == '\\') {
            format++;
            e = append_escape(&format, out);
        }
    }
    if (e != E_OK)
        out->size = before;
    return e;
}

enum err cli_record_json(const struct cli_record *record, struct buf *out)
{
    struct cli_json j = cli_json_init(out);
    enum err e;

    cli_json_open(&j, '{');
    cli_json_key(&j, "topic");
    cli_json_text(&j, record->topic);
    cli_json_key(&j, "partition");
    cli_json_i64(&j, record->partition);
    cli_json_key(&j, "offset");
    cli_json_i64(&j, record->offset);
    cli_json_key(&j, "timestamp");
    cli_json_i64(&j, record->timestamp_ms);
    cli_json_bytes(&j, "key", record->key);
    cli_json_bytes(&j, "value", record->value);
    cli_json_key(&j, "headers");
    cli_json_open(&j, '[');
    for (size_t i = 0; i < record->header_count; i++) {
        cli_json_open(&j, '{');
        cli_json_key(&j, "name");
        cli_json_text(&j, record->headers[i].name);
        cli_json_bytes(&j, "value", record->headers[i].value);
        cli_json_close(&j, '}');
    }
    cli_json_close(&j, ']');
    cli_json_close(&j, '}');
    e = cli_json_done(&j);
    return e == E_OK ? buf_append(out, "\n", 1) : e;
}
