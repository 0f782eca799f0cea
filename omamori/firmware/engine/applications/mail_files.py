"""A mail's files as events for the guards: content for the antivirus, `file.data` and `file.name` for the rules about files.

Where some signature is meant for whole mails, these come, too.
"""

from collections.abc import Sequence

from omamori.firmware.engine.applications.layer import (
    Buffers,
    Content,
    Event,
    MailText,
    Message,
    Unscanned,
)
from omamori.firmware.engine.applications.mime import Mime
from omamori.firmware.engine.applications.transfer import Decoder, Identity
from omamori.firmware.engine.settings import Settings
from omamori.firmware.engine.signatures import MAIL_TEXT

_DATA, _NAME = "file.data", "file.name"
_NEEDED = frozenset((_DATA, _NAME))


class MailFiles:
    """One mail in transfer; `envelope` is what rules see of it beside each file."""

    def __init__(
        self,
        settings: Settings,
        *,
        transaction: int,
        to_server: bool,
        dotted: bool,
        envelope: Buffers | None = None,
    ) -> None:
        self._mime = Mime(transaction=transaction, to_server=to_server, dotted=dotted)
        self._windows = Windows(settings, envelope)
        self._transaction, self._to_server = transaction, to_server
        self._noted = False
        self._text: Decoder | None = Identity(dotted=dotted)
        self._begun = False

    def feed(self, data: bytes, offset: int, needs: frozenset[str]) -> list[Event]:
        events = self._windows.added(self._mime.feed(data, offset), needs)
        if self._mime.beyond and not self._noted:
            self._noted = True
            events.append(Unscanned(self._to_server, self._mime.beyond))
        # After the files: what is found in one of them can be overwritten, and is not told again.
        return [*events, *self._whole(data, needs)]

    def skip(self, missing: int, needs: frozenset[str]) -> list[Event]:
        return self._windows.added(self._mime.skip(missing), needs)

    def end(self, needs: frozenset[str]) -> list[Event]:
        whole = [MailText(self._transaction, self._to_server, b"", False, True)] if self._begun else []
        return [*self._windows.added(self._mime.end(), needs), *whole]

    def _whole(self, data: bytes, needs: frozenset[str]) -> list[Event]:
        if not self._begun and MAIL_TEXT not in needs:
            self._text = None  # what is asked for from now on holds for the next mail
        if self._text is None:
            return []
        first, self._begun = not self._begun, True
        return [MailText(self._transaction, self._to_server, self._text.feed(data), first, False)]


class Windows:
    """Shows rules the beginning of each file: as soon as there is some, again when it has doubled, and at its end."""

    def __init__(self, settings: Settings, around: Buffers | None = None) -> None:
        self._limit = settings.body_window
        self._around = around or {}
        self._window = bytearray()
        self._looked_at = 0

    def added(self, contents: Sequence[Content], needs: frozenset[str]) -> list[Event]:
        if needs.isdisjoint(_NEEDED):
            return list(contents)
        events: list[Event] = []
        for content in contents:
            if content.first:
                self._window, self._looked_at = bytearray(), 0
            self._window += content.data[: max(self._limit - len(self._window), 0)]
            events.append(content)
            if len(self._window) > 2 * self._looked_at or (content.last and self._window):
                self._looked_at = len(self._window)
                buffers = {**self._around, **self._shown(content.name, needs)}
                events.append(Message(content.transaction, content.to_server, buffers, content.last))
        return events

    def _shown(self, name: str, needs: frozenset[str]) -> Buffers:
        shown = {_DATA: [bytes(self._window)]} if _DATA in needs else {}
        return {**shown, _NAME: [name.encode("utf-8", "replace")]} if name and _NAME in needs else shown
