"""Power cuts in a test: a child process that ends, without any clean-up, at its n-th change of files."""

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

CHANGES = {"os.rename", "os.remove", "os.symlink", "os.link", "os.mkdir", "os.chmod", "os.truncate"}


def die_at(count: int, root: str) -> None:
    """From now on, end the process at its `count`-th change below `root`."""
    left = count

    def hook(event: str, arguments: tuple) -> None:
        nonlocal left
        writes = (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        )
        if not (writes or event in CHANGES) or not str(arguments[0]).startswith(root):
            return
        left -= 1
        if left == 0:
            os._exit(137)

    sys.addaudithook(hook)


def cut_off(root: Path, count: int, act: Callable[[], object]) -> bool:
    """Do it in a process that dies at its change number `count` below `root`; False once that lives to the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the server's thread is not touched by the child
        child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            die_at(count, str(root))
            act()
        except BaseException:  # noqa: BLE001 - a child must never return into pytest
            os._exit(3)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in {0, 137}
    return status == 137
