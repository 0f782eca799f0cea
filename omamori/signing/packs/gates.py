"""Is a pack good enough? Pure: the engine's facts and the gates in, every reason against it out.

Each reason says what was measured, what is allowed, and which key of the description sets that.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from omamori.signing.packs.description import Gates

_NAMED = 5


@dataclass(frozen=True, slots=True)
class Facts:
    """JSON of `engine pack build` and `judge`; `compared` is None where there is no pack before."""

    built: Mapping[str, Any]
    judged: Mapping[str, Any]
    compared: Mapping[str, Any] | None


def reasons(facts: Facts, gates: Gates) -> tuple[str, ...]:
    """Everything that speaks against the pack; empty for one that is good."""
    return (
        *_loading(facts, gates),
        *_size(facts, gates),
        *_false_matches(facts, gates),
        *_missing(facts),
        *_speed(facts, gates),
        *_shrunk(facts, gates),
    )


def _loading(facts: Facts, gates: Gates) -> Iterator[str]:
    rules = facts.built["loading"]["rules"]
    if rules["share"] < gates.load_share:
        why = ", ".join(f"{name} {count}" for name, count in list(rules["reasons"].items())[:_NAMED])
        yield (
            f"{rules['loaded']} of {rules['rules']} rules load, {100 * rules['share']:.2f} %;"
            f" {100 * gates.load_share:.2f} % must (load-share); not loaded: {why}"
        )


def _size(facts: Facts, gates: Gates) -> Iterator[str]:
    if facts.built["size"] > gates.largest:
        yield f"{facts.built['size']:,} bytes; {gates.largest:,} are allowed (largest-mib)"


def _false_matches(facts: Facts, gates: Gates) -> Iterator[str]:
    found = [
        (each["capture"], one)
        for each in facts.judged["clean"]
        for one in each["found"]
        if one["signature_id"] not in gates.allowed
    ]
    if len(found) > gates.false_matches:
        named = "; ".join(
            f"{one['signature_id']} ({one['signature']}) in {capture}" for capture, one in found[:_NAMED]
        )
        yield (
            f"{len(found)} signatures match clean traffic, {gates.false_matches} are allowed"
            f" (false-matches, allowed): {named}"
        )


def _missing(facts: Facts) -> Iterator[str]:
    for each in facts.judged["must"]:
        if each["missing"]:
            yield f"{', '.join(each['missing'])} is not found in {each['capture']} (must)"


def _speed(facts: Facts, gates: Gates) -> Iterator[str]:
    slowdown = facts.judged["slowdown"]
    if slowdown is not None and slowdown > gates.slowdown:
        yield (
            f"replays take {slowdown:g} times as long as with {facts.judged['against']};"
            f" {gates.slowdown:g} times are allowed (slowdown)"
        )


def _shrunk(facts: Facts, gates: Gates) -> Iterator[str]:
    for name, (before, now) in (facts.compared or {"sizes": {}})["sizes"].items():
        if now < before * gates.shrink:
            yield f"{name}: {before} became {now}; {gates.shrink:g} of it must stay (shrink)"
