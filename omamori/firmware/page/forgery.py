"""Tells a form of ours from one that another site makes a visitor's browser send: a token bound to a cookie, and the Origin header.

The key lives as long as the process: a form left open for longer is asked for once more, with what was typed still in it.
"""

import hmac
import secrets
from typing import Final
from urllib.parse import urlsplit

from omamori.firmware.page.requests import Request

COOKIE: Final = "omamori"
_CAP: Final = 64


class Tokens:
    """Makes and checks them."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def visitor(self, request: Request) -> str:
        """The cookie's value; a new one where there is none."""
        found = request.cookie(COOKIE)
        return found if 20 <= len(found) <= _CAP and found.isalnum() else secrets.token_hex(16)

    def token(self, visitor: str) -> str:
        return hmac.digest(self._key, visitor.encode(), "sha256").hex()

    def is_ours(self, request: Request) -> bool:
        """Whether the form came from a page of ours to this visitor."""
        sent = request.form.get("token", "")[:128].encode()
        expected = self.token(request.cookie(COOKIE)).encode()
        return hmac.compare_digest(sent, expected) and _same_origin(request)


def cookie(visitor: str) -> tuple[str, str]:
    """The header that sets it."""
    return "Set-Cookie", f"{COOKIE}={visitor}; Path=/; HttpOnly; SameSite=Strict"


def _same_origin(request: Request) -> bool:
    """Browsers say where a form came from; a missing header is of an old one, and the token alone counts."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = request.headers.get("origin")
    try:
        return origin is None or urlsplit(origin).netloc == request.headers.get("host", "")
    except ValueError:
        return False
