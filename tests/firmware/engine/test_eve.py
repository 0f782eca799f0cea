"""Detections as event records, in the words of Suricata's EVE."""

import json

from omamori.firmware.engine import eve
from tests.firmware.engine.conversation import PC, SITE, Tcp
from tests.firmware.engine.test_engine import asked, get, hit, unit


def test_a_detection_as_an_event_record():
    guard, talk = unit(("http.uri", b"/x", hit(1))), Tcp()
    guard.feed(talk.say(get(path="/x"), to_server=True))
    (sighting,) = guard.engine.take_sightings()
    event = json.loads(eve.line(sighting))
    assert event["alert"] == {
        "action": "blocked",
        "gid": 1,
        "signature_id": 1,
        "rev": 2,
        "signature": "TEST rule 1",
        "category": "trojan-activity",
        "severity": 1,
        "metadata": {"tag": ["x"]},
    }
    assert (event["event_type"], event["proto"], event["app_proto"]) == ("alert", "TCP", "http")
    assert (event["src_ip"], event["src_port"], event["dest_ip"], event["dest_port"]) == (
        PC,
        40_000,
        SITE,
        80,
    )
    assert event["http"]["hostname"] == "ok.example"
    assert event["timestamp"].startswith("2023-11-14T22:13:20.00")


def test_a_site_as_an_event_record():
    guard = unit()
    guard.feed([asked("c2.example")])
    (sighting,) = guard.engine.take_sightings()
    event = eve.record(sighting)
    assert event["dns"]["query"][0]["rrname"] == "c2.example"
    assert (event["alert"]["gid"], event["alert"]["action"], event["alert"]["severity"]) == (0, "blocked", 1)
