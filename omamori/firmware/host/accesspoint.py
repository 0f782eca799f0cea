"""The company's access point on the unit's radio: what may be set, read and written by one parser, and hostapd's configuration. Pure but for its file.

The passphrase is in the order, in `access-point.json` and in hostapd's configuration, all readable by root alone; `fields` never has it. On the disk it
is sealed where the machine has a TPM (`sealing`).
Nothing that was typed reaches the configuration as it is but the passphrase, which is printable ASCII on one line.
"""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from omamori.firmware.host import files
from omamori.firmware.host.paths import RADIO
from omamori.firmware.host.settings import BadSettings, Problem

if TYPE_CHECKING:  # the page reads what was typed, and opens nothing
    from omamori.firmware.host.sealing import Kept

BRIDGE: Final = "br0"
COUNTRY: Final = "JP"
FIELDS: Final = ("wifi", "ssid", "passphrase", "protection", "channel")
"""Names in the form and the order."""
CHANNELS: Final = (1, 6, 11, 36, 40, 44, 48)
"""Those that no neighbour overlaps by half, and of 5 GHz the ones without radar, indoors (W52)."""
_CHANNEL: Final = 6
_SSID: Final = 32
"""Bytes (IEEE 802.11)."""
_TYPED: Final = 120


class Protection(StrEnum):
    """Which clients may join."""

    MIXED = "wpa2-wpa3"
    """WPA3 where the client can, WPA2 else."""
    WPA3 = "wpa3"


@dataclass(frozen=True, slots=True)
class AccessPoint:
    """One network name. `passphrase` is 8 to 63 printable ASCII characters."""

    ssid: str
    passphrase: str = field(repr=False)
    protection: Protection = Protection.MIXED
    channel: int = _CHANNEL
    country: str = COUNTRY


def parse(values: Mapping[str, str], *, kept: str = "") -> AccessPoint | None:
    """None where it is to be off. `kept` is the passphrase where none is typed. Raises BadSettings with all that is wrong."""
    read = {name: values.get(name, "")[:_TYPED] for name in FIELDS}
    switch = read["wifi"].strip() or "off"
    if switch == "off":
        return None
    problems: dict[str, Problem] = {} if switch == "on" else {"wifi": Problem.SWITCH}
    ssid = unicodedata.normalize("NFC", read["ssid"]).strip()
    if not _is_ssid(ssid):
        problems["ssid"] = Problem.SSID
    passphrase = unicodedata.normalize("NFKC", read["passphrase"]) or kept
    if not _is_passphrase(passphrase):
        problems["passphrase"] = Problem.PASSPHRASE
    protection = read["protection"].strip() or Protection.MIXED
    if protection not in set(Protection):
        problems["protection"] = Problem.PROTECTION
    channel = read["channel"].strip() or str(_CHANNEL)
    if channel not in set(map(str, CHANNELS)):
        problems["channel"] = Problem.CHANNEL
    if problems:
        raise BadSettings(problems)
    return AccessPoint(ssid, passphrase, Protection(protection), int(channel))


def fields(wanted: AccessPoint | None) -> dict[str, str]:
    """What anybody may see, by the form's names."""
    if wanted is None:
        return {"wifi": "off"}
    return {
        "wifi": "on",
        "ssid": wanted.ssid,
        "protection": str(wanted.protection),
        "channel": str(wanted.channel),
    }


def load(kept: "Kept") -> AccessPoint | None:
    """What is stored; None where there is nothing. Raises Unopenable, OSError, ValueError."""
    content = kept.read()
    return None if content is None else parse(files.texts(content))


def store(kept: "Kept", wanted: AccessPoint | None) -> None:
    """Readable by its owner alone. Raises OSError."""
    if wanted is None:
        kept.forget()
        return
    kept.write(json.dumps({**fields(wanted), "passphrase": wanted.passphrase}).encode())


def configuration(wanted: AccessPoint) -> bytes:
    """hostapd.conf. 20 MHz wide and 802.11n: what every radio can that drives an access point at all."""
    mixed = wanted.protection is Protection.MIXED
    lines = (
        f"interface={RADIO}",
        f"bridge={BRIDGE}",
        "driver=nl80211",
        "logger_syslog=0",
        "logger_stdout=-1",
        "logger_stdout_level=2",
        f"ssid2={wanted.ssid.encode().hex()}",
        "utf8_ssid=1",
        f"country_code={wanted.country}",
        "ieee80211d=1",
        f"hw_mode={'g' if wanted.channel <= 14 else 'a'}",
        f"channel={wanted.channel}",
        "ieee80211n=1",
        "wmm_enabled=1",
        "ap_isolate=0",
        "auth_algs=1",
        "wpa=2",
        "rsn_pairwise=CCMP",
        f"wpa_key_mgmt={'WPA-PSK SAE' if mixed else 'SAE'}",
        f"ieee80211w={1 if mixed else 2}",
        "sae_require_mfp=1",
        "sae_pwe=2",
        f"wpa_passphrase={wanted.passphrase}",
        "",
    )
    return "\n".join(lines).encode("ascii")


def _is_ssid(text: str) -> bool:
    """Any letters, Japanese too; nothing that cannot be seen or written."""
    strange = any(unicodedata.category(each) in {"Cc", "Cs", "Cn", "Zl", "Zp"} for each in text)
    return bool(text) and not strange and len(text.encode("utf-8", "surrogatepass")) <= _SSID


def _is_passphrase(text: str) -> bool:
    """As IEEE 802.11 has it; a blank at an end would be lost or added by somebody's keyboard."""
    return 8 <= len(text) <= 63 and text == text.strip() and all(" " <= each <= "~" for each in text)
