"""Request targets as a server would read them: the escapes that hide a path from a plain comparison are undone once."""

import re

_ESCAPE = re.compile(rb"%(?:u00([0-9a-fA-F]{2})|([0-9a-fA-F]{2}))")
_SLASHES = re.compile(rb"/{2,}")
_CHANGED = re.compile(rb"[%\\]|//|/\.")
"""Only a target with one of these reads otherwise than it is written."""
_ABSOLUTE = re.compile(rb"[a-zA-Z][a-zA-Z0-9+.\-]*://(?:[^/?#]*@)?(\[[^\]]*\]|[^/?#:]*)(?::\d*)?", re.DOTALL)
_CREDENTIALS = re.compile(rb"(\A(?:[a-zA-Z][a-zA-Z0-9+.\-]*:[/\\]+|//)?)[^/?#]*@|(?<=://)[^/?#&\s]*@")


def host_of(target: bytes) -> bytes | None:
    """The host of an absolute target, as written."""
    match = _absolute(target)
    return match[1] if match else None


def without_credentials(url: bytes) -> bytes:
    """A URL, or what a request asks for, as it may be kept and shown: nothing before an `@` of a host."""
    return _CREDENTIALS.sub(rb"\1", url) if b"@" in url else url


def normalised(target: bytes) -> bytes:
    """Path and query: escapes decoded, back slashes and repeated slashes folded, dot segments removed (RFC 3986, 5.2.4)."""
    if target.startswith(b"/") and not _CHANGED.search(target):
        return target
    match = _absolute(target)
    path, question, query = (target[match.end() :] if match else target).partition(b"?")
    if b"%" in path:
        path = _unescaped(path)
    if b"\\" in path:
        path = path.replace(b"\\", b"/")
    if b"//" in path:
        path = _SLASHES.sub(b"/", path)
    if b"/." in path:
        path = _without_dots(path)
    if b"%" in query:
        query = _unescaped(query)
    return (path or b"/") + question + query


def _absolute(target: bytes) -> re.Match[bytes] | None:
    """Hardly any target is: most begin with a slash, and need no expression to be told."""
    return None if target.startswith(b"/") else _ABSOLUTE.match(target)


def _unescaped(text: bytes) -> bytes:
    return _ESCAPE.sub(lambda match: bytes([int(match[1] or match[2], 16)]), text)


def _without_dots(path: bytes) -> bytes:
    out: list[bytes] = []
    segments = path.split(b"/")
    for segment in segments:
        if segment == b"..":
            if len(out) > 1:
                out.pop()
        elif segment != b".":
            out.append(segment)
    if segments[-1] in (b".", b".."):
        out.append(b"")
    return b"/".join(out)
