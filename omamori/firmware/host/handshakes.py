"""The kernel rules that copy TCP handshakes to a log group: table `inet omamori_scans`.

Bare SYNs never reach the inspection, and must not: copies are enough to see scans by, and a copy delays and stops nothing. Of a
flood only so many a second are copied. Copied are packets that open a connection, the answers to them, and probes that are
no part of any (neither SYN, RST nor ACK). Of a flow of datagrams the first one each way is copied: two bits of the connection's
mark, which no other table uses, remember that. The table accepts everything.
"""

import subprocess
from collections.abc import Sequence
from typing import Final

from omamori.firmware.host.rules import Mark

RATE: Final = 1000
"""Copies of questions a second at most; of answers twice as many, lest what answers look silent."""
DATAGRAMS: Final = 500
"""The same of flows of datagrams, which have a bound of their own: a flood of one kind hides no scan of the other."""
QUESTION, ANSWER = b"question", b"answer"
"""Prefixes of copied datagrams: the first of a flow, and the first that came back. Handshakes have none."""
_ASKED, _ANSWERED = 0x1000, 0x2000
LENGTH: Final = 96
"""Bytes of each: IPv6, TCP and its options' beginning."""
_TABLE: Final = "omamori_scans"


class HandshakesError(Exception):
    """The kernel refused the rules; nothing was changed."""


def rules(bridge: str, group: int, openings: Sequence[int] = ()) -> str:
    """The whole table. The first two lines make its replacement one transaction, whether or not it was there.

    `openings` are groups that get a copy of each answer to an opening, at once and without a limit (bridge/openings.py).
    """
    copied = "\n".join(f"    log group {each} queue-threshold 1 snaplen {LENGTH}" for each in openings)
    return f"""table inet {_TABLE}
delete table inet {_TABLE}
table inet {_TABLE} {{
  chain forward {{
    type filter hook forward priority mangle - 6; policy accept;
    meta mark {Mark.LOCAL:d} accept
    iifname "{bridge}" oifname "{bridge}" tcp flags & (fin | syn | rst | ack) == syn jump questions
    iifname "{bridge}" oifname "{bridge}" tcp flags & (fin | syn | rst | ack) == syn | ack jump openings
    iifname "{bridge}" oifname "{bridge}" tcp flags & (fin | syn | rst | ack) == syn | ack jump answers
    iifname "{bridge}" oifname "{bridge}" tcp flags & (syn | rst | ack) == 0x0 jump questions
    iifname "{bridge}" oifname "{bridge}" meta l4proto udp jump datagrams
  }}
  chain openings {{
{copied}
  }}
  chain datagrams {{
{_once("original", _ASKED, DATAGRAMS, QUESTION.decode(), group)}
{_once("reply", _ANSWERED, 2 * DATAGRAMS, ANSWER.decode(), group)}
  }}
  chain questions {{
    limit rate {RATE}/second burst {2 * RATE} packets log group {group} snaplen {LENGTH}
  }}
  chain answers {{
    limit rate {2 * RATE}/second burst {4 * RATE} packets log group {group} snaplen {LENGTH}
  }}
}}
"""


def _once(direction: str, bit: int, rate: int, prefix: str, group: int) -> str:
    return (
        f"    ct direction {direction} ct mark & {bit:#x} 0x0 ct mark set ct mark | {bit:#x}"
        f" limit rate {rate}/second burst {2 * rate} packets"
        f' log prefix "{prefix}" group {group} snaplen {LENGTH}'
    )


def apply(bridge: str, group: int, openings: Sequence[int] = ()) -> None:
    """Raises HandshakesError."""
    command = ["nft", "--file", "-"]
    text = rules(bridge, group, openings)
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HandshakesError(f"nft: {error}") from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise HandshakesError(f"nft: {said[0] if said else f'exit {done.returncode}'}")
