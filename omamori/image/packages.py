"""The packages of an image, and of the tools that make it, pinned: what a build took, as a lock file, and the same files again for another build.

A lock has one line a package: `name=version architecture size sha256:HASH archive/pool/...`, sorted. A locked build installs
from these files and no others, each checked against its hash here; where they come from (this machine's store, the mirror)
does not matter then. The lock names no mirror.
"""

import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from omamori.image.errors import LockError, PackageGone, ToolFailed
from omamori.image.programs import run
from omamori.image.stages import hash_of

ARCHIVES = ("debian", "debian-security")
_HELPER = "/usr/lib/apt/apt-helper"
_LINE = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9+.-]+)=(?P<version>[0-9A-Za-z.+~:-]+) (?P<architecture>[a-z0-9-]+) (?P<size>[0-9]{1,12}) "
    r"sha256:(?P<sha256>[0-9a-f]{64}) (?P<archive>debian|debian-security)/(?P<path>pool/[0-9A-Za-z.+~:%_/-]+\.deb)"
)
_URI = re.compile(r"'(?P<uri>[^']+)' (?P<file>\S+) (?P<size>[0-9]+) SHA256:(?P<sha256>[0-9a-f]{64})")
_LONGEST = 2**22


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One package file: `path` below the root of `archive`."""

    name: str
    version: str
    architecture: str
    size: int
    sha256: str
    archive: str
    path: str

    @property
    def file(self) -> str:
        """What apt calls it in its cache."""
        return f"{self.name}_{self.version.replace(':', '%3a')}_{self.architecture}.deb"

    def line(self) -> str:
        return f"{self.name}={self.version} {self.architecture} {self.size} sha256:{self.sha256} {self.archive}/{self.path}"


@dataclass(frozen=True, slots=True)
class Lock:
    """All packages of one root."""

    packages: tuple[Package, ...]

    @classmethod
    def parse(cls, text: str) -> "Lock":
        """Raises LockError naming the line."""
        if len(text) > _LONGEST:
            raise LockError(f"a package lock of {len(text)} bytes is none")
        lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        packages = [_package(number, line) for number, line in lines if not line.startswith("#")]
        names = [f"{package.name}:{package.architecture}" for package in packages]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise LockError(f"package lock: {twice[0]} is there twice")
        if not packages:
            raise LockError("the package lock names no package")
        return cls(tuple(sorted(packages)))

    @classmethod
    def read(cls, path: Path) -> "Lock":
        """Raises LockError when the file is not there or is no lock."""
        try:
            return cls.parse(path.read_text())
        except (OSError, UnicodeDecodeError) as error:
            raise LockError(f"package lock {path}: {error}") from error

    def check(self, installed: Iterable[str]) -> None:
        """Whether exactly this is installed (`name version arch` lines). Raises LockError naming what differs."""
        ours = {f"{package.name} {package.version} {package.architecture}" for package in self.packages}
        if wrong := sorted(ours ^ set(installed)):
            raise LockError(
                f"installed is not what the lock says: {', '.join(wrong[:10])}; is it the lock of this recipe?"
            )

    def text(self) -> str:
        head = "# Packages: name=version architecture size hash archive/path\n"
        return head + "".join(f"{package.line()}\n" for package in self.packages)


def _package(number: int, line: str) -> Package:
    found = _LINE.fullmatch(line)
    if not found or ".." in found["path"]:
        raise LockError(f"package lock, line {number}: {line[:80]!r} is not name=version arch size hash path")
    return Package(**{**found.groupdict(), "size": int(found["size"])})  # type: ignore[arg-type]


def taken(uris: str, installed: Iterable[str], archives: Mapping[str, str]) -> Lock:
    """What apt says it fetched (`apt-get download --print-uris`) for what dpkg says is installed (`name version arch` lines).

    `archives` gives the address of each of ARCHIVES. Raises LockError when an installed package has no file there.
    """
    files = {found["file"]: found for found in map(_URI.fullmatch, uris.splitlines()) if found}
    packages = []
    for line in installed:
        name, version, architecture = line.split()
        found = files.get(f"{name}_{version.replace(':', '%3a')}_{architecture}.deb")
        if not found:
            raise LockError(f"apt does not say where {name} {version} came from")
        archive, path = _below(unquote(found["uri"]), archives)
        packages.append(
            Package(name, version, architecture, int(found["size"]), found["sha256"], archive, path)
        )
    return Lock(tuple(sorted(packages)))


def _below(uri: str, archives: Mapping[str, str]) -> tuple[str, str]:
    for archive, address in archives.items():
        if uri.startswith(address.rstrip("/") + "/pool/"):
            return archive, uri[len(address.rstrip("/")) + 1 :]
    raise LockError(f"{uri} is in none of the archives of this build")


class Store:
    """Package files kept between builds, by the name apt gives them."""

    def __init__(self, root: Path, *, most: int = 2000) -> None:
        self.root = root
        self._most = most

    def keep(self, files: Iterable[Path]) -> None:
        """Add what is not there yet; the oldest go when there are too many."""
        self.root.mkdir(parents=True, exist_ok=True)
        for source in files:
            target = self.root / source.name
            if not target.exists():
                source.rename(target)
        kept = sorted(self.root.glob("*.deb"), key=lambda path: path.stat().st_mtime)
        for old in kept[: -self._most]:
            old.unlink(missing_ok=True)

    def fetch(self, lock: Lock, archives: Mapping[str, str]) -> list[Path]:
        """All files of a lock, each with the right hash. Raises PackageGone naming those nobody has any more."""
        self.root.mkdir(parents=True, exist_ok=True)
        gone = [package for package in lock.packages if not self._have(package, archives)]
        if gone:
            names = ", ".join(f"{package.name} {package.version}" for package in gone[:10])
            more = f" and {len(gone) - 10} more" if len(gone) > 10 else ""
            raise PackageGone(
                f"no longer on the mirror, or another file under the same name: {names}{more}; set OMAMORI_DEBIAN_MIRROR and "
                "OMAMORI_DEBIAN_SECURITY_MIRROR to a snapshot of the archive, or build without --locked"
            )
        return [self.root / package.file for package in lock.packages]

    def _have(self, package: Package, archives: Mapping[str, str]) -> bool:
        target = self.root / package.file
        if _is(target, package):
            return True
        address = archives.get(package.archive)
        if address is None:
            return False
        fresh = target.with_suffix(".new")
        try:
            uri = f"{address.rstrip('/')}/{package.path}"
            run([_HELPER, "download-file", uri, fresh, f"SHA256:{package.sha256}"], timeout=300)
        except ToolFailed:
            fresh.unlink(missing_ok=True)
            return False
        if fresh.is_symlink():  # apt's way with a mirror that is a folder
            shutil.copyfile(fresh.resolve(), target)
            fresh.unlink()
        else:
            fresh.replace(target)
        return _is(target, package)


def _is(path: Path, package: Package) -> bool:
    return path.is_file() and path.stat().st_size == package.size and hash_of(path) == package.sha256


def repository(files: Iterable[Path], folder: Path, suite: str) -> None:
    """A flat apt repository of these files only, which calls itself the suite: mmdebstrap selects by that name."""
    folder.mkdir(parents=True)
    entries = []
    for source in files:
        (folder / source.name).symlink_to(source)
        control = run(["dpkg-deb", "--field", source]).rstrip("\n")
        facts = f"Filename: ./{source.name}\nSize: {source.stat().st_size}\nSHA256: {hash_of(source)}"
        entries.append(f"{control}\n{facts}\n")
    index = folder / "Packages"
    index.write_text("\n".join(entries))
    hashed = f"SHA256:\n {hash_of(index)} {index.stat().st_size} Packages\n"
    (folder / "Release").write_text(f"Suite: {suite}\nCodename: {suite}\n{hashed}")
