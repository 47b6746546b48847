"""Becomes a program that gets listening sockets as from systemd: pass_sockets.py NAME=ADDRESS... -- PROGRAM [ARGUMENT...]

An address is HOST:PORT, or a path for a socket that is not TCP. A NAME that ends in `!` is bound and does not listen.
"""

import os
import socket
import sys


def main():
    split = sys.argv.index("--")
    names, kept = [], []
    for pair in sys.argv[1:split]:
        name, address = pair.split("=", 1)
        if address.startswith("/"):
            made = socket.socket(socket.AF_UNIX)
            made.bind(address)
        else:
            host, port = address.rsplit(":", 1)
            made = socket.socket()
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((host, int(port)))
        if not name.endswith("!"):
            made.listen(128)
        names.append(name.rstrip("!"))
        kept.append(made)
    # First to where no descriptor is in the way.
    high = [os.dup(made.fileno()) for made in kept]
    high = [os.dup2(number, 100 + index, inheritable=False) for index, number in enumerate(high)]
    for index, number in enumerate(high):
        os.dup2(number, 3 + index)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(kept)), LISTEN_FDNAMES=":".join(names))
    os.execv(sys.argv[split + 1], sys.argv[split + 1:])


main()
