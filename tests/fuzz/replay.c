/*
 * Run a fuzz target on given files, or folders of files, and on pseudo-random inputs: fuzzing
 * without a fuzzer, for compilers that have none and for replaying what a fuzzer found.
 *
 *     replay_<name> [-n RANDOM_INPUTS] [FILE|FOLDER]...
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { INPUT_MAX = 1 << 20, RANDOM_SIZE_MAX = 600, RANDOM_INPUTS = 20000 };

static int file_run(const char *path)
{
    uint8_t *bytes = malloc(INPUT_MAX);
    FILE *f = bytes == NULL ? NULL : fopen(path, "rb");
    uint8_t *exact = NULL; /* ends where the input ends, for the sanitizers */
    size_t size;
    int failed;

    if (f != NULL) {
        size = fread(bytes, 1, INPUT_MAX, f);
        fclose(f);
        exact = malloc(size + 1);
    }
    if (exact != NULL) {
        memcpy(exact + 1, bytes, size);
        LLVMFuzzerTestOneInput(exact + 1, size);
    }
    failed = exact == NULL;
    if (failed)
        perror(path);
    free(bytes);
    free(exact);
    return failed;
}

static int path_run(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    char inner[4096];
    int failed = 0;

    if (dir == NULL)
        return file_run(path);
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
        failed |= file_run(inner);
    }
    closedir(dir);
    return failed;
}

/* Small numbers are common in real messages, so they are here. */
static void random_run(long inputs)
{
    struct rng rng;

    rng_init(&rng, 1);
    for (long i = 0; i < inputs; i++) {
        size_t size = rng_below(&rng, RANDOM_SIZE_MAX);
        uint8_t *bytes = malloc(size + 1);
        uint64_t small = rng_below(&rng, 4);

        if (bytes == NULL)
            return;
        for (size_t k = 0; k < size; k++)
            bytes[k] = (uint8_t)(rng_below(&rng, 4) < small ? rng_below(&rng, 4) : rng_next(&rng));
        LLVMFuzzerTestOneInput(bytes, size);
        free(bytes);
    }
}

int main(int argc, char **argv)
{
    long inputs = RANDOM_INPUTS;
    int failed = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-n") == 0 && i + 1 < argc)
            inputs = strtol(argv[++i], NULL, 10);
        else
            failed |= path_run(argv[i]);
    }
    random_run(inputs);
    return failed;
}
