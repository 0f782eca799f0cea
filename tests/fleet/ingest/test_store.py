"""Ingest: each message once, in the order it was said, and no message can stop a batch."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.fleet.detections.models import Detection
from omamori.fleet.ingest import operations
from omamori.fleet.ingest.models import LogLine, Unknown
from omamori.fleet.lan.models import Host, HostAddress, Wiring
from omamori.fleet.units.models import Unit
from omamori.protocol import WireError
from omamori.protocol.messages import (
    BridgeState,
    Finding,
    Log,
    Reason,
    Unrecognised,
    Upward,
    decode_up,
    encode_up,
)
from omamori.protocol.messages import Wiring as WiringReport
from omamori.protocol.reasons import LONGEST, MOST
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import Direction, WiringCode


def test_a_detection_arrives_with_all_its_fields(fleet):
    fleet.unit()
    operations.store([fleet.detection(7)])
    row = Detection.objects.get()
    assert (row.unit_id, row.boot, row.sequence) == ("om-0001", fleet.boot, 7)
    assert (row.guard, row.direction, row.severity, row.action) == ("ips", "outbound", 3, "blocked")
    assert (row.source_address, row.source_port, row.destination_port) == ("192.168.1.20", 50000, 443)
    assert row.site == fleet.sites[0]


def test_the_same_batch_twice_is_stored_once(fleet):
    fleet.unit()
    batch = [fleet.detection(n) for n in range(1, 40)]
    operations.store(batch)
    operations.store([*batch, *batch, fleet.detection(40)])
    assert Detection.objects.count() == 40


def test_concurrent_writers_store_each_message_once(fleet):
    fleet.unit()
    batches = [[fleet.detection(n) for n in range(start, start + 50)] for start in (1, 26, 1, 51, 26, 1)]

    def write(batch):
        try:
            operations.store(batch)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, batches))
    assert Detection.objects.count() == 100


def test_a_killed_writer_loses_nothing_that_it_reported_as_stored(fleet, database):
    fleet.unit()
    script = (
        "import os,sys,django; django.setup()\n"
        "from omamori.fleet.ingest.operations import store\n"
        "from omamori.protocol.messages import decode_up\n"
        "for line in sys.stdin.buffer:\n"
        "    store([decode_up(line)]); print('stored', flush=True)\n"
        "    if line.find(b'-30\"') > 0: os.kill(os.getpid(), 9)\n"
    )
    environment = {
        "DJANGO_SETTINGS_MODULE": "omamori.fleet.settings",
        "OMAMORI_STATE": str(database.parent),
        "OMAMORI_FLEET_DATABASE": str(database),
    }
    lines = b"\n".join(encode_up(fleet.detection(n)) for n in range(1, 60)) + b"\n"
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=lines,
        env=environment,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -9, done.stderr.decode()
    assert Detection.objects.count() == done.stdout.count(b"stored") == 30


def test_messages_of_unregistered_units_are_dropped(fleet):
    fleet.unit()
    operations.store([fleet.detection(1, unit="om-9999"), fleet.detection(1)])
    assert [row.unit_id for row in Detection.objects.all()] == ["om-0001"]


def test_state_is_applied_in_the_order_it_was_said(fleet):
    fleet.unit()
    newer, older = (
        fleet.state(9, firmware=Version.parse("1.2.0")),
        fleet.state(3, firmware=Version.parse("1.1.0")),
    )
    operations.store([newer])
    operations.store([older])
    assert Unit.objects.get().firmware == "1.2.0"
    operations.store([fleet.state(1, boot="f" * 32, firmware=Version.parse("1.3.0"))])
    operations.store([fleet.state(99, firmware=Version.parse("1.2.0"))])
    assert Unit.objects.get().firmware == "1.3.0", "a later boot, however low its sequence, is newer"


def test_state_fills_every_reported_field_and_says_what_was_taken_in(fleet):
    fleet.unit()
    operations.store([fleet.state(1, generation=1)])
    unit = Unit.objects.select_related("want").get()
    assert (unit.firmware, unit.slot, unit.pack, unit.workers, unit.booted_healthy) == (
        "1.0.0",
        "a",
        "2026.11.1",
        2,
        True,
    )
    assert unit.want.taken == 1
    assert operations.raised() == []


def test_reasons_are_kept_by_name_and_bounded(fleet):
    fleet.unit()
    told = BridgeState(
        dropped=(Reason("ips", 5), Reason("blocked flow, in the kernel", 2**63)),
        unfollowed=tuple(Reason(f"a word of 2031 \x00 {number} {'x' * 400}", -1) for number in range(500)),
    )
    operations.store([fleet.state(1, bridge=told)])
    reasons = Unit.objects.get().reasons
    assert reasons["dropped"] == {"ips": 5, "blocked flow, in the kernel": 2**63 - 1}
    assert reasons["uninspected"] == {}
    assert len(reasons["unfollowed"]) == MOST
    assert {len(name) for name in reasons["unfollowed"]} == {LONGEST}
    operations.store([fleet.state(2)])
    assert Unit.objects.get().reasons["dropped"] == {}


def test_the_host_is_the_one_the_unit_names(fleet):
    fleet.unit()
    operations.store(
        [
            fleet.hosts(fleet.host("02:00:00:00:00:0a", name="reception-pc")),
            fleet.detection(2, host="02:00:00:00:00:0a"),
        ]
    )
    row = Detection.objects.get()
    assert (row.host.mac, row.host_name) == ("02:00:00:00:00:0a", "reception-pc")


def test_without_a_name_the_host_is_who_held_the_address_at_that_time(fleet):
    fleet.unit()
    day = timedelta(days=1)
    before = fleet.host(
        "02:00:00:00:00:0a", ("192.168.1.20", fleet.now - 9 * day, fleet.now - 7 * day), name="old-pc"
    )
    after = fleet.host(
        "02:00:00:00:00:0b", ("192.168.1.20", fleet.now - 1 * day, fleet.now + 1 * day), name="new-pc"
    )
    operations.store([fleet.hosts(before, after)])
    operations.store(
        [
            fleet.detection(2, time=fleet.now - 8 * day),
            fleet.detection(3),
            fleet.detection(4, time=fleet.now - 4 * day),
        ]
    )
    assert [row.host_name for row in Detection.objects.order_by("sequence")] == ["old-pc", "new-pc", ""]


def test_the_inside_address_of_an_attack_from_outside_is_its_destination(fleet):
    fleet.unit()
    held = ("203.0.113.9", fleet.now, fleet.now)
    operations.store([fleet.hosts(fleet.host("02:00:00:00:00:0c", held, name="server"))])
    operations.store([fleet.detection(2, direction=Direction.INBOUND), fleet.detection(3)])
    assert [row.host_name for row in Detection.objects.order_by("sequence")] == ["server", ""]


def test_a_host_reported_after_its_detection_is_still_linked(fleet):
    fleet.unit()
    operations.store([fleet.detection(1, host="02:00:00:00:00:0d")])
    operations.store([fleet.hosts(fleet.host("02:00:00:00:00:0d", name="late"), sequence=2)])
    assert Detection.objects.get().host.name == "late"


def test_an_address_reported_after_its_detection_still_names_the_host(fleet):
    fleet.unit()
    operations.store([fleet.detection(1), fleet.detection(2, time=fleet.now - timedelta(days=9))])
    held = ("192.168.1.20", fleet.now, fleet.now)
    operations.store([fleet.hosts(fleet.host("02:00:00:00:00:0e", held, name="late"), sequence=3)])
    assert [row.host_name for row in Detection.objects.order_by("sequence")] == ["late", ""]


def test_host_sightings_only_widen(fleet):
    fleet.unit()
    hour = timedelta(hours=1)
    early = fleet.host("02:00:00:00:00:01", ("10.0.0.1", fleet.now, fleet.now), name="now")
    late = fleet.host("02:00:00:00:00:01", ("10.0.0.1", fleet.now, fleet.now + hour), name="later", seen=hour)
    for report in (late, early, late):
        operations.store([fleet.hosts(report)])
    host = Host.objects.get()
    assert (host.name, host.first_seen, host.last_seen) == ("later", fleet.now, fleet.now + hour)
    assert HostAddress.objects.get().last_seen == fleet.now + hour


def test_wiring_keeps_its_history_and_one_present_diagnosis(fleet):
    fleet.unit()

    def report(sequence, code):
        return Upward(
            "om-0001",
            fleet.boot,
            sequence,
            WiringReport(fleet.now, (Finding(code, 0.9, fleet.now, ("fact",)),)),
        )

    operations.store(
        [report(1, WiringCode.PORTS_SWAPPED), report(5, WiringCode.OK), report(3, WiringCode.NO_HOSTS_BEHIND)]
    )
    operations.store([report(5, WiringCode.OK)])
    assert Wiring.objects.count() == 3
    assert [f.code for f in Wiring.objects.get(current=True).findings.all()] == ["OK"]


def test_logs_are_kept_once_and_presence_is_no_log(fleet):
    fleet.unit()
    line = Upward("om-0001", fleet.boot, 4, Log(fleet.now, "bridge", "warning", "worker died"))
    presence = Upward("om-0001", fleet.boot, 0, Log(fleet.now, "presence", "info", "online"))
    operations.store([line, presence, line])
    assert [row.text for row in LogLine.objects.all()] == ["worker died"]


def test_unknown_kinds_are_kept_up_to_a_bound(fleet):
    fleet.unit()
    operations.store(
        [Upward("om-0001", fleet.boot, n, Unrecognised("novel", {"n": n})) for n in range(1, 81)]
    )
    assert Unknown.objects.count() == operations.UNKNOWN_CAP
    assert Unknown.objects.order_by("-sequence").first().sequence == 80


def test_presence_changes_have_the_time_of_the_change(fleet):
    fleet.unit()
    later = fleet.now + timedelta(minutes=5)
    operations.presence("om-0001", online=True, time=fleet.now)
    operations.presence("om-0001", online=True, time=later)
    unit = Unit.objects.get()
    assert (unit.online, unit.presence_changed, unit.last_seen) == (True, fleet.now, later)
    operations.presence("om-0001", online=False, time=later)
    unit = Unit.objects.get()
    assert (unit.online, unit.presence_changed) == (False, later)


def test_prune_drops_the_old_and_keeps_the_young(fleet):
    fleet.unit()
    operations.store([fleet.detection(1), fleet.detection(2)])
    Detection.objects.filter(sequence=1).update(received=fleet.now - timedelta(days=100))
    assert operations.prune(now=fleet.now)["detections"] == 1
    assert Detection.objects.get().sequence == 2


_TEXT = st.text(st.characters(codec=None), max_size=40)
_NUMBER = st.integers(-(2**70), 2**70)
_MOMENT = st.sampled_from(
    ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-11-20T03:00:00Z", "1970-01-01T00:00:00+09:00"]
)
_END = st.fixed_dictionaries({"address": _TEXT, "port": _NUMBER | st.none()})
_DETECTION = st.fixed_dictionaries({
    "id": st.just("1-1"), "time": _MOMENT, "guard": st.just("av"), "direction": st.sampled_from(["inbound", "outbound", "internal"]),
    "severity": st.integers(1, 3), "signature_id": _TEXT, "signature": _TEXT, "action": st.just("logged"), "reason": _TEXT,
    "protocol": _TEXT, "source": _END, "destination": _END, "category": _TEXT, "detail": _TEXT, "host_name": _TEXT,
    "host_shared": st.booleans(),
})  # fmt: skip
_HOST = st.fixed_dictionaries({
    "mac": st.just("02:00:00:00:00:01"), "side": st.just("behind"), "first_seen": _MOMENT, "last_seen": _MOMENT, "name": _TEXT,
    "vendor": _TEXT, "kind": _TEXT, "system": _TEXT, "device_reason": _TEXT, "shared": st.floats(allow_nan=False, allow_infinity=False),
    "shared_reasons": st.lists(_TEXT, max_size=3), "addresses": st.lists(st.fixed_dictionaries({"address": _TEXT, "first_seen": _MOMENT, "last_seen": _MOMENT}), max_size=3),
})  # fmt: skip
_STATE = st.fixed_dictionaries({
    "time": _MOMENT, "firmware": st.just("1.0.0"), "slot": _TEXT, "pack": st.none(), "generation": _NUMBER,
    "update": st.fixed_dictionaries({"phase": st.just("failed"), "version": st.just("2.0.0"), "error": _TEXT, "changed": _MOMENT}),
    "bridge": st.fixed_dictionaries({"packets": _NUMBER, "workers": _NUMBER}), "uptime": st.floats(allow_nan=False, allow_infinity=False),
})  # fmt: skip
_WIRING = st.fixed_dictionaries({
    "time": _MOMENT,
    "findings": st.lists(st.fixed_dictionaries({"code": st.just("OK"), "confidence": st.floats(allow_nan=False, allow_infinity=False),
                                                "since": _MOMENT, "evidence": st.lists(_TEXT, max_size=2)}), max_size=2),
})  # fmt: skip
_LOG = st.fixed_dictionaries({"time": _MOMENT, "process": _TEXT, "level": _TEXT, "text": _TEXT})
_BODY = st.one_of(
    st.tuples(st.just("detection"), _DETECTION),
    st.tuples(
        st.just("hosts"), st.fixed_dictionaries({"time": _MOMENT, "hosts": st.lists(_HOST, max_size=2)})
    ),
    st.tuples(st.just("state"), _STATE),
    st.tuples(st.just("wiring"), _WIRING),
    st.tuples(st.just("log"), _LOG),
    st.tuples(_TEXT, st.dictionaries(_TEXT, _TEXT | _NUMBER, max_size=3)),
)


@given(_BODY, st.integers(0, 2**63 - 1), st.integers(-(2**70), 2**70))
@settings(max_examples=60)
def test_every_message_that_decodes_can_be_stored(fleet, body, sequence, capability):
    import json

    Unit.objects.filter(pk="om-0001").exists() or fleet.unit()
    envelope = {
        "unit": "om-0001",
        "boot": fleet.boot,
        "sequence": sequence,
        "kind": body[0],
        "body": body[1],
        "capability": capability,
    }
    try:
        message = decode_up(json.dumps(envelope).encode())
    except WireError:
        return
    operations.store([message, message])
