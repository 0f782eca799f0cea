"""The rules of a run: those that both engines load, with one drop rule for the test request of each edition.

Editions differ only in that rule, so "the new rules are in force" is a fact that anybody can see from outside.
"""

import random
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from lab.bench.place import ALWAYS, ATTACKS
from lab.bench.suricata import settings
from lab.bench.tools import Tools
from omamori.firmware.signatures import pack
from omamori.firmware.signatures.antivirus_lists import Malware, Signature, eicar
from omamori.firmware.signatures.lists import DomainList
from omamori.firmware.signatures.rulefiles import read_rules
from omamori.protocol.version import Version

_MALWARE = 2000
_REFUSED = re.compile(r"error parsing signature .* at line (\d+)\s*$")


@dataclass(slots=True)
class RuleFiles:
    """What each contestant is given."""

    texts: tuple[Path, Path]
    """A Suricata rule file for each edition."""
    count: int
    refused_by_us: int
    refused_by_suricata: int
    malware: list[Signature] = field(default_factory=list)
    _packs: dict[int, bytes] = field(default_factory=dict)

    def pack(self, edition: int) -> tuple[bytes, str]:
        """The signed-for content of a pack and its version; made once for each edition."""
        version = f"0.0.{edition + 1}"
        if edition not in self._packs:
            path = self.texts[edition].with_suffix(".pack")
            content = pack.Content(
                rules=read_rules([self.texts[edition]]),
                lists=[DomainList("phishing", ["phishing.example"])],
                malware=self.malware,
            )
            pack.build(path, Version.parse(version), datetime.now(UTC), content)
            self._packs[edition] = path.read_bytes()
        return self._packs[edition], version


def make(folder: Path, sources: Sequence[Path], tools: Tools) -> RuleFiles:
    """Reads, asks Suricata where it is there, and writes both editions."""
    folder.mkdir()
    ours = read_rules(sources)
    kept, refused = ours.texts, 0
    if tools.has_suricata:
        kept = _taken_by_suricata(folder, ours.texts, tools)
        refused = len(ours.texts) - len(kept)
    texts = folder / "edition-0.rules", folder / "edition-1.rules"
    for path, attack in zip(texts, ATTACKS, strict=True):
        path.write_text("\n".join([*kept, _drop(attack, 1), _drop(ALWAYS, 2), ""]), encoding="latin-1")
    made = RuleFiles(texts, len(kept) + 2, len(ours.refused), refused, _malware())
    for edition in range(len(texts)):
        made.pack(edition)
    return made


def _drop(path: str, number: int) -> str:
    return (
        f'drop http any any -> any any (msg:"bench: test request"; flow:established,to_server; http.uri; '
        f'content:"/{path}"; classtype:web-application-attack; sid:{990_000_000 + number}; rev:1;)'
    )


def _taken_by_suricata(folder: Path, texts: Sequence[str], tools: Tools) -> list[str]:
    """Suricata names the lines that it does not take."""
    asked = folder / "asked.rules"
    single = [text.replace("\n", " ") for text in texts]
    asked.write_text("\n".join(single) + "\n", encoding="latin-1")
    command = tools.command(
        "usr/bin/suricata", "-T", "-l", folder, "-S", asked, *settings(tools, folder, tuned=False)
    )
    done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace", timeout=300)
    said = (done.stdout + done.stderr).splitlines()
    refused = {int(found[1]) for found in map(_REFUSED.search, said) if found}
    return [text for number, text in enumerate(single, 1) if number not in refused]


def _malware() -> list[Signature]:
    """The test file and some thousand signatures as long as real ones, none of which is in any file."""
    material = random.Random(30)  # noqa: S311 - the same patterns in every run
    made = [Malware(f"Bench.Test-{number}", material.randbytes(24).hex()) for number in range(_MALWARE)]
    return [eicar(), *made]
