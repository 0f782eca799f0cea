"""A mirror and a registry in the wrong hands: what they serve is taken only where a signature or a hash of ours says so."""

import hashlib
import subprocess
import zipfile
from pathlib import Path

import pytest

from omamori.image import architecture, mirror
from omamori.image.errors import ToolFailed
from omamori.image.layers import fetch_wheels

RELEASE = "Origin: Debian\nSuite: trixie\nCodename: trixie\nArchitectures: amd64\nComponents: main\nSHA256:\n"


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """The folder of a mirror's index, and nothing that signs it."""
    folder = tmp_path / "mirror/dists/trixie"
    folder.mkdir(parents=True)
    (folder / "Release").write_text(RELEASE)
    return folder


def update(place: Path) -> subprocess.CompletedProcess[str]:
    """apt, as a build starts it: with our line for the mirror, and state of its own."""
    lines = mirror.source_lines("trixie", ["main"], f"file:{place}/mirror", None)
    (place / "sources.list").write_text(lines[0] + "\n")
    options = {
        "Dir::Etc::sourcelist": place / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": place / "state",
        "Dir::Cache": place / "cache",
        "APT::Architecture": "amd64",
        "APT::Sandbox::User": "",
    }
    for name in ("state/lists/partial", "cache/archives/partial"):
        (place / name).mkdir(parents=True)
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    return subprocess.run(
        ["apt-get", *words, "update"], capture_output=True, text=True, check=False, timeout=60
    )


def test_an_index_that_nobody_signed_is_refused(index, tmp_path):
    done = update(tmp_path)
    assert done.returncode != 0
    assert "is not signed" in done.stderr
    assert not list((tmp_path / "state/lists").glob("*Release")), index


def test_an_index_that_somebody_else_signed_is_refused(index, tmp_path):
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", home, "--batch", "--quiet", "--passphrase", ""]
    try:
        generate = [*gpg, "--quick-generate-key", "mirror@example.invalid", "ed25519", "sign", "never"]
        subprocess.run(generate, check=True, capture_output=True)
        sign = [*gpg, "--clearsign", "--output", index / "InRelease", index / "Release"]
        subprocess.run(sign, check=True, capture_output=True)
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False, timeout=60)
    done = update(tmp_path)
    assert done.returncode != 0
    assert "is not signed" in done.stderr
    assert not list((tmp_path / "state/lists").glob("*Release"))


@pytest.fixture
def registry(tmp_path, monkeypatch) -> Path:
    """The only place that pip looks in."""
    folder = tmp_path / "registry"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def wheel(folder: Path, content: str) -> str:
    """`tiny` 1.0 with one module; its SHA-256."""
    path = folder / "tiny-1.0-py3-none-any.whl"
    about = {
        "METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("tiny.py", content)
        for name, text in about.items():
            made.writestr(f"tiny-1.0.dist-info/{name}", text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_wheel_that_is_not_the_locks_is_refused(registry, tmp_path):
    lock, taken = tmp_path / "lock.txt", tmp_path / "taken"
    lock.write_text(f"tiny==1.0 --hash=sha256:{wheel(registry, 'honest = True')}\n")
    fetch_wheels(lock, taken, architecture.here())
    assert [path.name for path in taken.iterdir()] == ["tiny-1.0-py3-none-any.whl"]
    wheel(registry, "honest = False")
    with pytest.raises(ToolFailed, match="DO NOT MATCH THE HASHES"):
        fetch_wheels(lock, tmp_path / "other", architecture.here())
    assert not list((tmp_path / "other").glob("*.whl"))


def test_a_lock_without_a_hash_takes_nothing(registry, tmp_path):
    lock = tmp_path / "lock.txt"
    wheel(registry, "honest = True")
    lock.write_text("tiny==1.0\n")
    with pytest.raises(ToolFailed, match="Hashes are required"):
        fetch_wheels(lock, tmp_path / "taken", architecture.here())
