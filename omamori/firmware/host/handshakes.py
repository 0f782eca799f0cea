"""The kernel rules that copy TCP handshakes to a log group: table `inet omamori_scans`.

Bare SYNs never reach the inspection, and must not: copies are enough to see scans by, and a copy delays and stops nothing. Of a
flood only so many a second are copied. Copied are packets that open a connection, the answers to them, and probes that are
no part of any (neither SYN, RST nor ACK). The table accepts everything.
"""

import subprocess
from typing import Final

RATE: Final = 2000
"""Copies a second at most."""
LENGTH: Final = 96
"""Bytes of each: IPv6, TCP and its options' beginning."""
_TABLE: Final = "omamori_scans"


class HandshakesError(Exception):
    """The kernel refused the rules; nothing was changed."""


def rules(bridge: str, group: int) -> str:
    """The whole table. The first two lines make its replacement one transaction, whether or not it was there."""
    return f"""table inet {_TABLE}
delete table inet {_TABLE}
table inet {_TABLE} {{
  chain forward {{
    type filter hook forward priority mangle - 6; policy accept;
    iifname "{bridge}" oifname "{bridge}" tcp flags & (fin | syn | rst) == syn jump copied
    iifname "{bridge}" oifname "{bridge}" tcp flags & (syn | rst | ack) == 0x0 jump copied
  }}
  chain copied {{
    limit rate {RATE}/second burst {2 * RATE} packets log group {group} snaplen {LENGTH}
  }}
}}
"""


def apply(bridge: str, group: int) -> None:
    """Raises HandshakesError."""
    command = ["nft", "--file", "-"]
    text = rules(bridge, group)
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HandshakesError(f"nft: {error}") from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise HandshakesError(f"nft: {said[0] if said else f'exit {done.returncode}'}")
