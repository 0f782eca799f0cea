"""A request with its response, and what event records tell of them in EVE's words."""

from dataclasses import dataclass

from omamori.firmware.engine.applications.http_head import Request, Response
from omamori.firmware.engine.applications.http_uri import without_credentials
from omamori.firmware.engine.applications.layer import Context
from omamori.firmware.engine.urls import origin_form


@dataclass(slots=True, init=False)
class Exchange:
    """Of HTTP/1 or HTTP/2."""

    number: int
    request: Request | None
    response: Response | None
    length: int
    """Of the response's body, as far as it was sent."""

    def __init__(self, number: int, request: Request | None = None, response: Response | None = None) -> None:
        self.number, self.request, self.response, self.length = number, request, response, 0

    def context(self) -> Context:
        http: dict[str, object] = {}
        subject = ""
        if self.request is not None:
            request = self.request
            name = request.host
            _put(http, "hostname", name)
            _put(http, "url", without_credentials(request.target))
            _put(http, "http_user_agent", request.get(b"user-agent"))
            _put(http, "http_refer", without_credentials(request.get(b"referer") or b""))
            _put(http, "http_method", request.method)
            _put(http, "protocol", request.protocol)
            subject = f"http://{_text(name)}{path_of(request.target)}"
        if self.response is not None:
            http["status"], http["length"] = self.response.status, self.length
            _put(
                http,
                "http_content_type",
                (self.response.get(b"content-type") or b"").partition(b";")[0].strip(),
            )
            _put(http, "redirect", without_credentials(self.response.get(b"location") or b""))
        return Context(http=http, subject=subject)


def path_of(target: bytes) -> str:
    """Path and query that were asked for, for people; empty where the target has none."""
    path = origin_form(target)
    return _text(without_credentials(path)) if path.startswith(b"/") else ""


def _put(record: dict[str, object], name: str, value: bytes | None) -> None:
    if value:
        record[name] = _text(value)


def _text(value: bytes) -> str:
    return value[:1000].decode("utf-8", "backslashreplace")
