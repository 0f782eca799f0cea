"""Rules that name a protocol and nothing in it: they fire once in each direction, once it is known what is spoken."""

import pytest

from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.ips import RuleSet
from omamori.firmware.engine.settings import Settings
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.signatures.suricata import parse_rule
from tests.firmware.engine.conversation import Tcp, Unit
from tests.firmware.engine.test_ftp import FTP, control

SMB = b"\0\0\0\x24\xfeSMB" + bytes(32)
RDP = b"\3\0\0\x13\x0e\xe0\0\0\0\0\0\1\0\x08\0\0\0\0\0"
MQTT = b"\x10\x10\0\x04MQTT\4\2\0\x3c\0\4abcd"
SAID = {
    "smb": [(True, SMB), (False, SMB)],
    "rdp": [(True, RDP), (False, RDP)],
    "mqtt": [(True, MQTT), (False, b"\x20\2\0\0")],
    "ftp": [(False, b"220 FTP ready\r\n"), (True, b"USER evil\r\n"), (False, b"331 password\r\n")],
}


def unit(action, protocol, options="", **fields):
    rule = parse_rule(f'{action} {protocol} any any -> any any (msg:"TEST"; {options} sid:7;)')
    return Unit(Engine(Signatures(RuleSet.build([rule])), Settings(**fields)))


def played(guard, said):
    talk = Tcp(server_port=4444)
    guard.feed(talk.handshake())
    for to_server, data in said:
        guard.feed(talk.say(data, to_server=to_server))
    return guard


@pytest.mark.parametrize("options", ["", "flow:to_server;", "flow:to_client;", "flow:established,to_server;"])
@pytest.mark.parametrize("protocol", SAID)
def test_a_rule_fires_when_its_protocol_is_known(protocol, options):
    assert played(unit("alert", protocol, options), SAID[protocol]).engine.take_detections()
    for other in SAID.keys() - {protocol}:
        assert not played(unit("alert", protocol, options), SAID[other]).engine.take_detections()


@pytest.mark.parametrize("protocol", SAID)
def test_a_drop_rule_ends_the_connection_with_its_first_request(protocol):
    guard = played(unit("drop", protocol, "flow:to_server;"), SAID[protocol][:2])
    assert "Block" in [type(verdict).__name__ for verdict in guard.verdicts]


@pytest.mark.parametrize("protocol", ["smb", "rdp", "mqtt"])
def test_it_fires_once_in_each_direction(protocol):
    guard = played(unit("alert", protocol, repeat=True), SAID[protocol] * 5)
    assert len(guard.engine.take_detections()) == 2


def test_a_protocol_that_is_not_read_is_decided_after_its_depth():
    guard = played(unit("alert", "smb", stream_depth=1000), [*SAID["smb"], (True, bytes(2000))])
    assert guard.last == "Decided"


def test_the_data_connection_of_ftp_is_a_protocol_of_its_own():
    guard, (said, ends) = unit("alert", "ftp-data"), FTP["PASV"]
    control(guard, said)
    assert not guard.engine.take_detections()
    data = Tcp(ends.client, ends.server, ends.client_port, ends.server_port)
    guard.feed(data.handshake() + data.say(b"a file", to_server=False))
    assert len(guard.engine.take_detections()) == 1
