#include <stdio.h>
#include <unistd.h>

#include "dlog.h"

/*
 * embed-killed DIR FORMAT: append to the log DIR of that number of a format under `always` for
 * ever, and write every offset that was acknowledged to standard output. For tests that kill it.
 */
int main(int argc, char **argv)
{
    struct dlog_record record = {.value = "acknowledged before the kill", .value_size = 28};
    struct dlog_options options;
    struct dlog *log;
    int64_t offset;
    int e = DLOG_E_INVAL;

    dlog_options_init(&options, sizeof(options));
    if (argc == 3) {
        options.format = argv[2][0] == '2' ? DLOG_FORMAT_MESSAGE : DLOG_FORMAT_BATCH;
        e = dlog_open_dir(argv[1], &options, &log);
    }

    while (e == DLOG_OK) {
        e = dlog_append(log, &record, &offset);
        if (e == DLOG_OK && write(STDOUT_FILENO, &offset, sizeof(offset)) != sizeof(offset))
            return 2;
    }
    fprintf(stderr, "embed-killed: %s\n", dlog_strerror(e));
    return 1;
}
