"""Default and weak credentials: our own list of what devices are shipped with and what everyone tries first, and lists of others.

Only hashes go into a pack. A line of a list is `user:password`; with nothing before the colon the password is weak for everyone.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from omamori.firmware.engine import hashed
from omamori.firmware.engine.hashed import HashTable
from omamori.firmware.engine.passwords import key
from omamori.firmware.signatures.lists import ListError

MAX_LIST = 16 << 20
_MAX_LINE = 300
FOR_EVERYONE = (
    "password passw0rd Passw0rd Password Password1 P@ssw0rd 123456 1234567 12345678 123456789 1234567890 1234 12345 0000 1111"
    " 000000 111111 666666 888888 654321 123123 abc123 qwerty letmein changeme default secret welcome pass test guest root user"
    " admin admin1 admin123 admin1234 administrator support operator manager service supervisor system"
)
OF_DEVICES = {
    "admin": "admin 1234 4321 1111 1111111 7ujMko0admin access initpass aaaaaa meinsm motorola pfsense zabbix smcadmin epson canon"
    " 1234567812345678 default password1 9999 54321 nimda system ubnt infrant netadmin synnet articon comcomcom switch public",
    "admin1": "password",
    "administrator": "1234 admin password",
    "apc": "apc",
    "canon": "canon",
    "cisco": "cisco",
    "guest": "guest 12345",
    "manager": "manager friend",
    "monitor": "monitor !manage",
    "pi": "raspberry",
    "postgres": "postgres",
    "root": "root admin toor pass password 1234 12345 123456 vizxv xc3511 888888 xmhdipc default juantech 54321 hi3518 jvbzd anko zlxx."
    " 7ujMko0vizxv 7ujMko0admin system ikwb dreambox realtek 00000000 1111 klv123 klv1234 Zte521 calvin dottie user alpine openwrt",
    "supervisor": "zyad1234",
    "tech": "tech",
    "tomcat": "tomcat s3cret",
    "ubnt": "ubnt",
    "user": "user 1234",
    "userid": "PASSW0RD",
    "vagrant": "vagrant",
    "11111": "x-admin",
    "4000": "4000",
    "7654321": "7654321",
    "666666": "666666",
    "888888": "888888",
}
"""Passwords by user name."""


def own() -> Iterator[tuple[str, str]]:
    """(user, password) of the two lists above."""
    for password in FOR_EVERYONE.split():
        yield "", password
    for user, passwords in OF_DEVICES.items():
        for password in passwords.split():
            yield user, password


def read_credentials(path: Path) -> list[tuple[str, str]]:
    """Raises ListError for a file with other lines, which are not shown: OSError."""
    if path.stat().st_size > MAX_LIST:
        raise ListError(f"{path}: over {MAX_LIST >> 20} MiB are too many for a list of credentials")
    found = []
    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        user, colon, password = line.partition(":")
        if not colon or not password or len(line) > _MAX_LINE:
            raise ListError(f"{path}:{number}: not user:password")
        found.append((user.strip(), password))
    return found


def build_passwords(pairs: Iterable[tuple[str, str]]) -> HashTable:
    """The table of a pack."""
    return hashed.build((key(user, password), "") for user, password in pairs)
