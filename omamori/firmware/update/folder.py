"""A repository in a directory: a USB stick, a mounted share. What it holds is believed as little as what a server sends.

URLs are `file:` ones below the directory; nothing outside it is ever opened, and no link in it is followed out of it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final
from urllib.parse import unquote, urlsplit

from tuf.api.exceptions import DownloadHTTPError

from omamori.firmware.update.fetch import CHUNK, Source

_MISSING: Final = 404


class Folder(Source):
    """`root` holds `metadata/` and `targets/`, as `omamori sign publish --to` makes them."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._file: IO[bytes] | None = None

    def open(self, url: str, offset: int, end: int | None = None) -> tuple[int, Iterator[bytes]]:
        self.close()
        path = Path(unquote(urlsplit(url).path)).resolve()
        if not path.is_relative_to(self._root) or not path.is_file():
            raise DownloadHTTPError(f"{path.name} is not in {self._root}", _MISSING)
        self._file = path.open("rb")
        self._file.seek(offset)
        return offset, self._pieces(self._file, None if end is None else end - offset)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _pieces(self, file: IO[bytes], left: int | None) -> Iterator[bytes]:
        while left is None or left > 0:
            piece = file.read(CHUNK if left is None else min(CHUNK, left))
            if not piece:
                return
            left = None if left is None else left - len(piece)
            self.received += len(piece)
            yield piece
