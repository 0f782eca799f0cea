"""The kernel rules that copy the first packets of each forwarded flow to a log group: table `inet omamori_usage`.

The table only counts and copies; it accepts everything and stands before the inspection's, so that what is blocked there was
counted too. `ct packets` also switches the kernel's accounting on for the namespace.
"""

import subprocess
from typing import Final

FIRST_PACKETS: Final = 24
RATE: Final = 4000
"""Copies a second at most; beyond it packets pass uncopied."""
_TABLE: Final = "omamori_usage"
_LOCAL: Final = 5
"""`Mark.LOCAL` of `rules.py`, whose text is not needed here: from one host on the LAN side to another."""


class CopiesError(Exception):
    """The kernel refused the rules; nothing was changed."""


def rules(bridge: str, group: int) -> str:
    """The whole table. The first two lines make its replacement one transaction, whether or not it was there."""
    return f"""table inet {_TABLE}
delete table inet {_TABLE}
table inet {_TABLE} {{
  chain forward {{
    type filter hook forward priority mangle - 5; policy accept;
    iifname "{bridge}" oifname "{bridge}" meta mark != {_LOCAL} ct packets 0-{FIRST_PACKETS} \
limit rate {RATE}/second burst {RATE} packets log group {group} snaplen 2048
  }}
}}
"""


def apply(bridge: str, group: int) -> None:
    """Raises CopiesError."""
    _nft(rules(bridge, group))


def remove() -> None:
    """Raises CopiesError."""
    _nft(f"table inet {_TABLE}\ndelete table inet {_TABLE}\n")


def _nft(text: str) -> None:
    command = ["nft", "--file", "-"]
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CopiesError(f"nft: {error}") from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise CopiesError(f"nft: {said[0] if said else f'exit {done.returncode}'}")
