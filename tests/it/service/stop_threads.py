"""Stops threads of a process, and lets them go on when its own standard input ends: stop_threads.py PID NAME

All threads with that name are stopped, or whose name is NAME and a number. The others go on. This is what a debugger does (ptrace(2)).
It prints "stopped" when they are, and exits with 77 where the system does not allow it.
"""

import ctypes
import errno
import os
import sys

SEIZE, INTERRUPT = 0x4206, 0x4207
# waitpid(2): also threads that are not leaders of their process.
ALL = 0x40000000

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]


def ptrace(request, thread):
    if LIBC.ptrace(request, thread, None, None) != 0:
        number = ctypes.get_errno()
        print(f"cannot stop thread {thread}: {os.strerror(number)}", file=sys.stderr)
        sys.exit(77 if number == errno.EPERM else 1)


def main():
    process, name = sys.argv[1:]
    threads = []
    for thread in os.listdir(f"/proc/{process}/task"):
        with open(f"/proc/{process}/task/{thread}/comm", encoding="utf-8") as file:
            if file.read().strip().rstrip("0123456789").rstrip("-") == name:
                threads.append(int(thread))
    if not threads:
        sys.exit(f"no thread is called {name}")
    for thread in threads:
        ptrace(SEIZE, thread)
        ptrace(INTERRUPT, thread)
        os.waitpid(thread, ALL)
    print("stopped", flush=True)
    # The kernel detaches this process from the threads when it ends.
    sys.stdin.read()


main()
