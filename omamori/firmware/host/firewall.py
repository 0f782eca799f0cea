"""The kernel rules of the inspection queues, put in force: through nft, or through iptables.

`inet omamori` through nft is the product. Kernels without `nft queue` get the same chain through iptables' NFQUEUE
target; `choose` finds out by a dry run. The chain (`rules.py`) sees only packets that the bridge forwards between its ports,
every queue rule has bypass, and a plan replaces the one before it in one transaction for each address family.
"""

import contextlib
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

from omamori.firmware.host.rules import CHAIN, PROBE_CHAIN, TAG_CHAIN, Plan, Queues, iptables_rules, nft_rules

_NFT_COUNT: Final = re.compile(r"counter packets (\d+) bytes \d+ queue ")
_NFT_STOPPED: Final = re.compile(r"counter packets (\d+) bytes \d+ drop")
_IPTABLES_STOPPED: Final = re.compile(rf"^\[(\d+):\d+\] -A {CHAIN} .*-m connmark .*-j DROP$", re.MULTILINE)
_IPTABLES_COUNT: Final = re.compile(rf"^\[(\d+):\d+\] -A {CHAIN} .*-j NFQUEUE ", re.MULTILINE)


class FirewallError(Exception):
    """The kernel refused the rules; the ones before stay in force."""


class Firewall(Protocol):
    """A backend. Both methods raise FirewallError and then have changed nothing that stops traffic."""

    def apply(self, plan: Plan) -> None: ...

    def remove(self) -> None: ...

    def offered(self) -> int:
        """Packets that came to the queue rules since they were applied, taken by a worker or not."""
        ...

    def stopped(self) -> int:
        """Packets of blocked flows that the rules dropped since they were applied, which no worker saw."""
        ...


Run = Callable[[Sequence[str], str], str]
"""From a command and its input to its output."""


def choose(run: Run | None = None) -> Firewall:
    """The product's backend where the kernel has it, else iptables. Raises FirewallError where neither works."""
    execute = run or _execute
    probe = Plan("br0", ("wan0", "lan0"), Queues(1, 0))
    try:
        execute(["nft", "--check", "--file", "-"], nft_rules(probe))
    except FirewallError as refused:
        try:
            execute(["iptables-restore", "--test", "--noflush"], iptables_rules(probe, ipv6=False))
        except FirewallError as error:
            raise FirewallError(f"neither nft queue ({refused}) nor iptables ({error}) works") from error
        return Iptables(execute)
    return Nft(execute)


def prepare_bridge(proc: Path = Path("/proc")) -> None:
    """Let IP rules see bridged packets in this namespace. Raises OSError."""
    for name in ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables"):
        switch = proc / "sys/net/bridge" / name
        if switch.read_text().strip() != "1":
            switch.write_text("1")


class Nft:
    """Table `inet omamori`, replaced as a whole."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def apply(self, plan: Plan) -> None:
        self._run(["nft", "--file", "-"], nft_rules(plan))

    def remove(self) -> None:
        self._run(["nft", "--file", "-"], "table inet omamori\ndelete table inet omamori\n")

    def offered(self) -> int:
        return self._sum(_NFT_COUNT)

    def stopped(self) -> int:
        return self._sum(_NFT_STOPPED)

    def _sum(self, counts: re.Pattern[str]) -> int:
        listed = self._run(["nft", "list", "chain", "inet", "omamori", "inspect"], "")
        return sum(int(count) for count in counts.findall(listed))


class Iptables:
    """Chain OMAMORI in the mangle table of both families."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def apply(self, plan: Plan) -> None:
        for family in ("iptables", "ip6tables"):
            self._run([f"{family}-restore", "--noflush"], iptables_rules(plan, ipv6=family == "ip6tables"))
            self._hook(family, plan)

    def remove(self) -> None:
        for family in ("iptables", "ip6tables"):
            with contextlib.suppress(FirewallError):
                chains = "".join(f":{chain} - [0:0]\n" for chain in (CHAIN, PROBE_CHAIN, TAG_CHAIN))
                empty = f"*mangle\n{chains}COMMIT\n"
                self._run([f"{family}-restore", "--noflush"], empty)

    def offered(self) -> int:
        return self._sum(_IPTABLES_COUNT)

    def stopped(self) -> int:
        return self._sum(_IPTABLES_STOPPED)

    def _sum(self, counts: re.Pattern[str]) -> int:
        listed = (
            self._run([f"{family}-save", "-c", "-t", "mangle"], "") for family in ("iptables", "ip6tables")
        )
        return sum(int(count) for text in listed for count in counts.findall(text))

    def _hook(self, family: str, plan: Plan) -> None:
        for rule in _hooks(plan):
            try:
                self._run([family, "--table", "mangle", "--check", *rule], "")
            except FirewallError:
                self._run([family, "--table", "mangle", "--append", *rule], "")


def _hooks(plan: Plan) -> list[list[str]]:
    """Whatever ports the bridge has: a radio may join later."""
    within = ["FORWARD", "--in-interface", plan.bridge, "--out-interface", plan.bridge]
    return [
        [*within, "--match", "physdev", "--physdev-is-bridged", "--jump", CHAIN],
        ["OUTPUT", "--jump", PROBE_CHAIN],
    ]


def _execute(command: Sequence[str], text: str) -> str:
    """What the tool printed. Raises FirewallError with what it complained of."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FirewallError(f"{command[0]}: {error}") from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise FirewallError(f"{command[0]}: {said[0] if said else f'exit {done.returncode}'}")
    return done.stdout
