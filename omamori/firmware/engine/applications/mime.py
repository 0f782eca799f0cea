"""One mail, or one form, split into its files as it passes: nested multiparts, encodings, uuencoded files in text (RFC 2045-2046).

Bytes come in stream order, each with its offset in the stream; files go out as `Content` whose ranges never touch a header, a
boundary or the dot at the end. Only a line that may become a boundary is held back. Never raises; bounded in depth and in what
is kept of a head.
"""

import re
from enum import Enum, auto
from typing import NamedTuple

from omamori.firmware.engine.applications import mime_head, transfer, uuencode
from omamori.firmware.engine.applications.layer import Content
from omamori.firmware.engine.applications.uuencode import Uuencoded
from omamori.firmware.engine.rewriting import Filler

_MAX_DEPTH = 20
_MAX_MAILS = 20
"""Mails within mails."""
_MAX_PARTS = 5000
_TOO_MANY = "mail with too many parts"
_MAX_FIELD_LINE = 64 << 10
"""What follows in such a line of a head is skipped."""
_MAX_LINE = 300
"""A line that may be a boundary is held back up to so much."""
_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:|[ \t]|>?From ")
_ADOPTED = re.compile(rb"--([^\r\n]{1,200}?)[ \t]*\r?\n")
_MAILS = frozenset((b"message/rfc822", b"message/global", b"message/partial"))
_BARE = frozenset((b"", b"7bit", b"8bit", b"binary"))


class _State(Enum):
    HEAD = auto()
    SKIP = auto()
    """Before the first part, or after the last."""
    BODY = auto()


class _Text(NamedTuple):
    """What is looked at: held back bytes and new ones, each with its place in the stream."""

    data: bytes
    kept: int
    kept_at: int
    fresh_at: int

    def offset(self, index: int) -> int:
        return self.kept_at + index if index < self.kept else self.fresh_at + index - self.kept

    def pieces(self, begin: int, end: int) -> list[tuple[int, int]]:
        cut = min(max(self.kept, begin), end)
        return [(first, last) for first, last in ((begin, cut), (cut, end)) if first < last]


class Mime:
    """`media` is given where the first head stands elsewhere (a form in HTTP); `dotted` as mail protocols send it."""

    def __init__(
        self, *, transaction: int, to_server: bool, dotted: bool = False, media: bytes | None = None
    ) -> None:
        self._transaction, self._to_server, self._dotted = transaction, to_server, dotted
        self._state = _State.HEAD
        self._stack: list[bytes] = []
        self._delimiter: re.Pattern[bytes] | None = None
        self._later: re.Pattern[bytes] | None = None
        self._adopts = False
        self._mails = self._parts = 0
        self.beyond = ""
        """What keeps a part of it from being looked into, in a few words."""
        self._head = mime_head.Lines()
        self._line_goes_on = False
        """What comes next belongs to a line of a head that was too long to be held."""
        self._kept = b""
        self._kept_at = 0
        self._end_at = 0
        self._line_start = True
        self._events: list[Content] = []
        self._decoder: transfer.Decoder = transfer.Identity(dotted=False)
        self._name = ""
        self._open = self._first = self._inline = False
        self._uu: Uuencoded | None = None
        if media is not None:
            self._head.add(b"Content-Type: " + media)
            self._begin_part()

    def feed(self, data: bytes, offset: int) -> list[Content]:
        """The next bytes; `offset` may jump where the stream holds something between."""
        if not data:
            return []
        text = _Text(self._kept + data, len(self._kept), self._kept_at, offset)
        self._kept = b""
        self._end_at = offset + len(data)
        at = 0
        while at < len(text.data):
            at = self._step(text, at)
        return self._taken()

    def skip(self, missing: int) -> list[Content]:
        """Bytes are lost."""
        self._flush()
        self._end_at += missing
        self._line_start = False
        if self._state is _State.HEAD:
            self._begin_part()
        return self._taken()

    def end(self) -> list[Content]:
        """The mail is complete."""
        self._flush()
        self._finish()
        self._state = _State.SKIP
        return self._taken()

    def _taken(self) -> list[Content]:
        taken, self._events = self._events, []
        return taken

    def _keep(self, text: _Text, at: int) -> int:
        """More is needed: ends the round."""
        # What was kept before stays part of the line: its place counts back from its newest bytes.
        self._kept, self._kept_at = text.data[at:], text.fresh_at + at - text.kept
        return len(text.data)

    def _flush(self) -> None:
        """What was held back is no boundary."""
        kept, self._kept = self._kept, b""
        if not kept:
            return
        text = _Text(kept, len(kept), self._kept_at, self._end_at)
        if self._state is _State.BODY and not (
            self._delimiter and self._delimiter.match(kept.strip() + b"\n")
        ):
            self._emit(text, 0, len(kept), whole=True)

    # --- structure

    def _step(self, text: _Text, at: int) -> int:
        """Looks at what stands at index `at`; the index to go on from."""
        if self._state is _State.HEAD:
            return self._head_line(text, at)
        if self._adopts and (adopted := _ADOPTED.search(text.data, at)):
            self._adopts = False
            self._push(adopted[1])
        found = self._boundary(text.data, at)
        if found is not None:
            if self._state is _State.BODY:
                self._emit(text, at, found.start(), whole=True)
            self._delimited(found)
            return found.end()
        hold = self._hold(text.data, at)
        if self._state is _State.BODY:
            hold = self._emit(text, at, hold, whole=False)
        if hold > at:
            self._line_start = text.data[hold - 1] == 0x0A
        return self._keep(text, hold)

    def _head_line(self, text: _Text, at: int) -> int:
        data = text.data
        end = data.find(b"\n", at)
        if self._line_goes_on:
            self._line_goes_on = end < 0
            return end + 1 if end >= 0 else len(data)
        if end < 0 and len(data) - at < _MAX_FIELD_LINE:
            return self._keep(text, at)
        if self._delimiter is not None and (found := self._delimiter.match(data, at)):
            self._begin_part()
            self._delimited(found)
            return found.end()
        line = data[at : end + 1] if end >= 0 else data[at:]
        ends = not line.strip(b"\r\n")
        if ends or not _FIELD.match(line):
            self._begin_part()
            self._line_start = True
            return at + len(line) if ends else at
        self._head.add(line)
        self._line_goes_on = end < 0
        return at + len(line)

    def _boundary(self, data: bytes, at: int) -> re.Match[bytes] | None:
        if self._delimiter is None or self._later is None:
            return None
        found = self._delimiter.match(data, at) if self._line_start else None
        # Looking for the bytes first is many times faster than the expression.
        near = data.find(b"\n--", at) if found is None else -1
        return found if near < 0 else self._later.search(data, max(near - 1, at))

    def _delimited(self, found: re.Match[bytes]) -> None:
        """A boundary line: of the innermost part, or of one around it."""
        self._finish()
        while self._stack and self._stack[-1] != found[1]:
            self._stack.pop()
        if found[2] and self._stack:
            self._stack.pop()
        self._compile()
        self._state = _State.SKIP if found[2] else _State.HEAD
        self._head = mime_head.Lines()
        self._line_start = True

    def _push(self, boundary: bytes) -> None:
        self._stack.append(boundary)
        self._compile()

    def _compile(self) -> None:
        if not self._stack:
            self._delimiter = self._later = None
            return
        names = b"|".join(re.escape(name) for name in sorted(set(self._stack), key=len, reverse=True))
        line = rb"--(" + names + rb")(--)?[ \t]*\r?\n"
        self._delimiter, self._later = re.compile(line), re.compile(rb"\r?\n" + line)

    def _begin_part(self) -> None:
        head = mime_head.parse_head(self._head.kept)
        if self._head.cut:
            self.beyond = self.beyond or "mail with a part whose head is too long"
        self._head, self._line_goes_on = mime_head.Lines(), False
        self._parts += 1
        if self._parts > _MAX_PARTS:  # the rest is one file, whatever it says
            self.beyond = self.beyond or _TOO_MANY
            self._stack.clear()
            self._compile()
            self._begin_file(head)
            return
        if head.media.startswith(b"multipart/") and len(self._stack) < _MAX_DEPTH:
            self._state = _State.SKIP
            self._adopts = not head.boundary
            if head.boundary:
                self._push(head.boundary)
        elif head.media in _MAILS and head.encoding in _BARE and self._mails < _MAX_MAILS:
            self._mails += 1
            self._state = _State.HEAD
        else:
            inner = head.media in _MAILS and head.encoding in _BARE
            if inner or head.media.startswith(b"multipart/"):
                self.beyond = self.beyond or _TOO_MANY
            self._begin_file(head)

    # --- files

    def _begin_file(self, head: mime_head.PartHead) -> None:
        self._state = _State.BODY
        self._decoder = transfer.decoder(head.encoding, dotted=self._dotted)
        self._name = head.name
        self._open, self._first, self._uu = True, True, None
        self._inline = head.encoding not in (b"base64", b"quoted-printable")

    def _finish(self) -> None:
        if not self._open:
            return
        rest = self._decoder.end()
        if rest or not self._first:
            self._content(self._end_at, 0, rest, plain=False, last=True)
        self._open, self._uu = False, None

    def _emit(self, text: _Text, begin: int, end: int, *, whole: bool) -> int:
        """Bytes of the file; the index up to which they are used. `whole`: its last line is complete."""
        if self._uu is None and not (self._inline and uuencode.MAYBE in text.data[begin:end]):
            self._raw(text, begin, end)
            return end
        at = begin
        while at < end:
            if self._uu is not None:
                at, waits = self._lines(text, at, end, whole=whole)
                if waits:
                    break
                continue
            found = uuencode.BEGIN.search(text.data, at, end)
            self._raw(text, at, found.start() if found else end)
            at = found.end() if found else end
            if found:
                self._finish()
                self._uu = Uuencoded(found[2], base64=bool(found[1]))
                self._name = self._uu.name
                self._open = self._first = True
        return at

    def _lines(self, text: _Text, at: int, end: int, *, whole: bool) -> tuple[int, bool]:
        assert self._uu is not None  # noqa: S101 - asked by the caller
        lines, following = self._uu.lines(text.data[:end] + (b"\n" if whole else b""), at)
        for line in lines:
            for first, last in text.pieces(line.begin, line.end):
                data = line.data if last == line.end else b""
                self._content(text.offset(first), last - first, data, plain=False, filler=Filler.UUENCODED)
        if lines and lines[-1].last:
            self._finish()
            self._open = self._first = True
            self._name = ""
            return following, False
        return min(following, end), True

    def _raw(self, text: _Text, begin: int, end: int) -> None:
        for first, last in text.pieces(begin, end):
            raw = text.data[first:last]
            data = self._decoder.feed(raw)
            self._content(text.offset(first), len(raw), data, plain=data == raw)

    def _content(
        self,
        offset: int,
        length: int,
        data: bytes,
        *,
        plain: bool,
        filler: Filler | None = None,
        last: bool = False,
    ) -> None:
        event = Content(
            self._transaction,
            self._to_server,
            offset,
            length,
            data,
            plain,
            following=0,
            first=self._first,
            last=last,
            filler=filler or self._decoder.filler,
            name=self._name,
        )
        self._events.append(event)
        self._first = False

    # --- what may become a boundary

    def _hold(self, data: bytes, at: int) -> int:
        """The index from which on more is needed to tell what it is."""
        newline = data.rfind(b"\n", at)
        begin = newline + 1 if newline >= 0 else at
        if newline < 0 and not self._line_start:
            return len(data) - (bool(self._stack) and data.endswith(b"\r"))
        tail = data[begin:]
        if self._inline and self._uu is None and tail and self._may_begin(tail):
            return begin
        line = data.rfind(b"\n", at, newline) + 1 if newline > at else at
        if not tail and self._inline and self._uu is None and self._may_begin(data[max(line, at) : newline]):
            return max(line, at)
        if not (self._stack or self._adopts) or not self._may_delimit(tail):
            return len(data) - (bool(self._stack) and len(tail) > 0 and data.endswith(b"\r"))
        if newline < 0:
            return at
        return max(newline - (newline > at and data[newline - 1] == 0x0D), at)

    @staticmethod
    def _may_begin(tail: bytes) -> bool:
        letters = tail[1:] if tail.startswith(b".") else tail
        return len(tail) < _MAX_LINE and (letters.startswith(b"begin") or b"begin".startswith(letters))

    def _may_delimit(self, tail: bytes) -> bool:
        if not tail:
            return True
        if not tail.startswith(b"-") or len(tail) > _MAX_LINE:
            return False
        return self._adopts or any(
            (b"--" + name).startswith(tail) or tail.startswith(b"--" + name) for name in self._stack
        )
