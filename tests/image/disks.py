"""A small finished image, disks to write it to, and the command that does."""

import contextlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

OMAMORI = Path(sys.executable).with_name("omamori")
MIB = 2**20
TABLE = "label: gpt\nfirst-lba: 2048\nstart=1MiB, size=4MiB, name=esp\nstart=5MiB, size=8MiB, name=root-a\nstart=13MiB, size=2MiB, name=root-b\n"


def finished(folder):
    """A finished image of 20 MiB as a build leaves it: a table, a few written places, else holes."""
    folder.mkdir()
    disk = folder / "disk.raw"
    disk.touch()
    os.truncate(disk, 20 * MIB)
    subprocess.run(["sfdisk", "--quiet", disk], input=TABLE, text=True, check=True)
    noise = random.Random(7)
    with disk.open("r+b") as opened:
        for at, length in ((MIB, 9000), (5 * MIB, 3 * MIB + 512), (15 * MIB - 4096, 4096)):
            opened.seek(at)
            opened.write(noise.randbytes(length))
    files = dict.fromkeys(("bundle", "kernel", "initrd"), "none") | {"disk": "disk.raw"}
    known = {"files": files, "command_line": "", "variant": "product", "version": "1.2.3", "broken": None}
    (folder / "manifest.json").write_text(json.dumps(known))
    return folder


@contextlib.contextmanager
def loop(file, *options):
    """A disk of the kernel's over a file; both are gone afterwards."""
    words = ["losetup", "--find", "--show", *options, file]
    name = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    try:
        yield Path(name)
    finally:
        subprocess.run(["losetup", "--detach", name], check=True)


@contextlib.contextmanager
def partitions_of(disk):
    """Told to the kernel by hand: not every kernel reads this kind of table."""
    subprocess.run(["partx", "--update", disk], check=True)
    try:
        yield
    finally:
        subprocess.run(["partx", "--delete", disk], check=True)


def filled(path, size):
    """A disk that somebody used before."""
    path.write_bytes(b"\xa5" * size)
    return path


def run(image, device, *words, typed=None, prefix=()):
    return subprocess.run(
        [*prefix, OMAMORI, "image", "flash", device, "--image", image, *words],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        input=typed or "",
    )


def dumped(path):
    done = subprocess.run(["sfdisk", "--json", path], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["partitiontable"]


def table_of(path):
    return [(part["start"], part["size"], part["name"], part["uuid"]) for part in dumped(path)["partitions"]]
