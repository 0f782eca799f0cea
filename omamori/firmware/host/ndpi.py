"""The nDPI library of Debian (libndpi 4.2), through ctypes, as the namer's dissector (decision 0010).

The library is C that parses hostile bytes, so only the sandboxed naming process loads it: `Ndpi()` is never called where
a crash could stop traffic. Flow structures are opaque: the library says how large they are. Each name is its own word
for the application, else for the protocol. Source: ndpi_api.h of 4.2.
"""

import ctypes
from ctypes import (
    POINTER,
    Structure,
    c_char_p,
    c_int,
    c_uint8,
    c_uint16,
    c_uint32,
    c_uint64,
    c_ushort,
    c_void_p,
)
from typing import Final

_NAMES: Final = ("libndpi.so.4.2",)
"""The ABI that the signatures below are true for; another one is refused."""
_PACKET_CAP: Final = 0xFFFF
_HOST_CAP: Final = 80
"""The field's length in 4.2; a longer name is cut by the library."""
_CALIBRATION: Final = b"calibration.invalid"
_TEXT: Final = b"GET / HTTP/1.1\r\nHost: " + _CALIBRATION + b"\r\nUser-Agent: x\r\nAccept: */*\r\n\r\n"
_REQUEST: Final = (
    b"\x45\0" + (40 + len(_TEXT)).to_bytes(2, "big") + bytes.fromhex("00010000400600000a0000010a000002")
    + bytes.fromhex("c00000500000000100000001501820000000 0000") + _TEXT
)  # fmt: skip


class NdpiError(Exception):
    """The library is not there, or not the one that is known."""


class _Protocol(Structure):
    _fields_ = (("master", c_uint16), ("application", c_uint16), ("category", c_int))


class Ndpi:
    """One detection module. Not safe for threads; handles live until `close`."""

    def __init__(self, library: str | None = None) -> None:
        """Raises NdpiError."""
        self._library = _load(library)
        self._size = int(self._library.ndpi_detection_get_sizeof_ndpi_flow_struct())
        self._module = self._library.ndpi_init_detection_module(0)
        if not self._module:
            raise NdpiError("the library cannot be initialised")
        everything = (c_uint8 * 256)(*[0xFF] * 256)
        self._library.ndpi_set_protocol_detection_bitmask2(self._module, everything)
        self._library.ndpi_finalize_initialization(self._module)
        self._names: dict[int, str] = {0: ""}
        self._host_at = self._calibrated()

    @property
    def version(self) -> str:
        return str(self._library.ndpi_revision().decode("ascii", "replace"))

    def open(self) -> object:
        """Zeroed memory for one flow."""
        return ctypes.create_string_buffer(self._size)

    def packet(self, handle: object, data: bytes, milliseconds: int) -> str:
        """The name so far. The stated length is made the true one: copies are cut."""
        whole = _true_length(data[:_PACKET_CAP])
        found = self._library.ndpi_detection_process_packet(
            self._module, handle, whole, len(whole), milliseconds
        )
        return self._name(found)

    def host(self, handle: object) -> bytes:
        """The name the client asked for, as TLS, QUIC and HTTP dissectors note it; empty where there is none."""
        assert isinstance(handle, ctypes.Array)  # noqa: S101 - `open` made it
        return bytes(handle[self._host_at : self._host_at + _HOST_CAP]).partition(b"\0")[0]

    def close(self, handle: object) -> str:
        """The library's last word, without its guesses by port and address; what it allocated is freed."""
        guessed = c_uint8(0)
        found = self._library.ndpi_detection_giveup(self._module, handle, 0, ctypes.byref(guessed))
        name = self._name(found)
        self._library.ndpi_free_flow_data(handle)
        return name

    def _calibrated(self) -> int:
        """Where a flow structure keeps the server's name: found by a request whose name is known. Raises NdpiError."""
        handle = ctypes.create_string_buffer(self._size)
        for packet in (_REQUEST, _REQUEST):
            self.packet(handle, packet, 1)
        found = handle.raw.find(_CALIBRATION + b"\0")
        self._library.ndpi_free_flow_data(handle)
        if found < 0:
            raise NdpiError("the library does not note the server's name where it did")
        return found

    def _name(self, found: _Protocol) -> str:
        number = found.application or found.master
        if number not in self._names:
            told = self._library.ndpi_get_proto_name(self._module, number)
            self._names[number] = told.decode("utf-8", "replace") if told else ""
        return self._names[number]


def _true_length(data: bytes) -> bytes:
    """A copy of a large packet is cut at some bytes, and a GSO packet states more than any wire carries."""
    if not data:
        return data
    if data[0] >> 4 == 4 and len(data) >= 20 and int.from_bytes(data[2:4], "big") != len(data):
        return data[:2] + len(data).to_bytes(2, "big") + data[4:]
    if data[0] >> 4 == 6 and len(data) >= 40 and int.from_bytes(data[4:6], "big") != len(data) - 40:
        return data[:4] + (len(data) - 40).to_bytes(2, "big") + data[6:]
    return data


def _load(path: str | None) -> ctypes.CDLL:
    for name in (path,) if path else _NAMES:
        try:
            library = ctypes.CDLL(name)
            _declare(library)
        except OSError as error:
            raise NdpiError(f"{name}: {error}") from error
        except AttributeError as error:
            raise NdpiError(f"{name} is not the library that is known: {error}") from error
        return library
    raise NdpiError("no library is known")


def _declare(library: ctypes.CDLL) -> None:
    shapes: dict[str, tuple[object, list[object]]] = {
        "ndpi_detection_get_sizeof_ndpi_flow_struct": (c_uint32, []),
        "ndpi_revision": (c_char_p, []),
        "ndpi_init_detection_module": (c_void_p, [c_uint32]),
        "ndpi_set_protocol_detection_bitmask2": (None, [c_void_p, c_void_p]),
        "ndpi_finalize_initialization": (None, [c_void_p]),
        "ndpi_detection_process_packet": (
            _Protocol,
            [c_void_p, c_void_p, c_char_p, c_ushort, c_uint64],
        ),
        "ndpi_detection_giveup": (_Protocol, [c_void_p, c_void_p, c_uint8, POINTER(c_uint8)]),
        "ndpi_free_flow_data": (None, [c_void_p]),
        "ndpi_get_proto_name": (c_char_p, [c_void_p, c_uint16]),
    }
    for name, (result, arguments) in shapes.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
