#pragma once

#include <stdbool.h>

#include "base/err.h"

/*
 * Fork mark: tells a forked child from the process that opened something, without a system call
 * for each question: a page of memory that the system gives to children as zeroes
 * (MADV_WIPEONFORK, Linux 4.14).
 *
 * Thread: any. For embed/, which runs in processes that are not ours.
 */
struct os_fork_mark;

/* E_NOMEM */
NODISCARD enum err os_fork_mark_open(struct os_fork_mark **mark_out);
void os_fork_mark_close(struct os_fork_mark *mark); /* NULL is fine */

/* Is this another process than the one that opened the mark? */
bool os_fork_mark_is_child(const struct os_fork_mark *mark);
