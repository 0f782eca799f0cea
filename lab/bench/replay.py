"""What a message costs the engine alone: packets of HTTP connections, made here, fed to it without line, queue or server.

`python -m lab.bench.replay [--rules PATH ...] [--against FOLDER | --compiled] [--rounds N]` prints microseconds of processor time for a request
with its answer on connections that last, the same with a cookie of its own in each, and for a connection with one request and a
page of 10 kB. Rules as in the bench. `--against` names another checkout: both take turns, and the ratio is printed. `--compiled`
does the same with this checkout's hot modules compiled, against it as it is. Of each the fastest of many short measures counts,
for on a busy machine all others measure the machine.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from struct import pack as packed

from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.signatures import pack
from omamori.firmware.signatures.antivirus_lists import eicar
from omamori.firmware.signatures.rulefiles import read_rules
from omamori.protocol.version import Version

LASTING, VARIED, CLOSING = KINDS = "keep-alive", "keep-alive, own cookies", "new connections"
_HERE = Path(__file__).parents[2]
_CLIENT, _SERVER = bytes((192, 168, 1, 20)), bytes((203, 0, 113, 9))
_CONNECTIONS = 32
_EACH = 250
"""Messages of one measure."""
_BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language: ja,en-US;q=0.7,en;q=0.3",
    "Accept-Encoding: identity",
    "Referer: http://www.example.com/catalogue",
)


class Connection:
    """Makes the packets of one connection; its opening is left out, as the kernel leaves it out."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._sequences = {True: 1000, False: 5000}

    def says(self, payload: bytes, *, to_server: bool, last: bool = False) -> bytes:
        """One packet; without checksums, as an offloading card shows it."""
        ends = ((_CLIENT, self._port), (_SERVER, 80))
        (source, sport), (destination, dport) = ends if to_server else ends[::-1]
        numbers = self._sequences[to_server], self._sequences[not to_server]
        self._sequences[to_server] += len(payload) + last
        segment = packed("!HHIIBBHHH", sport, dport, *numbers, 0x50, 0x18 | last, 1024, 0, 0) + payload
        head = packed("!BBHHHBBH4s4s", 0x45, 0, 20 + len(segment), 1, 0, 64, 6, 0, source, destination)
        return head + segment


class Traffic:
    """Requests with their answers, without end; no two answers have the same head."""

    def __init__(self, kind: str) -> None:
        self._kind, self._number = kind, 0
        self._material = random.Random(1)  # noqa: S311 - the same traffic in every run
        self._lasting = [Connection(62_000 + number) for number in range(_CONNECTIONS)]
        self._pages = [self._page(10_000 if kind == CLOSING else 1_000) for _ in range(50)]

    def packets(self, count: int) -> Iterator[bytes]:
        """Of so many requests and answers."""
        for _ in range(count):
            self._number += 1
            closing = self._kind == CLOSING
            here = self._lasting[self._number % _CONNECTIONS]
            if closing:
                here = Connection(1024 + self._number % 60_000)
            yield here.says(self._request(), to_server=True)
            page = self._pages[self._number % len(self._pages)]
            yield here.says(self._head(len(page)) + page, to_server=False, last=closing)

    def _request(self) -> bytes:
        lines = [
            f"GET /page-{self._number % 50}.html?{self._number} HTTP/1.1",
            "Host: www.example.com",
            *_BROWSER,
        ]
        if self._kind == VARIED:
            lines.append(f"Cookie: session={self._material.getrandbits(64):016x}")
        return "\r\n".join([*lines, "", ""]).encode()

    def _head(self, size: int) -> bytes:
        clock = f"{self._number // 60 % 60:02d}:{self._number % 60:02d}"
        return (
            f"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sat, 21 Nov 2026 10:{clock} GMT\r\nContent-Type: text/html\r\n"
            f"Content-Length: {size}\r\nLast-Modified: Fri, 20 Nov 2026 08:{clock} GMT\r\n"
            f'Connection: keep-alive\r\nETag: "67{self._number:06x}"\r\nAccept-Ranges: bytes\r\n\r\n'
        ).encode()

    def _page(self, size: int) -> bytes:
        words = (
            "<td class='price'>",
            "</td></tr>",
            "<a href='/catalogue/",
            "var total = items;",
            "delivery note ",
        )
        text = " ".join(
            self._material.choice(words) + str(self._material.randrange(10_000)) for _ in range(size)
        )
        return text.encode()[:size]


def cost(signatures: Signatures, kind: str, *, measures: int = 20, each: int = _EACH) -> float:
    """Microseconds for a request and its answer."""
    engine, traffic, now, found = Engine(signatures), Traffic(kind), 1e9, []
    for _ in range(measures + 4):
        packets = list(traffic.packets(each))
        begun = time.process_time()
        for data in packets:
            now += 1e-5
            engine.packet(data, now=now, from_inside=data[12:16] == _CLIENT)
        found.append((time.process_time() - begun) / each * 1e6)
        engine.tick(now)
        now += 20 if kind == CLOSING else 0
        engine.tick(now)
    return min(found[4:])


def main() -> None:
    """Measure and print."""
    options = _options()
    if options.alone:
        with tempfile.TemporaryDirectory(prefix="omamori-replay-") as folder:
            _build(made := Path(folder, "rules.pack"), options.rules)
            print(json.dumps(_costs(pack.load(made))))
        return
    best: dict[str, dict[str, float]] = {}
    for _ in range(options.rounds):
        for name, (tree, program) in _contestants(options).items():
            known = best.setdefault(name, {})
            for kind, each in _child(tree, program, options.rules).items():
                known[kind] = min(each, known.get(kind, each))
    for kind in KINDS:
        told = "".join(f"{name} {costs[kind]:6.1f} us  " for name, costs in best.items())
        first, *others = (costs[kind] for costs in best.values())
        ratio = f"ratio {first / others[0]:.2f}" if others else ""
        print(f"{kind:24} {told}{ratio}")


def _contestants(options: argparse.Namespace) -> dict[str, tuple[Path, Sequence[str]]]:
    """Checkout and program, by name; the first is compared with the second."""
    here: tuple[Path, Sequence[str]] = _HERE, (__file__,)
    if options.compiled:
        return {"compiled": (_HERE, ("-m", "lab.compiled", "lab.bench.replay")), "python": here}
    return {"here": here, **({"against": (options.against, (__file__,))} if options.against else {})}


def _costs(signatures: Signatures) -> Mapping[str, float]:
    return {kind: cost(signatures, kind) for kind in KINDS}


def _child(tree: Path, program: Sequence[str], rules: list[Path] | None) -> Mapping[str, float]:
    """The same over the engine of a checkout."""
    command = [sys.executable, *program, "--alone", *(["--rules", *map(str, rules)] if rules else [])]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    costs: Mapping[str, float] = json.loads(done.stdout)
    return costs


def _build(path: Path, rules: list[Path] | None) -> None:
    """Each checkout makes its own, for formats differ."""
    corpus = os.environ.get("OMAMORI_CORPUS")
    demo = _HERE / "lab" / "signatures" / "demo.rules"
    read = read_rules(rules or [Path(corpus, "rules") if corpus else demo])
    pack.build(path, Version.parse("0.0.1"), datetime.now(UTC), pack.Content(rules=read, malware=[eicar()]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="lab.bench.replay", description=__doc__.splitlines()[0])
    parser.add_argument("--rules", nargs="+", type=Path, help="rule files or folders in place of the corpus")
    parser.add_argument("--against", type=Path, help="another checkout to compare with")
    parser.add_argument("--compiled", action="store_true", help="hot modules compiled, against Python only")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
