"""The files in an HTTP body: the body itself, or, where it is a form or another multipart, each of its parts (RFC 7578).

Only a body that is sent as it is can be split: of a compressed one no byte's place in the stream is known.
"""

from collections.abc import Sequence
from dataclasses import replace

from omamori.firmware.engine.applications import mime_head
from omamori.firmware.engine.applications.http_head import Framing, Head
from omamori.firmware.engine.applications.layer import Content
from omamori.firmware.engine.applications.mime import Mime


class BodyFiles:
    """Of one body."""

    __slots__ = ("_mime", "_name", "_size")

    def __init__(
        self, head: Head, framing: tuple[Framing, int], *, plain: bool, transaction: int, to_server: bool
    ) -> None:
        media = head.get(b"content-type") or b""
        self._mime: Mime | None = None
        if plain and media[:10].lower() == b"multipart/":
            self._mime = Mime(transaction=transaction, to_server=to_server, media=media)
        self._size = framing[1] if plain and framing[0] is Framing.LENGTH else None
        disposition = head.get(b"content-disposition")
        self._name = (
            mime_head.decoded_words(mime_head.parameter(disposition, b"filename")) if disposition else ""
        )

    def split(self, content: Content) -> Sequence[Content]:
        """The next part of the body, or its end."""
        if self._mime is not None:
            parts = self._mime.feed(content.data, content.offset)
            return [*parts, *self._mime.end()] if content.last else parts
        if content.first and (self._name or self._size is not None):
            return (replace(content, name=self._name, size=self._size),)
        return (content,)
