#include "cli/cli_lines.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { READ_SIZE = 256 * 1024 };

void cli_lines_init(struct cli_lines *l, int descriptor)
{
    *l = (struct cli_lines){.descriptor = descriptor};
    buf_init(&l->buf, CLI_LINE_SIZE_MAX + READ_SIZE);
}

void cli_lines_release(struct cli_lines *l)
{
    if (l != NULL)
        buf_release(&l->buf);
}

bool cli_lines_next(struct cli_lines *l, struct slice *line_out)
{
    const uint8_t *end = NULL;
    size_t size;

    if (l->looked < l->buf.size)
        end = memchr(l->buf.at + l->looked, '\n', l->buf.size - l->looked);
    if (end == NULL) {
        l->looked = l->buf.size;
        if (!l->ended || l->pos == l->buf.size)
            return false;
        end = l->buf.at + l->buf.size; /* the last line lacks its '\n' */
    }
    size = (size_t)(end - (l->buf.at + l->pos));
    *line_out = slice_of(l->buf.at + l->pos, size);
    l->pos += size + 1;
    if (l->pos > l->buf.size)
        l->pos = l->buf.size;
    l->looked = l->pos;
    return true;
}

enum err cli_lines_read(struct cli_lines *l)
{
    ssize_t count;
    enum err e;

    buf_drop(&l->buf, l->pos);
    l->looked -= l->pos;
    l->pos = 0;
    e = buf_reserve(&l->buf, READ_SIZE);
    if (e != E_OK)
        return e;
    do {
        count = read(l->descriptor, l->buf.at + l->buf.size, READ_SIZE);
    } while (count < 0 && errno == EINTR);
    if (count < 0)
        return E_IO;
    l->ended = count == 0;
    l->buf.size += (size_t)count;
    return E_OK;
}
