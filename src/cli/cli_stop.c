#include "cli/cli_stop.h"

#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum err cli_stop_open(struct cli_stop *stop_out)
{
    sigset_t signals;
    int descriptor;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    descriptor = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (descriptor < 0)
        return E_IO;
    if (pthread_sigmask(SIG_BLOCK, &signals, NULL) != 0) {
        close(descriptor);
        return E_IO;
    }
    stop_out->descriptor = descriptor;
    return E_OK;
}

void cli_stop_close(struct cli_stop *stop)
{
    if (stop != NULL && stop->descriptor >= 0)
        close(stop->descriptor);
}

bool cli_stop_is_asked(struct cli_stop *stop)
{
    struct signalfd_siginfo info;

    return read(stop->descriptor, &info, sizeof(info)) == (ssize_t)sizeof(info);
}
