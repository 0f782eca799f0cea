"""The fleet of the demo: the embedded server, and its operator, who orders at the command line and watches through the API.

Unit surface, broker and link worker run in the demo's internet, under the name units know; the portal listens on this
machine's loopback, so that a browser can look. State is new for each run.
"""

import contextlib
import http.cookiejar
import json
import os
import re
import secrets
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.demo.artifacts import OMAMORI
from lab.demo.office import FLEET_NAME, Office
from lab.demo.report import StepFailed
from lab.namespaces import end, wait_until

UNIT = "demo-0112"
"""Units spread over a window by a hash of their id; this one reboots as it opens, so that nobody has to wait."""
PARTS = ("broker", "serve-units", "link")


class Cloud:
    """The running fleet, and what its operator asks and orders."""

    def __init__(self, office: Office, state: Path, repository: Path) -> None:
        self._office, self._state = office, state
        self._port = _free_port()
        self._log = office.directory / "fleet.log"
        self._running: dict[str, contextlib.ExitStack] = {}
        self._portal: subprocess.Popen[bytes] | None = None
        self._token = ""
        self.portal = f"http://127.0.0.1:{self._port}/"
        self.user, self.password = "operator", secrets.token_urlsafe(9)
        self._environment = {
            **os.environ,
            "OMAMORI_STATE": str(state),
            "OMAMORI_FLEET_REPOSITORY": str(repository),
            "OMAMORI_FLEET_UNITS_NAME": FLEET_NAME,
            "OMAMORI_FLEET_PORTAL_BIND": f"127.0.0.1:{self._port}",
            "OMAMORI_FLEET_PORTAL_URL": self.portal.rstrip("/"),
            "OMAMORI_FLEET_WORKERS": "1",
        }

    # --- running it

    def found(self, address: str) -> str:
        """Make a fleet and register one unit; returns the claim its factory writes into it (JSON)."""
        self._environment["OMAMORI_FLEET_UNITS_BIND"] = f"{address}:8443"
        self._environment["OMAMORI_FLEET_MQTT_BIND"] = f"{address}:8883"
        self.order("init", "--user", self.user, "--password", self.password)
        return self.order("units", "register", UNIT)

    def start(self) -> None:
        """Run it."""
        self.start_link()
        log = self._log.open("ab")
        self._portal = subprocess.Popen(
            [OMAMORI, "fleet", "serve-portal"], env=self._environment, stdout=log, stderr=log
        )
        log.close()
        self._token = self.order("tokens", "add", self.user, "--name", "demo").strip()

    def wait_for_portal(self) -> None:
        """Until a browser would see it; the unit boots meanwhile."""
        wait_until(lambda: _listens(self._port), seconds=60, what="the portal to listen")

    def stop(self) -> None:
        """End everything; safe to call twice."""
        for part in reversed(PARTS):
            self._stop(part)
        if self._portal:
            end(self._portal)
            self._portal = None

    def stop_link(self) -> None:
        """Broker, unit surface and link worker go away, as when the server's machine is switched off."""
        for part in reversed(PARTS):
            self._stop(part)

    def start_link(self) -> None:
        """They come back with what they had on disk."""
        for part in PARTS:
            self._start(part)

    def _start(self, part: str) -> None:
        stack = contextlib.ExitStack()
        words = (
            "env",
            *(f"{key}={self._environment[key]}" for key in self._environment if key.startswith("OMAMORI")),
        )
        stack.enter_context(self._office.internet.running(*words, OMAMORI, "fleet", part, log=self._log))
        self._running[part] = stack

    def _stop(self, part: str) -> None:
        if part in self._running:
            self._running.pop(part).close()

    # --- the operator at the command line

    def order(self, *words: str) -> str:
        """`omamori fleet ...`; its output. Raises StepFailed with what it said."""
        done = subprocess.run(
            [OMAMORI, "fleet", *words],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise StepFailed(f"omamori fleet {' '.join(words[:2])}: {done.stderr[-600:]}")
        return done.stdout

    # --- the operator's API: cheaper than a command each time, on the cores that emulate the unit

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 - JSON
        # The address is this demo's own portal on the loopback.
        request = urllib.request.Request(
            f"{self.portal}api/v1/{path}",
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise StepFailed(f"{method} {path}: {error.code} {error.read(600)!r}") from error

    def unit(self) -> dict[str, Any]:
        """What the fleet knows of the unit."""
        found: dict[str, Any] = self._ask("GET", f"units/{UNIT}")
        return found

    def update(self) -> dict[str, Any]:
        """Where its firmware update stands, as the unit reported it."""
        unit = self.unit()
        return {
            "phase": unit["update_phase"],
            "version": unit["update_version"],
            "error": unit["update_error"],
        }

    def is_online(self) -> bool:
        return bool(self.unit()["online"])

    def not_yet_activated(self) -> None:
        """Before the button there is no certificate. Raises StepFailed."""
        if self.unit()["activated"]:
            raise StepFailed("the unit was activated before anyone pressed its button")

    def detections(self) -> list[dict[str, Any]]:
        """The newest stored detections, newest first."""
        found: list[dict[str, Any]] = self._ask("GET", f"detections?unit={UNIT}&limit=500")["items"]
        return found

    def wiring(self) -> list[str]:
        """Codes of the present diagnosis, root cause first."""
        present = self._ask("GET", f"wiring?unit={UNIT}")["items"]
        return [str(finding["code"]) for diagnosis in present for finding in diagnosis["findings"]]

    def set_window(self, timezone: str, weekdays: list[int], start: str, end_: str) -> None:
        window = {"timezone": timezone, "weekdays": weekdays, "start": start, "end": end_}
        self._ask("PUT", f"units/{UNIT}/window", window)

    def roll_out(self, kind: str, version: str) -> None:
        """Take the release from the signed repository and order it for the unit."""
        release = {"kind": kind, "version": version}
        self._ask("POST", "releases", release)
        self._ask("POST", "rollouts", {**release, "units": [UNIT]})

    def apply_now(self) -> None:
        """Let the staged firmware restart the unit, whatever its window says."""
        self._ask("POST", f"units/{UNIT}/apply-now")

    # --- a person at the portal

    def portal_text(self, language: str, page: str) -> str:
        """The text of one of the unit's pages, signed in, in a language."""
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        browser.addheaders = [("Accept-Language", language)]
        fetch: Callable[..., Any] = browser.open
        form = fetch(self.portal, timeout=20)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form.read().decode())
        if not token:
            raise StepFailed(f"no sign-in form at {form.url}")
        fields = {"username": self.user, "password": self.password, "csrfmiddlewaretoken": token.group(1)}
        # The address is this demo's own portal on the loopback.
        request = urllib.request.Request(
            form.url, urllib.parse.urlencode(fields).encode(), {"Referer": form.url}
        )
        fetch(request, timeout=20).read()
        text: str = fetch(f"{self.portal}units/{UNIT}/{page}", timeout=20).read().decode()
        return text


def _free_port() -> int:
    """8000 where it is free, as the guides say."""
    for port in (8000, 0):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)) as server:
            return int(server.getsockname()[1])
    raise StepFailed("no free port on the loopback")


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
