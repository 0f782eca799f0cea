"""What sort of device is it, and which system does it run: a table of signs with weights; the heaviest sum wins. Pure.

Signs are what devices say (services, models, vendor classes), what they cannot help showing (the order of DHCP options asked
for, Satori and fingerbank call it a fingerprint) and who made their network card. A guess needs `ENOUGH`; names alone never are.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from omamori.firmware.lan.software import Software


class Kind(StrEnum):
    """Values travel; one that a fleet does not know is shown as it is."""

    PC = "pc"
    PHONE = "phone"
    TABLET = "tablet"
    PRINTER = "printer"
    NAS = "nas"
    CAMERA = "camera"
    ROUTER = "router"
    ACCESS_POINT = "access point"
    SERVER = "server"
    PHONE_SYSTEM = "phone system"
    MEDIA = "media"


ENOUGH: Final = 2


@dataclass(frozen=True, slots=True)
class Traits:
    """What is known of a device."""

    services: frozenset[str] = frozenset()
    model: str = ""
    system: str = ""
    vendor_class: str = ""
    parameters: tuple[int, ...] = ()
    """DHCP option 55."""
    vendor: str = ""
    """Maker of the network card."""
    name: str = ""
    software: frozenset[Software] = frozenset()
    """Its own programs, as they were recognised."""


@dataclass(frozen=True, slots=True)
class Guess:
    """Empty texts where there are not enough signs."""

    kind: str = ""
    system: str = ""


@dataclass(frozen=True, slots=True)
class _Sign:
    """One row: where to look, what to find there, and what it speaks for."""

    field: str
    pattern: re.Pattern[str]
    kind: Kind | None
    system: str = ""
    weight: int = 2


def _sign(field: str, pattern: str, kind: Kind | None, system: str = "", weight: int = 2) -> _Sign:
    return _Sign(field, re.compile(pattern, re.IGNORECASE), kind, system, weight)


_SIGNS: Final = (
    # services: DNS-SD names (dns-sd.org), UPnP device types, roles of NetBIOS
    _sign("service", r"_(ipp|ipps|printer|pdl-datastream|scanner|uscan)\._tcp", Kind.PRINTER),
    _sign("service", r"Printer(Basic|Enhanced)?|netbios-print", Kind.PRINTER),
    _sign("service", r"wsd-PrintDeviceType|wsd-ScanDeviceType", Kind.PRINTER),
    _sign("service", r"wsd-NetworkVideoTransmitter", Kind.CAMERA, weight=3),
    _sign("service", r"wsd-Computer", Kind.PC, "Windows", 1),
    _sign("service", r"_(afpovertcp|adisk)\._tcp", Kind.NAS, weight=1),
    _sign("service", r"_(readynas|qdiscover|qmobile)\._tcp", Kind.NAS, weight=3),
    _sign("service", r"_smb\._tcp", Kind.NAS, weight=1),
    _sign(
        "service",
        r"_(rtsp|axis-video|psia|CGI)\._tcp|NetworkVideoTransmitter|DigitalSecurityCamera",
        Kind.CAMERA,
        weight=3,
    ),
    _sign(
        "service",
        r"InternetGatewayDevice|WANDevice|WANConnectionDevice|WANIPConnection",
        Kind.ROUTER,
        weight=3,
    ),
    _sign("service", r"WFADevice|WLANAccessPointDevice", Kind.ACCESS_POINT, weight=2),
    _sign("service", r"_(sip|sips)\._(udp|tcp)", Kind.PHONE_SYSTEM),
    _sign("service", r"_apple-mobdev2?\._tcp|_remotepairing\._tcp", Kind.PHONE, "iOS", 3),
    _sign(
        "service",
        r"_(airplay|raop|googlecast|spotify-connect|roku-rcp)\._tcp|Media(Renderer|Server)|dial",
        Kind.MEDIA,
        weight=1,
    ),
    _sign("service", r"_(workstation|udisks-ssh)\._tcp", Kind.PC, "Linux", 1),
    _sign("service", r"netbios-server", Kind.PC, "Windows", 1),
    # models
    _sign("model", r"iPhone", Kind.PHONE, "iOS", 4),
    _sign("model", r"iPad", Kind.TABLET, "iPadOS", 4),
    _sign("model", r"Mac(Book|mini|Pro|Studio)|iMac|Xserve", Kind.PC, "macOS", 4),
    _sign("model", r"AppleTV|HomePod|AudioAccessory|Chromecast|BRAVIA", Kind.MEDIA, weight=4),
    _sign("model", r"TimeCapsule|AirPort", Kind.ACCESS_POINT, weight=4),
    _sign(
        "model",
        r"(LaserJet|OfficeJet|ENVY|DeskJet|MFC-|DCP-|HL-|PIXMA|imageRUNNER|apeos|RICOH|bizhub|EPSON|TASKalfa)",
        Kind.PRINTER,
        weight=3,
    ),
    _sign("model", r"(DiskStation|RackStation|TS-\d|LinkStation|TeraStation|ReadyNAS)", Kind.NAS, weight=4),
    # how software names itself
    _sign("system", r"Windows (Server|200[038])", Kind.SERVER, "Windows Server", 3),
    _sign("system", r"Windows", Kind.PC, "Windows", 2),
    _sign("system", r"Windows 10", None, "Windows 10", 1),
    _sign("system", r"Windows 7", None, "Windows 7", 1),
    _sign("system", r"Microsoft-Windows/10\.0", Kind.PC, "Windows 10", 2),
    _sign("system", r"Microsoft-Windows/6\.1", Kind.PC, "Windows 7", 2),
    _sign("system", r"Samba", Kind.NAS, "Linux", 1),
    _sign("system", r"(Google Chrome|Chromium|Microsoft Edge)/[\d.]+ Windows", Kind.PC, "Windows", 2),
    _sign("system", r"(Google Chrome|Chromium|Microsoft Edge)/[\d.]+ (Mac OS X|macOS)", Kind.PC, "macOS", 2),
    _sign("system", r"(Google Chrome|Chromium)/[\d.]+ Linux", Kind.PC, "Linux", 2),
    _sign("system", r"Darwin/|Mac OS X", None, "macOS", 1),
    _sign("system", r"Android", Kind.PHONE, "Android", 2),
    _sign("system", r"MiniUPnPd|IGD|RouterOS|OpenWRT|broadband router", Kind.ROUTER, weight=2),
    _sign("system", r"Synology|QNAP|LinkStation|TeraStation|ReadyNAS", Kind.NAS, weight=3),
    # DHCP vendor class (option 60)
    _sign("class", r"MSFT 5\.0", Kind.PC, "Windows", 3),
    _sign("class", r"MSFT 98", Kind.PC, "Windows 98", 3),
    _sign("class", r"android-dhcp-?(\d+)?", Kind.PHONE, "Android", 3),
    _sign("class", r"dhcpcd.*Linux", None, "Linux", 1),
    _sign("class", r"udhcp", None, "Linux", 1),
    _sign(
        "class",
        r"(Hewlett-Packard|HP) (JetDirect|Printer)|Mfg=.*(printer|HP|Canon|Epson|Brother)",
        Kind.PRINTER,
        weight=3,
    ),
    _sign(
        "class",
        r"Cisco Systems, Inc\. IP Phone|yealink|snom|polycom|AVAYA|Aastra|Mitel",
        Kind.PHONE_SYSTEM,
        weight=3,
    ),
    _sign("class", r"Cisco AP|ArubaAP|ubnt|Aruba|RuckusCPE", Kind.ACCESS_POINT, weight=3),
    _sign("class", r"(axis|hikvision|dahua)", Kind.CAMERA, weight=3),
    _sign("class", r"PXEClient", None, "", 0),
    # programs: how they call themselves in web requests, and how the system's own library opens TLS
    _sign("software", r"iphone", Kind.PHONE, "iOS", 3),
    _sign("software", r"ipad", Kind.TABLET, "iPadOS", 3),
    _sign("software", r"macintosh", Kind.PC, "macOS", 1),
    _sign("software", r"apple|apple tls", None, "Apple", 2),
    _sign("software", r"android phone", Kind.PHONE, "Android", 3),
    _sign("software", r"android", None, "Android", 2),
    _sign("software", r"chrome os", Kind.PC, "ChromeOS", 3),
    _sign("software", r"linux desktop", Kind.PC, "Linux", 2),
    _sign("software", r"linux", None, "Linux", 2),
    _sign("software", r"windows", Kind.PC, "Windows", 2),
    _sign("software", r"windows tls", None, "Windows", 2),
    _sign("software", r"media", Kind.MEDIA, weight=3),
    # the order of DHCP options asked for (option 55), whole or at its begin
    _sign("parameters", r"1,121,3,6,15,(108,)?114,119,252(,95,44,46)?", None, "Apple", 2),
    _sign("parameters", r"1,121,3,6,15,(114,)?119,252,95,44,46(,101)?", Kind.PC, "macOS", 2),
    _sign("parameters", r"1,(121,)?3,6,15,119,252", Kind.PHONE, "iOS", 2),
    _sign("parameters", r"1,15,3,6,44,46,47,31,33,(121,)?249,(252,)?43(,252)?", Kind.PC, "Windows", 2),
    _sign("parameters", r"1,3,6,15,31,33,43,44,46,47,(119,)?121,249,252", Kind.PC, "Windows 10", 2),
    _sign("parameters", r"1,3,6,15,26,28,51,58,59(,43)?(,114)?(,108)?", Kind.PHONE, "Android", 2),
    _sign("parameters", r"1,28,2,3,15,6,119,12,44,47,26,121,42", Kind.PC, "Linux", 2),
    # names that makers give; never enough alone
    _sign("name", r".*\biPhone\b.*", Kind.PHONE, "iOS", 1),
    _sign("name", r".*\biPad\b.*", Kind.TABLET, "iPadOS", 1),
    _sign("name", r".*MacBook.*|.*\biMac\b.*|.*Mac-?(mini|Pro).*", Kind.PC, "macOS", 1),
    _sign("name", r"android[-_].*|Galaxy.*|Pixel.*", Kind.PHONE, "Android", 1),
    _sign("name", r"(DESKTOP|LAPTOP|WIN)-[A-Z0-9]{5,}", Kind.PC, "Windows", 1),
    _sign("name", r"(BRN|BRW|NPI|EPSON|Canon|RNP)[0-9A-F]{6,}", Kind.PRINTER, weight=2),
    _sign("name", r".*(NAS|DiskStation|LinkStation|TeraStation).*", Kind.NAS, weight=1),
    _sign("name", r".*-pc|pc-.*", Kind.PC, weight=1),
    # makers of network cards
    _sign(
        "vendor",
        r".*(Brother|Canon|Seiko Epson|RICOH|Kyocera|Konica|Lexmark|Fuji ?Xerox|FUJIFILM Business).*",
        Kind.PRINTER,
        weight=2,
    ),
    _sign("vendor", r".*(Synology|QNAP|Netgear.*NAS).*", Kind.NAS, weight=2),
    _sign(
        "vendor", r".*(Axis Communications|Hikvision|Dahua|Vivotek|i-PRO|Mobotix).*", Kind.CAMERA, weight=2
    ),
    _sign(
        "vendor",
        r".*(Yealink|Polycom|snom|Grandstream|Aastra|Saxa|NAKAYO|Iwatsu).*",
        Kind.PHONE_SYSTEM,
        weight=2,
    ),
    _sign("vendor", r".*(Ruckus|Aruba|Ubiquiti|Aerohive|Meraki).*", Kind.ACCESS_POINT, weight=1),
    _sign(
        "vendor",
        r".*(BUFFALO|NEC Platforms|YAMAHA|IO-DATA|I-O DATA|TP-LINK|ASUSTek|ELECOM).*",
        None,
        weight=0,
    ),
)


@lru_cache(maxsize=2048)
def guess(traits: Traits) -> Guess:
    """The best sums; one alone of less than `ENOUGH` says nothing. Remembered: a thousand hosts are told every second."""
    kinds, systems = dict[str, int](), dict[str, int]()
    for sign in _found(traits):
        if sign.kind:
            kinds[sign.kind] = kinds.get(sign.kind, 0) + sign.weight
        if sign.system:
            systems[sign.system] = systems.get(sign.system, 0) + sign.weight
    return Guess(_best(kinds), _best(systems))


def _found(traits: Traits) -> Iterable[_Sign]:
    """Each sign once, however often it shows."""
    texts: Mapping[str, tuple[str, ...]] = {
        "service": tuple(traits.services),
        "model": (traits.model,),
        "system": (traits.system,),
        "class": (traits.vendor_class,),
        "parameters": (",".join(map(str, traits.parameters)),),
        "name": (traits.name,),
        "vendor": (traits.vendor,),
        "software": tuple(traits.software),
    }
    whole = frozenset({"parameters", "name", "vendor", "software"})
    for sign in _SIGNS:
        match = sign.pattern.fullmatch if sign.field in whole else sign.pattern.search
        if any(each and match(each) for each in texts[sign.field]):
            yield sign


def _best(sums: Mapping[str, int]) -> str:
    """The heaviest; a word that makes another more exact (Windows 10) has that one's weight, too."""
    whole = {what: sum(weight for other, weight in sums.items() if what.startswith(other)) for what in sums}
    enough = {what: weight for what, weight in whole.items() if weight >= ENOUGH}
    return max(enough, key=lambda what: (enough[what], len(what), what)) if enough else ""
