"""Secrets on the data partition that only this machine's TPM gives back, by systemd-creds(1) (decision 0036).

A sealed secret is bound to the TPM, to PCR 7 (whether Secure Boot is on, and whose keys it believes) and to PCR 12 (what the
machine or the boot partition add to a boot image): a new firmware of ours changes none of them, another box, a cleared TPM or a
machine made to start anything, or ours otherwise, does. Where there is no TPM a secret
stays a plain file: a key beside what it locks would be for show. A plain file beside a sealed one is always the newer:
only firmware that knows no sealed ones, or a machine without a TPM, writes one.

A TPM takes each loss of power after a use of its keys for a try to guess one, and after some of them refuses all use for a
while (TPM 2.0 part 1, 19.8). There is nothing to guess here, and power is lost every day: it is told to forget them.

Errors: `Unopenable` (the TPM does not give it back, or it is damaged), `SealFailed` (the TPM does not take it).
"""

import logging
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths

log = logging.getLogger(__name__)

PCRS: Final = "7+12"
_PATIENCE: Final = 60.0
"""Seconds; a slow TPM takes one or two, an emulated machine more."""
_CAP: Final = 64 * 1024
_FORGET: Final = bytes.fromhex("8002 0000001b 00000139 4000000a 00000009 40000009 0000 01 0000")
"""TPM2_DictionaryAttackLockReset with the empty password (TPM 2.0 part 3, 25.2)."""
_ANSWER: Final = 4096
_DONE: Final = bytes(4)
"""TPM_RC_SUCCESS, after two bytes of tag and four of size."""


class Unopenable(Exception):  # noqa: N818 - what it is
    """Sealed by another TPM, for another state of this machine, or damaged."""


class SealFailed(Exception):  # noqa: N818 - what happened
    """The TPM does not do it."""


@dataclass(frozen=True, slots=True)
class Tpm:
    """The machine's TPM 2.0. `device` as `--tpm2-device=` has it; empty is the one that the kernel knows."""

    device: str = ""

    def seal(self, name: str, secret: bytes) -> bytes:
        """What may lie on a disk. It opens under this name only. Raises SealFailed."""
        try:
            return self._run("encrypt", name, secret, "--with-key=tpm2", f"--tpm2-pcrs={PCRS}")
        except (OSError, subprocess.SubprocessError) as error:
            raise SealFailed(f"{name} cannot be sealed: {_reason(error)}") from error

    def open(self, name: str, sealed: bytes) -> bytes:
        """Raises Unopenable."""
        try:
            return self._run("decrypt", name, sealed)
        except (OSError, subprocess.SubprocessError) as error:
            raise Unopenable(f"{name} cannot be opened: {_reason(error)}") from error

    def _run(self, verb: str, name: str, content: bytes, *more: str) -> bytes:
        where = (f"--tpm2-device={self.device}",) if self.device else ()
        command = ["systemd-creds", verb, f"--name={name}", *more, *where, "-", "-"]
        try:
            return _output(command, content)
        except subprocess.CalledProcessError:
            if self._transmit(_FORGET)[6:10] != _DONE:
                raise
            return _output(command, content)

    def _transmit(self, command: bytes) -> bytes:
        """The TPM's answer; empty where it cannot be spoken to."""
        try:
            with Path("/dev/tpmrm0").open("r+b", buffering=0) as device:
                device.write(command)
                return device.read(_ANSWER)
        except OSError:
            return b""


def _output(command: list[str], content: bytes) -> bytes:
    done = subprocess.run(command, input=content, capture_output=True, timeout=_PATIENCE, check=True)
    return done.stdout


def tpm_of(paths: Paths) -> Tpm | None:
    """None where the machine has none, or one of version 1.2: the kernel then has no resource manager for it."""
    return Tpm() if (paths.root / "dev/tpmrm0").exists() else None


@dataclass(frozen=True, slots=True)
class Kept:
    """One secret on the data partition: the file `plain`, or the same name with `.sealed`."""

    plain: Path
    tpm: Tpm | None

    @property
    def sealed(self) -> Path:
        return self.plain.with_name(f"{self.plain.name}.sealed")

    def opened(self, sealed: Path) -> bytes:
        """What a sealed file holds. Raises FileNotFoundError, Unopenable, OSError."""
        content = files.read_capped(sealed, cap=_CAP)
        if self.tpm is None:
            raise Unopenable(f"{self.plain.name} cannot be opened: this machine has no TPM")
        return self.tpm.open(self.plain.name, content)

    def seal(self, secret: bytes, to: Path) -> None:
        """Write it sealed, and only where it also opens again. Raises SealFailed, OSError."""
        if self.tpm is None:
            raise SealFailed("this machine has no TPM")
        content = self.tpm.seal(self.plain.name, secret)
        try:
            again = self.tpm.open(self.plain.name, content)
        except Unopenable as error:
            raise SealFailed(f"{self.plain.name} was sealed and does not open") from error
        if again != secret:
            raise SealFailed(f"{self.plain.name} was sealed and opens as something else")
        files.write_atomic(to, content, durable=True, mode=0o600)

    def read(self) -> bytes | None:
        """The secret, wherever it lies; None where there is none. Raises Unopenable, OSError."""
        try:
            return files.read_capped(self.plain, cap=_CAP)
        except FileNotFoundError:
            pass
        try:
            return self.opened(self.sealed)
        except FileNotFoundError:
            return None

    def write(self, secret: bytes) -> None:
        """Sealed, or plain where the TPM does not take it. What lay there before is gone. Raises OSError."""
        try:
            self.seal(secret, self.sealed)
        except SealFailed as error:
            if self.tpm:
                log.warning("%s; it lies there plain", error)
            files.write_atomic(self.plain, secret, durable=True, mode=0o600)
            self.sealed.unlink(missing_ok=True)
        else:
            erase(self.plain)

    def forget(self) -> None:
        """Neither is there afterwards. Raises OSError."""
        self.sealed.unlink(missing_ok=True)
        erase(self.plain)
        if self.plain.parent.is_dir():
            files.sync_directory(self.plain.parent)

    def settle(self) -> bool:
        """Seal what lies there plain, and then remove that; whether there was any. Raises SealFailed, OSError.

        A cut in between leaves both, and the plain one still counts.
        """
        try:
            secret = files.read_capped(self.plain, cap=_CAP)
        except FileNotFoundError:
            return False
        self.seal(secret, self.sealed)
        erase(self.plain)
        return True


def erase(path: Path) -> None:
    """Removed, then overwritten, so that no cut leaves half a secret to be read; flash may keep old blocks. Raises OSError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        path.unlink()
        files.sync_directory(path.parent)
        os.write(descriptor, bytes(os.fstat(descriptor).st_size))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: OSError | subprocess.SubprocessError) -> str:
    """The last line that the program said; never what went in or came out."""
    if isinstance(error, subprocess.CalledProcessError):
        said = error.stderr.decode(errors="replace").strip().splitlines()
        return said[-1][:300] if said else f"exit {error.returncode}"
    return (
        f"it took more than {_PATIENCE:.0f} s" if isinstance(error, subprocess.TimeoutExpired) else str(error)
    )
