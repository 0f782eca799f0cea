"""Feeds that say how they are proven: what does not hold is not used, whoever the mirror is."""

import base64
import hashlib
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.signing.packs import proof
from omamori.signing.packs.errors import FeedError
from tests.signing.packs.conftest import SITES

RAW = (Encoding.Raw, PublicFormat.Raw)
NUMBER = b"8 bytes."


def proven(bench, **means):
    bench.describe(bench.feed("phish", "list", "/phishing.txt", category="phishing", proof=means))
    return bench


def sums(*lines: str) -> bytes:
    return "\n".join(lines).encode() + b"\n"


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
def test_a_checksum_file_names_the_feed(bench, algorithm):
    digest = hashlib.new(algorithm, SITES, usedforsecurity=False).hexdigest()
    bench.server.content["/sums"] = sums("0" * len(digest) + "  other.txt", f"{digest} *./phishing.txt")
    proven(bench, checksum=f"{bench.server.url}/sums", algorithm=algorithm).fetch()
    bench.server.content["/phishing.txt"] += b"more.example\n"
    found = bench.fetch()["phish"]
    assert found["state"] == "kept"
    assert f"wrong {algorithm} checksum" in found["problems"][0]


def test_a_checksum_beside_each_mirror(bench):
    bench.server.content["/phishing.txt.sha256"] = hashlib.sha256(SITES).hexdigest().upper().encode()
    proven(bench, checksum="{url}.sha256").fetch()
    bench.server.content["/phishing.txt.sha256"] = sums("a  x.txt", "b  y.txt")
    bench.server.content["/phishing.txt"] += b"more.example\n"
    assert "does not name phishing.txt" in bench.fetch()["phish"]["problems"][0]
    del bench.server.content["/phishing.txt.sha256"]
    assert "the server answers 404" in bench.fetch()["phish"]["problems"][0]


def test_the_one_content_that_is_accepted(bench):
    proven(bench, sha256=hashlib.sha256(SITES).hexdigest()).fetch()
    assert "is the only one accepted" in proven(bench, sha256="0" * 64).unfetched()


# --- minisign


def minisign(
    key: Ed25519PrivateKey, content: bytes, *, form: bytes = b"ED", comment: str = "of today"
) -> bytes:
    signed = hashlib.blake2b(content).digest() if form == b"ED" else content
    made = key.sign(signed)
    whole = key.sign(made + comment.encode())
    first = base64.b64encode(form + NUMBER + made).decode()
    return sums(
        "untrusted comment: x", first, f"trusted comment: {comment}", base64.b64encode(whole).decode()
    )


def public(key: Ed25519PrivateKey) -> str:
    return base64.b64encode(b"Ed" + NUMBER + key.public_key().public_bytes(*RAW)).decode()


@pytest.mark.parametrize("form", [b"ED", b"Ed"])
def test_a_minisign_signature(bench, form):
    key = Ed25519PrivateKey.generate()
    bench.server.content["/phishing.txt.minisig"] = minisign(key, SITES, form=form)
    proven(bench, minisign="{url}.minisig", key=public(key)).fetch()
    bench.server.content["/phishing.txt"] += b"more.example\n"
    assert "the minisign signature does not hold" in bench.fetch()["phish"]["problems"][0]


def test_a_minisign_signature_by_another_key_or_with_a_changed_comment(bench):
    key, thief = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    bench.server.content["/phishing.txt.minisig"] = minisign(thief, SITES)
    proven(bench, minisign="{url}.minisig", key=public(key))
    assert "does not hold" in bench.unfetched()
    changed = minisign(key, SITES).replace(b"of today", b"of later")
    bench.server.content["/phishing.txt.minisig"] = changed
    assert "does not hold" in bench.unfetched()
    bench.server.content["/phishing.txt.minisig"] = b"nothing\n"
    assert "no minisign signature" in bench.unfetched()


@settings(max_examples=50)
@given(
    st.binary(max_size=200)
    | st.lists(st.binary(max_size=80).map(base64.b64encode), max_size=5).map(b"\n".join),
    st.text(max_size=60),
)
def test_any_minisign_signature_and_key_is_refused(tmp_path_factory, signature, key):
    content = tmp_path_factory.getbasetemp() / "signed"
    content.write_bytes(SITES)
    real = public(Ed25519PrivateKey.from_private_bytes(bytes(32)))
    for each in (key, real):
        with pytest.raises(FeedError):
            proof.verify_minisign(content, each, signature)


# --- OpenPGP


class Signer:
    """A GnuPG home in a directory, with one key."""

    def __init__(self, place) -> None:
        self.home = place
        place.mkdir(mode=0o700)
        self.gpg("--quick-generate-key", "feed@example.invalid", "ed25519", "sign", "never")

    def gpg(self, *words: object) -> bytes:
        command = ["gpg", "--homedir", self.home, "--batch", "--quiet", "--passphrase", "", *words]
        return subprocess.run(
            list(map(str, command)), check=True, capture_output=True, timeout=60, stdin=subprocess.DEVNULL
        ).stdout

    def close(self) -> None:
        subprocess.run(["gpgconf", "--homedir", str(self.home), "--kill", "all"], check=False, timeout=60)


@pytest.fixture
def signer(tmp_path_factory):
    if shutil.which("gpg") is None or shutil.which("gpgv") is None:
        pytest.skip("gpg and gpgv are not installed (system-packages.txt)")
    made = Signer(tmp_path_factory.mktemp("g") / "h")
    yield made
    made.close()


def test_an_openpgp_signature_by_a_key_of_the_keyring(bench, signer, tmp_path):
    (tmp_path / "feed.gpg").write_bytes(signer.gpg("--export"))
    (tmp_path / "list").write_bytes(SITES)
    signer.gpg("--detach-sign", "--output", tmp_path / "list.sig", tmp_path / "list")
    bench.server.content["/phishing.txt.sig"] = (tmp_path / "list.sig").read_bytes()
    proven(bench, gpg="{url}.sig", keyring="feed.gpg").fetch()
    bench.server.content["/phishing.txt"] += b"more.example\n"
    assert "the OpenPGP signature does not hold" in bench.fetch()["phish"]["problems"][0]
    (tmp_path / "feed.gpg").write_bytes(b"")
    bench.server.content["/phishing.txt"] = SITES
    bench.desk.repository.joinpath("feeds/phish.json").unlink()
    assert "the OpenPGP signature does not hold" in bench.unfetched()
