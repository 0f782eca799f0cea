"""The code on a unit's label: what somebody who stands in front of it can read, and nobody else. Pure.

Derived from the factory claim's secret, which the label does not show: the secret activates a unit, the code only lets its
owner change the unit's own address and proxy. Eight letters of 32, none that are taken for one another.
"""

import hashlib
import hmac
import unicodedata
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ALIKE: Final = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None, "U": "V"})
_LENGTH: Final = 8
_CAP: Final = 64


def label_code(unit: str, secret: str) -> str:
    """As it is printed: `XXXX-XXXX`."""
    digest = hmac.digest(secret.encode(), f"omamori label 1 {unit}".encode(), hashlib.sha256)
    letters = "".join(_ALPHABET[byte % 32] for byte in digest[:_LENGTH])
    return f"{letters[:4]}-{letters[4:]}"


def is_label_code(typed: str, code: str) -> bool:
    """Whether somebody typed this code, in whatever width and case. Takes the same time wherever they differ."""
    read = unicodedata.normalize("NFKC", typed[:_CAP]).upper().translate(_ALIKE)
    return hmac.compare_digest(read.strip().encode("utf-8", "replace"), code.replace("-", "").encode())
