"""The part of the settings page about the company's access point; there only where the unit has a radio. Pure but for `air`."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

from omamori.firmware.host import files
from omamori.firmware.host.accesspoint import CHANNELS, FIELDS, AccessPoint, Protection
from omamori.firmware.host.paths import Paths
from omamori.firmware.page.markup import Html, tag
from omamori.firmware.page.words import Words

PUBLIC: Final = tuple(name for name in FIELDS if name != "passphrase")
"""What a page may show again."""
_USUAL: Final = AccessPoint("", "")


class Air(StrEnum):
    """What the radio does."""

    ABSENT = "absent"
    SILENT = "silent"
    ON = "on"


def air(paths: Paths) -> Air:
    """Never raises."""
    if not paths.radio.exists():
        return Air.ABSENT
    try:
        carrier = files.read_capped(paths.radio.with_name("carrier"), cap=16)
    except OSError:  # so it reads while the radio is switched off
        carrier = b""
    return Air.ON if carrier.strip() == b"1" else Air.SILENT


def wifi_section(
    values: Mapping[str, str],
    heard: Air,
    words: Words,
    *,
    entry: Callable[..., Html],
    wrong: Callable[[str], Html | None],
) -> Html | None:
    """None where there is no radio. `entry` makes a field of the form, `wrong` tells what is wrong with one."""
    if heard is Air.ABSENT:
        return None
    wanted = values.get("wifi") or "off"
    picks = (
        tag(
            "label",
            tag("input", type="radio", name="wifi", value=choice, checked=wanted == choice),
            words[f"wifi-{choice}"],
            class_="pick",
        )
        for choice in ("off", "on")
    )
    protections = [(str(each), words[f"protection-{each}"]) for each in Protection]
    channels = [(str(each), _channel(each, words)) for each in CHANNELS]
    chosen = values.get("protection") or str(_USUAL.protection), values.get("channel") or str(_USUAL.channel)
    return tag(
        "section",
        tag("h2", words["wifi-title"]),
        tag("p", words["wifi-more"]),
        _state(wanted, heard, words),
        tag("fieldset", *picks, wrong("wifi"), aria_label=words["wifi-title"]),
        entry("ssid", more="ssid-more"),
        entry("passphrase", more="passphrase-more"),
        _select("protection", protections, chosen[0], words),
        wrong("protection"),
        _select("channel", channels, chosen[1], words),
        wrong("channel"),
    )


def _state(wanted: str, heard: Air, words: Words) -> Html | None:
    """Said where it is or ought to be on."""
    if heard is Air.ON:
        return tag("p", words["wifi-heard"], class_="note yes")
    return tag("p", words["wifi-silent"], class_="note no") if wanted == "on" else None


def _select(name: str, choices: list[tuple[str, str]], chosen: str, words: Words) -> Html:
    options = (tag("option", text, value=value, selected=value == chosen) for value, text in choices)
    return tag("div", tag("label", words[name], for_=name), tag("select", *options, name=name, id=name))


def _channel(number: int, words: Words) -> str:
    return f"{'2.4' if number <= 14 else '5'} GHz, {words['channel-number']} {number}"
