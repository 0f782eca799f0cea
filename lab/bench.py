"""How fast the data path is: the same transfers over a plain bridge and through inspection, in one run.

`python -m lab.bench [--rules FILE-OR-DIR ...] [--json FILE]`, as root. Everything runs on one machine, sender and receiver
included, so compare the two columns with each other and not with a network card.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from lab.bridge import BridgeProcess
from lab.namespaces import PYTHON, Line, guarded_line, reaches, wait_until
from omamori.firmware.signatures import pack
from omamori.firmware.signatures.antivirus_lists import eicar
from omamori.firmware.signatures.lists import DomainList
from omamori.firmware.signatures.rulefiles import read_rules
from omamori.protocol.version import Version

RULES = Path(__file__).with_name("signatures") / "demo.rules"
VERSION = "0.0.1"
MEGABYTES = 400
PAGES = 300


def main() -> None:
    """Print one line for each measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rules", nargs="+", type=Path, default=[RULES])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="omamori-bench-") as folder, guarded_line("omabench") as line:
        result = measure(line, Path(folder), options.rules)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    for name, (plain, inspected) in ((n, v) for n, v in result.items() if isinstance(v, tuple)):
        print(f"{name:22} plain {plain:10.2f}   inspected {inspected:10.2f}")
    print(", ".join(f"{name} {value}" for name, value in result.items() if not isinstance(value, tuple)))


def measure(line: Line, root: Path, rules: Sequence[Path]) -> dict[str, object]:
    """Pairs are (plain, inspected)."""
    unit = BridgeProcess(line, root)
    count = _build_pack(root / "bench.pack", rules)
    unit.install((root / "bench.pack").read_bytes(), version=VERSION)
    web = (PYTHON, "-m", "lab.services.web", "--bind", line.wan_address, "--port", "80")
    with line.wan.running(*web):
        wait_until(lambda: _get(line, "-o", "/dev/null") == 0, seconds=10, what="the web server")
        plain = _transfers(line)
        begun = time.monotonic()
        with unit.running() as parent:
            unit.wait_for_pack(VERSION, seconds=120)
            loaded = time.monotonic() - begun
            inspected = _transfers(line)
            time.sleep(2.5)  # the next status
            state = unit.status()["state"]
            memory = {role: _memory(pid) for role, pid in [*unit.workers().items(), ("parent", parent.pid)]}
    pairs: dict[str, object] = {name: (plain[name], inspected[name]) for name in plain}
    return pairs | {"rules": count, "seconds to load": round(loaded, 2), "memory MB": memory, "state": state}


def _build_pack(path: Path, rules: Sequence[Path]) -> int:
    content = pack.Content(
        rules=read_rules(rules), lists=[DomainList("phishing", ["x.example"])], malware=[eicar()]
    )
    pack.build(path, Version.parse(VERSION), datetime.now(UTC), content)
    return len(content.rules.rules)


def _transfers(line: Line) -> dict[str, float]:
    return {
        "download, Gbit/s": max(_download(line) for _ in range(3)),
        "pages a second": _pages(line),
        "ping, ms": _ping(line),
    }


def _download(line: Line) -> float:
    begun = time.monotonic()
    if _get(line, "-o", "/dev/null", path=f"big.bin?mb={MEGABYTES}"):
        raise SystemExit(
            "the download was cut: one of these rules blocks it (informational rules block as well)"
        )
    return MEGABYTES * 8 / 1000 / (time.monotonic() - begun)


def _pages(line: Line) -> float:
    """One request a connection, as hostile to inspection as the web gets."""
    urls = [f"http://{line.wan_address}/page?{number}" for number in range(PAGES)]
    outputs = [part for _ in urls for part in ("-o", "/dev/null")]
    begun = time.monotonic()
    line.lan.run("curl", "-s", "-H", "Connection: close", *outputs, *urls, timeout=120)
    return PAGES / (time.monotonic() - begun)


def _ping(line: Line) -> float:
    reaches(line.lan, line.wan_address)
    told = line.lan.run("ping", "-q", "-c", "50", "-i", "0.01", line.wan_address).stdout
    return float(told.rsplit("=", 1)[1].split("/")[1])


def _get(line: Line, *options: str, path: str = "") -> int:
    url = f"http://{line.wan_address}/{path}"
    return line.lan.run("curl", "-s", "-m", "20", *options, url, check=False, timeout=130).returncode


def _memory(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1000


if __name__ == "__main__":
    main()
