"""The access point tried for real by the settings process: kept, taken back, failing, forgotten. `systemctl` is played by a script.

The real service, hostapd and a radio are tests/appliance/test_wifi.py.
"""

import subprocess

import pytest

from lab.namespaces import address, guarded_line
from omamori.firmware.host import accesspoint
from omamori.firmware.host.files import write_atomic
from omamori.firmware.host.sealing import Kept
from tests.firmware.page.browsing import Visitor
from tests.firmware.page.conftest import served
from tests.firmware.page.test_trial import CODE, FLEET, LEASED, Play
from tests.firmware.page.test_wifi import FORM, SECRET, with_radio

pytestmark = [pytest.mark.root, pytest.mark.timeout(400)]
TAKEN = {**FORM, "code": CODE}
SYSTEMCTL = """#!/bin/sh
# Plays the service: the radio is on the air unless the channel is 48, which this one cannot.
carrier="$PLAYED_ROOT/sys/class/net/radio0/carrier"
echo "$*" >> "$PLAYED_ROOT/asked"
case "$1" in
    restart) ! grep -q '^channel=48$' "$PLAYED_ROOT/run/omamori/wifi/hostapd.conf" || { echo "Job failed" >&2; exit 1; }; echo 1 ;;
    stop) echo 0 ;;
esac > "$carrier"
"""


@pytest.fixture
def play(unit, tmp_path):
    unit.hosts()
    with_radio(unit)
    with guarded_line("omw") as line:
        address(line.unit, "br0", f"{LEASED}/24")
        made = Play(line, unit, tmp_path)
        played = made.folder / "bin/systemctl"
        played.write_text(SYSTEMCTL)
        played.chmod(0o755)
        yield made


@pytest.fixture
def visitor(play):
    with served(play.unit) as base:
        made = Visitor(base)
        made.get()
        yield made


def applied(play, visitor, form, *, patience=60):
    visitor.get()
    visitor.send(form)
    done = subprocess.run(
        play.command("apply", "--patience", str(patience), "--grace", "0"),
        check=False,
        capture_output=True,
        text=True,
    )
    again = subprocess.run(play.command("restore"), check=True, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stderr + again.stderr
    assert SECRET not in play.unit.paths.outcome.read_text()
    return play.outcome()


def load(path):
    return accesspoint.load(Kept(path, None))


def asked(play):
    return (play.unit.root / "asked").read_text().splitlines()


def test_it_is_kept_changed_without_the_passphrase_and_switched_off(play, visitor):
    paths = play.unit.paths
    with play.fleet():
        assert applied(play, visitor, TAKEN)["state"] == "kept"
        assert {path.stat().st_mode & 0o777 for path in (paths.hostapd, paths.access_point)} == {0o600}
        assert SECRET in paths.hostapd.read_text()
        assert "access point is on" in visitor.get()
        assert applied(play, visitor, {**TAKEN, "passphrase": "", "channel": "11"})["state"] == "kept"
        assert (load(paths.access_point).passphrase, load(paths.access_point).channel) == (SECRET, 11)
        assert applied(play, visitor, {**TAKEN, "wifi": "off"})["settings"]["wifi"] == "off"
    assert not paths.hostapd.exists()
    assert not paths.access_point.exists()
    assert asked(play) == [f"{word} omamori-wifi.service" for word in ("restart", "restart", "stop")]


def test_it_is_taken_back_where_the_fleet_is_not_reached(play, visitor):
    assert applied(play, visitor, TAKEN, patience=3)["state"] == "taken back"
    assert not play.unit.paths.hostapd.exists()
    assert not play.unit.paths.access_point.exists()
    assert asked(play)[-1] == "stop omamori-wifi.service"


def test_a_radio_that_cannot_is_told_and_the_one_before_comes_back(play, visitor):
    with play.fleet():
        applied(play, visitor, TAKEN)
        told = applied(play, visitor, {**TAKEN, "passphrase": "", "channel": "48"})
    assert (told["state"], told["settings"]["channel"]) == ("radio failed", "6")
    assert "could not be started" in visitor.get()
    assert "\nchannel=6\n" in play.unit.paths.hostapd.read_text()
    assert play.unit.paths.radio.with_name("carrier").read_text() == "1\n"


def test_a_wrong_code_changes_nothing(play, visitor):
    assert applied(play, visitor, {**TAKEN, "code": "0000-0000"})["state"] == "wrong code"
    assert not play.unit.paths.hostapd.exists()


def test_an_order_for_a_unit_without_a_radio_is_refused(play, visitor):
    visitor.send(TAKEN)
    play.unit.paths.radio.rmdir()
    play.apply(patience=3)
    assert play.outcome()["state"] == "refused"
    assert not play.unit.paths.hostapd.exists()


def test_a_radio_that_died_keeps_nobody_from_changing_the_rest(play, visitor):
    with play.fleet():
        applied(play, visitor, TAKEN)
        play.unit.paths.radio.rmdir()
        told = applied(play, visitor, {**TAKEN, "mode": "fixed", "address": "192.168.77.9", "gateway": FLEET})
    assert (told["state"], told["settings"]["address"]) == ("kept", "192.168.77.9")
    assert load(play.unit.paths.access_point).passphrase == SECRET


def test_a_start_begins_with_it_and_the_form_shows_it(play, visitor):
    with play.fleet():
        applied(play, visitor, TAKEN)
    for file in (play.unit.paths.hostapd, play.unit.paths.outcome):
        file.unlink()
    subprocess.run(play.command("restore"), check=True)
    assert asked(play)[-1] == "restart --no-block omamori-wifi.service"
    assert SECRET in play.unit.paths.hostapd.read_text()
    visitor.get()
    assert visitor.value("ssid") == FORM["ssid"]


@pytest.mark.parametrize("content", [b"{", b'{"wifi": "on", "ssid": "x", "passphrase": "short"}'])
def test_a_broken_file_is_none_and_the_network_goes_on(play, content):
    write_atomic(play.unit.paths.access_point, content)
    subprocess.run(play.command("restore"), check=True)
    assert play.addresses() == [f"{LEASED}/24"]
    assert not play.unit.paths.hostapd.exists()


def test_one_that_does_not_open_is_none_and_off_takes_it_away_for_good(play, visitor):
    """Its TPM is another's, or gone; what is sealed comes back with it until somebody says that there is to be none."""
    sealed = play.unit.paths.access_point.with_suffix(".json.sealed")
    write_atomic(sealed, b"what another TPM has sealed")
    with play.fleet():
        assert applied(play, visitor, {**TAKEN, "wifi": "off", "mode": "automatic"})["state"] == "kept"
    assert not sealed.exists()


def test_the_button_forgets_it(play, visitor):
    with play.fleet():
        applied(play, visitor, TAKEN)
    write_atomic(play.unit.paths.reset, b"")
    play.apply(patience=3)
    assert not play.unit.paths.hostapd.exists()
    assert not play.unit.paths.access_point.exists()
    assert asked(play)[-1] == "stop omamori-wifi.service"
