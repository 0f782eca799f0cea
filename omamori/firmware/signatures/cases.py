"""What a case of OISF's acceptance suite asks for: `test.yaml`, its configuration, its rules and its capture.

A case that cannot be asked here raises `Skip` with the reason: another version, a feature that is not built in, a capture
that is not there, a rule that does not load. Needs PyYAML (an engineer's dependency).
"""

import ipaddress
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from omamori.firmware.engine.ips.reputation import Reputation
from omamori.firmware.engine.ips.rule import Group
from omamori.firmware.engine.ips.spans import Variables, networks
from omamori.firmware.signatures.reputation import ReputationError, read_categories, read_numbered
from omamori.firmware.signatures.rulefiles import read_rules
from omamori.firmware.signatures.suricata.errors import RuleError
from omamori.firmware.signatures.suricata.files import Parsed
from omamori.firmware.signatures.suricata.header import parse_group
from omamori.firmware.signatures.suricata.special import ANSWERS_AS
from omamori.firmware.signatures.tuning import Tuning, TuningError, parse_tuning

_FEATURES = frozenset(
    (
        "HAVE_JA3",
        "HAVE_JA4",
        "MAGIC",
        "HAVE_PCRE",
        "RUST",
        "HAVE_LIBJANSSON",
        "HAVE_NSS",
        "TLS",
        "HTTP2_DECOMPRESSION",
    )
)
_ADDRESSES, _PORTS = "vars.address-groups.", "vars.port-groups."
_HOME = ("192.168.0.0/16", "10.0.0.0/8", "172.16.0.0/12")
_MAX_DEPTH = 20


class Skip(Exception):  # noqa: N818 - not an error
    """The reason."""


@dataclass(slots=True)
class Case:
    folder: Path
    text: Mapping[str, Any]
    settings: dict[str, str] = field(default_factory=dict)
    """suricata.yaml with `--set` over it, as dotted names."""
    ips: bool = False

    @property
    def midstream(self) -> bool:
        return self.is_on("stream.midstream")

    def is_on(self, name: str) -> bool:
        return self.settings.get(name, "").lower() in ("yes", "true", "on", "1")


def read_case(folder: Path) -> Case:
    """Raises Skip."""
    import yaml

    text = yaml.safe_load((folder / "test.yaml").read_text(encoding="utf-8")) or {}
    case = Case(folder, text)
    need(text.get("requires"))
    configuration = folder / "suricata.yaml"
    if configuration.exists():
        case.settings = _configuration(configuration)
    for argument in [str(argument) for argument in text.get("args") or []]:
        _argument(case, argument)
    if case.ips and any("policy" in name for name in case.settings):
        raise Skip("asks for an exception policy: nothing stops traffic here but a match")
    return case


def _argument(case: Case, argument: str) -> None:
    words = shlex.split(argument)
    case.ips = case.ips or "--simulate-ips" in words
    for flag, value in pairwise(words):
        if flag == "--set" and "=" in value:
            key, _, setting = value.partition("=")
            case.settings[key.strip()] = setting.strip()
    plain = [
        word
        for at, word in enumerate(words)
        if not word.startswith("-") and not (at and words[at - 1].startswith("-"))
    ]
    if plain or "-r" in words:
        raise Skip(f"needs the argument {argument!r}")


def _configuration(path: Path) -> dict[str, str]:
    import yaml

    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8").replace("%YAML 1.1", "").lstrip())
    except yaml.YAMLError:
        return {}
    return dict(_flat(loaded, "", 0))


def _flat(value: object, prefix: str, depth: int) -> Iterator[tuple[str, str]]:
    """Dotted names; a list of mappings reads as a mapping, as Suricata takes it, other items are numbered."""
    if isinstance(value, dict) and depth < _MAX_DEPTH:
        for key, each in value.items():
            yield from _flat(each, f"{prefix}.{key}" if prefix else str(key), depth + 1)
    elif isinstance(value, list) and depth < _MAX_DEPTH:
        for number, each in enumerate(value):
            yield from _flat(each, prefix if isinstance(each, dict) else f"{prefix}.{number}", depth + 1)
    else:
        yield (
            prefix,
            {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value),
        )


def need(requires: object) -> None:
    """Raises Skip where this engine is not what is required."""
    if not isinstance(requires, dict):
        return
    for key, value in requires.items():
        match key:
            case "min-version" if _version(value) > ANSWERS_AS:
                raise Skip(f"for Suricata {value} and later")
            case "lt-version" if _version(value) <= ANSWERS_AS:
                raise Skip(f"for Suricata before {value}")
            case "gt-version" if _version(value) >= ANSWERS_AS:
                raise Skip(f"for Suricata after {value}")
            case "version" if _version(value)[:1] != ANSWERS_AS[:1]:
                raise Skip(f"for Suricata {value}")
            case "features" if missing := [
                str(each) for each in _listed(value) if str(each) not in _FEATURES
            ]:
                raise Skip(f"needs the feature {missing[0]}")
            case "script" | "files" | "lambda":
                raise Skip(f"needs {key} {value}")
            case _:
                pass


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else [value]


def _version(text: object) -> tuple[int, ...]:
    parts = [int(part) for part in str(text).split("-")[0].split(".") if part.isdigit()]
    return tuple([*parts, 0, 0, 0][:3])


def rules_of(case: Case) -> Parsed:
    """Raises Skip."""
    files = sorted(case.folder.glob("*.rules"))
    if not files:
        raise Skip("no rules")
    parsed = read_rules(files, variables=variables_of(case).groups)
    if parsed.refused:
        raise Skip(f"a rule does not load: {parsed.refused[0].reason}")
    return parsed


def tuning_of(case: Case) -> dict[tuple[int, int], Tuning]:
    """Raises Skip for a threshold file that is not there or cannot be read."""
    named = case.settings.get("threshold-file", "")
    if not named:
        return {}
    path = case.folder / named.replace("${TEST_DIR}/", "")
    if not path.is_file():
        raise Skip(f"the threshold file {named} is not there")
    try:
        return parse_tuning(path.read_text(encoding="utf-8"))
    except TuningError as error:
        raise Skip(f"its threshold file: {error}") from error


def capture_of(case: Case) -> Path:
    """Raises Skip."""
    named = case.text.get("pcap")
    if named:
        path = case.folder / str(named)
        if not path.exists():
            raise Skip(f"the capture {named} is not there")
        return path
    found = sorted([*case.folder.glob("*.pcap"), *case.folder.glob("*.pcapng"), *case.folder.glob("*.cap")])
    if len(found) != 1:
        raise Skip(f"{len(found)} captures")
    return found[0]


def variables_of(case: Case) -> Variables:
    """Raises Skip for a group that cannot be read."""
    groups: dict[str, Group] = {"HOME_NET": networks(*_HOME), "HTTP_PORTS": parse_group("80", ports=True)}
    for key, value in case.settings.items():
        try:
            if key.startswith(_ADDRESSES):
                groups[key.removeprefix(_ADDRESSES)] = _group(value)
            elif key.startswith(_PORTS):
                groups[key.removeprefix(_PORTS)] = parse_group(value, ports=True)
        except RuleError as error:
            raise Skip(f"{key}: {error.reason}") from error
    return Variables(reputation=_reputation(case)).with_groups(groups)


def _reputation(case: Case) -> Reputation:
    """Raises Skip."""
    named = case.settings.get("reputation-categories-file")
    if not named:
        return Reputation()
    folder = case.folder / case.settings.get("default-reputation-path", ".").replace("${TEST_DIR}", ".")
    try:
        categories = read_categories(
            (case.folder / named.replace("${TEST_DIR}/", "")).read_text(encoding="utf-8")
        )
        files = [case.settings[name] for name in case.settings if name.startswith("reputation-files")]
        texts = [(folder / file.replace("${TEST_DIR}/", "")).read_text(encoding="utf-8") for file in files]
        return Reputation(read_numbered(texts, categories))
    except (OSError, ReputationError) as error:
        raise Skip(f"its reputation lists: {error}") from error


def _group(text: str) -> Group:
    try:
        return networks(str(ipaddress.ip_network(text)))
    except ValueError:
        return parse_group(text, ports=False)
