#include "cli/cli_table.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { GAP = 2, CELL_MAX = 64 * 1024 };

static const char BOLD[] = "\x1b[1m";
static const char PLAIN[] = "\x1b[0m";

void cli_table_init(struct cli_table *t, const char *const *titles, size_t columns)
{
    assert(columns > 0 && columns <= CLI_TABLE_COLUMNS_MAX);
    *t = (struct cli_table){.titles = titles, .columns = columns};
    buf_init(&t->text, CLI_TABLE_TEXT_MAX);
    vec_init(&t->cells, sizeof(size_t), CLI_TABLE_TEXT_MAX);
}

void cli_table_release(struct cli_table *t)
{
    if (t == NULL)
        return;
    buf_release(&t->text);
    vec_release(&t->cells);
}

void cli_table_cell(struct cli_table *t, const char *format, ...)
{
    size_t begin = t->text.size;
    va_list list;
    int size;

    if (t->err == E_OK)
        t->err = buf_reserve(&t->text, CELL_MAX);
    if (t->err != E_OK)
        return;
    va_start(list, format);
    size = vsnprintf((char *)t->text.at + begin, CELL_MAX, format, list);
    va_end(list);
    if (size < 0)
        size = 0;
    if (size >= CELL_MAX)
        size = CELL_MAX - 1;
    for (size_t i = begin; i < begin + (size_t)size; i++) {
        if (t->text.at[i] < 0x20 || t->text.at[i] == 0x7f)
            t->text.at[i] = '?';
    }
    t->text.at[begin + (size_t)size] = 0;
    t->text.size += (size_t)size + 1;
    t->err = vec_push(&t->cells, &begin);
}

/* Characters of UTF-8 text: bytes that do not continue one. */
static size_t width(const char *text)
{
    size_t count = 0;

    for (; *text != 0; text++)
        count += (*text & 0xc0) != 0x80;
    return count;
}

static const char *cell(const struct cli_table *t, size_t index)
{
    return (const char *)t->text.at + *(const size_t *)vec_at(&t->cells, index);
}

static bool is_right(const struct cli_table *t, size_t column)
{
    return t->titles[column][0] == '>';
}

static const char *title(const struct cli_table *t, size_t column)
{
    return t->titles[column] + is_right(t, column);
}

/* One cell, padded, with the gap to the next. */
static enum err cell_print(const char *text, size_t size, bool right, bool last, struct buf *out)
{
    int pad = (int)(size - width(text));

    if (right)
        return buf_printf(out, "%*s%s%*s", pad, "", text, last ? 0 : GAP, "");
    return buf_printf(out, "%s%*s", text, last ? 0 : pad + GAP, "");
}

enum err cli_table_print(const struct cli_table *t, size_t indent, bool colour, struct buf *out)
{
    size_t widths[CLI_TABLE_COLUMNS_MAX];
    size_t rows = t->cells.count / t->columns;
    enum err e = t->err;

    if (e != E_OK)
        return e;
    assert(t->cells.count % t->columns == 0);
    for (size_t c = 0; c < t->columns; c++) {
        widths[c] = width(title(t, c));
        for (size_t r = 0; r < rows; r++) {
            size_t size = width(cell(t, r * t->columns + c));

            widths[c] = size > widths[c] ? size : widths[c];
        }
    }
    e = buf_printf(out, "%*s%s", (int)indent, "", colour ? BOLD : "");
    for (size_t c = 0; e == E_OK && c < t->columns; c++)
        e = cell_print(title(t, c), widths[c], is_right(t, c), c + 1 == t->columns, out);
    if (e == E_OK)
        e = buf_printf(out, "%s\n", colour ? PLAIN : "");
    for (size_t i = 0; e == E_OK && i < t->cells.count; i++) {
        size_t c = i % t->columns;

        if (c == 0)
            e = buf_printf(out, "%*s", (int)indent, "");
        if (e == E_OK)
            e = cell_print(cell(t, i), widths[c], is_right(t, c), c + 1 == t->columns, out);
        if (e == E_OK && c + 1 == t->columns)
            e = buf_append(out, "\n", 1);
    }
    return e;
}
