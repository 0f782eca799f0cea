"""Conformance of application names: a folder of captures and, for each, the application names that nDPI expects.

A case is one flow that the expected result names with an application of the five kinds; it passes where our name for the
same flow (both endpoints, protocol) is the same application by the catalogue. Flows we name so where the expected result
names another application or none are counted too, as `extra`. Calls, uploads and files of one service are one application.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from omamori.firmware.engine.naming.catalogue import Application, catalogue
from omamori.firmware.engine.naming.namer import Dissector, FlowKey, Limits, Namer
from omamori.firmware.signatures.capture import CaptureError, read_capture

_FLOW = re.compile(r"\t\d+\t(\S+) (\S+) (?:<->|->) (\S+) (?:\[VLAN[^\]]*\])?\[proto: ([^/\]]*)/([^\]]*)\]")
GOAL = 0.95
"""Of the flows that the expected results name with an application of the five kinds."""
_PROTOCOLS = {"TCP": 6, "UDP": 17}


@dataclass(frozen=True, slots=True)
class Difference:
    """A flow that is not named alike."""

    capture: str
    flow: str
    expected: str
    named: str


def run(folder: Path, dissector: Dissector | None) -> dict[str, object]:
    """Figures of every capture of `folder/pcap` with a file in `folder/result`. Raises OSError."""
    expected_flows, alike, extra = 0, 0, 0
    failures: list[Difference] = []
    kinds: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    pairs: dict[tuple[str, str], bool] = {}
    for capture in sorted((folder / "pcap").iterdir()):
        result = folder / "result" / f"{capture.name}.out"
        if not result.exists():
            continue
        ours = name_flows(capture, dissector)
        wanted = dict(expected(result))
        for key, application in wanted.items():
            if application is None:
                continue
            named = ours.get(key)
            fine = named is application
            expected_flows, alike = expected_flows + 1, alike + fine
            kinds[application.kind] += 1
            passed[application.kind] += fine
            pair = capture.name, application.name
            pairs[pair] = pairs.get(pair, False) or fine
            if not fine:
                failures.append(
                    Difference(capture.name, _text(key), application.name, named.name if named else "")
                )
        extra += sum(1 for key, named in ours.items() if named and wanted.get(key) is not named)
    return {
        "flows": expected_flows,
        "alike": alike,
        "share": alike / expected_flows if expected_flows else 0.0,
        "extra": extra,
        "captures": len({capture for capture, _ in pairs}),
        "applications": len(pairs),
        "applications_alike": sum(pairs.values()),
        "applications_share": sum(pairs.values()) / len(pairs) if pairs else 0.0,
        "kinds": {kind: {"flows": kinds[kind], "alike": passed[kind]} for kind in sorted(kinds)},
        "failures": [
            {"capture": f.capture, "flow": f.flow, "expected": f.expected, "named": f.named} for f in failures
        ],
    }


def name_flows(capture: Path, dissector: Dissector | None) -> dict[FlowKey, Application | None]:
    """Our names; a capture that ends within a record is read up to there."""
    found: dict[FlowKey, Application | None] = {}
    namer = Namer(dissector, limits=Limits(flows=100_000, idle=1e9))
    try:
        for frame in read_capture(capture):
            if frame.packet is not None:
                named = namer.packet(frame.packet, now=frame.time)
                if named:
                    found[named.key] = named.application
    except CaptureError:
        pass
    found.update((named.key, named.application) for named in namer.flush())
    return found


def expected(result: Path) -> Iterator[tuple[FlowKey, Application | None]]:
    """Flows of a result file; the application is None where it is none of the five kinds."""
    table = catalogue().by_dissected
    with result.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            match = _FLOW.match(line)
            if match and match[1] in _PROTOCOLS:
                key = _key(_PROTOCOLS[match[1]], match[2], match[3])
                name = match[5].rsplit(".", 1)[-1] if "." in match[4] else match[5]
                if key:
                    yield key, table.get(name.casefold())


def _key(protocol: int, one: str, other: str) -> FlowKey | None:
    try:
        low, high = sorted((_endpoint(one), _endpoint(other)))
    except ValueError:
        return None
    return FlowKey(protocol, *low, *high)


def _endpoint(text: str) -> tuple[bytes, int]:
    address, _, port = text.rpartition(":")
    return ip_address(address.strip("[]")).packed, int(port)


def _text(key: FlowKey) -> str:
    protocol = "tcp" if key.protocol == 6 else "udp"
    return f"{protocol} {ip_address(key.low)}:{key.low_port} {ip_address(key.high)}:{key.high_port}"
