"""Runs a program under the system call rules of a systemd unit: run_confined.py UNIT GROUPS PROGRAM [ARGUMENT...]

systemd itself is not needed. The rules are read, and the filters built, as systemd 252 does it (systemd.exec(5), seccomp-util.c).
GROUPS is the output of `systemd-analyze syscall-filter`. libseccomp knows the numbers of the calls; apt needs it too, so each
Debian has it.

Applied are SystemCallFilter, SystemCallArchitectures=native, RestrictAddressFamilies and RestrictNamespaces=yes: what can be in the way
of the embedded store and needs neither root nor mounts.
"""

import ctypes
import errno
import os
import socket
import sys

KILL_PROCESS, ALLOW = 0x80000000, 0x7FFF0000
EQUAL, MASKED_EQUAL, LESS, GREATER = 4, 7, 2, 6
NAMESPACES = (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)
UNKNOWN_CALL = -1


class Comparison(ctypes.Structure):
    """struct scmp_arg_cmp of seccomp.h."""

    _fields_ = [("argument", ctypes.c_uint), ("operator", ctypes.c_uint), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


LIBRARY = ctypes.CDLL("libseccomp.so.2")
LIBRARY.seccomp_init.restype = ctypes.c_void_p
LIBRARY.seccomp_init.argtypes = [ctypes.c_uint32]
LIBRARY.seccomp_load.argtypes = [ctypes.c_void_p]
LIBRARY.seccomp_rule_add_exact_array.argtypes = [
    ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(Comparison)]


def fail_with(number):
    return 0x00050000 | number


def settings(unit, key):
    """The values of a key, in the order of the file."""
    with open(unit, encoding="utf-8") as file:
        pairs = [line.strip().split("=", 1) for line in file if "=" in line and not line.startswith(("#", ";"))]
    return [value.strip() for name, value in pairs if name.strip() == key]


def read_groups(path):
    groups, members = {}, None
    with open(path, encoding="utf-8") as file:
        for line in file:
            word = line.strip()
            if line.startswith("@"):
                members = groups.setdefault(word, [])
            elif word and not word.startswith("#"):
                members.append(word)
    return groups


def resolve(name, groups):
    if name.startswith("@"):
        return {call for member in groups[name] for call in resolve(member, groups)}
    number = LIBRARY.seccomp_syscall_resolve_name(name.encode())
    return set() if number == UNKNOWN_CALL else {number}


def allowed_calls(unit, groups):
    """The calls that SystemCallFilter allows. The first line decides whether it is a list of allowed calls."""
    lines = settings(unit, "SystemCallFilter")
    if not lines or lines[0].startswith("~") or "" in lines or settings(unit, "SystemCallErrorNumber"):
        sys.exit(f"{unit}: only a SystemCallFilter of allowed calls, which kills at any other, is understood here")
    calls = resolve("@default", groups)
    for line in lines:
        removes = line.startswith("~")
        for name in line.lstrip("~").split():
            calls = calls - resolve(name, groups) if removes else calls | resolve(name, groups)
    return calls


class Filter:
    """One seccomp filter of the native architecture; a call of any other one kills."""

    def __init__(self, default):
        self.context = LIBRARY.seccomp_init(default)

    def add(self, action, call, *comparisons):
        # As with systemd, a call that this architecture does not have is left out.
        array = (Comparison * len(comparisons))(*comparisons)
        LIBRARY.seccomp_rule_add_exact_array(self.context, action, call, len(comparisons), array)

    def load(self):
        # It sets no_new_privs too.
        result = LIBRARY.seccomp_load(self.context)
        if result != 0:
            sys.exit(f"the kernel refuses the filter: {os.strerror(-result)}")


def filter_of_families(unit):
    names = " ".join(settings(unit, "RestrictAddressFamilies")).split()
    families = {int(getattr(socket, name)) for name in names}
    call = LIBRARY.seccomp_syscall_resolve_name(b"socket")
    refused = Filter(ALLOW)
    action = fail_with(errno.EAFNOSUPPORT)
    refused.add(action, call, Comparison(0, LESS, min(families), 0))
    refused.add(action, call, Comparison(0, GREATER, max(families), 0))
    for family in set(range(min(families), max(families))) - families:
        refused.add(action, call, Comparison(0, EQUAL, family, 0))
    return refused


def filter_of_namespaces():
    number = LIBRARY.seccomp_syscall_resolve_name
    refused = Filter(ALLOW)
    # The flags of clone3 are in memory, where a filter cannot look; libraries fall back to clone.
    refused.add(fail_with(errno.ENOSYS), number(b"clone3"))
    refused.add(fail_with(errno.EPERM), number(b"setns"))
    for flag in NAMESPACES:
        for call in (b"unshare", b"clone"):
            refused.add(fail_with(errno.EPERM), number(call), Comparison(0, MASKED_EQUAL, flag, flag))
    return refused


def main():
    unit, groups, program = sys.argv[1:4]
    filters = []
    if settings(unit, "RestrictAddressFamilies"):
        filters.append(filter_of_families(unit))
    if settings(unit, "RestrictNamespaces") == ["yes"]:
        filters.append(filter_of_namespaces())
    if settings(unit, "SystemCallArchitectures") != ["native"]:
        sys.exit(f"{unit}: SystemCallArchitectures=native is expected")
    calls = Filter(KILL_PROCESS)
    for number in allowed_calls(unit, read_groups(groups)):
        calls.add(ALLOW, number)
    # The last one may forbid the call that loads filters.
    for one in [*filters, calls]:
        one.load()
    os.execv(program, [program, *sys.argv[4:]])


main()
