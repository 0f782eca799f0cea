"""Where somebody asks for a change: judges the form, leaves the order, and tells what became of it."""

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from omamori.firmware.host import accesspoint, files, settings
from omamori.firmware.host.paths import Paths
from omamori.firmware.host.settings import BadSettings
from omamori.firmware.page import situation
from omamori.firmware.page.changing import PATH, Form, Told, settings_page
from omamori.firmware.page.forgery import Tokens, cookie
from omamori.firmware.page.overheard import doubts, proposal
from omamori.firmware.page.requests import Request, Response
from omamori.firmware.page.wifi import PUBLIC, Air, air
from omamori.firmware.page.words import Words

_TAKEN_WITHIN = 60.0
"""Seconds; a busy unit starts a process in three."""
_FIELDS = ("mode", "address", "mask", "gateway", "servers", "proxy")
_KEPT = "as it was set"
"""In the place of the passphrase that the unit has and this process may not know."""


class Counter:
    """Two requests: show the form, take it in."""

    def __init__(self, paths: Paths) -> None:
        self._paths, self._tokens = paths, Tokens()

    def show(self, request: Request, words: Words) -> Response:
        """The form with what is in force, or with what the diagnosis proposes."""
        seen, outcome = situation.read(self._paths), self._outcome()
        proposed = proposal(seen)
        in_force = outcome.get("settings")
        values = proposed or (in_force if isinstance(in_force, dict) else {})
        shown = {name: str(values.get(name, "")) for name in _FIELDS}
        form = Form(shown | self._access_point(), "", proposed=bool(proposed), air=air(self._paths))
        return self._page(request, words, form)

    def take(self, request: Request, words: Words) -> Response:
        """An order is left and the visitor sent to see what becomes of it, or told what is wrong with the form."""
        heard = air(self._paths)
        names = _FIELDS if heard is Air.ABSENT else (*_FIELDS, *accesspoint.FIELDS)
        form = Form({name: request.form.get(name, "")[:120] for name in names}, "", air=heard)
        if not self._tokens.is_ours(request):
            return self._page(request, words, replace(form, stale=True), status=403)
        told = self._told()
        if told and told.going_on:
            return self._page(request, words, form, status=409)
        checked = self._checked(form, request.form)
        if checked.problems or checked.doubts:
            return self._page(request, words, checked, status=422)
        try:
            self._leave(form.values, request.form["code"][:64])
        except OSError:
            return settings_page(form, Told("failed"), words, status=503)
        return Response(303, headers=(("Location", f"{PATH}?lang={words.language}"),))

    def _checked(self, form: Form, sent: Mapping[str, str]) -> Form:
        try:
            wanted = settings.parse(form.values)
            problems: dict[str, str] = {}
        except BadSettings as error:
            wanted, problems = settings.USUAL, dict(error.problems)
        problems |= self._wrong_access_point(form)
        if not sent.get("code", "").strip():
            problems["code"] = "code"
        sure = sent.get("sure") == "yes"
        found = doubts(wanted.fixed, situation.read(self._paths)) if wanted.fixed and not sure else ()
        return replace(form, problems=problems, doubts=found)

    def _wrong_access_point(self, form: Form) -> Mapping[str, str]:
        """Empty also where there is no radio."""
        try:
            if form.air is not Air.ABSENT:
                kept = _KEPT if self._access_point().get("wifi") == "on" else ""
                accesspoint.parse(form.values, kept=kept)
        except BadSettings as error:
            return error.problems
        return {}

    def _access_point(self) -> dict[str, str]:
        """What is in force, as far as a page may show it."""
        found = self._outcome().get("settings")
        return {name: str(found.get(name, "")) for name in PUBLIC} if isinstance(found, dict) else {}

    def _leave(self, values: Mapping[str, str], code: str) -> None:
        """Raises OSError."""
        order = {"id": secrets.token_hex(8), "code": code, "settings": dict(values)}
        files.write_atomic(self._paths.order, json.dumps(order).encode(), mode=0o600)

    def _page(self, request: Request, words: Words, form: Form, *, status: int = 200) -> Response:
        visitor = self._tokens.visitor(request)
        ready = replace(form, token=self._tokens.token(visitor))
        return settings_page(ready, self._told(), words, status=status, headers=(cookie(visitor),))

    # --- what became of it ------------------------------------------------------------------------------------

    def _told(self) -> Told | None:
        if (waited := self._waiting()) is not None:
            return Told("asked", going_on=True) if waited < _TAKEN_WITHIN else Told("failed")
        outcome = self._outcome()
        state, until = str(outcome.get("state", "")), outcome.get("until")
        if state == "trying":
            return Told(state, going_on=True) if _is_ahead(until) else Told("failed")
        return Told(state) if state else None

    def _waiting(self) -> float | None:
        """Seconds since an order was left that nobody has taken yet."""
        try:
            return max(0.0, time.time() - self._paths.order.stat().st_mtime)
        except OSError:
            return None

    def _outcome(self) -> dict[str, object]:
        try:
            value = json.loads(files.read_capped(self._paths.outcome, cap=settings.FILE_CAP))
        except (OSError, ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


def _is_ahead(until: object) -> bool:
    """With half a minute for the last try to end. A clock that was set meanwhile only ends the waiting."""
    try:
        return (datetime.fromisoformat(str(until)) - datetime.now(UTC)).total_seconds() > -30
    except (ValueError, TypeError):
        return False
