"""Headers of mails and their parts: where the next boundary is, how a part is encoded, what its file is called (RFC 2045-2047, 2231).

Lenient as mail programs are: missing semicolons, comments, unquoted values and continued parameters are taken.
"""

import binascii
import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

_FOLD = re.compile(rb"\r?\n[ \t]+")
_LINE = re.compile(rb"\r?\n")
_PARAMETER = re.compile(
    rb"""[;\s]([A-Za-z][\w.-]*)(\*\d{1,3})?(\*)?\s*=\s*(?:"((?:[^"\\]|\\.)*)"?|([^\s;]+))""", re.DOTALL
)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_COMMENT = re.compile(rb"\([^()\"]*\)")
_WORD = re.compile(r"=\?([\w-]{1,40})(?:\*[\w-]*)?\?([bBqQ])\?([^?\s]{0,400})\?=(?:\s+(?==\?))?")
_READ = re.compile(rb"[ \t]*content-(?:type|disposition|transfer-encoding)[ \t]*:", re.IGNORECASE)
_MAX_KEPT = 64 << 10
_MAX_BOUNDARY = 200
_NAME = 200


@dataclass(frozen=True, slots=True)
class PartHead:
    """What a part says about itself."""

    media: bytes
    """Lower case, `text/plain` where nothing is said."""
    boundary: bytes
    encoding: bytes
    """Lower case content transfer encoding."""
    name: str
    """Its file's name."""


class Lines:
    """The lines of one head as they come. Only the fields that `parse_head` reads are kept, so any number of others may be there."""

    def __init__(self) -> None:
        self.kept = b""
        self.cut = False
        """More would have been kept than there is room for."""
        self._read: bool | None = None
        """The field under way is read."""

    def add(self, line: bytes) -> None:
        """The next line, with its end; of one that is too long its beginning."""
        if self._read is None or line[:1] not in (b" ", b"\t"):
            self._read = _READ.match(line) is not None
        if self._read:
            room = _MAX_KEPT - len(self.kept)
            self.cut = self.cut or len(line) > room
            self.kept += line[:room]


def parse_head(block: bytes, default: bytes = b"text/plain") -> PartHead:
    """From the lines before the empty one."""
    values: dict[bytes, bytes] = {}
    for line in _LINE.split(_FOLD.sub(b" ", block)):
        name, colon, value = line.partition(b":")
        if colon:
            values.setdefault(name.strip().lower(), value.strip())
    kind = values.get(b"content-type", b"")
    disposition = values.get(b"content-disposition", b"")
    encoding = _COMMENT.sub(b"", values.get(b"content-transfer-encoding", b"")).strip(b" \t\";'").lower()
    name = parameter(disposition, b"filename") or parameter(kind, b"name")
    return PartHead(
        media_type(kind) or default,
        parameter(kind, b"boundary")[:_MAX_BOUNDARY].rstrip(),
        encoding.split(None, 1)[0] if encoding else b"",
        decoded_words(name),
    )


def media_type(value: bytes) -> bytes:
    """The type of a Content-Type value, without its parameters."""
    return re.split(rb"[;\s]", _COMMENT.sub(b"", value).strip(), maxsplit=1)[0].lower()


def parameter(value: bytes, name: bytes) -> bytes:
    """One parameter of a structured field; empty if it is not there."""
    parts: dict[int, bytes] = {}
    for match in _PARAMETER.finditer(value):
        if match[1].lower() != name:
            continue
        text = match[5] if match[4] is None else _ESCAPE.sub(rb"\1", match[4])
        number = int(match[2][1:]) if match[2] else -1
        if match[3]:
            text = unquote_to_bytes(text.rsplit(b"'", 1)[-1] if number <= 0 else text)
        parts.setdefault(number, text)
    if -1 in parts:
        return parts[-1]
    return b"".join(parts[number] for number in sorted(parts))


def decoded_words(raw: bytes) -> str:
    """A header value for people (RFC 2047); what does not decode stays as it came."""
    text = raw[: 4 * _NAME].decode("utf-8", "replace")
    return _WORD.sub(_word, text)[:_NAME]


def _word(match: re.Match[str]) -> str:
    try:
        if match[2] in "bB":
            data = binascii.a2b_base64(match[3] + "==")
        else:
            data = binascii.a2b_qp(match[3].encode(), header=True)
        return data.decode(match[1], "replace")
    except (ValueError, LookupError):
        return match[0]
