"""Static files with Range requests, for the TUF repository: only regular files below one directory, only by GET or HEAD.

A path outside a narrow alphabet does not exist, and a path that leaves the directory (also by a link) does not either.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import BinaryIO

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

_PATH = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9_.+-]{0,199}(?:/[A-Za-z0-9_+][A-Za-z0-9_.+-]{0,199}){0,7}")
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_CHUNK = 128 * 1024


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `start` to `end`, the end not included."""

    start: int
    end: int


def serve(request: HttpRequest, root: Path, path: str) -> HttpResponseBase:
    """The file, a part of it (206), 416 for a part it does not have. Raises Http404."""
    if request.method not in {"GET", "HEAD"}:
        return HttpResponse(status=405, headers={"Allow": "GET, HEAD"})
    file = opened(root, path)
    stat = os.fstat(file.fileno())
    tag = f'"{stat.st_size:x}-{stat.st_mtime_ns:x}"'
    asked = request.headers.get("Range", "") if request.headers.get("If-Range", tag) == tag else ""
    try:
        part = part_of(asked, stat.st_size)
    except ValueError:
        file.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{stat.st_size}"})
    headers = _headers(part, stat.st_size, tag, formatdate(stat.st_mtime, usegmt=True))
    status = 206 if part else 200
    if request.method == "HEAD":
        file.close()
        return HttpResponse(status=status, headers=headers)
    return StreamingHttpResponse(_read(file, part or Span(0, stat.st_size)), status=status, headers=headers)


def opened(root: Path, path: str) -> BinaryIO:
    """The regular file at this path below `root`, open. Raises Http404."""
    if not _PATH.fullmatch(path):
        raise Http404
    try:
        real = (root / path).resolve(strict=True)
        if not real.is_relative_to(root.resolve(strict=True)) or not real.is_file():
            raise Http404
        return real.open("rb")
    except (OSError, RuntimeError) as error:
        raise Http404 from error


def part_of(header: str, size: int) -> Span | None:
    """What a Range header asks for (RFC 9110, 14.2); None, the whole, for none and for what we need not understand.

    Raises ValueError for a part that the file does not have.
    """
    found = _RANGE.fullmatch(header.strip())
    if not found or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
    if start >= size or start >= end:
        raise ValueError(header)
    return Span(start, end)


def _headers(part: Span | None, size: int, tag: str, modified: str) -> dict[str, str]:
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(part.end - part.start if part else size),
        "Accept-Ranges": "bytes",
        "ETag": tag,
        "Last-Modified": modified,
        "Cache-Control": "no-cache",
    }
    if part:
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{size}"
    return headers


def _read(file: BinaryIO, span: Span) -> Iterator[bytes]:
    with file:
        file.seek(span.start)
        left = span.end - span.start
        while left > 0 and (chunk := file.read(min(_CHUNK, left))):
            left -= len(chunk)
            yield chunk
