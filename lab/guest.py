"""The appliance image in QEMU: started, waited for, pressed, unplugged, stopped; the built disk is never changed.

A `Guest` has a scratch directory with an overlay over the disk, so it can be switched off and on again with its data.
Ports are taps inside namespaces (or nothing); SSH goes over a third, unbridged card through QEMU's user network.
Every wait has a deadline, and a failure shows the end of the console.

The activation button is F12 on the guest's keyboard (`BUTTON`), pressed through QMP.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from lab import kernel_log
from lab.machine import Machine, Plug, Run, command_line
from lab.namespaces import end
from lab.qemu import Qemu
from lab.qmp import Qmp, QmpError
from lab.secure_boot import enrolled
from lab.tap import open_tap
from lab.tpm import SoftwareTpm
from omamori.image.build import Image
from omamori.image.state import State

BUTTON = "f12"
MAX_FALLS = 3


class GuestError(Exception):
    """The guest did not do what was waited for; the message has where its processors are, and ends with its console."""


class Guest:
    """One virtual machine, a context manager: starts on entry, is gone on exit."""

    def __init__(
        self,
        image: Image,
        scratch: Path,
        machine: Machine | None = None,
        *,
        state: State | None = None,
        qemu: Qemu | None = None,
    ) -> None:
        self._image = image
        self._scratch = scratch
        self._machine = machine or Machine()
        self._state = state or State.of()
        self._qemu = qemu or Qemu.find(self._state, image.architecture)
        self._process: subprocess.Popen[bytes] | None = None
        self._qmp: Qmp | None = None
        self._said_before = 0
        self._falls = 0
        self._words: tuple[str, ...] = ()
        self._disk = scratch / "disk.qcow2"
        self._variables = scratch / "variables.fd"
        self.tpm_state = scratch / "tpm"
        self._tpm = SoftwareTpm(self.tpm_state) if self._machine.tpm else None
        self.ssh_port = 0
        self._talks, self._talk = "", 0
        self.console = scratch / "console.log"

    def __enter__(self) -> Self:
        self._prepare()
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, *, words: tuple[str, ...] = ()) -> None:
        """Power on, with the data of before; `words`: see `Run`."""
        self._words = words
        self.ssh_port = _free_port()
        self._talks = tempfile.mkdtemp(prefix="omamori-ssh-")  # a socket's path must be short
        self._said_before = self._said()
        control = self._scratch / "qmp"
        control.unlink(missing_ok=True)
        if self._tpm:
            self._tpm.start()
        with contextlib.ExitStack() as taps:
            files = {name: _inherited(taps, plug) for name, plug in self._machine.ports.items()}
            with (self._scratch / "qemu.log").open("ab") as log:
                self._process = subprocess.Popen(
                    self._command(files, control),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=list(files.values()),
                    start_new_session=True,
                )
        self.wait(control.exists, seconds=30, what="QEMU's control socket")
        if not self._qmp:  # the wait may have had to start it once more, session and all
            try:
                self._qmp = Qmp(control)
            except (OSError, QmpError) as error:
                raise self._failure(f"QEMU does not start ({error})") from error

    def stop(self) -> None:
        """Pull the plug. Safe to call twice."""
        if self._qmp:
            self._qmp.__exit__(None, None, None)
            self._qmp = None
        if self._process:
            end(self._process)
            self._process = None
        if self._tpm:
            self._tpm.stop()
        shutil.rmtree(self._talks, ignore_errors=True)

    def power_cycle(self) -> None:
        """Pull the plug and put it in again: what a customer does."""
        self.stop()
        self.start(words=self._words)

    def keep(self, folder: Path) -> None:
        """What would be left if the power went at this moment: a scratch directory for another `Guest` of the image.

        What the guest has not yet written is lost, as it would be; this guest goes on and does not notice.
        """
        folder.mkdir(parents=True)
        left = self._disk
        self._disk = self._scratch / f"disk-{folder.name}.qcow2"
        self._control().execute(
            "blockdev-snapshot-sync", device="disk", format="qcow2", **{"snapshot-file": str(self._disk)}
        )
        self._overlay(folder / "disk.qcow2", left, "qcow2")
        shutil.copyfile(self._variables, folder / self._variables.name)
        if self._tpm:
            shutil.copytree(self.tpm_state, folder / "tpm", ignore=shutil.ignore_patterns("control", ".lock"))

    def press(self, key: str = BUTTON, *, milliseconds: int = 200) -> None:
        """Press and let go a key: the activation button by default."""
        self._control().execute(
            "send-key", keys=[{"type": "qcode", "data": key}], **{"hold-time": milliseconds}
        )

    def set_link(self, port: str, *, up: bool) -> None:
        """Pull a port's cable or put it in."""
        self._control().execute("set_link", name=port, up=up)

    def ssh(self, command: str, *, timeout: float = 60, check: bool = True) -> str:
        """Run a shell line as root and return stdout. Raises GuestError when it fails (unless `check` is off)."""
        try:
            done = subprocess.run(
                [*self.ssh_command(), command], capture_output=True, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise self._failure(f"ssh {command!r}: not done in {timeout} s") from error
        if check and done.returncode:
            text = (done.stdout + done.stderr).decode(errors="replace").strip()
            raise GuestError(f"ssh {command!r}: exit {done.returncode}\n{text[-3000:]}")
        return done.stdout.decode(errors="replace")

    def ssh_command(self) -> list[str]:
        """The words to put before a remote command, also for `scp`-like tools and testinfra."""
        return ["ssh", "-p", str(self.ssh_port), *self.ssh_options(), "root@127.0.0.1"]

    def ssh_options(self) -> list[str]:
        """All commands of one start go over one connection: an emulated processor takes a second for another."""
        options = {
            "ControlMaster": "auto",
            "ControlPath": f"{self._talks}/{self._talk}",
            "ControlPersist": "yes",
            "IdentityFile": self._state.secrets / "id_ed25519",
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "GlobalKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "ConnectTimeout": "10",
            "ServerAliveInterval": "5",
            "ServerAliveCountMax": "6",
        }
        return [word for key, value in options.items() for word in ("-o", f"{key}={value}")]

    def put(self, source: Path, target: str) -> None:
        """Copy a file into the guest."""
        with source.open("rb") as opened:
            done = subprocess.run(
                [*self.ssh_command(), f"cat > '{target}'"],
                stdin=opened,
                capture_output=True,
                timeout=300,
                check=False,
            )
        if done.returncode:
            raise GuestError(f"copying {source} failed: {done.stderr.decode(errors='replace')[-500:]}")

    def wait_for_ssh(self, *, seconds: float = 180) -> float:
        """Until a command can be run; returns how long that took."""
        began = time.monotonic()
        self.wait(self._answers, seconds=seconds, what="SSH", pause=0.5)
        return time.monotonic() - began

    def boot_id(self) -> str:
        return self.ssh("cat /proc/sys/kernel/random/boot_id").strip()

    def wait_for_reboot(self, since: str, *, seconds: float = 300) -> None:
        """Until SSH answers from another boot than `since` (a `boot_id`)."""
        self.wait(lambda: self._boot() not in {None, since}, seconds=seconds, what="another boot", pause=1)
        self._talk += 1

    def wait_for_text(self, text: str, *, seconds: float = 180, after: int = 0) -> None:
        """Until the console says it (`after` bytes in)."""
        wanted = text.encode()
        self.wait(lambda: wanted in self.console.read_bytes()[after:], seconds=seconds, what=repr(text))

    def wait(self, condition: Callable[[], object], *, seconds: float, what: str, pause: float = 0.2) -> None:
        """Raises GuestError with the console when it does not come true in time, or QEMU ends."""
        deadline = time.monotonic() + seconds
        while not condition():
            if self._process and self._process.poll() is not None:
                if not self._emulator_fell(self._process.returncode):
                    raise self._failure(f"QEMU ended ({self._process.returncode}) while waiting for {what}")
                self.power_cycle()
            if time.monotonic() > deadline:
                raise self._failure(f"waited {seconds:.0f} s for {what}")
            time.sleep(pause)

    def _emulator_fell(self, code: int) -> bool:
        """Whether QEMU aborted by an assertion of its own before the guest said a word.

        QEMU 10's two emulating threads race for the memory map while the firmware lays it out (`iotlb_to_section`),
        once in some hundred starts. No guest ran, so nothing about it is hidden by starting again; thrice at most.
        """
        self._falls += code == -signal.SIGABRT
        return code == -signal.SIGABRT and self._said() == self._said_before and self._falls <= MAX_FALLS

    def _said(self) -> int:
        """Bytes on the console."""
        return self.console.stat().st_size if self.console.exists() else 0

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def tail(self, lines: int = 40) -> str:
        """The end of the console."""
        text = self.console.read_text(errors="replace") if self.console.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _control(self) -> Qmp:
        if not self._qmp:
            raise GuestError("the guest is switched off")
        return self._qmp

    def _failure(self, what: str) -> GuestError:
        log = self._scratch / "qemu.log"
        said = log.read_text(errors="replace")[-1000:] if log.exists() else ""
        return GuestError(
            f"{what}\n--- QEMU\n{said}\n--- processors and disk\n{self._inside()}\n--- console\n{self.tail()}{self._kernel()}"
        )

    def _kernel(self) -> str:
        """What its kernel has said last, where the console does not tell: a product's is silent."""
        copy = self._scratch / "memory"
        size = self._machine.memory_mib << 20
        try:
            if "Linux version" in self.tail(10_000):
                return ""
            self._control().execute("pmemsave", val=0, size=size, filename=str(copy))
            return "\n--- kernel\n" + "\n".join(kernel_log.log(copy)[-40:])
        except (GuestError, QmpError, OSError) as error:
            return f"\n--- kernel\nnot to be had: {error}"
        finally:
            copy.unlink(missing_ok=True)

    def _inside(self) -> str:
        """Where each processor is (`SMM=1`: in the machine's firmware), twice, and what the disk was asked for."""
        with contextlib.suppress(GuestError, QmpError, OSError):
            places = [self._places() for _ in range(2)]
            (disk,) = (
                entry["stats"]
                for entry in self._control().execute("query-blockstats")
                if entry.get("device") == "disk"
            )
            return "\n".join([*places, f"read {disk['rd_bytes']} bytes, written {disk['wr_bytes']}"])
        return "not to be had: QEMU does not answer"

    def _places(self) -> str:
        said = self._control().execute("human-monitor-command", **{"command-line": "info registers -a"})
        return "\n".join(
            line.strip() for line in said.splitlines() if line.startswith(("CPU#", "RIP=", "EIP="))
        )

    def _answers(self) -> bool:
        return self._boot() is not None

    def _boot(self) -> str | None:
        """Over a connection of its own: the one that is there may be that of a boot that is over."""
        program, *words = self.ssh_command()
        words = [program, "-o", "ControlPath=none", *words, "cat /proc/sys/kernel/random/boot_id"]
        with contextlib.suppress(subprocess.TimeoutExpired):
            done = subprocess.run(words, capture_output=True, timeout=20, check=False)
            return done.stdout.decode().strip() or None
        return None

    def _prepare(self) -> None:
        self._scratch.mkdir(parents=True, exist_ok=True)
        if not self._disk.exists():
            self._overlay(self._disk, self._image.disk, "raw")
            variables = self._qemu.variables.read_bytes()
            if keys := self._machine.secure_boot:
                variables = enrolled(variables, keys)
            self._variables.write_bytes(variables)

    def _overlay(self, made: Path, over: Path, form: str) -> None:
        """A disk that begins as another one; what is written to it stays in it."""
        words = ("create", "-q", "-f", "qcow2", "-F", form, "-b", over, made)
        subprocess.run([*self._qemu.image_tool, *words], check=True, capture_output=True)

    def _command(self, taps: Mapping[str, int], control: Path) -> list[str]:
        run = Run(
            disk=self._disk,
            variables=self._variables,
            console=self.console,
            control=control,
            taps=taps,
            ssh_port=self.ssh_port,
            tpm=self._tpm.socket if self._tpm else None,
            words=self._words,
        )
        return command_line(self._machine, self._qemu, self._image, run)


def _inherited(stack: contextlib.ExitStack, plug: Plug) -> int:
    file = open_tap(plug.namespace, plug.name)
    stack.callback(os.close, file)
    return file


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def booted(image: Image, scratch: Path, machine: Machine) -> Iterator[Guest]:
    """A guest that answers."""
    with Guest(image, scratch, machine) as guest:
        guest.wait_for_ssh()
        yield guest
