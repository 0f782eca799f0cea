"""What is measured on one line, one workload at a time. Each returns plain numbers; none knows who inspects the line.

`Load` says how long and how hard. Every workload is bounded in time and stops by itself.
"""

import json
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from lab.bench.place import ALWAYS, BULK, SERVER, SERVERS, SIZES, VARIETY, Place
from lab.bench.wrk import Wrk, wrk
from lab.namespaces import PYTHON

FLOOD = 50_000
"""Datagrams a second."""


@dataclass(frozen=True, slots=True)
class Load:
    """Seconds for each measure; the size of the office mix; requests a second for the latency (`half_load`)."""

    seconds: float = 4.0
    objects: int = 3000
    rate: int = 1000


Figures = dict[str, float]
Workload = Callable[[Place, Load], Figures]


def bulk(here: Place, load: Load) -> Figures:
    """One connection, one file after the other."""
    return {"bulk download, Gbit/s": _gigabits(wrk(here, BULK, connections=1, seconds=load.seconds))}


def parallel(here: Place, load: Load) -> Figures:
    """Eight downloads at once, for the scaling over queues."""
    return {"8 downloads, Gbit/s": _gigabits(wrk(here, BULK, connections=8, seconds=load.seconds))}


def connections(here: Place, load: Load) -> Figures:
    """A page of 10 kB on each."""
    with probed(here) as attacks:
        done = wrk(here, "10k-%d.html", connections=32, seconds=load.seconds, headers=("Connection: close",))
    return {"new connections/s": done.rate, "attacks passed under load": attacks["passed"]}


def requests(here: Place, load: Load) -> Figures:
    """A page of 1 kB each, on connections that stay."""
    with probed(here) as attacks:
        done = wrk(here, "1k-%d.html", connections=32, seconds=load.seconds)
    return {"keep-alive requests/s": done.rate, "attacks passed under load": attacks["passed"]}


def latency(here: Place, load: Load) -> Figures:
    """At the same steady rate for all: half of what the slowest of them can do."""
    done = wrk(here, "1k-%d.html", connections=32, seconds=load.seconds, rate=load.rate)
    return {"latency p50, ms": done.p50, "latency p99, ms": done.p99, "requests/s meanwhile": done.rate}


def office(here: Place, load: Load) -> Figures:
    """A fixed list of objects from forty sites, nine in ten over TLS, sixteen at a time."""
    listed = here.folder / "office.txt"
    listed.write_text(_office_list(load.objects))
    servers = [SERVERS[number % len(SERVERS)] for number in range(40)]
    names = [f"+site{number}.example:{port}:{at}" for number, at in enumerate(servers) for port in (80, 443)]
    resolved = [word for name in names for word in ("--resolve", name)]
    parallel_options = ("--parallel", "--parallel-immediate", "--parallel-max", "16", "--no-progress-meter")
    told = "%{size_download}\\n"
    begun = time.monotonic()
    done = here.line.lan.run(
        "curl", "-s", "-k", *parallel_options, *resolved, "-w", told, "-K", listed, timeout=120, check=False
    )
    seconds = time.monotonic() - begun
    sizes = [int(float(size)) for size in done.stdout.split()]
    return {
        "office mix, Gbit/s": sum(sizes) * 8e-9 / seconds,
        "office objects lost": load.objects - sum(map(bool, sizes)),
    }


def flood(here: Place, load: Load) -> Figures:
    """The download beside 64-byte datagrams to ever changing ports, and requests that must be blocked all the same."""
    sender = (PYTHON, "-m", "lab.bench.flood", SERVER, FLOOD)
    with here.line.lan.running(*map(str, sender)):
        time.sleep(0.5)
        with probed(here) as attacks:
            done = wrk(here, BULK, connections=1, seconds=load.seconds)
    return {
        "download beside a flood, Gbit/s": _gigabits(done),
        "attacks passed beside a flood": attacks["passed"],
    }


@contextmanager
def probed(here: Place) -> Iterator[Figures]:
    """What the prober saw while the context lasted; filled in at its end."""
    told, found = here.folder / "prober.json", Figures()
    told.unlink(missing_ok=True)
    with here.line.lan.running(PYTHON, "-m", "lab.bench.prober", SERVER, ALWAYS, "300", log=told):
        time.sleep(0.5)
        yield found
    found.update(json.loads(told.read_text()))


def half_load(rates: Iterable[float]) -> int:
    """Half of the lowest of these rates, but some load in any case."""
    return max(200, round(min(rates, default=400.0) / 2))


WORKLOADS: Mapping[str, Workload] = {
    "bulk": bulk, "parallel": parallel, "connections": connections, "requests": requests, "latency": latency, "office": office,
    "flood": flood,
}  # fmt: skip


def _gigabits(done: Wrk) -> float:
    return done.bytes_a_second * 8e-9


def _office_list(objects: int) -> str:
    """As curl reads it. Sizes as of pages, scripts, pictures and a document now and then."""
    chosen = random.Random(40)  # noqa: S311 - the same list in every run
    lines = []
    for number in range(objects):
        site = chosen.randrange(40)
        scheme = "http" if site < 4 else "https"
        size = chosen.choices(tuple(SIZES), (25, 30, 30, 13, 2))[0]
        lines += [
            f'url = "{scheme}://site{site}.example/{size}-{number % VARIETY}.html?{number}"',
            'output = "/dev/null"',
        ]
    return "\n".join(lines) + "\n"


@contextmanager
def watched(sample: Callable[[], float], every: float = 0.1) -> Iterator[list[float]]:
    """Samples taken in the background while the context lasts."""
    taken: list[float] = [sample()]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(every):
            taken.append(sample())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield taken
    finally:
        over.set()
        thread.join()
