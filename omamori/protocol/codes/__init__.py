"""The one table of wiring codes: what each means, how the lamp shows it, what the customer and the help desk do, what clears it.

LEDs, the local page, the portal, the guides and the help desk all read this; nothing here decides anything. Each text is in
English and Japanese. The rows stand by what their codes are about; the order of the table is the order of causes
(`omamori.protocol.causes`).
"""

from collections.abc import Mapping
from typing import Final

from omamori.protocol.causes import CAUSES
from omamori.protocol.codes import addressing, cabling, place, reaching
from omamori.protocol.codes.entry import Entry, Lamp, Text
from omamori.protocol.vocabulary import WiringCode

__all__ = ["CODES", "Entry", "Lamp", "Text"]

_ROWS = {row.code: row for part in (cabling, place, addressing, reaching) for row in part.ENTRIES}

CODES: Final[Mapping[WiringCode, Entry]] = {code: _ROWS[code] for code in CAUSES}
"""Root causes before their consequences; `OK` last."""
