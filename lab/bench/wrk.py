"""Running wrk and reading what it prints."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lab.bench.place import SERVERS, VARIETY, Place

_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}
_SIZES = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
_SCRIPT = """
local count = 0
request = function()
  count = count + 1
  return wrk.format("GET", string.format("{pattern}?%d", count % {variety}, begin + count))
end
"""
_SPREAD = """
local servers, threads = {{ {servers} }}, 0
function setup(thread)
  thread.addr = wrk.lookup(servers[threads % #servers + 1], "80")[1]
  thread:set("begin", threads * 10000000)
  threads = threads + 1
end
"""
"""A thread for each address of the server; none asks for what another one asked for."""
_BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language: ja,en-US;q=0.7,en;q=0.3",
    "Accept-Encoding: identity",
    "Referer: http://www.example.com/catalogue",
)
"""Without them, rules about programs that send next to no header would all be looked at."""
_PACED = "delay = function() return math.random(0, {milliseconds}) end\n"
"""At random, or all connections would ask at the same moment."""


class LoadError(Exception):
    """wrk did not say what it measured."""


@dataclass(frozen=True, slots=True)
class Wrk:
    """One run; latencies in milliseconds."""

    rate: float
    bytes_a_second: float
    p50: float
    p99: float
    errors: int


def wrk(
    here: Place, path: str, *, connections: int, seconds: float, headers: Sequence[str] = (), rate: int = 0
) -> Wrk:
    """Load from the line's client, over all addresses of the server where there are connections enough. Raises LoadError.

    With `%d` in the path, one file after the other of that size, each under a new name. With `rate`, about so many requests a
    second, at random.
    """
    threads = min(connections, len(SERVERS))
    options = [
        f"-t{threads}",
        f"-c{connections}",
        f"-d{max(1, round(seconds))}s",
        "--latency",
        "--timeout",
        "5s",
    ]
    options += [word for header in (*_BROWSER, *headers) for word in ("-H", header)]
    script = here.folder / "load.lua"
    varied = _SCRIPT.format(pattern=f"/{path}", variety=VARIETY) if "%d" in path else ""
    paced = _PACED.format(milliseconds=max(1, round(2000 * connections / rate))) if rate else ""
    spread = _SPREAD.format(servers=", ".join(f'"{address}"' for address in SERVERS))
    script.write_text(varied + paced + spread)
    options += ["-s", str(script)]
    command = here.tools.command("usr/bin/wrk", *options, here.url(path.replace("%d", "0")))
    return parse(here.line.lan.run(*command, timeout=seconds + 60).stdout)


def parse(text: str) -> Wrk:
    """What wrk 4 prints with --latency. Raises LoadError."""
    try:
        rate = float(_found(r"Requests/sec:\s+([\d.]+)", text)[1])
        transfer = _found(r"Transfer/sec:\s+([\d.]+)([KMG]?B)", text)
        p50, p99 = (_found(rf"\b{share}%\s+([\d.]+)(us|ms|s|m)\b", text) for share in (50, 99))
    except ValueError as error:
        raise LoadError(f"wrk said: {text[-500:]}") from error
    lost = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    return Wrk(
        rate,
        float(transfer[1]) * _SIZES[transfer[2]],
        float(p50[1]) * _UNITS[p50[2]],
        float(p99[1]) * _UNITS[p99[2]],
        sum(map(int, lost.groups())) if lost else 0,
    )


def _found(pattern: str, text: str) -> re.Match[str]:
    found = re.search(pattern, text)
    if found is None:
        raise ValueError(pattern)
    return found
