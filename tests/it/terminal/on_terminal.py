"""Runs a program on a terminal of its own, and copies what it shows to standard error: on_terminal.py PROGRAM [ARGUMENT...]

SIGTERM goes to the program. Exits as the program does.
"""

import os
import pty
import signal
import sys


def main():
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.argv[1], sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    while True:
        try:
            shown = os.read(terminal, 65536)
        except OSError:
            break
        if not shown:
            break
        os.write(2, shown)
    _, status = os.waitpid(child, 0)
    sys.exit(os.waitstatus_to_exitcode(status))


main()
