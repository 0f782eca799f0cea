"""Only what changed is fetched, whatever the list of pieces and the server say; the whole file's signed hash decides."""

import io
import os
import random
import re
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.update.slots import SlotDisk
from omamori.protocol import chunks
from omamori.protocol.chunks import COARSE, FINE, Chunk
from omamori.protocol.errors import Malformed
from omamori.signing import operations
from tests.firmware.update.releases import make_bundle

CHANGED = 9_000
"""Bytes of the root that the release changes, in one place."""


@pytest.fixture
def waiting(unit, fleet):
    """A unit that wants a release which differs from what runs in one place of its root, and is a little longer."""
    old = (unit.root / "dev/disk/by-partlabel/root-a").read_bytes()[:300_000]
    root = old[:100_000] + os.urandom(CHANGED) + old[100_000 + CHANGED - 77 :]
    fleet.release("1.1.0", root=root)
    unit.want(firmware="1.1.0")
    return unit


def asked(fleet, ending: str) -> list[str]:
    return [range_ for path, range_ in fleet.server.asked if path.endswith(ending)]


def replace_list(fleet, raw: bytes) -> None:
    """Signed like any other list: what a mistake or a thief of the firmware keys would publish."""
    place = fleet.place / "lying.chunks"
    place.write_bytes(raw)
    fleet.sign_unchecked("firmware", "firmware/test-1.1.0.bundle.chunks", place)


def listed(fleet) -> list[Chunk]:
    size = fleet.served("targets/firmware/*.bundle").stat().st_size
    return list(chunks.decode(fleet.served("targets/firmware/*.chunks").read_bytes(), total=size)[1])


def staged(unit) -> bool:
    """Staged, and what is staged starts."""
    return unit.run() and unit.phase == "staged" and unit.every_entry_starts()


def test_what_did_not_change_is_not_fetched(waiting, fleet):
    before = waiting.slot_bytes("a")
    assert staged(waiting)
    size = fleet.served("targets/firmware/*.bundle").stat().st_size
    new = 2 * 50_000 + 20_000 + CHANGED  # boot images and the hash tree are random here
    assert new < waiting.state["fetched"] < size - 100_000
    assert all(asked(fleet, ".bundle")), "the whole bundle was asked for"
    assert waiting.slot_bytes("a") == before
    assert any(f"{waiting.state['fetched']:,} bytes fetched for {size:,}" in line for line in waiting.log)
    assert waiting.power_on() == "1.1.0"


def test_a_repeated_piece_is_fetched_once(unit, fleet):
    # The same bytes each time: now and then random ones have no place to cut in the whole period.
    fleet.release("1.1.0", root=random.Random(1).randbytes(40_000) * 7)
    unit.want(firmware="1.1.0")
    assert staged(unit)
    assert unit.state["fetched"] < 300_000


def test_a_download_goes_on_where_it_was_cut(waiting, fleet):
    requests = []

    def cut(handler) -> None:
        requests.append(handler.headers.get("Range", ""))
        if len(requests) == 1:
            return handler.whole()
        handler.answer(b"", 206, start=int(requests[-1][6:].partition("-")[0]), total=1_000_000, length=5000)
        return handler.connection.close()

    fleet.server.faults[".bundle"] = cut
    assert not waiting.run()
    assert waiting.error.startswith("network: ")
    assert len(set(requests)) == 2, "no try goes on where the one before ended"
    fleet.server.faults.clear()
    fleet.server.asked.clear()
    first = waiting.state["fetched"]
    assert staged(waiting)
    assert asked(fleet, ".bundle")[0] == requests[1]
    assert waiting.state["fetched"] > first


@pytest.mark.parametrize(
    "fault", ["swapped", "other names", "whole of another", "empty", "garbage", "longer"]
)
def test_a_list_that_lies_costs_bytes_and_nothing_else(waiting, fleet, fault):
    true = listed(fleet)
    other = [Chunk(os.urandom(16), chunk.length) for chunk in true]
    lies = {
        "swapped": [true[1], true[0], *true[2:]],
        "other names": other,
        "whole of another": [*true[:5], *other[5:]],
        "empty": [],
        "garbage": None,
        "longer": [*true, *true],
    }[fault]
    replace_list(fleet, os.urandom(5000) if lies is None else chunks.encode(lies, COARSE))
    assert staged(waiting)


def test_a_list_of_another_file_that_fits_ends_with_the_signed_bytes(waiting, fleet):
    """All pieces are true to the list, and the list is not of this file: only the hash of the whole can tell."""
    old = (waiting.root / "dev/disk/by-partlabel/root-a").read_bytes()[:300_000]
    pieces = [Chunk(chunks.name_of(piece), len(piece)) for piece in chunks.cut(io.BytesIO(old).read, COARSE)]
    size = fleet.served("targets/firmware/*.bundle").stat().st_size
    longest = [piece for piece in pieces if piece.length >= COARSE.shortest]
    lie = [longest[0]] * (size // longest[0].length)
    rest = size - sum(chunk.length for chunk in lie)
    last = fleet.served("targets/firmware/*.bundle").read_bytes()[size - rest :]
    replace_list(fleet, chunks.encode([*lie, Chunk(chunks.name_of(last), rest)], COARSE))
    assert staged(waiting)


def test_an_endless_list_is_not_read(waiting, fleet):
    def endless(handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(COARSE.magic * 8192)

    fleet.server.faults[".chunks"] = endless
    assert staged(waiting)
    assert waiting.state["fetched"] < 3_000_000


def test_ranges_that_are_wrong_truncated_or_endless_fall_back(waiting, fleet):
    whole = fleet.served("targets/firmware/*.bundle").read_bytes()

    def elsewhere(handler) -> None:
        start, _, end = handler.headers.get("Range", "").removeprefix("bytes=").partition("-")
        if not end:
            return handler.whole()
        content = whole[int(start) + 4096 : int(end) + 4097]
        return handler.answer(content, 206, start=int(start), total=len(whole))

    fleet.server.faults[".bundle"] = elsewhere
    assert staged(waiting)
    assert any("the rest of firmware/test-1.1.0.bundle is fetched as it is" in line for line in waiting.log)


def test_a_range_that_never_ends_is_read_as_far_as_it_was_asked_for(waiting, fleet):
    whole = fleet.served("targets/firmware/*.bundle").read_bytes()

    def endless(handler) -> None:
        start = int(handler.headers["Range"].removeprefix("bytes=").partition("-")[0])
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
        handler.end_headers()
        handler.wfile.write(whole[start:])
        while True:
            handler.wfile.write(bytes(65536))

    fleet.server.faults[".bundle"] = endless
    assert staged(waiting)


def test_a_server_without_ranges_sends_everything(waiting, fleet):
    content = fleet.served("targets/firmware/*.bundle").read_bytes()
    fleet.server.faults[".bundle"] = lambda handler: handler.answer(content)
    assert staged(waiting)
    assert waiting.state["fetched"] >= len(content)


def test_a_repository_without_lists_sends_everything(waiting, fleet):
    fleet.served("targets/firmware/*.chunks").unlink()
    assert staged(waiting)
    assert asked(fleet, ".bundle") == [""]


def test_a_running_slot_that_cannot_be_read_or_rotted_is_only_slower(waiting):
    root = waiting.root / "dev/disk/by-partlabel/root-a"
    content = bytearray(root.read_bytes())
    for place in range(0, 300_000, 10_000):
        content[place] ^= 1
    root.write_bytes(content)
    (waiting.root / "dev/disk/by-partlabel/hash-a").unlink()
    assert waiting.run()
    assert waiting.phase == "staged"


def test_what_is_at_hand_is_the_running_slot_and_never_the_other(unit):
    names = [path.name for path in SlotDisk(unit.paths, "a").at_hand()]
    assert names == ["root-a", "hash-a", "omamori-1.0.0.efi"]


def test_signing_publishes_the_list_with_the_bundle(fleet, tmp_path: Path):
    path = make_bundle(tmp_path / "x.bundle", "3.0.0")
    operations.add_firmware(fleet.repository, path, datetime.now(UTC), replace=False, dry=False)
    paths = [target.path for target in operations.status(fleet.repository, datetime.now(UTC)).targets]
    assert paths == ["firmware/test-3.0.0.bundle", "firmware/test-3.0.0.bundle.chunks"]


# --- packs ---


@pytest.fixture
def yesterdays(unit, fleet):
    """The pack in force, and what it has."""
    source = fleet.release_pack("2026.11.1", size=300_000)
    unit.want(pack="2026.11.1")
    assert unit.run()
    fleet.server.asked.clear()
    return source.read_bytes()


def test_of_a_pack_only_what_changed_is_fetched(unit, fleet, yesterdays):
    changed = yesterdays[:90_000] + b"a new rule" + yesterdays[90_000:200_000] + yesterdays[201_000:]
    fleet.release_pack("2026.11.2", content=changed)
    unit.want(pack="2026.11.2")
    assert unit.run()
    assert unit.paths.current_pack.resolve().read_bytes() == changed
    assert all(asked(fleet, ".pack")), "the whole pack was asked for"
    line = next(line for line in unit.log if line.startswith("pack 2026.11.2: "))
    fetched, size = (int(number.replace(",", "")) for number in re.findall(r"[\d,]+(?= bytes|$)", line))
    assert size == len(changed)
    assert fetched < size / 4


def test_changes_that_lie_near_each_other_are_one_request(unit, fleet, yesterdays):
    """A change every 4 KiB in one half of it: each has its own pieces, with a small known one between here and there."""
    changed = bytearray(yesterdays)
    for at in range(0, 150_000, 4096):
        changed[at] ^= 1
    fleet.release_pack("2026.11.2", content=bytes(changed))
    unit.want(pack="2026.11.2")
    assert unit.run()
    assert unit.paths.current_pack.resolve().read_bytes() == changed
    wanted = {chunks.name_of(piece) for piece in chunks.cut(io.BytesIO(yesterdays).read, FINE)}
    pieces = [chunks.name_of(piece) in wanted for piece in chunks.cut(io.BytesIO(changed).read, FINE)]
    apart = sum(before and not after for before, after in pairwise([True, *pieces]))
    assert len(asked(fleet, ".pack")) < apart / 2


def test_the_factorys_pack_serves_as_well(unit, fleet):
    unit.paths.factory_pack.parent.mkdir(parents=True, exist_ok=True)
    unit.paths.factory_pack.write_bytes(content := os.urandom(300_000))
    fleet.release_pack("2026.11.1", content=content + b"one rule more")
    unit.want(pack="2026.11.1")
    assert unit.run()
    assert all(asked(fleet, ".pack"))


@pytest.mark.parametrize("lie", ["none", "garbage", "other names", "of bundles"])
def test_a_pack_whose_list_lies_or_is_missing_is_fetched_whole(unit, fleet, yesterdays, lie):
    content = yesterdays + b"and more"
    fleet.release_pack("2026.11.2", content=content)
    raw = fleet.served("targets/signatures/*.2026.11.2.pack.chunks").read_bytes()
    _, true = chunks.decode(raw, total=len(content))
    false = [Chunk(os.urandom(16), chunk.length) for chunk in true]
    place = fleet.place / "lying.chunks"
    place.write_bytes(
        {
            "none": b"",
            "garbage": os.urandom(4000),
            "other names": chunks.encode(false, FINE),
            "of bundles": chunks.index(io.BytesIO(content).read, COARSE),
        }[lie]
    )
    fleet.sign_unchecked("signatures", "signatures/2026.11.2.pack.chunks", place)
    unit.want(pack="2026.11.2")
    assert unit.run()
    assert unit.paths.current_pack.resolve().read_bytes() == content


# --- the list itself ---


rules = st.sampled_from([COARSE, FINE])


@given(st.binary(max_size=400_000), st.integers(1, 5000), rules)
@settings(max_examples=30)
def test_how_it_is_read_does_not_matter_to_where_it_is_cut(raw, step, rule):
    whole = list(chunks.cut(io.BytesIO(raw).read, rule))
    file = io.BytesIO(raw)
    assert list(chunks.cut(lambda _: file.read(step * 97), rule)) == whole
    assert b"".join(whole) == raw
    assert all(rule.shortest <= len(piece) <= rule.longest for piece in whole[:-1])
    assert chunks.decode(chunks.index(io.BytesIO(raw).read, rule), total=len(raw))[0] is rule


@pytest.mark.parametrize("rule", [COARSE, FINE])
def test_zeros_and_repeated_bytes_are_cut_too(rule):
    for raw in (bytes(1_000_000), b"\x2a" * 1_000_000, b"\x00\x2a" * 500_000):
        assert b"".join(chunks.cut(io.BytesIO(raw).read, rule)) == raw


@pytest.mark.parametrize("rule", [COARSE, FINE])
def test_an_insertion_moves_the_cuts_and_adds_few_pieces(rule):
    raw = os.urandom(1_000_000)
    before = {chunks.name_of(piece) for piece in chunks.cut(io.BytesIO(raw).read, rule)}
    changed = raw[:500_000] + b"one more" + raw[500_000:]
    after = [chunks.name_of(piece) for piece in chunks.cut(io.BytesIO(changed).read, rule)]
    assert sum(name not in before for name in after) <= 4


@given(st.binary(max_size=500), rules | st.none(), st.integers(0, 200_000))
@settings(max_examples=200)
def test_any_bytes_are_a_list_that_adds_up_or_malformed(raw, framed, total):
    try:
        _, found = chunks.decode(framed.magic + raw if framed else raw, total=total)
    except Malformed:
        return
    assert sum(chunk.length for chunk in found) == total
