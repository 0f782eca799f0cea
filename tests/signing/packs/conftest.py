"""Feeds on a local server, a description of a pack, and the command line that builds it."""

import io
import json
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from tests.signing.packs.feed_server import FeedServer

RULES = b"""
alert http any any -> any any (msg:"one"; http.uri; content:"/evil"; sid:1; rev:1;)
alert tcp any any -> any any (msg:"two"; content:"an unusual needle"; sid:2; rev:1;)
alert dns any any -> any any (msg:"three"; dns.query; content:"evil.example"; sid:3; rev:1;)
alert icmp any any -> any any (msg:"four"; itype:8; sid:4; rev:1;)
"""
SITES = b"bad.example\nworse.example\n# a comment\nhttp://third.example/path\n198.51.100.7\n"


def tar_of(files: dict[str, bytes], form: str = "gz") -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode=f"w:{form}") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return whole.getvalue()


class Bench:
    """A release engineer with a repository, a description and feeds."""

    def __init__(self, desk, server: FeedServer) -> None:
        self.desk, self.server = desk, server
        self.description = desk.place / "pack.toml"
        server.content["/rules.tar.gz"] = tar_of({"rules/a.rules": RULES, "rules/README": b"read me"})
        server.content["/phishing.txt"] = SITES
        self.describe()

    def feed(self, name: str, kind: str, *urls: str, **more: object) -> str:
        lines = [f"name = {json.dumps(name)}", f"kind = {json.dumps(kind)}"]
        lines.append(f"urls = {json.dumps([self.server.url + url for url in urls])}")
        lines += [f"{key.replace('_', '-')} = {value_text(value)}" for key, value in more.items()]
        return "\n".join(["[[feed]]", *lines, ""])

    def describe(self, *feeds: str, gates: str = "", channels: str = "units = 0\nsoak-hours = 0") -> Path:
        usual = (
            self.feed("rules", "rules", "/rules.tar.gz"),
            self.feed("phish", "list", "/phishing.txt", category="phishing"),
        )
        parts = (*(feeds or usual), "[gates]", gates, "[channels]", channels)
        self.description.write_text("\n".join(parts))
        return self.description

    def build(self, *words: object) -> dict:
        """The report of a build that must work."""
        return self.desk.signed("pack", "build", self.description, *words)

    def fetch(self) -> dict[str, dict]:
        """What a fetch that must work says of each feed."""
        return {each["feed"]: each for each in self.desk.signed("pack", "fetch", self.description)}

    def unfetched(self) -> str:
        """Why a fetch that must not work did not."""
        return self.desk.refused("pack", "fetch", self.description)

    def tried(self, *words: object) -> Result:
        return self.desk.sign("pack", "build", self.description, *words)

    def refused(self, *words: object) -> str:
        return self.desk.refused("pack", "build", self.description, *words)

    def rules(self, content: bytes) -> None:
        self.server.content["/rules.tar.gz"] = tar_of({"rules/a.rules": content})

    def feeds(self, report: dict) -> dict[str, dict]:
        return {each["feed"]: each for each in report["feeds"]}

    def packs(self) -> list[dict]:
        return self.desk.signed("pack", "list")


def value_text(value: object) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{key} = {json.dumps(each)}" for key, each in value.items())
        return f"{{ {inner} }}"
    return json.dumps(value)


@pytest.fixture
def server() -> Iterator[FeedServer]:
    made = FeedServer()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield made
    made.over.set()
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def bench(desk, server) -> Bench:
    return Bench(desk, server)
