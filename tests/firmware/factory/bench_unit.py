"""A unit on the factory's bench, as its kernel shows it: a tree of files, and a namespace with two ports and a cable."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from omamori.firmware.host.paths import Paths

KEYS = """I: Bus=0019 Vendor=0001 Product=0001 Version=0100
N: Name="gpio-keys"
H: Handlers=kbd event3
B: EV=3
B: KEY=20000 0 0 0 0 0 0 0 0

"""
SECRET = "not-for-anybody-to-see"
PROGRAM = "from omamori.firmware.cli import main; main()"


def certificate(*, days=30):
    """Of a fleet; with negative days one that has expired."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a fleet")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=90)).not_valid_after(now + timedelta(days=days))
    return made.sign(key, hashes.SHA256()).public_bytes(_pem()).decode()


def _pem():
    from cryptography.hazmat.primitives.serialization import Encoding

    return Encoding.PEM


def claim(**changes):
    body = {
        "unit": "om-0001",
        "secret": SECRET,
        "fleet": "https://fleet.example:8443",
        "fleet_ca": certificate(),
    }
    return json.dumps(body | changes)


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def good(root):
    """Everything as it should be; a test spoils one thing."""
    paths = Paths(root)
    put(root / "proc/self/mountinfo", "36 25 8:1 / /var/lib/omamori rw,noatime - ext4 /dev/sda1 rw\n")
    put(root / "sys/block/sda/sda1/partition", "1\n")
    put(root / "sys/block/sda/device/life_time", "0x01 0x02\n")
    put(root / "sys/block/sda/device/pre_eol_info", "0x01\n")
    put(root / "sys/fs/ext4/sda1/errors_count", "0\n")
    (root / "sys/dev/block").mkdir(parents=True)
    (root / "sys/dev/block/8:1").symlink_to("../../block/sda/sda1")
    paths.state.mkdir(parents=True)
    led = root / "sys/class/leds/omamori:green:status"
    for name, text in {"trigger": "[none] timer pattern", "max_brightness": "255", "brightness": "0"}.items():
        put(led / name, text)
    for name in ("pattern", "repeat"):
        put(led / name, "")
    put(root / "proc/bus/input/devices", KEYS)
    (root / "dev/input").mkdir(parents=True)
    os.mkfifo(root / "dev/input/event3")
    put(root / "run/credentials/@system/omamori.claim", claim())
    put(root / "proc/meminfo", "MemTotal:        2031616 kB\nMemFree: 1 kB\n")
    put(
        root / "proc/cpuinfo",
        "processor\t: 0\nflags\t\t: fpu ssse3 sse4_2\n\nprocessor\t: 1\nflags\t\t: fpu ssse3\n",
    )
    put(paths.os_release, "IMAGE_VERSION=1.2.3\n")
    os.utime(paths.os_release, (1_767_225_600, 1_767_225_600))
    put(board(paths), f"{int(time.time())}\n")
    for port in ("wan0", "lan0"):
        put(root / f"sys/class/net/{port}/speed", "1000\n")
    return paths


def board(paths):
    return paths.root / "sys/class/rtc/rtc0/since_epoch"


@contextlib.contextmanager
def ticking(path, every=0.2):
    """A number in a file that goes on, as that of a clock does."""
    done = threading.Event()

    def tick():
        while not done.wait(every):
            new = path.with_name("next")
            new.write_text(f"{int(path.read_text()) + 1}\n")
            new.replace(path)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def self_test(paths, *words, prefix=(), typed=""):
    """`omamori-unit self-test --factory` at the console."""
    return subprocess.run(
        [*prefix, sys.executable, "-c", PROGRAM, "--root", paths.root, "self-test", "--factory", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        input=typed,
    )


def outcomes(lines):
    """Check to (outcome, detail), of lines or of the JSON form."""
    return {line.check: (str(line.outcome), line.detail) for line in lines}
