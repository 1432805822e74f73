#!/usr/bin/env python3
"""seam: a simulation must not reach the system.

    tests/sim/seam.py PROGRAM...

Fails when a program needs a call that only the real os/ and net/ make.
"""
import subprocess, sys

FORBIDDEN = set("""openat openat64 open open64 mkdirat renameat unlinkat pread pread64 pwrite pwrite64
    pwritev pwritev64 fsync fdatasync ftruncate ftruncate64 flock getrandom clock_gettime time
    gettimeofday nanosleep usleep pthread_create epoll_create1 epoll_wait socket connect accept4
    sendfile sendfile64""".split())

def needed(program):
    out = subprocess.run(["nm", "-u", program], capture_output=True, text=True, check=True).stdout
    return {line.split()[-1].split("@")[0] for line in out.splitlines() if line.strip()}

def main(programs):
    failed = 0
    for program in programs:
        for name in sorted(needed(program) & FORBIDDEN):
            print(f"{program}: calls {name}")
            failed = 1
    return failed

sys.exit(main(sys.argv[1:]))
