"""Package locks: what a build took, written down, and what another build is held to."""

import hashlib
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.image.errors import LockError, PackageGone
from omamori.image.packages import Lock, Package, Store, repository, taken

ARCHIVES = {
    "debian": "http://mirror.example/debian",
    "debian-security": "http://mirror.example/debian-security/",
}
HASH = "5" * 64
INSTALLED = ["libattr1 1:2.5.2-3 amd64", "tzdata 2026a-0+deb13u1 all"]
URIS = f"""Reading package lists...
'http://mirror.example/debian/pool/main/a/attr/libattr1_2.5.2-3_amd64.deb' libattr1_1%3a2.5.2-3_amd64.deb 22876 SHA256:{HASH}
'http://mirror.example/debian-security/pool/updates/main/t/tzdata/tzdata_2026a-0%2bdeb13u1_all.deb' tzdata_2026a-0+deb13u1_all.deb 7 SHA256:{HASH}
"""


def test_what_apt_says_becomes_a_lock_without_a_mirrors_name():
    lock = taken(URIS, INSTALLED, ARCHIVES)
    assert [package.file for package in lock.packages] == [
        "libattr1_1%3a2.5.2-3_amd64.deb",
        "tzdata_2026a-0+deb13u1_all.deb",
    ]
    assert lock.packages[1].archive == "debian-security"
    assert lock.packages[1].path == "pool/updates/main/t/tzdata/tzdata_2026a-0+deb13u1_all.deb"
    assert "mirror.example" not in lock.text()
    assert Lock.parse(lock.text()) == lock
    lock.check(INSTALLED)


def test_another_version_than_the_lock_says_is_named():
    lock = taken(URIS, INSTALLED, ARCHIVES)
    with pytest.raises(LockError, match=r"tzdata 2026b-1 all"):
        lock.check([INSTALLED[0], "tzdata 2026b-1 all"])


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "names no package"),
        ("bash=5.2\n", "line 1"),
        (f"# fine\nbash=5.2 amd64 1 sha256:{HASH} debian/pool/../../etc/x.deb\n", "line 2"),
        (f"bash=5.2 amd64 1 sha256:{HASH} elsewhere/pool/b.deb\n", "line 1"),
        (f"bash=5.2 amd64 1 sha256:{HASH} debian/pool/b.deb\nbash=5.3 amd64 1 sha256:{HASH} debian/pool/b.deb\n", "twice"),
    ],
)  # fmt: skip
def test_a_bad_lock_is_refused_with_its_line(text, hint):
    with pytest.raises(LockError, match=hint):
        Lock.parse(text)


def test_a_package_may_be_there_for_two_processors():
    lines = [f"libc6=2.41 {name} 1 sha256:{HASH} debian/pool/{name}.deb\n" for name in ("amd64", "arm64")]
    assert len(Lock.parse("".join(lines)).packages) == 2


@settings(max_examples=200)
@given(st.text() | st.builds("{}={} {} {} sha256:{} debian/{}".format, *[st.text()] * 6))
def test_any_text_is_a_lock_or_refused(text):
    try:
        lock = Lock.parse(text)
    except LockError:
        return
    assert Lock.parse(lock.text()) == lock


@settings(max_examples=100)
@given(st.text())
def test_any_answer_of_apt_is_understood_or_refused(text):
    with pytest.raises(LockError):
        taken(text, ["bash 5.2 amd64"], ARCHIVES)


@pytest.fixture
def package(tmp_path):
    """A real package file on a mirror of its own."""
    tree = tmp_path / "tree/DEBIAN"
    tree.mkdir(parents=True)
    (tree / "control").write_text(
        "Package: tiny\nVersion: 1.0\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: tiny\n"
    )
    file = tmp_path / "mirror/pool/main/t/tiny/tiny_1.0_all.deb"
    file.parent.mkdir(parents=True)
    subprocess.run(
        ["dpkg-deb", "--build", "--root-owner-group", tree.parent, file], check=True, capture_output=True
    )
    data = file.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return Package("tiny", "1.0", "all", len(data), digest, "debian", "pool/main/t/tiny/tiny_1.0_all.deb")


def test_a_locked_file_comes_from_the_mirror_once_then_from_the_store(tmp_path, package):
    store = Store(tmp_path / "store")
    mirror = {"debian": f"file:{tmp_path}/mirror"}
    (fetched,) = store.fetch(Lock((package,)), mirror)
    assert fetched.stat().st_size == package.size
    (tmp_path / "mirror" / package.path).unlink()
    assert store.fetch(Lock((package,)), mirror) == [fetched]


def test_a_version_that_is_gone_is_named_with_the_way_out(tmp_path, package):
    gone = replace(package, version="1.1", path="pool/main/t/tiny/tiny_1.1_all.deb")
    with pytest.raises(PackageGone, match=r"tiny 1\.1.*OMAMORI_DEBIAN_MIRROR"):
        Store(tmp_path / "store").fetch(Lock((gone,)), {"debian": f"file:{tmp_path}/mirror"})


def test_another_file_under_the_same_name_is_not_taken(tmp_path, package):
    other = replace(package, sha256=HASH)
    with pytest.raises(PackageGone, match=r"tiny 1\.0"):
        Store(tmp_path / "store").fetch(Lock((other,)), {"debian": f"file:{tmp_path}/mirror"})
    assert not list((tmp_path / "store").iterdir())


def test_a_spoilt_file_in_the_store_is_fetched_again(tmp_path, package):
    store = Store(tmp_path / "store")
    store.root.mkdir()
    (store.root / package.file).write_bytes(b"x" * package.size)
    (fetched,) = store.fetch(Lock((package,)), {"debian": f"file:{tmp_path}/mirror"})
    assert hashlib.sha256(fetched.read_bytes()).hexdigest() == package.sha256


def test_the_store_forgets_the_oldest(tmp_path):
    store = Store(tmp_path / "store", most=3)
    for number in range(5):
        file = tmp_path / f"p{number}.deb"
        file.write_text("")
        store.keep([file])
    assert len(list(store.root.iterdir())) == 3


def test_apt_takes_packages_from_the_local_repository_only(tmp_path, package):
    (fetched,) = Store(tmp_path / "store").fetch(Lock((package,)), {"debian": f"file:{tmp_path}/mirror"})
    repository([fetched], tmp_path / "local", "trixie")
    index = (tmp_path / "local/Packages").read_bytes()
    assert b"Package: tiny\n" in index
    assert package.sha256.encode() in index
    release = (tmp_path / "local/Release").read_text()
    assert "Codename: trixie" in release
    assert hashlib.sha256(index).hexdigest() in release
