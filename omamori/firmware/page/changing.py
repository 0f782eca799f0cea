"""The settings page: the form, what was wrong with it, and what became of the last change. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from omamori.firmware.page.frame import page
from omamori.firmware.page.markup import Html, joined, tag
from omamori.firmware.page.overheard import Doubted
from omamori.firmware.page.requests import Response
from omamori.firmware.page.wifi import Air, wifi_section
from omamori.firmware.page.words import Words

PATH: Final = "/settings"
_SECRET: Final = frozenset({"passphrase"})
"""Typed again rather than shown again."""
WAITING: Final = 5
"""Seconds until the page asks again while settings are being tried."""


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a change: the outcome's state, and whether it is still going on."""

    state: str
    going_on: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """What stands in the form."""

    values: Mapping[str, str]
    token: str
    proposed: bool = False
    problems: Mapping[str, str] = field(default_factory=dict)
    """By field; the words are `bad-...`."""
    doubts: tuple[Doubted, ...] = ()
    stale: bool = False
    air: Air = Air.ABSENT


def settings_page(
    form: Form,
    told: Told | None,
    words: Words,
    *,
    status: int = 200,
    headers: tuple[tuple[str, str], ...] = (),
) -> Response:
    """With the form, or, while a change goes on, without."""
    waits = bool(told and told.going_on)
    return page(
        words,
        f"{words['settings']} – Omamori",
        tag("p", tag("a", words["back"], href=f"/?lang={words.language}")),
        tag("h1", words["settings"]),
        _told(told, words) if told else None,
        None if waits else _form(form, words),
        status=status,
        refresh=WAITING if waits else None,
        path=PATH,
        headers=headers,
    )


def _told(told: Told, words: Words) -> Html:
    kind = "yes" if told.state == "kept" else "" if told.going_on else "no"
    text = words[told.state] if told.state in words.texts else words["failed"]
    more = tag("p", words["trying-more"]) if told.state == "trying" else None
    again = tag("p", tag("a", words["renew"], href=PATH)) if told.going_on else None
    return tag("div", tag("p", text), more, again, class_=f"note {kind}".strip(), role="status")


def _form(form: Form, words: Words) -> Html:
    return tag(
        "form",
        tag("p", words["change-more"]),
        tag("p", words["stale"], class_="note no", role="alert") if form.stale else None,
        tag("input", type="hidden", name="token", value=form.token),
        _address(form, words),
        tag("section", tag("h2", words["proxy-title"]), _input(form, "proxy", words, more="proxy-more")),
        wifi_section(
            form.values,
            form.air,
            words,
            entry=partial(_input, form, words=words),
            wrong=partial(_wrong, form, words=words),
        ),
        tag("section", tag("h2", words["code-title"]), _code(form, words)),
        tag("p", tag("button", words["send"])),
        method="post",
        action=f"{PATH}?lang={words.language}",
        autocomplete="off",
    )


def _address(form: Form, words: Words) -> Html:
    chosen = form.values.get("mode") or "automatic"
    picks = (
        tag(
            "label",
            tag("input", type="radio", name="mode", value=mode, checked=chosen == mode),
            words[mode],
            class_="pick",
        )
        for mode in ("automatic", "fixed")
    )
    return tag(
        "section",
        tag("h2", words["address-title"]),
        tag("fieldset", *picks, _wrong(form, "mode", words), aria_label=words["address-title"]),
        tag("p", words["proposed"], class_="note") if form.proposed else None,
        _input(form, "address", words),
        _doubts(form, words),
        _input(form, "mask", words),
        _input(form, "gateway", words),
        _input(form, "servers", words, more="servers-more"),
    )


def _doubts(form: Form, words: Words) -> Html | None:
    if not form.doubts:
        return None
    lines = (tag("p", f"{words[f'doubt-{each.doubt}']}: {each.about}") for each in form.doubts)
    box = tag("input", type="checkbox", name="sure", value="yes")
    sure = tag("label", box, words["sure-box"], class_="pick")
    return tag("div", *lines, sure, class_="note no", role="alert")


def _input(form: Form, name: str, words: Words, *, more: str = "", label: str = "") -> Html:
    wrong = name in form.problems
    hint = tag("small", words[more]) if more else None
    box = tag(
        "input",
        name=name,
        id=name,
        value="" if name in _SECRET else form.values.get(name, ""),
        maxlength=100,
        autocapitalize="off",
        spellcheck="false",
        aria_invalid="true" if wrong else None,
        aria_describedby=f"{name}-wrong" if wrong else None,
    )
    return joined(tag("label", words[label or name], hint, for_=name), box, _wrong(form, name, words))


def _code(form: Form, words: Words) -> Html:
    return _input(form, "code", words, more="label-more", label="label-code")


def _wrong(form: Form, name: str, words: Words) -> Html | None:
    if name not in form.problems:
        return None
    return tag("p", words[f"bad-{form.problems[name]}"], class_="wrong", id=f"{name}-wrong")
