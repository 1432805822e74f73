#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

/*
 * One run of dlog inside the test process, and what it printed; run_release() it.
 */
struct run {
    int code;
    char *out;
    char *err;
};

enum { RUN_ARGV_MAX = 32 };

/* `text` holds the arguments, separated by blanks. */
static inline struct run run_text(const char *text)
{
    static char program[] = "dlog";
    char *argv[RUN_ARGV_MAX + 1] = {program};
    char words[512];
    char *rest = NULL;
    struct run run;
    size_t size;
    FILE *out = open_memstream(&run.out, &size);
    FILE *err = open_memstream(&run.err, &size);
    int argc = 1;

    snprintf(words, sizeof(words), "%s", text);
    for (char *word = strtok_r(words, " ", &rest); word != NULL && argc < RUN_ARGV_MAX;
         word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    run.code = cli_main(argc, argv, out, err);
    fclose(out);
    fclose(err);
    return run;
}

static inline void run_release(struct run *run)
{
    free(run->out);
    free(run->err);
}
