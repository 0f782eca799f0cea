"""Hosts that an operator has set apart: from the want that the agent keeps into the unit's own list, and into what it concludes."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.namespaces import wait_until
from omamori.firmware.host.files import write_atomic
from omamori.firmware.host.paths import Paths
from omamori.firmware.lan.apart import ApartFile
from omamori.protocol.ids import mac
from omamori.protocol.messages import MAX_APART, Want, encode
from tests.firmware.lan.frames import PC, PHONE
from tests.firmware.lan.panel import send, site
from tests.firmware.lan.test_names import a_record, mdns_answer

PAIR = frozenset({mac(PC), mac(PHONE)})


def wanted(paths, *pairs, generation=1):
    write_atomic(paths.want, encode(Want(generation, apart=pairs)))


@pytest.fixture
def paths(tmp_path):
    return Paths(tmp_path)


def test_the_fleets_list_is_kept_and_outlives_the_want(paths):
    held = ApartFile(paths)
    assert held.stored() == held.look(frozenset()) == frozenset()
    wanted(paths, (PC, PHONE))
    assert held.look(frozenset()) == {PAIR}
    paths.want.unlink()
    again = ApartFile(paths)
    assert again.look(again.stored()) == {PAIR}


def test_a_pair_that_is_taken_back_is_forgotten(paths):
    held = ApartFile(paths)
    wanted(paths, (PC, PHONE))
    wanted(paths, generation=2)
    assert held.look(frozenset({PAIR})) == frozenset()
    assert ApartFile(paths).stored() == frozenset()


def test_what_is_no_pair_is_skipped_and_the_list_is_bounded(paths):
    odd = ((PC,), (PC, PC), (PC, PHONE, "02:00:00:00:00:09"))
    many = tuple((PC, f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}") for n in range(3 * MAX_APART))
    wanted(paths, *odd, *many)
    assert 0 < len(ApartFile(paths).look(frozenset())) <= 2 * MAX_APART


def test_a_disk_that_refuses_is_tried_again(paths):
    held = ApartFile(paths)
    wanted(paths, (PC, PHONE))
    blocker = paths.state / "lan"
    blocker.write_text("in the way")
    with pytest.raises(OSError, match="lan"):
        held.look(frozenset())
    blocker.unlink()
    assert held.look(frozenset()) == {PAIR}


@settings(max_examples=100)
@given(st.binary(max_size=200) | st.just(b'{"generation": 1, "apart": [["x", 3], 7]}'))
def test_whatever_lies_there_changes_nothing(tmp_path_factory, raw):
    paths = Paths(tmp_path_factory.mktemp("unit"))
    held = ApartFile(paths)
    for path, read in ((paths.want, lambda: held.look(frozenset({PAIR}))),):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
        assert read() == {PAIR}
    (paths.state / "lan").mkdir()
    (paths.state / "lan/apart.json").write_bytes(raw)
    assert held.stored() == frozenset()


@pytest.mark.root
def test_the_real_process_parts_what_it_took_for_one_device_and_joins_it_again(tmp_path):
    cable = mdns_answer(a_record("keiri-pc.local"))
    wifi = mdns_answer(a_record("keiri-pc.local", "192.168.1.11"), source=PHONE, address="192.168.1.11")
    with site(tmp_path) as net:
        paths = Paths(net.state)

        def devices():
            return {host: facts.get("device") for host, facts in net.hosts().items() if host in PAIR}

        with net.lan_process():
            send(net.office, cable)
            wait_until(lambda: PC in net.hosts(), seconds=60, what="the first host")
            send(net.office, wifi)
            wait_until(lambda: devices() == {PC: None, PHONE: PC}, seconds=60, what="one device")
            wanted(paths, (PC, PHONE))
            wait_until(lambda: devices() == {PC: None, PHONE: None}, seconds=60, what="two devices")
        paths.want.unlink()
        (net.state / "run/omamori/lan/hosts.json").unlink()
        (net.state / "run/omamori/lan/wiring.json").unlink()
        with net.lan_process():
            assert devices() == {PC: None, PHONE: None}
            wanted(paths, generation=2)
            wait_until(lambda: devices() == {PC: None, PHONE: PC}, seconds=60, what="one device again")
            assert json.loads((net.state / "var/lib/omamori/lan/apart.json").read_text()) == {"apart": []}
