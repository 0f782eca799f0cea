"""A newer firmware on a stick that is plugged into a unit which reaches nobody: taken where our keys signed it, and no other."""

import struct
import subprocess

import pytest

from lab.appliance import Factory, powered

MIB = 2**20


def mtools(*words):
    subprocess.run(words, check=True, capture_output=True)


def founded(place):
    place.mkdir()
    return Factory.found(place)


def held(folder):
    """In MiB."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) // MIB


def stick(file, *published):
    """Partitions of that name, each with a published repository and room to spare."""
    at, entries, parts = 1, [], []
    for folder in published:
        size = held(folder / "tuf") + 64
        entries.append(struct.pack("<B3xB3xII", 0, 0x0C, at * 2048, size * 2048))
        parts.append((f"{file}@@{at}M", size * 2048, folder / "tuf"))
        at += size
    with file.open("wb") as disk:
        disk.truncate(at * MIB)
        disk.seek(446)
        disk.write(b"".join(entries).ljust(64, b"\0") + b"\x55\xaa")
    for there, sectors, folder in parts:
        mtools("mformat", "-i", there, "-F", "-T", str(sectors), "-v", "OMAMORI", "::")
        mtools("mcopy", "-s", "-i", there, *sorted(folder.iterdir()), "::/")
    return file


@pytest.mark.timeout(900)
def test_a_newer_firmware_on_a_stick_is_staged_and_one_that_others_signed_is_not(tmp_path):
    """With a repository of its own: what is newest in the one that all tests share depends on which were before."""
    ours, others = founded(tmp_path / "ours"), founded(tmp_path / "others")
    first, newer = ours.image("13.0.0"), ours.image("13.0.1")
    plugged = stick(tmp_path / "stick.raw", others.publish(newer), ours.publish(newer))
    with powered(first, tmp_path / "guest", stick=plugged) as unit:
        guest = unit.guest
        guest.wait_for_ssh(seconds=300)
        guest.wait(lambda: unit.in_phase("13.0.1", "staged"), seconds=400, what="13.0.1 staged", pause=2)
        told = "journalctl --no-pager --output=cat --unit=omamori-stick@vdb{}.service"
        assert "13.0.1 is staged in slot b" in guest.ssh(told.format(2))
        guest.wait(
            lambda: "signature: " in guest.ssh(told.format(1)), seconds=200, what="the refusal", pause=2
        )
        assert "is staged" not in guest.ssh(told.format(1))
        assert "/run/omamori/stick" not in guest.ssh("cat /proc/mounts")
