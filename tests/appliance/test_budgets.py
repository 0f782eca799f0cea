"""What the booted unit costs: memory of our processes against `budgets.toml`; times of the start are printed (`pytest -s`)."""

import json
import os
from pathlib import Path

import pytest

from lab.appliance import omamori
from lab.figures import peak
from omamori.image import budgets

LADEN = "2.0.0"


def is_guarding(told):
    """By what the bridge that runs now says: with all rules, through every worker."""
    said = json.loads(told) if told else {}
    return (said.get("pack"), said.get("self_test")) == (LADEN, "passed")


def test_our_processes_keep_within_their_memory(site):
    found = peak(site)
    print(f"MiB: {found}")
    assert set(budgets.check("unit", found)) == set(found)


@pytest.mark.skipif("OMAMORI_CORPUS" not in os.environ, reason="there are no rules of a real size")
def test_they_do_so_with_rules_of_a_real_size(factory, image, start_unit, whole_files, tmp_path):
    pack = tmp_path / "laden.pack"
    rules = Path(os.environ["OMAMORI_CORPUS"], "rules")
    omamori("engine", "pack", "build", "--version", LADEN, "--rules", rules, "-o", pack)
    with (
        start_unit(image, tmp_path / "guest") as unit,
        unit.serving(whole_files(factory.publish(packs=(pack,)))),
    ):
        guest = unit.guest
        guest.wait_for_ssh(seconds=300)
        unit.want("7.0.0", pack=LADEN)
        guest.wait(lambda: unit.told().get("pack") == LADEN, seconds=300, what="the pack in force", pause=2)
        before = peak(unit)
        guest.ssh(
            "systemctl stop omamori-bridge; rm /run/omamori/bridge/status.json; systemctl start omamori-bridge"
        )
        guest.wait(
            lambda: is_guarding(guest.ssh("cat /run/omamori/bridge/status.json", check=False)),
            seconds=300,
            what="the pack in force again",
            pause=2,
        )
        found = peak(unit)
    print(f"MiB: {found}, after the exchange {before}")
    assert set(budgets.check("laden", found)) == set(found)
    assert set(budgets.check("laden", before)) == set(before)


def test_the_start_is_timed_by_the_guests_clock(host):
    """Figures, not bounds: an emulated processor says nothing about a real one."""
    times = {}
    for name in ("ports", "bridge"):
        told = host.check_output(f"systemctl show omamori-{name} -p ActiveEnterTimestampMonotonic --value")
        times[name] = int(told) / 1e6
    print(f"seconds of the guest's clock: {times}")
    assert 0 < times["ports"] < times["bridge"]
