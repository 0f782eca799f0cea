"""Static files with Range requests, for the TUF repository: only regular files below one directory, only by GET or HEAD.

A path outside a narrow alphabet does not exist, and a path that leaves the directory (also by a link) does not either.
"""

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
    stat = Path(file.name).stat()
    tag = f'"{stat.st_size:x}-{stat.st_mtime_ns:x}"'
    part = request.headers.get("Range", "") if request.headers.get("If-Range", tag) == tag else ""
    try:
        span = span_of(part, stat.st_size)
    except ValueError:
        file.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{stat.st_size}"})
    if request.method == "HEAD":
        file.close()
    response = HttpResponse() if request.method == "HEAD" else StreamingHttpResponse(_read(file, span))
    response.headers.update(_headers(span, stat.st_size, tag, formatdate(stat.st_mtime, usegmt=True)))
    response.status_code = 206 if part else 200
    return response


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


def span_of(header: str, size: int) -> Span:
    """What a Range header asks for (RFC 9110, 14.2); several ranges or none mean all. Raises ValueError for a miss."""
    found = _RANGE.fullmatch(header.strip())
    if not found or found.groups() == ("", ""):
        return Span(0, size)
    first, last = found.groups()
    if not first:
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
    if start >= size or start >= end:
        raise ValueError(header)
    return Span(start, end)


def _headers(span: Span, size: int, tag: str, modified: str) -> dict[str, str]:
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(span.end - span.start),
        "Accept-Ranges": "bytes",
        "ETag": tag,
        "Last-Modified": modified,
        "Cache-Control": "no-cache",
    }
    if (span.start, span.end) != (0, size):
        headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{size}"
    return headers


def _read(file: BinaryIO, span: Span) -> Iterator[bytes]:
    with file:
        file.seek(span.start)
        left = span.end - span.start
        while left > 0 and (chunk := file.read(min(_CHUNK, left))):
            left -= len(chunk)
            yield chunk
