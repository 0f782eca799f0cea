"""UEFI Secure Boot: our platform, exchange and database keys, and signing what a machine's firmware starts.

Only the boot loader and the kernel images are signed: the command line and the root's hash are inside them. Development keys
are made once on this machine; a release brings its own folder (`--secure-boot-keys`). Private keys never enter an image.
"""

import os
from datetime import UTC, datetime
from pathlib import Path

from omamori.image.alone import alone
from omamori.image.errors import BuildHostError
from omamori.image.programs import Chroot, run

KEYS = ("PK", "KEK", "db")
_INSIDE = "/run/keys"
_SIGN = "/usr/lib/systemd/systemd-sbsign"
_DAYS = "7300"


def development_keys(folder: Path) -> Path:
    """`PK`, `KEK` and `db`, each a key and a certificate, for images that are never sold."""
    with alone(folder, mode=0o700):
        for name in KEYS:
            key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
            if not (key.exists() and certificate.exists()):
                subject = f"/CN=Omamori development {name}"
                words = [
                    "openssl",
                    "req",
                    "-x509",
                    "-newkey",
                    "rsa:2048",
                    "-nodes",
                    "-sha256",
                    "-days",
                    _DAYS,
                ]
                run([*words, "-subj", subject, "-keyout", key, "-out", certificate])
                key.chmod(0o600)
    return folder


def checked(folder: Path) -> Path:
    """A folder of keys for signing. Raises BuildHostError naming what it lacks."""
    if missing := [name for name in ("db.key", "db.crt") if not (folder / name).is_file()]:
        raise BuildHostError(f"no Secure Boot keys in {folder}: {', '.join(missing)} is missing")
    return folder


def ukify_words(keys: Path | None) -> list[str]:
    """What `ukify build` needs to sign; nothing without keys."""
    if keys is None:
        return []
    pair = [f"--secureboot-private-key={_INSIDE}/db.key", f"--secureboot-certificate={_INSIDE}/db.crt"]
    # The kernel inside is covered by the whole image's signature.
    return ["--signtool=systemd-sbsign", "--no-sign-kernel", *pair]


def frozen(epoch: int) -> list[str]:
    """What to put before a program that signs: the time in a signature is the recipe's, or no two would be the same."""
    return [
        "env",
        "TZ=UTC",
        "faketime",
        "-f",
        datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%S"),
    ]


def binds(keys: Path | None) -> dict[str, Path]:
    """Where the tools find the keys."""
    return {_INSIDE: keys} if keys else {}


def sign(source: str, target: Path, keys: Path, tools: Path, *, epoch: int) -> None:
    """Sign a file of the tools chroot. The same keys give the same bytes: RSA, and a time that is the recipe's."""
    out = "/run/signed"
    Chroot(tools / "root", binds={out: target.parent, **binds(keys)}).run(
        [*frozen(epoch), _SIGN, "sign", f"--private-key={_INSIDE}/db.key", f"--certificate={_INSIDE}/db.crt",
         f"--output={out}/{target.name}", source],
    )  # fmt: skip
    os.utime(target, (epoch, epoch))
