"""Lists of hosts as people write them: what is read, and what each fault is called, by its line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.fleet.lan import declarations
from omamori.fleet.lan.declarations import BYTES_CAP, FAULTS_CAP, Declaration, Unreadable, Wrong, mac_of, read

MAC = "02:00:00:00:00:0a"
LISTS = {
    "names": ("reception-pc\nserver\n", [Declaration("reception-pc"), Declaration("server")]),
    "with addresses": (f"reception-pc,{MAC}\r\nserver,", [Declaration("reception-pc", MAC), Declaration("server")]),
    "a heading in any order": ("MAC Address,owner,Name\n02-00-00-00-00-0A,Sato,pc\n", [Declaration("pc", MAC)]),
    "a Japanese heading": (f"名前,MACアドレス\n経理PC,{MAC}\n", [Declaration("経理PC", MAC)]),
    "tabs of a spreadsheet": ("経理, 2階\t0200.0000.000a\n", [Declaration("経理, 2階", MAC)]),
    "quotes and blank lines": ('\n"pc, 2nd floor", 02000000000a \n\n', [Declaration("pc, 2nd floor", MAC)]),
}  # fmt: skip
FAULTS = {
    "no name": (f"pc\n,{MAC}\n", [(2, Wrong.NO_NAME)]),
    "no address": ("pc,02:00\n\nserver,zz\n", [(1, Wrong.BAD_MAC), (3, Wrong.BAD_MAC)]),
    "twice": (f"pc,{MAC}\nPC\npc\nother,02-00-00-00-00-0a", [(3, Wrong.TWICE), (4, Wrong.TWICE)]),
    "a long name": ("x" * 121, [(1, Wrong.BAD_NAME)]),
    "a bell": ("pc\x07", [(1, Wrong.BAD_NAME)]),
    "open quotes": ('pc\n"server\n', [(3, Wrong.BAD_QUOTES)]),
    "nothing": (" \n,\n", [(0, Wrong.EMPTY)]),
    "only a heading": ("name,mac\n", [(0, Wrong.EMPTY)]),
    "too many lines": ("pc\n" * 1100, [(0, Wrong.TOO_LONG)]),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
@pytest.mark.parametrize("name", LISTS)
def test_lists_are_read_as_people_write_them(name, encoding):
    text, hosts = LISTS[name]
    assert read(text.encode(encoding)) == hosts


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_told_with_its_line(name):
    text, faults = FAULTS[name]
    with pytest.raises(Unreadable) as refused:
        read(text.encode())
    assert [(fault.line, fault.wrong) for fault in refused.value.faults] == faults


@pytest.mark.parametrize("raw", [b"PK\x03\x04\x00\x00sheet", b"\xff\xfe\x00a"])
def test_a_spreadsheet_that_is_no_csv_is_told_as_such(raw):
    with pytest.raises(Unreadable, match="save the list as CSV"):
        read(raw)


def test_what_is_too_big_is_not_looked_at():
    with pytest.raises(Unreadable, match="64 KB"):
        read(b"x" * (BYTES_CAP + 1))


def test_a_refusal_stays_short():
    with pytest.raises(Unreadable) as refused:
        read(b"pc,wrong\n" * 900)
    assert len(refused.value.faults) == FAULTS_CAP


@given(st.binary(max_size=300) | st.text('pc",\t\n\r0a:\ufeff名', max_size=300).map(str.encode))
@settings(max_examples=150)
def test_any_bytes_are_read_or_refused(raw):
    try:
        hosts = read(raw)
    except Unreadable:
        return
    assert hosts
    assert all(host.name and host.mac == mac_of(host.mac) for host in hosts)
    assert len(set(hosts)) == len(hosts) <= declarations.LINES_CAP
