"""Which accelerator a machine gets: found out by booting the image, never assumed."""

import contextlib
import json
import os
from pathlib import Path

from lab.guest import Guest, GuestError
from lab.machine import TCG, Boot, Machine
from lab.qmp import QmpError
from omamori.image.build import Image
from omamori.image.state import State


def accelerator(image: Image, scratch: Path, state: State) -> str:
    """What QEMU should run this image with here: KVM only where the image was seen to boot under it."""
    return "kvm" if kvm_works(image, scratch, state) else TCG


def kvm_works(image: Image, scratch: Path, state: State) -> bool:
    """Whether this image really boots under KVM here; found out once per kernel and boot of this machine."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    known = state.root / "kvm.json"
    key = f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {image.kernel.stat().st_size}"
    with contextlib.suppress(OSError, ValueError):
        answers = json.loads(known.read_text())
        if key in answers:
            return bool(answers[key])
    works = _boots_under_kvm(image, scratch, state)
    known.write_text(json.dumps({key: works}))
    return works


def _boots_under_kvm(image: Image, scratch: Path, state: State) -> bool:
    machine = Machine(boot=Boot.DIRECT, accelerator="kvm")
    try:
        with Guest(image, scratch / "kvm-probe", machine, state=state) as guest:
            guest.wait_for_ssh(seconds=45)
    except (GuestError, QmpError, OSError):
        return False
    return True
