#include "unit.h"

#include <unistd.h>

#include "cli/cli_lines.h"

/* The lines of `text` as "a|b|", and whether they came through a pipe in pieces of `piece`. */
static void expect(const char *text, size_t piece, const char *lines)
{
    size_t left = strlen(text);
    struct cli_lines l;
    struct slice line;
    struct buf got;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    cli_lines_init(&l, ends[0]);
    buf_init(&got, 1 << 20);
    do {
        while (cli_lines_next(&l, &line)) {
            if (line.size > 0)
                assert_int_equal(buf_append(&got, line.at, line.size), E_OK);
            assert_int_equal(buf_append(&got, "|", 1), E_OK);
        }
        if (left > 0) {
            size_t size = left < piece ? left : piece;

            assert_int_equal(write(ends[1], text, size), (ssize_t)size);
            text += size;
            left -= size;
        } else if (ends[1] >= 0) {
            close(ends[1]);
            ends[1] = -1;
        }
        if (l.ended)
            break;
        assert_int_equal(cli_lines_read(&l), E_OK);
    } while (true);
    assert_int_equal(got.size, strlen(lines));
    if (got.size > 0)
        assert_memory_equal(got.at, lines, got.size);
    buf_release(&got);
    cli_lines_release(&l);
    close(ends[0]);
}

static void every_byte_counts(void **state)
{
    for (size_t piece = 1; piece < 20; piece++) {
        expect("", piece, "");
        expect("\n", piece, "|");
        expect("a", piece, "a|");
        expect("a\n", piece, "a|");
        expect("a\n\n\nbc\r\n d", piece, "a|||bc\r| d|");
    }
}

static void errors_of_read(void **state)
{
    struct cli_lines l;

    cli_lines_init(&l, -1);
    assert_int_equal(cli_lines_read(&l), E_IO);
    cli_lines_release(&l);
    cli_lines_release(NULL);
}

static void too_long_a_line(void **state)
{
    struct cli_lines l;
    struct slice line;
    enum err e;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "no end", 6), 6);
    cli_lines_init(&l, ends[0]);
    l.buf.max = 256 * 1024; /* room for one read */
    e = cli_lines_read(&l);
    assert_int_equal(e, E_OK);
    assert_false(cli_lines_next(&l, &line));
    assert_int_equal(cli_lines_read(&l), E_TOO_BIG);
    cli_lines_release(&l);
    close(ends[0]);
    close(ends[1]);
}

TESTS(test_lines, cmocka_unit_test(every_byte_counts), cmocka_unit_test(errors_of_read),
      cmocka_unit_test(too_long_a_line));
