"""The conformance suite's command line over the unit's TUF client: real processes, a plain static server, our own repository
and a small one made of what ours never has (no consistent snapshots, SHA-512 only, an empty file).
"""

import functools
import http.server
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Role,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from omamori.protocol.version import Version
from omamori.signing import operations
from omamori.signing.policy import POLICIES
from omamori.signing.repository import Repository

PROJECT = Path(__file__).resolve().parents[2]
PACK = "signatures/1.2.3.pack"


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path.lstrip("/"))
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


class Case:
    """A served directory, a client's two directories, and the suite's three commands."""

    def __init__(self, place: Path) -> None:
        self.place, self.www, self.targets = place, place / "www", place / "targets"
        for folder in (self.www, self.targets, place / "metadata"):
            folder.mkdir()
        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Handler, directory=str(self.www))
        )
        self.server.asked = []

    def client(self, *words: object) -> int:
        command = [sys.executable, "-m", "lab.tuf_client", *map(str, words)]
        done = subprocess.run(command, cwd=PROJECT, check=False, capture_output=True, text=True, timeout=120)
        self.said = done.stderr
        return done.returncode

    def init(self, root: Path) -> int:
        return self.client("--metadata-dir", self.place / "metadata", "init", root)

    def refresh(self) -> int:
        url = f"http://127.0.0.1:{self.server.server_address[1]}/metadata"
        return self.client("--metadata-url", url, "--metadata-dir", self.place / "metadata", "refresh")

    def download(self, *names: str) -> int:
        url = f"http://127.0.0.1:{self.server.server_address[1]}"
        places = ["--metadata-dir", self.place / "metadata", "--target-dir", self.targets]
        urls = ["--metadata-url", f"{url}/metadata", "--target-base-url", f"{url}/targets"]
        wanted = [word for name in names for word in ("--target-name", name)]
        return self.client(*places, *urls, *wanted, "download")

    @property
    def downloaded(self) -> list[bytes]:
        return [path.read_bytes() for path in self.targets.rglob("*") if path.is_file()]

    def trusted(self, role: str) -> int:
        return Metadata.from_bytes((self.place / f"metadata/{role}.json").read_bytes()).signed.version


@pytest.fixture
def case(tmp_path):
    made = Case(tmp_path)
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def ours(case):
    """A case that serves a repository of `omamori sign` with one pack."""
    case.repository = Repository(case.place / "tuf")
    operations.init(case.repository, POLICIES["development"], datetime.now(UTC))
    add_pack(case, "1.2.3")
    return case


def add_pack(case: Case, version: str, *, at: datetime | None = None) -> None:
    pack, now = case.place / f"{version}.pack", at or datetime.now(UTC)
    pack.write_bytes(version.encode() * 1000)
    operations.add_pack(case.repository, pack, Version.parse(version), now, replace=False, dry=False)
    operations.publish(case.repository, case.www, now)


def test_init_asks_for_nothing_and_refresh_for_each_role_once(ours):
    assert ours.init(ours.www / "metadata/1.root.json") == 0
    assert ours.server.asked == []
    assert ours.refresh() == 0, ours.said
    assert ours.server.asked == [
        "metadata/2.root.json",
        "metadata/timestamp.json",
        "metadata/2.snapshot.json",
        "metadata/1.targets.json",
    ]
    roles = ("root", "timestamp", "snapshot", "targets")
    assert [ours.trusted(role) for role in roles] == [1, 2, 2, 1]
    assert {path.name for path in (ours.place / "metadata").glob("*.json")} == {
        f"{role}.json" for role in roles
    }


def test_a_download_is_kept_and_not_fetched_twice(ours):
    ours.init(ours.www / "metadata/1.root.json")
    assert ours.download(PACK) == 0, ours.said
    assert ours.download(PACK) == 0
    assert ours.downloaded == [b"1.2.3" * 1000]
    assert len([path for path in ours.server.asked if path.startswith("targets/")]) == 1
    assert ours.download("signatures/9.9.9.pack") == 1
    assert "unpublished: " in ours.said


def test_other_content_is_never_stored(ours):
    ours.init(ours.www / "metadata/1.root.json")
    (served,) = (ours.www / "targets/signatures").glob("*.pack")
    served.write_bytes(served.read_bytes()[:-1] + b"X")
    assert ours.download(PACK) == 1
    assert "hash: " in ours.said
    assert ours.downloaded == []


def test_a_rollback_and_expired_metadata_are_refused(ours):
    ours.init(ours.www / "metadata/1.root.json")
    timestamp = ours.www / "metadata/timestamp.json"
    old = timestamp.read_bytes()
    add_pack(ours, "1.2.4")
    assert ours.refresh() == 0
    newest = ours.trusted("timestamp")
    timestamp.write_bytes(old)
    assert ours.refresh() == 1
    assert "rollback: " in ours.said
    add_pack(ours, "1.2.5", at=datetime.now(UTC) - timedelta(days=20))
    assert ours.refresh() == 1
    assert "expired: " in ours.said
    assert ours.trusted("snapshot") == newest


def test_a_root_of_trust_that_is_none_asks_for_nothing(ours):
    root = ours.place / "root.json"
    root.write_bytes((ours.www / "metadata/1.root.json").read_bytes().replace(b'"version":1', b'"version":2'))
    assert ours.init(root) == 1
    assert ours.refresh() == 1
    assert "signature: root of trust" in ours.said
    assert ours.server.asked == []


def test_a_repository_unlike_ours_is_understood(case):
    """File names without hashes and versions, another digest, an empty file, a name that needs quoting."""
    signer = CryptoSigner.generate_ed25519()
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    contents = {"empty": b"", "a folder/a name 100%.txt": b"content"}
    targets = {name: TargetFile.from_data(name, content, ["sha512"]) for name, content in contents.items()}
    keys = {signer.public_key.keyid: signer.public_key}
    roles = {role: Role(list(keys), 1) for role in ("root", "targets", "snapshot", "timestamp")}
    bodies = {
        "1.root": Root(expires=later, keys=keys, roles=roles, consistent_snapshot=False),
        "targets": Targets(expires=later, targets=targets),
        "snapshot": Snapshot(expires=later),
        "timestamp": Timestamp(expires=later),
    }
    (case.www / "metadata").mkdir()
    (case.www / "targets/a folder").mkdir(parents=True)
    for name, body in bodies.items():
        metadata = Metadata(body)
        metadata.sign(signer)
        (case.www / f"metadata/{name}.json").write_bytes(metadata.to_bytes())
    for name, content in contents.items():
        (case.www / "targets" / name).write_bytes(content)
    case.init(case.www / "metadata/1.root.json")
    for name in contents:
        assert case.download(name) == 0, case.said
    assert sorted(case.downloaded) == sorted(contents.values())


def test_a_role_that_two_delegate_to_is_believed_as_far_as_it_is_signed_for(case):
    """Both delegate to `shared`, each with a key of its own; it is signed for the first alone, and names a file of each."""
    signers = {name: CryptoSigner.generate_ed25519() for name in ("top", "a", "b", "for a", "for b")}
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    contents = {"a/file": b"of the first", "b/file": b"of the second"}

    def delegating(*grants: tuple[str, str]) -> Targets:
        """(role, whose key): below the folder that the key is for."""
        keys = {signers[key].public_key.keyid: signers[key].public_key for _, key in grants}
        roles = {
            role: DelegatedRole(role, [signers[key].public_key.keyid], 1, False, paths=[f"{key[-1]}/*"])
            for role, key in grants
        }
        return Targets(expires=later, delegations=Delegations(keys, roles))

    top = signers["top"].public_key
    roles = {role: Role([top.keyid], 1) for role in ("root", "targets", "snapshot", "timestamp")}
    named = {f"{role}.json": MetaFile(1) for role in ("targets", "a", "b", "shared")}
    bodies = {
        "1.root": ("top", Root(expires=later, keys={top.keyid: top}, roles=roles, consistent_snapshot=False)),
        "timestamp": ("top", Timestamp(expires=later)),
        "snapshot": ("top", Snapshot(expires=later, meta=named)),
        "targets": ("top", delegating(("a", "a"), ("b", "b"))),
        "a": ("a", delegating(("shared", "for a"))),
        "b": ("b", delegating(("shared", "for b"))),
        "shared": (
            "for a",
            Targets(
                expires=later,
                targets={name: TargetFile.from_data(name, raw) for name, raw in contents.items()},
            ),
        ),
    }
    (case.www / "metadata").mkdir()
    for name, (key, body) in bodies.items():
        metadata = Metadata(body)
        metadata.sign(signers[key])
        (case.www / f"metadata/{name}.json").write_bytes(metadata.to_bytes())
    for name, content in contents.items():
        (case.www / "targets" / name).parent.mkdir(parents=True)
        (case.www / "targets" / name).write_bytes(content)
    case.init(case.www / "metadata/1.root.json")
    assert case.download("a/file", "b/file") == 1
    assert "signature: " in case.said
    assert case.downloaded == [b"of the first"]
    assert case.download("b/file") == 1
