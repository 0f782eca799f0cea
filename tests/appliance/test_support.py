"""A helper on the booted unit: a real fleet with its relay on the router's side, a signed support key, a real ssh, and its end.

One guest of its own, with the image of the other tests, in which the units that only the product enables are started. The
test looks at one life of it, in this order; what it is there for is a sandbox of systemd's that is too tight.
"""

import contextlib
import json
import os
import select
import shlex
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.appliance import ROUTER, Site, omamori, unit_between
from lab.machine import Boot
from lab.namespaces import PYTHON, wait_until
from omamori.image.recipe import load

UNIT = "om-0029"
WHO, WHY = "佐藤 (help desk)", "通信が遅い"
PATIENCE = 300
"""Seconds for anything in an emulated guest on a busy machine."""
PORTS = {"units": 8443, "mqtt": 8883, "support": 8444}
AGENT = "/run/omamori/agent/status.json"
PLACES = "/run/omamori/support /run/omamori/helper"
REFUSED = {"1", "13", "30"}
"""EPERM, EACCES, EROFS."""
TRIES = r"""
import os, socket, subprocess
def process(word):
    told = subprocess.run(["pgrep", "-f", "-o", word], capture_output=True, text=True).stdout
    return int(told)
def stop():
    if subprocess.run(["systemctl", "stop", "omamori-bridge"], capture_output=True).returncode:
        raise PermissionError(1, "systemd")
tries = {
    "root": lambda: os.setuid(0),
    "group": lambda: os.setgid(0),
    "ipv4": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "ipv6": lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM),
    "frames": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "namespace": lambda: os.unshare(os.CLONE_NEWUSER),
    "order": lambda: open("/run/omamori/agent/reboot", "w"),
    "want": lambda: open("/var/lib/omamori/agent/want.json", "a"),
    "users": lambda: open("/etc/passwd", "a"),
    "grant": lambda: os.unlink("/run/omamori/support/grant.json"),
    "notice": lambda: os.unlink("/run/omamori/helper/notice.json"),
    "key": lambda: open("/var/lib/omamori/agent/unit.key", "rb"),
    "claim": lambda: os.listdir("/run/credentials/omamori-agent.service"),
    "settings": lambda: os.listdir("/var/lib/omamori/settings"),
    "secrets": lambda: os.listdir("/root"),
    "memory": lambda: open(f"/proc/{process('omamori.firmware.agent')}/mem", "rb"),
    "relay": lambda: os.listdir(f"/proc/{process('omamori.firmware.support$')}/fd"),
    "report": lambda: open("/var/lib/omamori/spool/support/0000000000000099.jsonl", "w"),
    "hold-up": lambda: os.kill(process("omamori.firmware.support$"), 0),
    "signal": lambda: os.kill(process("omamori.firmware.bridge"), 0),
    "stop": stop,
}
for name, work in tries.items():
    try:
        work()
        print(name, "done")
    except OSError as error:
        print(name, error.errno)
"""
"""What a helper must not be able to do, each with the error it ends in."""


LOOK = """id -un; grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status; echo ==
cat /run/omamori/bridge/status.json; echo ==
journalctl -b -q -n 3 -o cat --no-pager -u omamori-bridge; echo ==
omamori-unit status --json; echo =="""


@dataclass
class Desk:
    """The fleet's commands, and the release engineer's."""

    place: Path

    @property
    def environment(self):
        return {**os.environ, "OMAMORI_STATE": str(self.place)}

    def command(self, *words):
        return [PYTHON, "-m", "omamori.fleet", *words]

    def fleet(self, *words, check=True):
        done = subprocess.run(
            self.command(*words), env=self.environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stderr
        return done

    def found(self):
        """A fleet on the router's side, its unit's claim, and a repository in which support keys can be signed."""
        binds = [f"--set={name}_bind={ROUTER}:{port}" for name, port in PORTS.items()]
        more = (f"--set=units_name={ROUTER}", "--set=workers=1", "--set=daily_minutes=0")
        self.fleet("init", "--password", "correct horse battery", *binds, *more)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        self.sign("support", "enable")
        return self.fleet("units", "register", UNIT).stdout

    def sign(self, *words):
        omamori("sign", "--dir", self.place / "tuf", *words)

    @property
    def key(self):
        """The helper's."""
        return self.place / "helper"

    def entering(self, *command):
        return ("support", "connect", UNIT, "--key", str(self.key), *command)

    def enters(self, command):
        """One command on the unit, once it waits at the relay."""
        deadline = time.monotonic() + PATIENCE
        while True:
            done = self.fleet(*self.entering("--", command), check=False)
            if "does not wait at the relay" not in done.stderr:
                return done
            assert time.monotonic() < deadline, done.stderr
            time.sleep(2)


@dataclass
class Helped:
    """The unit and its fleet."""

    site: Site
    desk: Desk

    def run(self, command, **options):
        return self.site.guest.ssh(command, timeout=PATIENCE, **options)

    def wait(self, condition, what):
        """For something that the fleet knows; each look costs a start of its command line."""
        self.site.guest.wait(condition, seconds=PATIENCE, what=what, pause=3)

    def until(self, condition, what):
        """One session that waits on the unit: each sign-in costs an emulated processor half a second."""
        turns = (
            f"for turn in $(seq {2 * PATIENCE}); do {{ {condition}; }} && echo held && exit; sleep 0.5; done"
        )
        held = self.site.guest.ssh(turns, timeout=4 * PATIENCE, check=False)
        said = "journalctl -b --no-pager -o short-monotonic -u 'omamori-support*' | tail -40"
        assert held.strip() == "held", f"waited for {what}\n{self.run(said)}"

    def listening(self):
        return {line.split()[3] for line in self.run("ss -Hltn").splitlines()}

    def page(self):
        """What the unit shows to somebody behind it."""
        told = json.loads(self.run("ip -4 -json address show dev br0"))
        address = next(
            held["local"] for link in told for held in link.get("addr_info", []) if "local" in held
        )
        words = ("curl", "-s", "-m", "90", "-H", "Accept-Language: en", f"http://{address}/")
        return self.site.lan.run(*words, timeout=PATIENCE).stdout

    def visits(self):
        return json.loads(self.desk.fleet("support", "list", UNIT, "--json").stdout)


@pytest.fixture
def unit(image, factory, tmp_path):
    """Activated and online, with what the product starts at boot and the test variant does not."""
    unsigned = shutil.ignore_patterns("targets")  # the firmware of other tests
    desk = Desk(tmp_path / "state")
    shutil.copytree(factory.place / "tuf", desk.place / "tuf", ignore=unsigned)
    claim, log = desk.found(), tmp_path / "fleet.log"
    serve = ("env", f"OMAMORI_STATE={desk.place}", *desk.command("serve"))
    with (
        unit_between(image, tmp_path / "guest", Boot.DIRECT, claim=claim) as site,
        site.wan.running(*serve, log=log),
    ):
        made = Helped(site, desk)
        ours = [name for name in load("product").enable if "support" in name]
        made.run(f"systemctl stop omamori-update.path; systemctl start {' '.join(ours)}")
        made.until(f"grep -qs 'waiting for the button' {AGENT}", "the unit to wait for its button")
        made.until("systemctl list-jobs --no-pager | grep -q 'No jobs'", "the start to be over")
        wait_until(lambda: "ready" in log.read_text(), seconds=PATIENCE, what="the fleet to serve")
        site.guest.press()
        made.until(f"grep -qs '\"connected\": true' {AGENT}", "the unit's session")
        yield made


@pytest.mark.timeout(1500)
def test_a_helper_looks_at_a_unit_and_is_shown_out(unit):
    """One life, told in order; each step is a claim of decision 0029."""
    before = unit.listening()
    nobody_asked(unit)
    unit.desk.sign("support", "add", UNIT, "--key", f"{unit.desk.key}.pub", "--who", WHO, "--why", WHY)
    unit.desk.fleet("support", "open", UNIT)
    unit.until("[ -e /run/omamori/support/grant.json ]", "the grant")
    unit.until(f"[ $(ss -Htn state established dport = :{PORTS['support']} | wc -l) -ge 2 ]", "its calls")
    unit.wait(
        lambda: unit.desk.fleet("support", "known-hosts", UNIT, check=False).returncode == 0,
        "the fleet to know",
    )
    looks_around_and_may_do_nothing(unit)
    assert unit.listening() <= before
    page = unit.page()
    assert WHO in page
    assert WHY in page
    with a_terminal(unit) as helper:
        unit.desk.fleet("support", "close", UNIT)
        assert helper.wait(PATIENCE) != 0
    nothing_is_left(unit)
    assert unit.listening() <= before
    assert WHO not in unit.page()


def nobody_asked(unit):
    """What watches runs; nothing else of it does, and no Python has."""
    watching = unit.run("systemctl is-active omamori-support-key.path omamori-support.path")
    assert watching.split() == ["active"] * 2
    started = unit.run("systemctl show -P ExecMainStartTimestamp omamori-support-key omamori-support")
    assert started.split() == []
    assert unit.run(f"find {PLACES} -mindepth 1") == ""


def looks_around_and_may_do_nothing(unit):
    done = unit.desk.enters(f"{LOOK}; python3 -I -c {shlex.quote(TRIES)}")
    assert done.returncode == 0, done.stderr
    person, bridge, journal, status, tries = done.stdout.split("==\n")
    user, *rights = person.splitlines()
    assert (user, [line.split()[1] for line in rights]) == ("omamori-support", ["0" * 16, "0" * 16, "1"])
    assert json.loads(bridge)["state"]
    assert journal.strip()
    assert json.loads(status)
    ended = dict(line.split() for line in tries.splitlines())
    assert {name: word for name, word in ended.items() if word not in REFUSED} == {}, done.stderr
    assert set(ended) >= {"root", "ipv4", "report", "stop"}, done.stderr


@contextlib.contextmanager
def a_terminal(unit):
    """A helper who types in a shell with a terminal, once the unit waits at the relay again."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with connected(unit) as (helper, terminal):
            seen = typed(terminal, b"tty; echo so$((40 + 2))\n", until=b"so42", deadline=deadline)
            if b"does not wait at the relay" in seen:
                time.sleep(2)
                continue
            assert b"/dev/pts/" in seen, seen
            yield helper
            return


@contextlib.contextmanager
def connected(unit):
    """The helper's ssh and its terminal."""
    ours, theirs = os.openpty()
    command = unit.desk.command(*unit.desk.entering())
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
    helper = subprocess.Popen(command, env=unit.desk.environment, start_new_session=True, **streams)
    os.close(theirs)
    try:
        yield helper, ours
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(helper.pid, signal.SIGKILL)
        helper.wait()
        os.close(ours)


def typed(terminal, text, *, until, deadline):
    """What appears on the terminal until a word, or until nobody holds it any more (EIO)."""
    os.write(terminal, text)
    seen = b""
    with contextlib.suppress(OSError):
        while until not in seen:
            assert time.monotonic() < deadline, seen
            if select.select([terminal], [], [], 1)[0]:
                seen += os.read(terminal, 65536)
    return seen


def nothing_is_left(unit):
    unit.until(f'[ -z "$(find {PLACES} -mindepth 1)" ]', "the grant to go")
    unit.wait(lambda: [row["closed"] for row in unit.visits()] != [None], "the fleet to know")
    (row,) = unit.visits()
    told = (row["who"], row["why"], row["sessions"], row["reason"])
    assert told == (WHO, WHY, 2, "the fleet asks no longer")
    unit.until("! pgrep -u omamori-support > /dev/null", "the last of the helper's processes to end")
    assert (
        unit.run("ls -d /run/omamori-support /var/lib/omamori/support/open 2>&1 || true").count("No such")
        == 2
    )
    results = unit.run("systemctl show -P Result omamori-support-key omamori-support")
    assert results.split() == ["success"] * 2
    late = unit.desk.fleet(*unit.desk.entering("--", "true"), check=False)
    assert "nobody is asked" in late.stderr
