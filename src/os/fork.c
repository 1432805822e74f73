#include "os/fork.h"

#include <sys/mman.h>
#include <unistd.h>

/* The page. A system that cannot wipe it leaves the pid, which costs a call to compare. */
struct os_fork_mark {
    pid_t pid; /* 0: wiped */
    bool is_compared;
};

enum { PAGE_BYTES = 4096 };

enum err os_fork_mark_open(struct os_fork_mark **mark_out)
{
    static const int PAGE_KIND = MAP_PRIVATE | MAP_ANONYMOUS;
    struct os_fork_mark *mark;

    /* cppcheck-suppress invalidFunctionArg ; -1 is how no file is said */
    mark = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, PAGE_KIND, -1, 0);
    if (mark == MAP_FAILED)
        return E_NOMEM;
    mark->is_compared = madvise(mark, PAGE_BYTES, MADV_WIPEONFORK) != 0;
    mark->pid = getpid();
    *mark_out = mark;
    return E_OK;
}

void os_fork_mark_close(struct os_fork_mark *mark)
{
    if (mark != NULL)
        munmap(mark, PAGE_BYTES);
}

bool os_fork_mark_is_child(const struct os_fork_mark *mark)
{
    return mark->pid == 0 || (mark->is_compared && mark->pid != getpid());
}
