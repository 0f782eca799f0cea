"""Suricata 7 inline on a queue of a line, as Debian ships it or tuned.

Stock is Debian's configuration with nothing but file locations changed. Tuned: Hyperscan for all matching, one thread for
each queue from capture to verdict, batched verdicts, fail-open, alerts only, and flows bypassed by connection mark once they
are encrypted. Its depth is unlimited: with Debian's limit of 1 MB the bypass lets all that follows by, whatever it is. Both see the same packets: whatever the bridge forwards, through NFQUEUE with bypass.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from lab.bench.place import Place
from lab.bench.tools import Tools
from lab.namespaces import Namespace

_QUEUE = 0
_BYPASSED = 1
_TUNED = {
    "mpm-algo": "hs",
    "spm-algo": "hs",
    "runmode": "workers",
    "nfq.batchcount": "20",
    "nfq.fail-open": "yes",
    "nfq.bypass-mark": str(_BYPASSED),
    "nfq.bypass-mask": str(_BYPASSED),
    "stream.bypass": "yes",
    "stream.reassembly.depth": "0",
    "app-layer.protocols.tls.encryption-handling": "bypass",
    "stats.enabled": "no",
}
_ALERTS_ONLY = """
outputs:
  - eve-log:
      enabled: yes
      filetype: regular
      filename: eve.json
      types: [alert, drop]
"""
"""A top-level key that comes again replaces the first one."""


class Suricata:
    """One process on queue 0 of a line's unit."""

    def __init__(self, here: Place, *, tuned: bool) -> None:
        self._here, self._tuned = here, tuned
        self._rules = here.folder / "inline.rules"
        self._process: subprocess.Popen[bytes] | None = None

    def load(self, rules: Path) -> None:
        """The rule file for the next start or reload."""
        fresh = self._rules.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        os.link(rules, fresh)
        fresh.replace(self._rules)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Until the context ends; the queue rules are there before it listens, with bypass."""
        folder, unit = self._here.folder, self._here.line.unit
        options: tuple[str | Path, ...] = (
            "-q",
            str(_QUEUE),
            "-l",
            folder,
            "-S",
            self._rules,
            *settings(self._here.tools, folder, tuned=self._tuned),
        )
        _queue_forwarded(unit, marks=self._tuned)
        with unit.running(
            *self._here.tools.command("usr/bin/suricata", *options), log=folder / "suricata.out"
        ) as process:
            self._process = process
            yield
        self._process = None

    def reload(self) -> None:
        """Its live rule reload."""
        if self._process:
            os.kill(self._process.pid, signal.SIGUSR2)

    def processes(self) -> list[int]:
        return [self._process.pid] if self._process and self._process.poll() is None else []


def settings(tools: Tools, folder: Path, *, tuned: bool) -> list[str]:
    """Command-line options: Debian's configuration, read from where it is unpacked."""
    etc = tools.root / "etc/suricata"
    config = etc / "suricata.yaml"
    if tuned:
        text = config.read_text()
        config = folder / "suricata.yaml"
        config.write_text(text + _ALERTS_ONLY)
    places = {
        "classification-file": str(etc / "classification.config"),
        "reference-config-file": str(etc / "reference.config"),
        "threshold-file": str(etc / "threshold.config"),
        "unix-command.enabled": "no",
        "pid-file": str(folder / "suricata.pid"),
    }
    chosen = {**places, **(_TUNED if tuned else {})}
    options = [word for key, value in chosen.items() for word in ("--set", f"{key}={value}")]
    return ["-c", str(config), *options]


def _queue_forwarded(unit: Namespace, *, marks: bool) -> None:
    """Every packet that crosses the bridge; with marks, all but those of bypassed flows."""
    mark = f"{_BYPASSED}/{_BYPASSED}"
    queued = ["-A", "FORWARD", "-j", "NFQUEUE", "--queue-num", str(_QUEUE), "--queue-bypass"]
    passed = ["-A", "FORWARD", "-m", "connmark", "--mark", mark, "-j", "ACCEPT"]
    saved = ["-A", "POSTROUTING", "-m", "mark", "--mark", mark, "-j", "CONNMARK", "--save-mark"]
    for family in ("iptables", "ip6tables"):
        unit.write(f"/proc/sys/net/bridge/bridge-nf-call-{family}", "1")
        unit.run(family, "-w", "-t", "mangle", "-F")
        for rule in (passed, saved, queued) if marks else (queued,):
            unit.run(family, "-w", "-t", "mangle", *rule)
