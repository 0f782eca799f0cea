"""The gate compares a trial with the boot before it: the test signature, latency, hosts; unknown before is not judged."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.host.paths import Paths
from omamori.firmware.update import health
from omamori.firmware.update.health import Before, Measured, worse
from omamori.protocol.version import Version

NEW = Version.parse("1.1.0")
NOW = datetime(2026, 11, 21, tzinfo=UTC)
GOOD = {"self_test": "passed", "latency": 0.002}


class Surroundings:
    """What bridge and LAN process say of a unit made of files, in each boot."""

    def __init__(self, unit) -> None:
        self.unit = unit
        self.at: dict[str, dict] = {}
        """By version: `hosts` (seconds since each was heard), or None where the LAN process says nothing; bridge's words."""

    def say(self, *_: object) -> None:
        unit, said = self.unit, self.at.get(str(self.unit.version), {})
        unit.bridge()
        if unit.paths.bridge_status.exists():
            status = json.loads(unit.paths.bridge_status.read_bytes())
            bridge = {key: value for key, value in said.items() if key != "hosts"}
            unit.paths.bridge_status.write_bytes(json.dumps(status | bridge).encode())
        unit.paths.hosts.unlink(missing_ok=True)
        if (ages := said.get("hosts")) is not None:
            now = unit.clock()
            hosts = [
                _host(number, (now - timedelta(seconds=age)).isoformat()) for number, age in enumerate(ages)
            ]
            away = _host(99, now.isoformat()) | {"side": "router"}
            document = {"time": now.isoformat(), "hosts": [*hosts, away]}
            unit.write("run/omamori/lan/hosts.json", json.dumps(document).encode())
        unit.write("proc/uptime", b"95.12 170.40\n")


def _host(number: int, seen: str) -> dict:
    return {
        "mac": f"02:00:00:00:00:{number:02x}",
        "side": "behind",
        "first_seen": seen,
        "last_seen": seen,
        "addresses": [],
    }


@pytest.fixture
def surroundings(unit, fleet):
    """1.1.0 is staged on a unit that did well before: every look at the clock is preceded by what the processes say."""
    made = Surroundings(unit)
    made.at["1.0.0"] = GOOD | {"hosts": [5.0] * 8}
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    made.say()
    assert unit.run(sleep=made.say)
    return made


def tried(surroundings, *, ordered=True) -> str:
    """Restart into 1.1.0, by order or because the power went; what the fleet is told in the end, empty when committed."""
    unit = surroundings.unit
    if ordered:
        surroundings.say()
        assert unit.updater().apply()
    assert unit.power_on() == "1.1.0"
    surroundings.say()
    healthy = unit.updater(sleep=surroundings.say).health()
    if healthy:
        unit.bless()
    else:
        assert unit.power_on() == "1.0.0"
        surroundings.say()
    unit.updater(sleep=surroundings.say).committed()
    assert unit.phase == ("committed" if healthy else "failed")
    return unit.error


@pytest.mark.parametrize(
    ("trial", "told"),
    [
        (GOOD | {"hosts": [5.0] * 2}, ""),
        (GOOD | {"hosts": [400.0] * 8}, "hosts: 0 heard behind the unit, 8 before the restart"),
        (
            GOOD | {"latency": 0.25, "hosts": [5.0] * 8},
            "bridge: a packet takes 250 ms to pass, 2 ms before the restart",
        ),
        (
            {"self_test": "failed: no answer from worker 1", "hosts": [5.0] * 8},
            "bridge: the test signature is not stopped any more: failed: no answer from worker 1",
        ),
    ],
    ids=["fewer", "of another boot", "slow", "untested"],
)
def test_a_trial_that_does_worse_falls_back_and_says_why(surroundings, trial, told):
    surroundings.at["1.1.0"] = trial
    assert tried(surroundings) == told


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (Measured("passed", 0.002, 8), ""),
        (Measured("passed", 0.09, 2), ""),
        (Measured("passed", 0.002, 1), "hosts: 1 heard behind the unit, 8 before the restart"),
        (Measured("passed", 0.002, None), "hosts: lan says nothing, 8 before the restart"),
        (Measured("", None, 8), ""),
        (
            Measured("not run", None, 8),
            "bridge: the test signature is not stopped any more: not run",
        ),
    ],
)
def test_the_bounds_are_generous(now, told):
    before = Measured("passed", 0.002, 8)
    assert worse(Before(NEW, NOW, ordered=True, measured=before), now) == told
    assert worse(Before(NEW, NOW, ordered=True, measured=Measured()), now) == ""
    alone = Before(NEW, NOW, ordered=True, measured=Measured(hosts=1))
    assert worse(alone, Measured("passed", 0.002, 0)) == "", "a single one may have been switched off"


def test_a_power_cut_takes_the_hosts_along(surroundings):
    """The unit starts again with the whole office dark: that is nothing the new version did."""
    surroundings.at["1.1.0"] = GOOD | {"hosts": []}
    assert tried(surroundings, ordered=False) == ""


def test_latency_is_compared_after_a_power_cut_too(surroundings):
    surroundings.at["1.1.0"] = GOOD | {"latency": 3.0, "hosts": []}
    assert tried(surroundings, ordered=False).startswith("bridge: a packet takes 3000 ms")


def test_what_was_not_known_before_is_not_judged(surroundings):
    surroundings.at["1.0.0"] = {"hosts": None}
    surroundings.at["1.1.0"] = {"self_test": "not run", "latency": 9.0, "hosts": []}
    assert tried(surroundings) == ""


def test_without_what_was_measured_nothing_is_compared(surroundings):
    unit = surroundings.unit
    surroundings.say()
    assert unit.updater().apply()
    assert unit.power_on() == "1.1.0"
    surroundings.at["1.1.0"] = {"hosts": []}
    surroundings.say()
    file = unit.paths.update / "before.json"
    for kept in (b"", b"{", b'{"version": "1.1.0"}', file.read_bytes().replace(b"1.1.0", b"9.9.9")):
        file.write_bytes(kept)
        assert unit.updater(sleep=surroundings.say).health(), kept
    file.unlink()
    assert unit.updater(sleep=surroundings.say).health()


def test_without_it_a_version_that_does_not_stop_its_test_signature_still_falls_back(surroundings):
    """And one whose bridge says nothing of it does not: it is an older one."""
    unit = surroundings.unit
    surroundings.say()
    assert unit.updater().apply()
    assert unit.power_on() == "1.1.0"
    (unit.paths.update / "before.json").unlink()
    surroundings.at["1.1.0"] = {"self_test": "not run", "hosts": []}
    surroundings.say()
    assert not unit.updater(sleep=surroundings.say).health()
    assert unit.power_on() == "1.0.0"
    unit.updater(sleep=surroundings.say).committed()
    assert unit.error == "bridge: the test signature is not stopped any more: not run"


def test_hosts_that_come_late_are_waited_for(surroundings):
    unit = surroundings.unit
    surroundings.say()
    assert unit.updater().apply()
    assert unit.power_on() == "1.1.0"
    surroundings.at["1.1.0"] = GOOD | {"hosts": []}
    surroundings.say()

    def sleep(_: float) -> None:
        surroundings.at["1.1.0"] = GOOD | {"hosts": [1.0] * 3}
        surroundings.say()

    assert unit.updater(sleep=sleep).health()


@pytest.mark.parametrize("connected", [True, False])
def test_the_fleet_must_be_reached_where_it_was_right_before_the_restart(surroundings, connected):
    """What counts is the last moment: an outage of the line that began after staging is none of the new version's."""
    unit = surroundings.unit
    unit.agent(activated=True, connected=connected)
    surroundings.at["1.1.0"] = surroundings.at["1.0.0"]
    surroundings.say()
    assert unit.updater().apply()
    assert unit.power_on() == "1.1.0"
    unit.agent(activated=True, connected=False)
    surroundings.say()
    assert unit.updater(sleep=surroundings.say).health() is not connected


@pytest.mark.parametrize("connected", [True, False])
def test_a_trial_in_which_the_units_key_does_not_open_goes_back(surroundings, connected):
    """Such a unit is not active: without this, the trial would be committed and the unit lost to its fleet."""
    unit = surroundings.unit
    unit.agent(activated=True, connected=connected)
    surroundings.at["1.1.0"] = surroundings.at["1.0.0"]
    surroundings.say()
    assert unit.updater().apply()
    assert unit.power_on() == "1.1.0"
    unit.agent(activated=False, connected=False, phase="key lost")
    surroundings.say()
    assert unit.updater(sleep=surroundings.say).health() is not connected


def test_a_disk_that_does_not_take_the_measure_does_not_stop_the_update(surroundings):
    unit = surroundings.unit
    (unit.paths.update / "before.json").unlink()
    (unit.paths.update / "before.json").mkdir()
    surroundings.at["1.1.0"] = GOOD | {"hosts": []}
    assert tried(surroundings) == ""
    assert any("before.json" in line for line in unit.log)


@given(
    before=st.builds(
        Measured,
        st.sampled_from(["", "passed", "not run", "failed: x"]),
        st.none() | st.floats(0, 10),
        st.none() | st.integers(0, 5000),
    ),
    now=st.builds(
        Measured,
        st.sampled_from(["", "passed", "not run", "failed: x"]),
        st.none() | st.floats(0, 10),
        st.none() | st.integers(0, 5000),
    ),
    ordered=st.booleans(),
)
def test_a_boot_that_does_as_well_is_never_refused(before, now, ordered):
    known = Before(NEW, NOW, ordered, before)
    assert worse(known, before) == ""
    better = Measured(
        "passed",
        min(now.latency or 0.0, before.latency or 0.0),
        max(now.hosts or 0, before.hosts or 0),
    )
    assert worse(known, better) == ""
    if worse(known, now).startswith("hosts"):
        assert ordered
        assert (now.hosts or 0) < (before.hosts or 0)


@settings(max_examples=40)
@given(st.binary(max_size=300) | st.from_regex(rb'\{"hosts": \[\{"side": .{0,40}\}\]\}', fullmatch=True))
def test_a_list_of_hosts_that_is_none_counts_as_not_known(tmp_path_factory, content):
    paths = Paths(tmp_path_factory.getbasetemp() / "health-fuzz")
    paths.hosts.parent.mkdir(parents=True, exist_ok=True)
    paths.hosts.write_bytes(content)
    found = health.since_start(paths, NOW)
    assert found.hosts is None or found.hosts >= 0
