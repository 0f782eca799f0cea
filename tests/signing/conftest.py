"""A release engineer's desk: the command line, bundles and packs to sign, and a clock that can be moved."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from omamori.cli import omamori

NOTES = {
    "ja": "メール添付の検査が速くなりました。",
    "en": "Mail attachments are inspected faster.",
    "severity": "important",
    "cves": ["CVE-2026-12345"],
    "restart": {"needed": True, "seconds": 45},
}


class Desk:
    """Runs `omamori sign` in a directory of its own."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.repository = place / "tuf"

    def sign(self, *words: object) -> Result:
        return CliRunner().invoke(omamori, ["sign", "--dir", str(self.repository), *map(str, words)])

    def signed(self, *words: object) -> dict:
        """The JSON answer of a command that must work."""
        result = self.sign(*words, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def refused(self, *words: object) -> str:
        """The error of a command that must not."""
        result = self.sign(*words)
        assert result.exit_code == 1, result.output
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.output

    def pack(self, version: str = "1.2.3", content: bytes = b"rules") -> Path:
        return self._tar(
            f"{version}.pack", {"manifest.json": json.dumps({"version": version}).encode(), "a": content}
        )

    def bundle(self, version: str = "2.0.0", **changes: object) -> Path:
        names = ("root.squashfs", "root.verity", "slot-a.efi", "slot-b.efi", "loader.efi")
        files = {name: name.encode() * 500 for name in names}
        manifest = {
            "format": 2,
            "image_id": "omamori",
            "variant": "test",
            "version": version,
            "tries": 3,
            "files": [
                {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
                for name, content in files.items()
            ],
        } | changes
        return self._tar("x.bundle", {"manifest.json": json.dumps(manifest).encode(), **files})

    def notes(self, **changes: object) -> Path:
        """What a release says, or with `changes` something else."""
        path = self.place / "notes.json"
        path.write_text(json.dumps(NOTES | changes))
        return path

    def firmware(self, version: str = "2.0.0", **changes: object) -> tuple[object, ...]:
        """The words that sign a bundle as a release does."""
        return ("add-firmware", self.bundle(version, **changes), "--notes", self.notes())

    def _tar(self, name: str, files: dict[str, bytes]) -> Path:
        path = self.place / name
        with tarfile.open(path, "w") as archive:
            for member, content in files.items():
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return path


@pytest.fixture
def empty_desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def desk(empty_desk: Desk) -> Desk:
    empty_desk.signed("init")
    return empty_desk
