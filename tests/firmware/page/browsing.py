"""A browser without a screen: keeps the cookie, fills in the form, follows redirections."""

import re
from html import unescape
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit

FIXED = {
    "mode": "fixed",
    "address": "192.168.10.250",
    "mask": "255.255.255.0",
    "gateway": "192.168.10.1",
    "servers": "",
    "proxy": "",
    "code": "AAAA-AAAA",
}


class Visitor:
    """One browser. Each request is one connection, from `source` where several are played."""

    def __init__(self, base: str, *, language: str = "en") -> None:
        self.place = urlsplit(base)
        self.headers = {"Accept-Language": language, "Host": "omamori.local"}
        self.cookie = ""
        self.status, self.document = 0, ""

    def get(self, path: str = "/settings") -> str:
        return self._ask("GET", path, None, {})

    def send(self, values, *, token: str | None = None, **headers: str) -> str:
        """The form, as it stands on the page that was shown last; follows a redirection."""
        form = {**values, "token": self.token if token is None else token}
        kind = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "http://omamori.local"}
        return self._ask(
            "POST", "/settings", urlencode(form), kind | {k.replace("_", "-"): v for k, v in headers.items()}
        )

    @property
    def token(self) -> str:
        return re.findall(r'name="token" value="([0-9a-f]+)"', self.document)[-1]

    def value(self, name: str) -> str:
        """What stands in a field of the form."""
        (found,) = re.findall(rf'<input name="{name}" id="{name}" value="([^"]*)"', self.document)
        return unescape(found)

    def _ask(self, method, path, body, headers):
        connection = HTTPConnection(self.place.hostname, self.place.port, timeout=30)
        sent = self.headers | ({"Cookie": self.cookie} if self.cookie else {}) | headers
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            self.status, self.document = response.status, response.read().decode()
        finally:
            connection.close()
        if cookie := response.getheader("Set-Cookie"):
            self.cookie = cookie.split(";")[0]
        if self.status == 303:
            return self._ask("GET", response.getheader("Location"), None, {})
        return self.document
