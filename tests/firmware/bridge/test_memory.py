"""What a swap of packs costs in memory: two packs are loaded for a moment, and all processes together stay far from twice as large."""

import contextlib
import re
import threading
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import pytest

from lab.bridge import BridgeProcess, fetch
from lab.namespaces import guarded_line, http_server, wait_until
from omamori.firmware.signatures import pack
from omamori.firmware.signatures.suricata.files import parse_rules
from omamori.protocol.version import Version

pytestmark = pytest.mark.root

RULES = 6000
MOST = 1.45
STEADY = 30
"""Sizes, one every thirtieth of a second, that differ little: what is kept in memory at rest."""
"""Of what everything together needs otherwise; two of everything would be 2, and was once."""
RULE = (
    'drop http $HOME_NET any -> $EXTERNAL_NET any (msg:"TEST rule {0} of a set as long as public ones are"; '
    'flow:established,to_server; http.uri; content:"/gate-{0}-{1:08x}.php"; fast_pattern; http.user_agent; content:"agent-{1:x}"; '
    "reference:url,www.example.org/a/rather/long/address/of/an/article/about/what/this/rule/finds/{0}; "
    "classtype:trojan-activity; sid:{0}; rev:1; metadata:attack_target Client_Endpoint, created_at 2020_01_01, deployment Perimeter;)\n"
)


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packs")
    numbers = range(1_000_000, 1_000_000 + RULES)
    rules = parse_rules(
        "".join(RULE.format(number, number * 2654435761 % (1 << 32)) for number in numbers).encode()
    )
    found = {}
    for version in ("1.0.0", "1.1.0"):
        path = folder / version
        pack.build(path, Version.parse(version), datetime(2026, 4, 1, tzinfo=UTC), pack.Content(rules=rules))
        found[version] = path.read_bytes()
    return found


def test_a_swap_is_far_from_doubling_what_is_needed(tmp_path, packs):
    (tmp_path / "web").mkdir()
    (tmp_path / "web/page").write_bytes(b"an ordinary page")
    (tmp_path / "unit").mkdir()
    with guarded_line("ommem") as line, http_server(line.wan, tmp_path / "web", where="::", port=80):
        unit = BridgeProcess(line, tmp_path / "unit")
        unit.install(packs["1.0.0"], version="1.0.0")
        with unit.running() as process:
            unit.wait_for_pack("1.0.0", seconds=60)
            assert fetch(line, "page") == b"an ordinary page"
            with watched(process.pid) as quiet:
                wait_until(lambda: settled(quiet), seconds=60, what="sizes before the swap")
            before = median(quiet[-STEADY:])
            with watched(process.pid) as sizes:
                unit.install(packs["1.1.0"], version="1.1.0")
                unit.wait_for_pack("1.1.0", seconds=60)
                wait_until(
                    lambda: "draining" not in unit.workers(), seconds=60, what="the old generation to end"
                )
    peak = max(map(min, zip(sizes, sizes[1:], sizes[2:], strict=False)))
    assert max(sizes) > before, "both packs were seen"
    assert peak < MOST * before, (before, peak)


def settled(sizes):
    """On a busy machine a start goes on for a while after the first page came through."""
    newest = sizes[-STEADY:]
    return len(newest) == STEADY and max(newest) < 1.05 * min(newest)


@contextlib.contextmanager
def watched(pid):
    """Sizes, as often as they can be had. One that was taken while a process was forked counts pages twice."""
    sizes, over = [], threading.Event()

    def watch():
        while not over.wait(0.03):
            sizes.append(together(pid))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield sizes
    finally:
        over.set()
        thread.join()


def together(pid):
    """Megabytes of a process and all below it; what they share counts once."""
    return sum(map(proportional, [pid, *below(pid)]))


def proportional(pid):
    with contextlib.suppress(OSError):
        found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        return int(found[1]) / 1024 if found else 0.0
    return 0.0


def below(pid):
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield int(child)
            yield from below(int(child))
