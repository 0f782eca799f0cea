"""The files in an HTTP body: the body itself, or, where it is a form or another multipart, each of its parts (RFC 7578).

Only a body that is sent as it is can be split: of a compressed one no byte's place in the stream is known.
"""

from collections.abc import Collection, Sequence

from omamori.firmware.engine.applications import http_uri, mime_head
from omamori.firmware.engine.applications.http_head import Framing, Head, Request
from omamori.firmware.engine.applications.layer import Content
from omamori.firmware.engine.applications.mime import Mime

FILE_NAME = "file.name"
_MAX_NAMES = 100
"""Of one body, that rules see."""


def buffers(
    wanted: Collection[str], body: bytes, head: Head | None, asked: Request | None, parts: Sequence[str] = ()
) -> dict[str, list[bytes]]:
    """What rules see of a body: it, and the names of the files in it, which are its `parts` where it has some."""
    if not body:
        return {}
    found = {name: [body] for name in wanted if name != FILE_NAME}
    return {**found, **_named(head, asked, parts)} if FILE_NAME in wanted else found


def _named(head: Head | None, asked: Request | None, parts: Sequence[str]) -> dict[str, list[bytes]]:
    """As Suricata has it, a file that nobody named has the path that was asked for."""
    names = [name.encode("utf-8", "replace") for name in parts or filter(None, [_told(head)])]
    if not names and asked is not None:
        names = [http_uri.normalised(asked.target.partition(b"?")[0])]
    return {FILE_NAME: names} if any(names) else {}


def _told(head: Head | None) -> str:
    disposition = head.get(b"content-disposition") if head is not None else None
    return mime_head.decoded_words(mime_head.parameter(disposition, b"filename")) if disposition else ""


class BodyFiles:
    """Of one body."""

    __slots__ = ("mime", "name", "names", "size")

    def __init__(
        self, head: Head, framing: tuple[Framing, int], *, plain: bool, transaction: int, to_server: bool
    ) -> None:
        media = head.get(b"content-type") or b""
        self.mime: Mime | None = None
        if plain and media[:10].lower() == b"multipart/":
            self.mime = Mime(transaction=transaction, to_server=to_server, media=media)
        self.size = framing[1] if plain and framing[0] is Framing.LENGTH else None
        self.name = _told(head)
        self.names: list[str] = []
        """Of its parts so far."""

    def split(self, content: Content) -> Sequence[Content]:
        """The next part of the body, or its end."""
        if self.mime is not None:
            parts = self.mime.feed(content.data, content.offset)
            named = [part.name for part in parts if part.first and part.name]
            self.names += named[: _MAX_NAMES - len(self.names)]
            return [*parts, *self.mime.end()] if content.last else parts
        return (content,)
