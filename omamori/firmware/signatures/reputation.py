"""Reputation lists: lines `network,score` of one category, or Suricata's pair of files with numbered categories."""

import re
from collections.abc import Iterable, Iterator
from ipaddress import ip_network

from omamori.firmware.engine.ips.reputation import Entry

MOST = 127
_NUMBER = re.compile(r"[0-9]{1,9}")
"""Of a category. `str.isdigit` would take superscripts and more digits than `int` reads."""
_DEFAULT = 100
"""Of a line without a score."""


class ReputationError(Exception):
    """A line that is none: its number and the reason."""


def read_scores(text: str) -> list[Entry]:
    """Lines `1.2.3.4`, `1.2.3.0/24,90`; `#` begins a comment. Raises ReputationError."""
    return [_entry(number, [*words, str(_DEFAULT)][:2]) for number, words in _lines(text)]


def read_categories(text: str) -> dict[int, str]:
    """Suricata's categories file: `1,BadHosts,Known bad hosts`. Raises ReputationError."""
    found = {}
    for number, words in _lines(text):
        if len(words) < 2 or not _NUMBER.fullmatch(words[0]):
            raise ReputationError(f"line {number}: a category needs a number and a name")
        found[int(words[0])] = words[1]
    return found


def read_numbered(texts: Iterable[str], categories: dict[int, str]) -> dict[str, list[Entry]]:
    """Suricata's reputation files: `1.2.3.4,1,90`. Raises ReputationError."""
    found: dict[str, list[Entry]] = {name: [] for name in categories.values()}
    for text in texts:
        for number, words in _lines(text):
            if len(words) != 3 or not _NUMBER.fullmatch(words[1]) or int(words[1]) not in categories:
                raise ReputationError(
                    f"line {number}: an entry needs an address, a known category and a score"
                )
            found[categories[int(words[1])]].append(_entry(number, [words[0], words[2]]))
    return found


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.partition("#")[0].strip()
        if bare:
            yield number, [word.strip() for word in bare.split(",")]


def _entry(number: int, words: list[str]) -> Entry:
    address, score = words
    try:
        network = ip_network(address, strict=False)
        value = int(score)
    except ValueError as error:
        raise ReputationError(f"line {number}: {error}") from error
    if not 0 < value <= MOST:
        raise ReputationError(f"line {number}: a score is 1 to {MOST}, not {value}")
    return network.version, int(network.network_address), network.prefixlen, value
