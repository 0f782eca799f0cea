"""The button: events as the kernel writes them, in any pieces, from devices that come and go."""

import os
from pathlib import Path
from struct import Struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.agent.button import Button, KeyReader, devices_with

EVENT = Struct("@llHHi")
KEY, SYN, DOWN, UP, HELD = 1, 0, 1, 0, 2
LISTING = """I: Bus=0011 Vendor=0001 Product=0001 Version=ab41
N: Name="AT Translated Set 2 keyboard"
H: Handlers=sysrq kbd leds event12
B: EV=120013
B: KEY=402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe

I: Bus=0019 Vendor=0001 Product=0001 Version=0100
N: Name="gpio-keys"
H: Handlers=kbd event3
B: EV=3
B: KEY=20000 0 0 0 0 0 0 0 0

I: Bus=0019 Vendor=0000 Product=0001 Version=0000
N: Name="mouse with H: Handlers=event99 in its name"
H: Handlers=mouse0 event4
B: KEY=1f0000 0 0 0 0

"""


def event(kind: int, code: int, value: int) -> bytes:
    return EVENT.pack(1_700_000_000, 5, kind, code, value)


PRESS = (
    event(KEY, 529, DOWN) + event(SYN, 0, 0) + event(KEY, 529, HELD) + event(KEY, 529, UP) + event(SYN, 0, 0)
)


@given(st.lists(st.integers(1, 40), max_size=20))
def test_a_press_is_one_press_however_its_bytes_come(cuts: list[int]) -> None:
    reader, rest, seen = KeyReader(), PRESS, []
    for cut in cuts:
        seen += reader.feed(rest[:cut])
        rest = rest[cut:]
    assert seen + reader.feed(rest) == [529]


@settings(max_examples=200)
@given(st.binary(max_size=500))
def test_any_bytes_are_taken(data: bytes) -> None:
    assert all(0 <= code < 65536 for code in KeyReader().feed(data))


def test_devices_are_found_by_their_keys() -> None:
    assert devices_with(LISTING, [88]) == ["event12"]
    assert devices_with(LISTING, [529]) == ["event3"]
    assert devices_with(LISTING, [529, 88]) == ["event12", "event3"]
    assert devices_with(LISTING, [700]) == []


@settings(max_examples=200)
@given(st.text(alphabet="NHB: =Handlrsev0123456789abcdefKEY\n", max_size=400))
def test_any_listing_is_taken(listing: str) -> None:
    assert all(name.startswith("event") for name in devices_with(listing, [148, 529]))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "proc/bus/input").mkdir(parents=True)
    (tmp_path / "dev/input").mkdir(parents=True)
    return tmp_path


def test_a_button_that_is_plugged_in_late_and_out_again(root: Path) -> None:
    button = Button(root)
    button.rescan()
    assert button.names() == []
    (root / "proc/bus/input/devices").write_text(LISTING)
    button.rescan()
    assert button.names() == [], "listed, and its device file is not there yet"
    os.mkfifo(root / "dev/input/event3")
    button.rescan()
    assert button.names() == ["event3"]
    assert not button.pressed()
    with (root / "dev/input/event3").open("wb", buffering=0) as pressing:
        pressing.write(event(KEY, 30, DOWN))
        assert not button.pressed()
        pressing.write(PRESS[:30])
        assert button.pressed()
        pressing.write(PRESS[30:])
        assert not button.pressed()
    button.close()
    assert button.names() == []


def test_a_device_that_fails_is_forgotten_and_found_again(root: Path) -> None:
    (root / "proc/bus/input/devices").write_text(LISTING)
    (root / "dev/input/event3").mkdir()
    button = Button(root)
    button.rescan()
    assert not button.pressed(), "reading a directory fails as reading an unplugged device does"
    assert button.names() == []
    (root / "dev/input/event3").rmdir()
    os.mkfifo(root / "dev/input/event3")
    button.rescan()
    assert button.names() == ["event3"]
    button.close()
