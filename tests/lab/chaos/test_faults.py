"""What `./inv chaos --unit --faults` does to a unit, and what the unit's own check of its data makes of it, without a unit."""

import contextlib
import random
import re
import socket
import subprocess
import sys
from http.client import HTTPConnection, IncompleteRead
from pathlib import Path

import pytest

from lab.chaos import faults
from lab.chaos.disks import Disk
from lab.chaos.servers import MODES
from lab.namespaces import end, wait_until
from omamori.image.recipe import TEMPLATES, load
from tests.image.test_compare import kernel_image

MIB = 2**20
DATA = 24 * MIB
RENEW = TEMPLATES / "rootfs/usr/lib/omamori/renew-data"
ENTRY = "EFI/Linux/omamori-8.0.1.efi"


@pytest.fixture
def disk(tmp_path):
    """A boot partition with an entry, and a data partition with three hundred files, checked and clean."""
    raw, files = tmp_path / "disk.raw", tmp_path / "files"
    table = (
        f"label: gpt\nstart=2048, size=40960, name=esp\nstart={DATA // 512}, size=524288, name=omamori-data\n"
    )
    raw.write_bytes(b"")
    with raw.open("r+b") as opened:
        opened.truncate(300 * MIB)
    run("sfdisk", "-q", raw, given=table.encode())
    run("mformat", "-i", f"{raw}@@{MIB}", "-T", "40960", "::")
    run("mmd", "-i", f"{raw}@@{MIB}", "::/EFI", "::/EFI/Linux")
    image = kernel_image({".cmdline": b"ro", ".linux": random.Random(1).randbytes(20_000)})
    run("mcopy", "-i", f"{raw}@@{MIB}", "-", f"::/{ENTRY}", given=image)
    for number in range(300):
        (files / "agent").mkdir(parents=True, exist_ok=True)
        (files / f"agent/{number}").write_bytes(bytes(5000))
    run("mkfs.ext4", "-q", "-F", "-b", "4096", "-d", files, tmp_path / "data", "256m")
    with raw.open("r+b") as opened:
        opened.seek(DATA)
        opened.write((tmp_path / "data").read_bytes())
    return Disk(raw, random.Random(2))


def run(*words, given=b"", codes=(0,)):
    done = subprocess.run([str(word) for word in words], input=given, capture_output=True, check=False)
    assert done.returncode in codes, (words, done.returncode, done.stdout[-500:], done.stderr[-500:])
    return done.stdout


def check(place, *words, codes):
    run("e2fsck", *words, place, codes=codes)


def data(place):
    """The data partition alone, as the unit's kernel shows it."""
    with (place / "disk.raw").open("rb") as disk:
        disk.seek(DATA)
        (place / "data").write_bytes(disk.read(256 * MIB))
    return place / "data"


@pytest.mark.parametrize("name", ["data-superblock", "data-inodes"])
def test_what_rots_in_the_data_is_found_and_mended_as_the_unit_is_told_to(disk, tmp_path, name):
    """systemd-fsck passes these words on as `-f` and `-y` (systemd-fsck@.service(8)); `renew-data mend` is the second pass."""
    assert {"fsck.mode=force", "fsck.repair=yes"} <= set(load("product").command_line)
    check(data(tmp_path), "-f", "-n", codes=(0,))
    faults.DISKS[name](disk)
    rotten = data(tmp_path)
    check(rotten, "-f", "-n", codes=(4, 8, 12))
    check(rotten, "-f", "-y", codes=(1,))
    check(rotten, "-f", "-y", codes=(0, 1))
    check(rotten, "-f", "-n", codes=(0,))


def test_a_journal_that_nobody_understands_is_given_up_and_all_else_kept(disk, tmp_path):
    """By the script's own steps; the flag is the journal's superblock's (include/linux/jbd2.h)."""
    rotten = data(tmp_path)
    run("debugfs", "-w", "-R", f"write {__file__} kept", rotten)
    run("debugfs", "-w", "-R", "feature needs_recovery", rotten)  # as after every loss of power
    with rotten.open("r+b") as opened:
        opened.seek(disk.journal() + 0x28)
        opened.write(b"\x40")
    check(rotten, "-f", "-y", codes=(12,))
    (steps,) = re.findall(r"^drop_journal\(\) \{\n(.*?)^\}", RENEW.read_text(), re.DOTALL | re.MULTILINE)
    run("sh", "-c", f"data={rotten}\n{steps}")
    check(rotten, "-f", "-n", codes=(0,))
    assert run("debugfs", "-R", "cat kept", rotten) == Path(__file__).read_bytes()


def test_a_data_partition_without_any_superblock_is_beyond_mending(disk, tmp_path):
    faults.DISKS["data-lost"](disk)
    check(data(tmp_path), "-f", "-y", codes=(8,))


def test_bits_turn_in_one_sector_of_a_boot_entry_and_nowhere_else(disk, tmp_path):
    there = f"{tmp_path / 'disk.raw'}@@{MIB}"
    before = run("mtype", "-i", there, f"::/{ENTRY}")
    disk.turn_in_file(disk.entry("8.0.1"), ".linux")
    after = run("mtype", "-i", there, f"::/{ENTRY}")
    turned = [at for at, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]
    assert 0 < len(turned) <= 16
    assert turned[-1] - turned[0] < 512


def test_every_fault_is_known_by_its_name():
    assert faults.chosen("all") == faults.NAMES
    assert faults.chosen("none") == ()
    assert faults.chosen("full-disk,lying-server") == ("lying-server", "full-disk")
    with pytest.raises(ValueError, match="no fault is called 'full-dsk': lying-server, "):
        faults.chosen("full-dsk")
    assert {server.mode for server in faults.SERVERS.values()} == {*MODES, "before", "first"}


@pytest.fixture
def repository(tmp_path):
    for name, content in {
        "metadata/1.root.json": b'{"version":1}' * 9,
        "targets/a.pack": bytes(90_000),
    }.items():
        (tmp_path / "www" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "www" / name).write_bytes(content)
    return tmp_path / "www"


@pytest.fixture
def ask(repository):
    """What a server of this mode answers: metadata, contents."""
    running = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    def ask(mode):
        words = ("-m", "lab.chaos.servers", mode, str(port), "--directory", repository, "--bind", "127.0.0.1")
        running.append(subprocess.Popen([sys.executable, *map(str, words)]))
        return [fetch(port, name) for name in ("metadata/1.root.json", "targets/a.pack")]

    yield ask
    for process in running:
        end(process)


def fetch(port, name):
    """All that comes within two seconds."""
    wait_until(lambda: listens(port), seconds=20, what="the server")
    with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=2)) as server:
        server.request("GET", f"/{name}")
        try:
            return server.getresponse().read()
        except IncompleteRead as error:
            return error.partial
        except TimeoutError:
            return b""


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@pytest.mark.parametrize("mode", MODES)
def test_a_bad_server_is_bad_in_its_own_way(ask, repository, mode):
    true = [(repository / name).read_bytes() for name in ("metadata/1.root.json", "targets/a.pack")]
    metadata, contents = ask(mode)
    same = [metadata == true[0], contents == true[1]]
    lengths = [len(metadata) == len(true[0]), len(contents) == len(true[1])]
    assert (same, lengths) == {
        "lying": ([True, False], [True, True]),
        "forging": ([False, True], [True, True]),
        "stalling": ([False, False], [False, False]),
        "truncating": ([False, False], [False, False]),
    }[mode]
