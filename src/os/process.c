#include "os/process.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

void os_print(enum os_stream stream, struct slice text)
{
    while (text.size > 0) {
        ssize_t written = write((int)stream, text.at, text.size);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        text.at += written;
        text.size -= (size_t)written;
    }
}

static void stop_signals(sigset_t *set_out)
{
    sigemptyset(set_out);
    sigaddset(set_out, SIGTERM);
    sigaddset(set_out, SIGINT);
}

void os_stop_signals_block(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t set;

    stop_signals(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

void os_stop_signal_wait(void)
{
    sigset_t set;
    int number;

    stop_signals(&set);
    while (sigwait(&set, &number) != 0)
        continue;
}
