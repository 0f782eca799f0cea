"""Files over FTP: the control connection announces the data connections, active and passive, and both ways are overwritten."""

import pytest

from tests.firmware.engine.conversation import PC, SITE, Tcp, received
from tests.firmware.engine.evil import summed
from tests.firmware.engine.mails import MARK, infected
from tests.firmware.engine.test_mail import found, unit

FIN_ACK = 0x11


def control(guard, said):
    talk = Tcp(server_port=21)
    guard.feed(talk.handshake())
    guard.feed(talk.say(b"220 FTP ready\r\n", to_server=False))
    for to_server, data in said:
        guard.feed(talk.say(data, to_server=to_server))
    return talk


FTP = {
    "PASV": ([(True, b"PASV\r\n"), (False, b"227 Entering (203,0,113,9,156,64)\r\n")], Tcp(client_port=50_000, server_port=40_000)),
    "EPSV": ([(True, b"EPSV\r\n"), (False, b"229 Entering (|||40000|)\r\n")], Tcp(client_port=50_000, server_port=40_000)),
    "PORT": ([(True, b"PORT 192,168,1,20,156,64\r\n"), (False, b"200 ok\r\n")], Tcp(SITE, PC, 20, 40_000)),
    "EPRT": ([(True, b"EPRT |1|192.168.1.20|40000|\r\n"), (False, b"200 ok\r\n")], Tcp(SITE, PC, 20, 40_000)),
}  # fmt: skip


@pytest.mark.parametrize("upload", [False, True])
@pytest.mark.parametrize("handshake", [False, True])
@pytest.mark.parametrize("how", list(FTP))
def test_ftp_files_both_ways_in_both_modes(how, handshake, upload):
    guard, (said, template) = unit(), FTP[how]
    control(guard, [*said, (True, b"STOR up.exe\r\n" if upload else b"RETR down.exe\r\n")])
    data = Tcp(template.client, template.server, template.client_port, template.server_port)
    if handshake:
        guard.feed(data.handshake())
    from_pc = upload
    to_server = (data.client == PC) == from_pc
    got = received(guard.feed(data.say(infected(), to_server=to_server)))
    assert len(got) == len(infected())
    assert MARK not in got
    (detection,) = found(guard)
    assert detection.detail == ("up.exe" if upload else "down.exe")
    assert detection.source.address == (PC if upload else SITE)


@pytest.mark.parametrize("off", [0, 77], ids=["that dies on the way", "with a wrong checksum"])
def test_an_end_that_the_receiver_never_sees_does_not_cut_the_file_in_two(off):
    guard, (said, template) = unit(), FTP["PASV"]
    control(guard, [*said, (True, b"RETR down.exe\r\n")])
    data = Tcp(template.client, template.server, template.client_port, template.server_port)
    cut = infected().index(MARK) + 5
    got = guard.feed(data.say(infected()[:cut], to_server=False))
    guard.feed([summed(data.packet(to_server=False, flags=FIN_ACK, sequence=data.sequences[False]), off)])
    got += guard.feed(data.say(infected()[cut:], to_server=False))
    assert MARK not in received(got)


def test_a_connection_that_nobody_announced_is_no_ftp_file():
    guard = unit()
    control(guard, FTP["PASV"][0])
    other = Tcp(client_port=50_001, server_port=40_001)
    assert MARK in received(guard.feed(other.say(infected(), to_server=False)))


def test_ftp_over_tls_waits_for_the_hello():
    guard = unit()
    control(guard, [(True, b"AUTH TLS\r\n"), (False, b"234 go\r\n")])
    assert guard.last == "Pass"
