"""The real process in a bridge's namespace: real flows named, counted, blocked; its child killed, hung and restarted."""

import json
import os
import signal
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab.bridge import BridgeProcess
from lab.namespaces import guarded_line, http_server, wait_until
from omamori.firmware.host.paths import Paths
from omamori.firmware.host.spool import SpoolReader
from omamori.firmware.signatures import pack
from omamori.firmware.signatures.lists import DomainList
from omamori.protocol.messages import Detection, Usage, Want, encode
from omamori.protocol.policy import Policy
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import Action, Guard

pytestmark = pytest.mark.root
SIZE = 3_000_000


@pytest.fixture(scope="module")
def line():
    with guarded_line("use") as made:
        for name in ("iptables", "ip6tables"):
            made.unit.write(f"/proc/sys/net/bridge/bridge-nf-call-{name}", "1")
        yield made


@pytest.fixture(scope="module")
def site(line, tmp_path_factory):
    """Files over HTTP on the router's side, by IPv4 and IPv6."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "clip.bin").write_bytes(b"v" * SIZE)
    with (
        http_server(line.wan, folder, where=line.wan_address),
        http_server(line.wan, folder, where=line.wan_address6, port=8080),
    ):
        yield


@contextmanager
def counting(line, root, *options, program=("-m", "omamori.firmware.usage"), prefix=()):
    """The process; when the context ends it was told to stop, and has written what it had."""
    log = root / "usage.log"
    command = (*prefix, sys.executable, *program, "--root", str(root), "--group", "18", *options)
    with line.unit.running(*command, log=log) as process:
        try:
            wait_until(
                lambda: status(root).get("library") or status(root).get("flows"), seconds=60, what="naming"
            )
            yield process
            time.sleep(2)  # the kernel hands copies over in batches, the child tells what it made of them
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def status(root):
    try:
        return json.loads(Paths(root).usage_status.read_text())
    except FileNotFoundError:
        return {}


def spooled(root, kind):
    segments = SpoolReader(Paths(root).spool("usage")).segments()
    return [body for segment in segments for body in segment.bodies if isinstance(body, kind)]


def fetch(line, host, target=None, *, limit="20", rate="1G"):
    command = (
        "curl",
        "-sS",
        "-o",
        "/dev/null",
        "--max-time",
        limit,
        "--limit-rate",
        rate,
        "-H",
        f"Host: {host}",
    )
    return line.lan.run(*command, f"http://{target or line.wan_address}/clip.bin", check=False)


def rows(root):
    found = {}
    for message in spooled(root, Usage):
        for host, subject, *counts in message.rows:
            named = message.subjects[subject]
            key = message.hosts[host].address, named.application, named.category
            found[key] = [a + b for a, b in zip(found.get(key, [0, 0, 0, 0]), [*counts, 0][:4], strict=True)]
    return found


@pytest.mark.usefixtures("site")
def test_flows_are_named_and_their_bytes_counted_by_host(line, tmp_path):
    with counting(line, tmp_path):
        for host in ("www.youtube.com", "r1.googlevideo.com", "intranet.example", "社内.example"):
            assert fetch(line, host).returncode == 0
        assert fetch(line, "www.tiktok.com", f"[{line.wan_address6}]:8080").returncode == 0
        wait_until(lambda: status(tmp_path)["flows"] >= 5, seconds=60, what="the flows to be named")
        assert (status(tmp_path)["errors"], status(tmp_path)["restarts"]) == (0, 0)
    found = rows(tmp_path)
    flows, sent, received, blocked = found[line.lan_address, "YouTube", "video"]
    assert (flows, blocked) == (2, 0)
    assert 2 * SIZE < received < 2.2 * SIZE
    assert 0 < sent < SIZE / 5
    assert found[line.lan_address6, "TikTok", "social-media"][0] == 1
    assert found[line.lan_address, "", ""][0] >= 1
    assert {key[0] for key in found} <= {line.lan_address, line.lan_address6}


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    path = tmp_path_factory.mktemp("pack") / "one.pack"
    lists = [DomainList("shopping", ["shop.example"]), DomainList("phishing", ["bad.example"])]
    pack.build(path, Version(1, 0, 0), datetime(2026, 4, 1, tzinfo=UTC), pack.Content(lists=lists))
    return path.read_bytes()


@pytest.mark.slow
@pytest.mark.usefixtures("site")
def test_beside_the_inspection_what_the_customer_does_not_want_is_stopped_and_told(line, tmp_path, packed):
    want = Paths(tmp_path).want
    want.parent.mkdir(parents=True)
    want.write_bytes(encode(Want(1, policy=Policy(blocked_categories=("games",)))))
    bridge = BridgeProcess(line, tmp_path)
    bridge.install(packed, version="1.0.0")
    with bridge.running():
        bridge.wait_for_pack("1.0.0", seconds=60)
        with counting(line, tmp_path):
            stuck = fetch(line, "store.steampowered.com", limit="5", rate="100k")
            for host in ("www.youtube.com", "www.shop.example", "bad.example"):
                fetch(line, host)
            wait_until(lambda: status(tmp_path)["blocked"] >= 1, seconds=60, what="a block")
    assert stuck.returncode == 28, f"it stands still in the middle: {stuck.stderr}"
    (told,) = spooled(tmp_path, Detection)
    assert (told.guard, told.action, told.signature_id) == (Guard.APG, Action.BLOCKED, "apg:steam")
    assert (told.source.address, told.destination.port) == (line.lan_address, 80)
    assert [each.guard for each in bridge.detections()] == [Guard.WG]
    found = {key[1:]: counts for key, counts in rows(tmp_path).items()}
    assert found["Steam", "games"][0::3] == [1, 1]
    assert found["YouTube", "video"][0::3] == found["", "shopping"][0::3] == [1, 0]
    assert found["", "phishing"][3] == 1


@pytest.mark.slow
@pytest.mark.usefixtures("site")
def test_a_killed_child_is_replaced_and_the_sums_go_on(line, tmp_path):
    with counting(line, tmp_path):
        assert fetch(line, "www.youtube.com").returncode == 0
        wait_until(lambda: status(tmp_path)["flows"] >= 1, seconds=60, what="a name")
        os.kill(status(tmp_path)["naming"], signal.SIGKILL)
        wait_until(lambda: status(tmp_path)["restarts"] == 1, seconds=60, what="the death to be seen")
        wait_until(
            lambda: status(tmp_path)["naming"] and status(tmp_path)["library"],
            seconds=60,
            what="another child",
        )
        assert fetch(line, "www.netflix.com").returncode == 0
        wait_until(lambda: status(tmp_path)["flows"] >= 1, seconds=60, what="a name by the other child")
    found = rows(tmp_path)
    assert (
        found[line.lan_address, "YouTube", "video"][0] == found[line.lan_address, "Netflix", "video"][0] == 1
    )


HANGING = """
import sys, time
from omamori.firmware.usage import nursing, process
from omamori.firmware.usage import __main__ as program
class Hanging:
    def open(self): return 1
    def packet(self, *_): time.sleep(3600)
    def host(self, _): return b""
    def close(self, _): return ""
program.library = lambda: (Hanging(), "hanging")
real = process.Nurse
process.Nurse = lambda load, say: real(load, say, patience=nursing.Patience(silence=2.0))
sys.exit(program.main())
"""


@pytest.mark.usefixtures("site")
def test_a_library_that_hangs_is_killed_while_traffic_and_counting_go_on(line, tmp_path):
    with counting(line, tmp_path, program=("-c", HANGING)):
        for _ in range(3):
            assert fetch(line, "www.youtube.com").returncode == 0
        wait_until(lambda: status(tmp_path)["restarts"] >= 1, seconds=60, what="the child to be killed")
        began = time.monotonic()
        assert fetch(line, "www.youtube.com").returncode == 0
        assert time.monotonic() - began < 20


AS_ON_A_UNIT = (
    "setpriv",
    *("--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs"),
    *(
        "--inh-caps",
        "-all,+net_admin",
        "--ambient-caps",
        "-all,+net_admin",
        "--bounding-set",
        "-all,+net_admin",
    ),
)


@pytest.fixture
def everybodys():
    """A directory that another user can reach; pytest's own are for one user only."""
    with tempfile.TemporaryDirectory(prefix="usage-", dir="/tmp") as made:
        root = Path(made)
        for directory in (root, Paths(root).usage_status.parent, Paths(root).spool("usage")):
            directory.mkdir(parents=True, exist_ok=True)
            os.chown(directory, 65534, 65534)
        yield root


@pytest.mark.usefixtures("site")
def test_a_user_with_one_capability_is_enough_and_the_child_has_none(line, everybodys):
    with counting(line, everybodys, prefix=AS_ON_A_UNIT):
        assert set(status(everybodys)["unconfined"]) <= {"files"}, "older kernels have no Landlock"
        assert status(everybodys)["problem"] == ""
        assert fetch(line, "www.youtube.com").returncode == 0
        wait_until(lambda: status(everybodys)["flows"] >= 1, seconds=60, what="a name")
        told = Path(f"/proc/{status(everybodys)['naming']}/status").read_text().splitlines()
        facts = dict(row.split(":\t", 1) for row in told if ":\t" in row)
        assert int(facts["CapEff"], 16) == int(facts["CapPrm"], 16) == int(facts["CapAmb"], 16) == 0
        assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")
        assert int(facts["VmRSS"].split()[0]) < 100_000
    assert rows(everybodys)[line.lan_address, "YouTube", "video"][0] == 1
