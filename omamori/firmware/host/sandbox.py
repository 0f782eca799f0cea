"""Takes away from the calling process what it will not need: capabilities, new privileges, files, programs, sockets, memory.

`confine` is for a process that lets foreign code parse hostile bytes: it keeps the descriptors it has and can do nothing else. Whatever
the kernel does not have is left out and told. `without_network`, `without_writing` and `private` are for what a person drives. Source: prctl(2), capabilities(7), landlock(7), seccomp(2), setrlimit(2).
"""

import contextlib
import ctypes
import os
import platform
import resource
import signal
import struct
from collections.abc import Iterable
from typing import Final

_SET_PDEATHSIG, _SET_DUMPABLE, _SET_SECCOMP, _SET_NO_NEW_PRIVS = 1, 4, 22, 38
_CAPABILITIES_V3: Final = 0x20080522
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_ALL: Final = (1 << 13) - 1
"""The access rights of files that its first version knows."""
_LANDLOCK_WRITING: Final = 1 << 1 | 0x1FF0 | 1 << 14
"""Of them: write, remove and make; and truncate, since its third version."""
_LANDLOCK_SIGNALS: Final = 2
"""Its sixth version keeps signals inside, too."""
_SECCOMP_FILTER: Final = 2
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | 1  # EPERM
_MACHINES: Final = {
    "x86_64": (
        0xC000003E,
        # socket connect accept sendmsg bind listen socketpair clone fork vfork execve kill ptrace ... bpf execveat
        (41, 42, 43, 49, 50, 53, 56, 57, 58, 59, 62, 101, 165, 246, 272, 298, 310, 311, 321, 322, 435),
    ),
    "aarch64": (
        0xC00000B7,
        (40, 97, 104, 117, 129, 198, 199, 200, 201, 202, 203, 220, 221, 241, 270, 271, 280, 281, 435),
    ),
}

_SOCKET: Final = {"x86_64": 41, "aarch64": 198}
_FAMILIES: Final = (1, 16)
"""AF_UNIX, and AF_NETLINK, which programs ask about interfaces."""
_URING: Final = (425, 426, 427)
"""io_uring opens sockets, too, past any filter; its numbers are the same everywhere."""
_X32: Final = 0x40000000


def confine(*, memory: int, parent: int) -> list[str]:
    """Give everything up for good; `memory` bounds the address space in bytes. Gives what this kernel could not do.

    The process ends when `parent` does. Raises nothing.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)
    _limit(memory)
    steps = (
        ("privileges", libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0),
        ("files", _without_files(libc)),
        ("capabilities", _without_capabilities(libc)),
        ("system calls", _without_calls(libc)),
    )
    return [name for name, done in steps if not done]


def _limit(memory: int) -> None:
    for kind, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))


def _without_capabilities(libc: ctypes.CDLL) -> bool:
    head = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITIES_V3, 0))
    return bool(libc.capset(head, ctypes.create_string_buffer(24)) == 0)


def _without_files(libc: ctypes.CDLL) -> bool:
    rights = ctypes.create_string_buffer(struct.pack("=Q", _LANDLOCK_ALL))
    ruleset = libc.syscall(_LANDLOCK_CREATE, rights, ctypes.c_size_t(8), 0)
    if ruleset < 0:
        return False
    done = libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0) == 0
    os.close(ruleset)
    return bool(done)


def _without_calls(libc: ctypes.CDLL) -> bool:
    """A filter that refuses what starts programs or opens sockets; a foreign architecture's calls are refused too."""
    known = _MACHINES.get(platform.machine())
    if known is None:
        return False
    architecture, numbers = known
    lines = [(0x20, 0, 0, 4), (0x15, 1, 0, architecture), (0x06, 0, 0, _REFUSE), (0x20, 0, 0, 0)]
    for place, number in enumerate(numbers):
        lines.append((0x15, len(numbers) - place, 0, number))
    lines += [(0x06, 0, 0, _ALLOW), (0x06, 0, 0, _REFUSE)]
    return _filtered(libc, lines)


def private() -> None:
    """Other processes of the same user neither look into this one nor take its descriptors (ptrace(2)). Raises OSError."""
    if ctypes.CDLL(None, use_errno=True).prctl(_SET_DUMPABLE, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "the process cannot be made private")


def without_writing(but: Iterable[str]) -> bool:
    """Give up for good, and for whatever is started: writing to files but below these, and signals to anybody outside.

    False where this kernel cannot. Raises OSError where it can and did not.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)
    if version < 3:
        return False
    scopes = (0, _LANDLOCK_SIGNALS) if version >= 6 else ()
    rights = struct.pack(f"={1 + len(scopes)}Q", _LANDLOCK_WRITING, *scopes)
    ruleset = libc.syscall(
        _LANDLOCK_CREATE, ctypes.create_string_buffer(rights), ctypes.c_size_t(len(rights)), 0
    )
    try:
        allowed = [_writable(libc, ruleset, place) for place in but]
        done = ruleset >= 0 and all(allowed) and libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
        if not done or libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0):
            raise OSError(ctypes.get_errno(), "writing cannot be given up")
    finally:
        if ruleset >= 0:
            os.close(ruleset)
    return True


def _writable(libc: ctypes.CDLL, ruleset: int, place: str) -> bool:
    """Raises OSError where there is no such place."""
    folder = os.open(place, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = ctypes.create_string_buffer(struct.pack("=Qi", _LANDLOCK_WRITING, folder))
        return bool(libc.syscall(_LANDLOCK_ADD, ruleset, 1, rule, 0) == 0)
    finally:
        os.close(folder)


def without_network() -> None:
    """Give up for good, and for whatever is started: every socket but AF_UNIX and AF_NETLINK. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    known, number = _MACHINES.get(platform.machine()), _SOCKET.get(platform.machine())
    if known is None or number is None:
        raise OSError(f"no filter for {platform.machine()}")
    head = [(0x20, 0, 0, 4), (0x15, 1, 0, known[0]), (0x06, 0, 0, _REFUSE), (0x20, 0, 0, 0)]
    tail = [
        (0x20, 0, 0, 16),
        *((0x15, len(_FAMILIES) - place, 0, family) for place, family in enumerate(_FAMILIES)),
    ]
    tail += [(0x06, 0, 0, _REFUSE), (0x06, 0, 0, _ALLOW)]
    refused = [(0x15, 0, 1, call) for call in _URING]
    lines = [*head, (0x35, 0, 1, _X32), (0x06, 0, 0, _REFUSE)]
    for line in refused:
        lines += [line, (0x06, 0, 0, _REFUSE)]
    lines += [(0x15, 1, 0, number), (0x06, 0, 0, _ALLOW), *tail]
    if libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or not _filtered(libc, lines):
        raise OSError(ctypes.get_errno(), "the network cannot be given up")


def _filtered(libc: ctypes.CDLL, lines: list[tuple[int, int, int, int]]) -> bool:
    """Install a program of (code, jump if true, jump if false, value)."""
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in lines))
    pointed = struct.pack("=HxxxxxxQ", len(lines), ctypes.addressof(program))
    return bool(libc.prctl(_SET_SECCOMP, _SECCOMP_FILTER, ctypes.create_string_buffer(pointed), 0, 0) == 0)
