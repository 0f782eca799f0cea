"""From a request to an answer: who may ask, which page it is, in which language. Reads the unit's files; changes nothing itself."""

import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from omamori.firmware.host.paths import Paths
from omamori.firmware.page import situation
from omamori.firmware.page.changing import PATH
from omamori.firmware.page.counter import Counter
from omamori.firmware.page.diagnosis import diagnosis
from omamori.firmware.page.frame import SECURITY, refusal
from omamori.firmware.page.language import chosen
from omamori.firmware.page.requests import Request, Response
from omamori.firmware.page.words import WORDS, Words

_OWN_NAME: Final = re.compile(r"omamori\d{0,3}(\.local)?\.?", re.IGNORECASE)
"""The number is what mDNS adds where two units are on one network."""


class Application:
    """Answers one request at a time, in any thread."""

    def __init__(self, paths: Paths) -> None:
        self._paths, self._counter = paths, Counter(paths)

    def answer(self, request: Request) -> Response:
        """Never raises for anything a visitor can send."""
        words = WORDS[chosen(request.headers.get("accept-language", ""), request.query.get("lang", ""))]
        response = self._routed(request, words)
        return Response(response.status, response.body, (*SECURITY, *response.headers), response.kind)

    def _routed(self, request: Request, words: Words) -> Response:
        if not is_ours(request.headers.get("host", "")):
            return refusal(words, 421, "wrong-name")
        routes: dict[tuple[str, str], Callable[[Request, Words], Response]] = {
            ("GET", "/"): self._diagnosis,
            ("GET", PATH): self._counter.show,
            ("POST", PATH): self._counter.take,
        }
        methods = {method for method, path in routes if path == request.path}
        if not methods:
            return refusal(words, 404, "not-found")
        method = "GET" if request.method == "HEAD" else request.method
        if method not in methods:
            return Response(405, headers=(("Allow", ", ".join(sorted({*methods, "HEAD"}))),))
        return routes[method, request.path](request, words)

    def _diagnosis(self, _request: Request, words: Words) -> Response:
        return diagnosis(situation.read(self._paths), words)


def is_ours(host: str) -> bool:
    """Whether a browser means us by this Host header: our name or a plain address. A foreign name is a rebinding attack."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if _OWN_NAME.fullmatch(name):
        return True
    try:
        ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True
