"""What a sealed root must not hold, and how far each of our services is shut in, looked at without starting anything."""

import re
import shutil
import subprocess

import pytest

from omamori.image.hardening import faults, missing, passwords
from omamori.image.layers import render
from omamori.image.recipe import TEMPLATES, load
from tests.image.rights import RADIO, RIGHTS

# systemd's own measure, 10 is the worst. Raising a limit, or a new exception, needs its reason in the same commit.
LIMIT = 2.5
EXCEPTIONS = {
    "ports": 3.3,  # no private mounts: it stands before the first process of ours
    # Root without the rights that root could misuse: they write slots and the boot partition.
    "apply": 3.1,
    "committed": 3.1,
    "health": 3.1,
    "update": 3.6,  # sets the clock, too
    "next-root": 3.8,  # opens a slot and mounts it for PID 1: no private mounts, and the right to mount
    "stick@": 3.0,  # the updater without a network, and the right to mount
    "reset": 3.7,  # no private mounts: it makes the file system anew that all others see
    "mend": 3.7,  # the same
}
SERVICES = sorted(
    path.name.split(".service")[0].removeprefix("omamori-")
    for template in load("product").templates
    for path in (TEMPLATES / template / "etc/systemd/system").glob("omamori-*.service*")
    if path.is_file()
)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    recipe = load("product")
    values = {"version": "1.2.3", "variant": "product", "ports": recipe.ports, "patience": 60}
    for template in recipe.templates:
        render(TEMPLATES / template, root, values)
    return root


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_is_more_exposed_than_its_limit(rendered, name):
    assert shutil.which("systemd-analyze")
    limit = EXCEPTIONS.get(name, LIMIT)
    words = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--root={rendered}"]
    done = subprocess.run(
        [*words, f"--threshold={round(limit * 10)}", f"omamori-{name}.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    level = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    assert level, done.stderr
    assert float(level[1]) <= limit, done.stdout
    assert done.returncode == 0


def settings(root, name, key):
    """What a unit and its drop-ins say, in order."""
    folder = root / "etc/systemd/system"
    files = [folder / f"omamori-{name}.service", *sorted(folder.glob(f"omamori-{name}.service.d/*.conf"))]
    lines = [line for file in files for line in file.read_text().splitlines()]
    return [line.removeprefix(f"{key}=") for line in lines if line.startswith(f"{key}=")]


def test_each_service_has_the_rights_it_needs_and_no_others(rendered):
    """As the units are written; tests/appliance/test_hardening.py asks the booted unit."""
    found = {name: settings(rendered, name, "CapabilityBoundingSet") for name in SERVICES}
    assert [name for name, lines in found.items() if len(lines) != 1] == []
    assert {name: set(line.lower().split()) for name, (line,) in found.items()} == RIGHTS | RADIO


def test_each_service_may_call_what_a_service_needs_and_little_more(rendered):
    extra = {
        "next-root": {"@mount"},
        "stick@": {"@mount"},
        "support": {"@sandbox"},
        "update": {"@clock"},
        "usage": {"@sandbox"},
    }
    for name in SERVICES:
        allowed, *taken = settings(rendered, name, "SystemCallFilter")
        assert set(allowed.split()) == {"@system-service"} | extra.get(name, set()), name
        assert all(line.startswith("~") for line in taken), name


def test_a_service_without_walls_would_be_noticed(rendered, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(rendered, root)
    unit = root / "etc/systemd/system/omamori-agent.service"
    walls = ("Protect", "Private", "Restrict", "Capability", "SystemCall", "NoNew", "Lock", "User")
    unit.write_text("".join(line for line in unit.read_text().splitlines(True) if not line.startswith(walls)))
    words = [
        "systemd-analyze",
        "security",
        "--offline=true",
        "--no-pager",
        f"--root={root}",
        "--threshold=22",
    ]
    assert subprocess.run([*words, unit.name], capture_output=True, check=False).returncode != 0


@pytest.mark.parametrize("variant", ["product", "test"])
def test_the_kernel_is_started_locked_down(variant):
    assert {"lockdown=integrity", "slab_nomerge", "vsyscall=none", "debugfs=off"} <= set(
        load(variant).command_line
    )


LISTING = """drwxr-xr-x 0/0                      61 2026-01-01 00:00 squashfs-root/usr/bin
-rwxr-xr-x 0/0                  118168 2026-01-01 00:00 squashfs-root/usr/bin/python3.13
lrwxrwxrwx 0/0                       3 2026-01-01 00:00 squashfs-root/usr/bin/awk -> mawk
"""


def test_an_ordinary_root_has_no_faults():
    assert list(faults(LISTING.splitlines(), load("product").forbidden)) == []


def test_what_our_own_programs_call_is_there_as_a_file_or_a_link():
    assert list(missing(LISTING.splitlines(), ["usr/bin/python3.13", "usr/bin/awk"])) == []
    assert list(missing(LISTING.splitlines(), ["usr/bin/mawk", "usr/bin/py*"])) == [
        "usr/bin/mawk is missing: something of ours calls it",
        "usr/bin/py* is missing: something of ours calls it",
    ]


def test_what_the_services_start_is_among_it(rendered):
    """Every program of Debian's that a unit of ours names; what runs in the test variant alone is that one's."""
    started = {
        word.lstrip("-+!:@").removeprefix("/")
        for path in rendered.rglob("omamori-*.service")
        for word in re.findall(r"^Exec\w+=(\S+)", path.read_text(), re.MULTILINE)
    }
    theirs = {
        re.sub("^s?bin/", "usr/bin/", path) for path in started if not path.startswith("usr/lib/omamori/")
    }
    assert theirs
    assert theirs <= set(load("product").required)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("-rwxr-xr-x 0/0  1 2026-01-01 00:00 squashfs-root/usr/bin/x86_64-linux-gnu-gcc-14", "forbidden"),
        ("lrwxrwxrwx 0/0  1 2026-01-01 00:00 squashfs-root/usr/bin/cc -> gcc", "usr/bin/cc is forbidden"),
        ("-rwxr-xr-x 0/0  1 2026-01-01 00:00 squashfs-root/usr/bin/pip3", "forbidden"),
        ("-rwxr-xr-x 0/0  1 2026-01-01 00:00 squashfs-root/usr/bin/ssh", "forbidden"),
        ("-rw-r--r-- 0/0  1 2026-01-01 00:00 squashfs-root/etc/ssh/sshd_config", "forbidden"),
        ("-rw-r--r-- 0/0  1 2026-01-01 00:00 squashfs-root/usr/lib/systemd/system/ssh.service", "forbidden"),
        (
            "lrwxrwxrwx 0/0  1 2026-01-01 00:00 squashfs-root/etc/systemd/system/multi-user.target.wants/ssh.service -> x",
            "forbidden",
        ),
        ("-rwxr-xr-x 0/0  1 2026-01-01 00:00 squashfs-root/usr/lib/openssh/sftp-server", "forbidden"),
        ("-rw-r--r-- 0/0  1 2026-01-01 00:00 squashfs-root/root/.ssh/authorized_keys", "forbidden"),
        ("-rwsr-xr-x 0/0  1 2026-01-01 00:00 squashfs-root/usr/bin/mount", "lends its owner's rights"),
        ("-rwxr-sr-x 0/42 1 2026-01-01 00:00 squashfs-root/usr/bin/chage", "lends its owner's rights"),
        ("-rw-rw-rw- 0/0  1 2026-01-01 00:00 squashfs-root/etc/hosts", "may be written by anybody"),
    ],
)
def test_what_must_not_be_in_a_product_is_named(line, told):
    (found,) = faults([*LISTING.splitlines(), line], load("product").forbidden)
    assert told in found


def test_a_password_and_a_missing_one_are_named():
    assert list(passwords(["root:*:20000::::::", "a:!*:1::::::", ""])) == []
    assert list(passwords(["root:$y$abc:1:::", "guest::1:::"])) == [
        "root can log in with a password",
        "guest can log in without a password",
    ]
