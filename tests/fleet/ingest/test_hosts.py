"""Hosts as units report them: what the fleet keeps of each, and the detections that get their name from a later report."""

from dataclasses import replace
from datetime import timedelta

from omamori.fleet.detections.models import Detection
from omamori.fleet.ingest.operations import store
from omamori.fleet.lan.models import Host

MAC, AGAIN = "02:00:00:00:00:0d", "02:00:00:00:00:0e"


def test_what_a_unit_concludes_about_a_host_is_kept(fleet):
    fleet.unit()
    router = replace(
        fleet.host(MAC, name="ap-2f"),
        kind="access point",
        system="Linux",
        device=AGAIN,
        device_reason="interfaces",
        shared=0.9,
        shared_reasons=("3 User-Agents", "2 TTLs"),
    )
    store([fleet.hosts(router)])
    row = Host.objects.get()
    assert (row.kind, row.system, row.device, row.device_reason) == (
        "access point",
        "Linux",
        AGAIN,
        "interfaces",
    )
    assert (row.shared, row.shared_reasons) == (0.9, ["3 User-Agents", "2 TTLs"])


def test_a_conclusion_that_is_taken_back_goes(fleet):
    fleet.unit()
    seen = fleet.host(MAC)
    store([fleet.hosts(replace(seen, kind="pc", device=AGAIN, shared=0.8, shared_reasons=("x",)))])
    store([fleet.hosts(seen, sequence=2)])
    row = Host.objects.get()
    assert (row.kind, row.device, row.shared, row.shared_reasons) == ("", "", 0.0, [])


def test_an_older_report_that_comes_late_changes_no_conclusion(fleet):
    fleet.unit()
    new, old = fleet.host(MAC, seen=timedelta(hours=1)), fleet.host(MAC)
    store([fleet.hosts(replace(new, kind="pc"))])
    store([fleet.hosts(replace(old, kind="phone"), sequence=2)])
    assert Host.objects.get().kind == "pc"


def test_a_host_that_is_named_later_names_the_detections_before(fleet):
    fleet.unit()
    store([fleet.hosts(fleet.host(MAC)), fleet.detection(2, host=MAC)])
    assert Detection.objects.get().host_name == ""
    store([fleet.hosts(fleet.host(MAC, name="keiri-pc", seen=timedelta(hours=1)), sequence=3)])
    assert Detection.objects.get().host_name == "keiri-pc"


def test_a_name_that_a_detection_was_told_with_stays(fleet):
    fleet.unit()
    store([fleet.hosts(fleet.host(MAC, name="old-name")), fleet.detection(2, host=MAC)])
    store([fleet.hosts(fleet.host(MAC, name="new-name", seen=timedelta(hours=1)), sequence=3)])
    assert Detection.objects.get().host_name == "old-name"


def test_a_host_that_the_fleet_finds_itself_is_told_as_shared_too(fleet):
    fleet.unit()
    held = ("192.168.1.20", fleet.now, fleet.now)
    store([fleet.detection(1), fleet.detection(2, host=AGAIN)])
    store([fleet.hosts(replace(fleet.host(MAC, held, name="ap"), shared=0.9), sequence=3)])
    store([fleet.detection(4), fleet.detection(5, host=MAC)])
    told = {row.sequence: (row.host_name, row.host_shared) for row in Detection.objects.all()}
    assert told == {1: ("ap", True), 2: ("", False), 4: ("ap", True), 5: ("ap", False)}


def test_a_detection_behind_a_shared_address_says_so(fleet):
    fleet.unit()
    store([fleet.detection(1, host=MAC, host_shared=True), fleet.detection(2, host=MAC)])
    assert [row.host_shared for row in Detection.objects.order_by("sequence")] == [True, False]
