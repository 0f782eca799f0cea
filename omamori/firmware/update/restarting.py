"""The two ways from a staged version to its trial, as PID 1 is asked for them."""

import subprocess
from typing import Final

_PATIENCE: Final = 180
_SURE: Final = {"SYSTEMCTL_SKIP_AUTO_SOFT_REBOOT": "1", "PATH": "/usr/sbin:/usr/bin"}
"""A root that was prepared and not taken must not turn a restart of the machine into something else (systemctl(1), reboot)."""


def reboot() -> None:
    """The machine. Raises OSError."""
    _run("reboot", "--no-block", environment=_SURE)


def soft_reboot() -> None:
    """The userspace, into the slot that soft.py has named. Raises OSError where it cannot be opened."""
    _run("start", "omamori-next-root.service")
    _run("soft-reboot", "--no-block")


def _run(*words: str, environment: dict[str, str] | None = None) -> None:
    try:
        subprocess.run(["systemctl", *words], check=True, timeout=_PATIENCE, env=environment)
    except subprocess.SubprocessError as error:
        raise OSError(f"systemctl {words[0]}: {error}") from error
