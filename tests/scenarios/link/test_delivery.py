"""Nothing sent is lost and nothing is stored twice, whatever dies in between."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from omamori.firmware.host import files
from omamori.protocol import messages as m
from omamori.protocol import wire
from omamori.protocol.ids import detection_id, mac
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import (
    Action,
    ApplyWhen,
    Direction,
    Guard,
    Severity,
    Side,
    UpdatePhase,
)
from omamori.protocol.window import RebootWindow

NOW = datetime.now(UTC)
DETECTION = m.Detection(
    id=detection_id("1-1"),
    time=NOW,
    guard=Guard.IPS,
    direction=Direction.INBOUND,
    severity=Severity.ONE,
    signature_id="1",
    signature="SQL injection",
    action=Action.BLOCKED,
    reason="rule 1",
    protocol="tcp",
    source=m.Endpoint("203.0.113.9", 40000),
    destination=m.Endpoint("192.168.1.23", 80),
)


def detections(first: int, number: int) -> list[m.Detection]:
    return [replace(DETECTION, id=detection_id(f"1-{n}")) for n in range(first, first + number)]


def ids_of(fleet) -> list[str]:
    return [found.id for found in fleet.database.bodies(m.Detection)]


@pytest.mark.slow
def test_broker_killed_and_restarted_no_event_lost_none_stored_twice(fleet, unit, eventually) -> None:
    one = unit()
    one.activate()
    one.say(*detections(0, 50))
    eventually(lambda: len(ids_of(fleet)) == 50)
    fleet.broker._child.kill()
    for burst in range(5):
        one.say(*detections(50 + burst * 40, 40))
        time.sleep(0.3)
    eventually(lambda: not one.status()["connected"])
    eventually(lambda: one.status()["outbox"] >= 200)
    assert len(ids_of(fleet)) < 250
    fleet.broker.stop()
    fleet.broker.start()
    eventually(lambda: len(ids_of(fleet)) == 250, within=40)
    assert len(set(ids_of(fleet))) == 250
    eventually(lambda: one.status()["outbox"] == 0, what="all acknowledged")


def test_agent_killed_in_the_middle_no_event_lost_none_stored_twice(fleet, unit, eventually) -> None:
    one = unit()
    one.activate()
    for burst in range(6):
        one.say(*detections(burst * 100, 100))
        time.sleep(0.15)
        one.stop(9)
        one.start()
    eventually(lambda: len(ids_of(fleet)) >= 600, within=40)
    eventually(lambda: one.status().get("outbox") == 0, within=40)
    assert sorted(ids_of(fleet)) == sorted(f"1-{n}" for n in range(600))


@pytest.mark.slow
def test_link_worker_dies_between_commit_and_acknowledgement(fleet, unit, eventually) -> None:
    one = unit()
    one.activate()
    eventually(lambda: one.status()["outbox"] == 0)

    def die() -> None:
        raise ConnectionError("the worker is gone after its commit")

    fleet.database.after_commit = die
    one.say(*detections(0, 30))
    eventually(lambda: len(ids_of(fleet)) == 30)
    time.sleep(1)
    assert one.status()["outbox"] >= 30, "nothing was acknowledged"
    fleet.stop_link()
    fleet.database.after_commit = lambda: None
    fleet.start_link()
    eventually(lambda: one.status()["outbox"] == 0, within=40)
    assert sorted(ids_of(fleet)) == sorted(f"1-{n}" for n in range(30))
    assert fleet.database.came > 31, "some came twice, and were stored once"


@pytest.mark.slow
def test_one_message_the_database_refuses_does_not_hold_up_the_others(fleet, unit, eventually) -> None:
    one = unit()
    one.activate()
    eventually(lambda: one.status()["outbox"] == 0)
    good, store = [], fleet.database.store

    def choosy(batch) -> None:
        if any(isinstance(message.body, m.Detection) and message.body.id == "1-7" for message in batch):
            raise ValueError("1-7 is more than I can take")
        good.extend(batch)
        store(batch)

    fleet.database.store = choosy
    one.say(*detections(0, 20))
    eventually(lambda: len(ids_of(fleet)) == 19)
    eventually(lambda: one.status()["outbox"] == 1, what="only the refused one is kept")
    fleet.database.store = store
    eventually(lambda: len(ids_of(fleet)) == 20, within=40)


@pytest.mark.slow
def test_a_database_outage_is_waited_out(fleet, unit, eventually) -> None:
    one = unit()
    one.activate()
    eventually(lambda: one.status()["outbox"] == 0)

    tries = []

    def locked() -> None:
        tries.append(ids_of(fleet))
        raise OSError("database is locked")

    fleet.database.before_commit = locked
    one.say(*detections(0, 10))
    eventually(lambda: len(tries) >= 3, what="the worker tries again")
    assert not ids_of(fleet)
    fleet.database.before_commit = lambda: None
    eventually(lambda: len(ids_of(fleet)) == 10, within=40)


def test_a_kind_the_fleet_does_not_know_is_stored_and_acknowledged(fleet, unit, eventually) -> None:
    one = unit()
    one.activate()
    eventually(lambda: one.status()["outbox"] == 0)
    one.say(m.Unrecognised("quantum", {"spin": [True, None]}))
    eventually(
        lambda: fleet.database.bodies(m.Unrecognised) == [m.Unrecognised("quantum", {"spin": [True, None]})]
    )
    eventually(lambda: one.status()["outbox"] == 0)


def test_garbage_in_a_spool_costs_its_own_lines_only(fleet, unit, eventually) -> None:
    one = unit()
    one.activate()
    spool = one.paths.spool("lan")
    spool.mkdir(parents=True)
    (spool / "0000000000000001.jsonl").write_bytes(
        b"\xff\n{}\n[" + b"[" * 1000 + b"\n" + m.encode_body(DETECTION) + b"\n" + b"x" * 100_000
    )
    (spool / "0000000000000002.jsonl").write_bytes(b"y" * 5_000_000)
    eventually(lambda: ids_of(fleet) == ["1-1"])
    eventually(lambda: not list(spool.glob("*.jsonl")))


def test_detections_name_the_host_that_held_the_address(fleet, unit, eventually) -> None:
    one = unit()
    behind = mac("52:54:00:00:00:23")
    address = m.HostAddress("192.168.1.23", NOW - timedelta(hours=1), NOW)
    host = m.Host(behind, Side.BEHIND, NOW, NOW, (address,), name="keiri-pc")
    files.write_atomic(
        one.paths.hosts, wire.dump({"time": "2026-01-01T00:00:00Z", "hosts": [wire.to_wire(host)]})
    )
    one.activate()
    one.say(DETECTION)
    eventually(lambda: ids_of(fleet))
    (found,) = fleet.database.bodies(m.Detection)
    assert (found.host, found.host_name) == (behind, "keiri-pc")


def test_a_long_list_of_hosts_arrives_in_parts(fleet, unit, eventually) -> None:
    one = unit()
    one.activate()
    hosts = tuple(
        m.Host(mac(f"52:54:00:00:{n // 256:02x}:{n % 256:02x}"), Side.BEHIND, NOW, NOW, name="機" * 60)
        for n in range(200)
    )
    for part in (hosts[:130], hosts[130:]):
        one.say(m.Hosts(NOW, part))
    eventually(lambda: sum(len(body.hosts) for body in fleet.database.bodies(m.Hosts)) == 200)


def test_want_hint_window_and_reboot_order(fleet, unit, eventually) -> None:
    one = unit()
    one.activate()
    eventually(lambda: one.status()["outbox"] == 0)
    staged = {
        "update": {"phase": "staged", "version": "1.3.0", "error": ""},
        "pack": "2026.5.1",
        "slot": "a",
        "healthy": True,
    }
    files.write_atomic(one.paths.update_state, wire.dump(staged))
    opening = datetime.now(UTC) + timedelta(hours=3)
    window = RebootWindow(
        "UTC", (1, 2, 3, 4, 5, 6, 7), f"{opening:%H:%M}", f"{opening + timedelta(hours=1):%H:%M}"
    )
    fleet.wants["om-0001"] = m.Want(5, Version(1, 3, 0), None, window)
    fleet.database.wanted["om-0001"] = 5
    eventually(lambda: fleet.database.bodies(m.State)[-1].reboot_at, what="a reboot is announced")
    state = fleet.database.bodies(m.State)[-1]
    assert (
        timedelta(hours=2, minutes=58) < state.reboot_at - datetime.now(UTC) < timedelta(hours=3, minutes=11)
    )
    assert (state.generation, state.update.phase, state.booted_healthy) == (5, UpdatePhase.STAGED, True)
    assert not one.paths.reboot.exists()

    fleet.wants["om-0001"] = replace(fleet.wants["om-0001"], generation=4, apply=ApplyWhen.NOW)
    fleet.database.wanted["om-0001"] = 6
    time.sleep(2)
    assert not one.paths.reboot.exists(), "an older generation is not obeyed"
    fleet.wants["om-0001"] = replace(fleet.wants["om-0001"], generation=7)
    fleet.database.wanted["om-0001"] = 7
    eventually(one.paths.reboot.exists)
    files.write_atomic(
        one.paths.update_state, wire.dump({**staged, "update": {"phase": "committed", "error": ""}})
    )
    eventually(lambda: not one.paths.reboot.exists(), what="the order is taken back once it was followed")

    now = datetime.now(UTC)
    open_now = replace(
        window, start=f"{now - timedelta(hours=2):%H:%M}", end=f"{now + timedelta(hours=2):%H:%M}"
    )
    fleet.wants["om-0001"] = m.Want(8, Version(1, 3, 0), None, open_now)
    fleet.database.wanted["om-0001"] = 8
    eventually(lambda: fleet.database.bodies(m.State)[-1].generation == 8)
    plugged = {
        "update": {"phase": "staged", "version": "1.4.0", "error": ""},
        "by_hand": {"version": "1.4.0", "generation": 8},
    }
    files.write_atomic(one.paths.update_state, wire.dump({**staged, **plugged}))
    eventually(one.paths.reboot.exists, what="what a stick brought is tried in the window")


@contextmanager
def small_disk(where: Path, kib: int) -> Iterator[Path]:
    where.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", where], check=True)
    try:
        yield where
    finally:
        subprocess.run(["umount", "-l", where], check=True)


def fill(filler: Path) -> None:
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)


@pytest.mark.root
def test_a_full_disk_loses_nothing_and_crashes_nothing(fleet, unit, eventually) -> None:
    one = unit()
    with small_disk(one.paths.agent_state, 8 * 1024):
        one.activate()
        eventually(lambda: one.status()["outbox"] == 0)
        filler = one.paths.agent_state / "filler"
        fill(filler)
        fleet.stop_link()
        for burst in range(20):
            one.say(*[replace(found, detail="d" * 900) for found in detections(burst * 50, 50)])
        eventually(lambda: one.status()["problem"], what="the problem is shown")
        assert list(one.paths.spool("bridge").glob("*.jsonl")), "what does not fit stays in the spool"
        assert one.process.poll() is None
        fleet.start_link()
        time.sleep(2)
        filler.unlink()
        eventually(lambda: len(ids_of(fleet)) >= 1000, within=40)
        eventually(lambda: one.status()["outbox"] == 0, within=40)
        assert sorted(ids_of(fleet)) == sorted(f"1-{n}" for n in range(1000))
        assert one.status()["dropped"] == 0
        assert one.stop() == 0
