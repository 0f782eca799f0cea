"""The first page: what is wrong with the wiring and what to move, what is still to do, which devices are protected. Pure."""

from collections.abc import Iterator
from typing import Final

from omamori.firmware.page.drawing import drawing
from omamori.firmware.page.frame import page
from omamori.firmware.page.helper import helper_section
from omamori.firmware.page.markup import Html, joined, tag
from omamori.firmware.page.requests import Response
from omamori.firmware.page.scenes import RIGHT, scene
from omamori.firmware.page.situation import Situation
from omamori.firmware.page.words import Words
from omamori.protocol.codes import CODES, Entry, Lamp
from omamori.protocol.codes.facts import told
from omamori.protocol.messages import Finding, Host
from omamori.protocol.vocabulary import Side, WiringCode

REFRESH: Final = 10
"""Seconds."""
MOST_HOSTS: Final = 50
"""On each side; the whole list is in the portal."""
MOST_FACTS: Final = 12
_OFFLINE: Final = (
    WiringCode.NO_ADDRESS,
    WiringCode.NO_INTERNET,
    WiringCode.CAPTIVE_OR_PROXY,
    WiringCode.WAN_CABLE_MISSING,
    WiringCode.VLAN_ONLY,
)
_EMPTY: Final = (
    WiringCode.NO_HOSTS_BEHIND,
    WiringCode.LAN_CABLE_MISSING,
    WiringCode.BOTH_PORTS_SAME_SWITCH,
    WiringCode.PPPOE_UPSTREAM,
)


def diagnosis(situation: Situation, words: Words) -> Response:
    """The page."""
    title = _root(situation, words)
    return page(
        words,
        f"{title} – Omamori",
        _verdict(situation, words),
        helper_section(situation.helper, words),
        _also(situation.findings[1:], words),
        _to_do(situation, words),
        _activation(situation, words),
        _devices(situation, words),
        _settings(words, has_radio=situation.has_radio),
        tag("p", tag("small", words["refreshes"])),
        refresh=REFRESH,
    )


def _root(situation: Situation, words: Words) -> str:
    return words.of(CODES[situation.root].name) if situation.root else words["unknown"]


# --- the verdict --------------------------------------------------------------------------------------------------


def _verdict(situation: Situation, words: Words) -> Html:
    if not situation.findings:
        told = joined(tag("h1", words["unknown"]), tag("p", words["unknown-more"]))
        return tag("section", told, _pictures(None, words), class_="plain")
    finding = situation.findings[0]
    kind = "good" if finding.code is WiringCode.OK else "bad"
    return tag("section", _told(finding, words, heading="h1"), class_=kind)


def _told(finding: Finding, words: Words, *, heading: str) -> Html:
    entry = CODES[finding.code]
    return joined(
        tag(heading, words.of(entry.name)),
        tag("p", words.of(entry.meaning)),
        _pictures(finding, words),
        tag("ol", *(tag("li", words.of(step)) for step in entry.steps)) if entry.steps else None,
        _facts(finding, entry, words),
    )


def _pictures(finding: Finding | None, words: Words) -> Html:
    seen = scene(finding)
    title = words.of(CODES[finding.code].name) if finding else words["unknown"]
    shown = [(seen, words["now"], title)] + ([(RIGHT, words["should"], words["should"])] * seen.moves)
    figures = (
        tag("figure", tag("figcaption", caption), drawing(each, words, caption=name))
        for each, caption, name in shown
    )
    return tag("div", *figures, class_="pictures")


def _facts(finding: Finding, entry: Entry, words: Words) -> Html:
    short = (
        (words["code"], str(finding.code)),
        (words["lamp"], _lamp(entry.lamp, words)),
        (words["sure"], f"{finding.confidence:.0%}"),
    )
    line = tag("p", *(tag("span", tag("b", f"{name}: "), value) for name, value in short), class_="facts")
    facts = tag("ul", *(_said(fact, words, "li") for fact in finding.evidence[:MOST_FACTS]))
    gone = tag("p", tag("b", f"{words['clears']}: "), words.of(entry.clears))
    return joined(line, tag("details", tag("summary", words["evidence"]), facts, gone))


def _said(text: str, words: Words, element: str) -> Html:
    """What a process says, in the reader's language where there are words for it."""
    shown = told(text, words.language)
    return tag(element, shown, lang="en" if shown == text and words.language != "en" else None)


def _lamp(pattern: Lamp, words: Words) -> str:
    blinks = [f"{count} {words[kind]}" for kind, count in (("long", pattern.long), ("short", pattern.short))]
    return " + ".join(blinks) if pattern.long or pattern.short else words["steady"]


def _also(findings: tuple[Finding, ...], words: Words) -> Html | None:
    if not findings:
        return None
    told = (
        tag(
            "details",
            tag("summary", f"{words.of(CODES[each.code].name)} ({each.code})"),
            _told(each, words, heading="h3"),
        )
        for each in findings
    )
    return tag("section", tag("h2", words["also"]), *told)


# --- what is to do ------------------------------------------------------------------------------------------------


def _to_do(situation: Situation, words: Words) -> Html:
    items = (
        tag("li", tag("span", words["done"] if done else words["to-do"], class_="mark" + " yes" * done), text)
        for done, text in _steps(situation, words)
    )
    return tag("section", tag("h2", words["install"]), tag("ol", *items, class_="todo"))


def _steps(situation: Situation, words: Words) -> Iterator[tuple[bool, str]]:
    judged, agent = bool(situation.findings), situation.agent
    connected = bool(agent and agent.connected)
    yield True, words["step-power"]
    yield judged and not situation.has(WiringCode.WAN_CABLE_MISSING), words["step-wan"]
    yield judged and not situation.has(WiringCode.LAN_CABLE_MISSING), words["step-lan"]
    yield judged and not situation.has(*_EMPTY), words["step-hosts"]
    yield connected or (judged and not situation.has(*_OFFLINE)), words["step-online"]
    yield bool(agent and agent.activated), words["step-active"]
    yield connected, words["step-connected"]


def _activation(situation: Situation, words: Words) -> Html:
    agent = situation.agent
    phase = agent.phase if agent else ""
    key = f"activation-{phase}"
    told = words[key] if key in words.texts else words["activation-unknown"]
    session = words["connected" if agent.connected else "not-connected"] if agent and agent.activated else ""
    return tag(
        "section",
        tag("h2", words["activation"]),
        tag("p", tag("b", f"{words['unit']}: "), agent.unit) if agent and agent.unit else None,
        tag("p", told),
        tag("p", session) if session else None,
        tag("p", tag("b", f"{words['problem']}: "), _said(agent.problem, words, "span"))
        if agent and agent.problem
        else None,
    )


# --- devices ------------------------------------------------------------------------------------------------------


def _devices(situation: Situation, words: Words) -> Html:
    return tag(
        "section",
        tag("h2", words["devices"]),
        _side(situation.on(Side.BEHIND), words["behind"], words),
        _side(situation.on(Side.ROUTER), words["router-side"], words),
    )


def _side(hosts: tuple[Host, ...], title: str, words: Words) -> Html:
    listed = [tag("li", _host(host, words)) for host in hosts[:MOST_HOSTS]]
    if len(hosts) > MOST_HOSTS:
        listed.append(tag("li", f"{words['more']}: {len(hosts) - MOST_HOSTS}"))
    content = tag("ul", *listed) if listed else tag("p", words["none"])
    return tag("details", tag("summary", f"{title}: {len(hosts)}"), content)


def _host(host: Host, words: Words) -> Html:
    newest = max(host.addresses, key=lambda held: held.last_seen, default=None)
    about = [text for text in (host.kind, host.vendor, newest.address if newest else "", host.mac) if text]
    return joined(host.name or words["nameless"], " ", tag("small", " · ".join(about)))


def _settings(words: Words, *, has_radio: bool) -> Html:
    return tag(
        "section",
        tag("h2", words["settings"]),
        tag("p", words["settings-more-wifi" if has_radio else "settings-more"]),
        tag("a", words["to-settings"], href=f"/settings?lang={words.language}", class_="button"),
    )
