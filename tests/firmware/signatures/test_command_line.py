"""`omamori engine` as a person calls it, and the public corpus where it is there."""

import io
import json
import os
from pathlib import Path

import dpkt
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.signatures.capture import CaptureError, read_capture
from omamori.firmware.signatures.cli import group

RULE = 'drop tcp $HOME_NET any -> any 80 (msg:"found"; content:"needle"; sid:7;)\n'


def run(*arguments):
    return CliRunner().invoke(group, [str(argument) for argument in arguments])


@pytest.fixture
def capture(tmp_path) -> Path:
    """One connection from 192.168.1.5 to 203.0.113.9:80 that sends a needle."""
    path = tmp_path / "one.pcap"
    client, server = b"\xc0\xa8\x01\x05", b"\xcb\x00\x71\x09"
    steps = [
        (True, 2, 100, 0, b""),
        (False, 0x12, 500, 101, b""),
        (True, 0x10, 101, 501, b""),
        (True, 0x18, 101, 501, b"a needle"),
    ]
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file)
        for number, (outward, flags, seq, ack, data) in enumerate(steps):
            ports = (40000, 80) if outward else (80, 40000)
            ends = (client, server) if outward else (server, client)
            segment = dpkt.tcp.TCP(sport=ports[0], dport=ports[1], flags=flags, seq=seq, ack=ack, data=data)
            packet = dpkt.ip.IP(src=ends[0], dst=ends[1], p=6, data=segment)
            packet.len = len(packet)
            writer.writepkt(bytes(dpkt.ethernet.Ethernet(data=packet, type=0x0800)), ts=1000.0 + number / 100)
    return path


@pytest.fixture
def rules(tmp_path) -> Path:
    path = tmp_path / "a.rules"
    path.write_text(RULE, encoding="ascii")
    return path


def test_check_rules(rules, tmp_path):
    bad = tmp_path / "bad.rules"
    bad.write_text(RULE + "garbage\nalert tcp any any -> any any (lua:x; sid:1;)\n", encoding="ascii")
    told = json.loads(run("check-rules", rules, bad, "--json").stdout)
    assert (told["loaded"], told["refused"], told["reasons"]) == (2, 2, {"wrong text": 1, "lua": 1})
    assert [(r["line"], r["column"]) for r in told["refusals"]] == [(2, 7), (3, 31)]
    assert f"{bad}:3:31: lua: scripts" in run("check-rules", bad).stdout
    assert run("check-rules", bad, "--least", "90").exit_code == 1


def test_a_rule_with_an_unknown_variable_is_refused_alone(rules, tmp_path):
    bad = tmp_path / "bad.rules"
    bad.write_text("alert tcp $HOME_NET any -> [10.0.0.1,!$HOME] $PORT (sid:1;)\n", encoding="ascii")
    told = json.loads(run("check-rules", rules, bad, "--json").stdout)
    assert (told["loaded"], told["reasons"]) == (1, {"wrong text": 1})
    assert f"{bad}:1:39: no variable $HOME\n" in run("check-rules", rules, bad).stdout


def test_replay_tells_and_drops_only_as_ips(rules, capture, tmp_path):
    eve = tmp_path / "eve.json"
    told = json.loads(run("replay", "--pcap", capture, "--rules", rules, "--eve", eve, "--json").stdout)
    assert (told["packets"], told["dropped"]) == (4, 0)
    assert [detection["signature_id"] for detection in told["detections"]] == ["1:7"]
    event = json.loads(eve.read_text(encoding="utf-8"))
    assert (event["alert"]["signature_id"], event["alert"]["action"]) == (7, "allowed")
    told = json.loads(run("replay", "--pcap", capture, "--rules", rules, "--ips", "--json").stdout)
    assert told["dropped"] == 1
    assert told["detections"][0]["action"] == "blocked"


def test_replay_can_be_tuned(rules, capture, tmp_path):
    tuning = tmp_path / "threshold.config"
    tuning.write_text("suppress gen_id 1, sig_id 7, track by_src, ip 192.168.1.0/24\n")
    words = ("replay", "--pcap", capture, "--rules", rules, "--threshold", tuning, "--json")
    assert json.loads(run(*words).stdout)["detections"] == []
    tuning.write_text("hush gen_id 1, sig_id 7\n")
    wrong = run(*words)
    assert wrong.exit_code == 1
    assert "line 1: hush is missing or wrong" in wrong.output


def test_replay_with_another_inside(rules, capture):
    told = json.loads(
        run("replay", "--pcap", capture, "--rules", rules, "--home", "203.0.113.0/24", "--json").stdout
    )
    assert told["detections"] == []


def test_a_file_that_is_no_capture(rules):
    result = run("replay", "--pcap", rules, "--rules", rules)
    assert result.exit_code == 1
    assert "no capture file" in result.output


def test_pack_is_built_and_shown(rules, tmp_path):
    names = tmp_path / "names"
    names.write_text("bad.example\n", encoding="ascii")
    out = tmp_path / "1.pack"
    result = run(
        "pack", "build", "--version", "1.0.0", "--rules", rules, "--domains", f"phishing={names}", "-o", out
    )
    assert result.exit_code == 0, result.output
    told = json.loads(run("pack", "show", out, "--json").stdout)
    counts = told["counts"]
    assert (counts["rules"], counts["domains"], counts["antivirus"]) == (1, {"wg": 1}, 1)
    out.write_bytes(out.read_bytes()[:-100])
    assert "no whole pack" in run("pack", "show", out).output


@settings(max_examples=150)
@given(
    head=st.sampled_from([b"\xd4\xc3\xb2\xa1", b"\x0a\x0d\x0d\x0a", b"\xa1\xb2\x3c\x4d", b""]),
    rest=st.binary(max_size=200),
)
def test_any_bytes_are_frames_or_an_error(tmp_path, head, rest):
    path = tmp_path / "any.pcap"
    path.write_bytes(head + rest)
    try:
        list(read_capture(path))
    except CaptureError as error:
        assert str(error)  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize("cut", [1, 10, 17, 30])
def test_a_truncated_capture_gives_what_is_whole(capture, tmp_path, cut):
    path = tmp_path / "cut.pcap"
    path.write_bytes(capture.read_bytes()[:-cut])
    frames = []
    with pytest.raises(CaptureError, match="ends within"):
        frames.extend(frame for frame in read_capture(path) if frames.append(frame) is None)
    assert len(frames) >= 3


def test_pcapng_gives_the_same(capture, tmp_path):
    out = io.BytesIO()
    writer = dpkt.pcapng.Writer(out)
    frames = list(read_capture(capture))
    for number, frame in enumerate(frames):
        writer.writepkt(bytes(14)[:12] + b"\x08\x00" + frame.packet, ts=1000.0 + number / 100)
    path = tmp_path / "one.pcapng"
    path.write_bytes(out.getvalue())
    assert [frame.packet for frame in read_capture(path)] == [frame.packet for frame in frames]


@pytest.fixture
def corpus() -> Path:
    folder = os.environ.get("OMAMORI_CORPUS")
    if not folder:
        pytest.skip("OMAMORI_CORPUS is not set: the public rules and captures are not there")
    return Path(folder)


@pytest.mark.corpus
def test_nearly_all_public_rules_load(corpus):
    result = run("check-rules", corpus / "rules", "--disabled", "--least", "99.5", "--json")
    assert result.exit_code == 0, result.output[-500:]


@pytest.mark.corpus
def test_most_acceptance_cases_pass(corpus):
    result = run("conformance", corpus / "suricata-verify", "--least", "85", "--json")
    assert result.exit_code == 0, result.output[-2000:]
    told = json.loads(result.stdout)
    assert told["passed"] + told["failed"] + told["skipped"] == told["cases"]
    assert all(each["reason"] for each in told["failures"] + told["skips"])
