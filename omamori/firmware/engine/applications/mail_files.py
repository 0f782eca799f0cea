"""A mail's files as events for the guards: content for the antivirus, and `file.data` for the rules that look into files."""

from collections.abc import Sequence

from omamori.firmware.engine.applications.layer import Content, Event, Message, Unscanned
from omamori.firmware.engine.applications.mime import Mime
from omamori.firmware.engine.settings import Settings

_FILE = "file.data"


class MailFiles:
    """One mail in transfer."""

    def __init__(self, settings: Settings, *, transaction: int, to_server: bool, dotted: bool) -> None:
        self._mime = Mime(transaction=transaction, to_server=to_server, dotted=dotted)
        self._windows = Windows(settings)
        self._to_server = to_server
        self._noted = False

    def feed(self, data: bytes, offset: int, needs: frozenset[str]) -> list[Event]:
        events = self._windows.added(self._mime.feed(data, offset), needs)
        if self._mime.beyond and not self._noted:
            self._noted = True
            events.append(Unscanned(self._to_server, "mail with too many parts"))
        return events

    def skip(self, missing: int, needs: frozenset[str]) -> list[Event]:
        return self._windows.added(self._mime.skip(missing), needs)

    def end(self, needs: frozenset[str]) -> list[Event]:
        return self._windows.added(self._mime.end(), needs)


class Windows:
    """Shows rules the beginning of each file: as soon as there is some, again when it has doubled, and at its end."""

    def __init__(self, settings: Settings) -> None:
        self._limit = settings.body_window
        self._window = bytearray()
        self._looked_at = 0

    def added(self, contents: Sequence[Content], needs: frozenset[str]) -> list[Event]:
        if _FILE not in needs:
            return list(contents)
        events: list[Event] = []
        for content in contents:
            if content.first:
                self._window, self._looked_at = bytearray(), 0
            self._window += content.data[: max(self._limit - len(self._window), 0)]
            events.append(content)
            if len(self._window) > 2 * self._looked_at or (content.last and self._window):
                self._looked_at = len(self._window)
                buffers = {_FILE: [bytes(self._window)]}
                events.append(Message(content.transaction, content.to_server, buffers, content.last))
        return events
