#pragma once

/*
 * Folders of tests: all below one place, in memory where there is such a file system, never in the
 * source tree or where a test happens to be started.
 *
 *     /dev/shm/dlog-tests-<uid>/<name>-<pid>-XXXXXX        else below /tmp
 *
 * A test that is killed leaves its folder. The next one that makes a folder removes those whose
 * process is gone.
 */
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { TEST_FOLDER_SIZE = 300 };

static inline int test_folder_remove_one(const char *path, const struct stat *status, int flag,
                                         struct FTW *ftw)
{
    (void)status;
    (void)flag;
    (void)ftw;
    return remove(path);
}

/* With all that is in it. */
static inline bool test_folder_remove(const char *path)
{
    return nftw(path, test_folder_remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0;
}

/* Has "<name>-<pid>-XXXXXX" no process any more? */
static inline bool test_folder_is_left(const char *name)
{
    const char *end = strrchr(name, '-');
    const char *at = end;
    long pid;

    if (end == NULL)
        return false;
    while (at > name && at[-1] != '-')
        at--;
    pid = strtol(at, NULL, 10);
    return pid > 0 && kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

static inline void test_folder_sweep(const char *place)
{
    char path[TEST_FOLDER_SIZE];
    DIR *dir = opendir(place);
    struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (test_folder_is_left(entry->d_name) &&
            snprintf(path, sizeof(path), "%s/%s", place, entry->d_name) < (int)sizeof(path))
            test_folder_remove(path); /* another process may be at it, too */
    }
    if (dir != NULL)
        closedir(dir);
}

/* A container may have little of /dev/shm. */
static inline bool test_folder_has_room(const char *path)
{
    const unsigned long long enough = 256ull << 20;
    struct statvfs status;

    return access(path, W_OK) == 0 && statvfs(path, &status) == 0 &&
           (unsigned long long)status.f_bavail * status.f_frsize >= enough;
}

/* A new folder; false: it cannot be made. */
static inline bool test_folder_make(const char *name, char path_out[], size_t size)
{
    char place[TEST_FOLDER_SIZE];

    snprintf(place, sizeof(place), "%s/dlog-tests-%d",
             test_folder_has_room("/dev/shm") ? "/dev/shm" : "/tmp", (int)getuid());
    if (mkdir(place, 0700) != 0 && errno != EEXIST)
        return false;
    test_folder_sweep(place);
    return snprintf(path_out, size, "%s/%s-%d-XXXXXX", place, name, (int)getpid()) < (int)size &&
           mkdtemp(path_out) != NULL;
}
