"""A unit whose fleet goes away, broker and all, and which loses its power meanwhile.

It is a customer's unit: activated by its button, in the office of the demo. While nobody answers, a firmware and a pack are ordered
for it; it must forward and run what it had, and take both once the fleet is back.
"""

import time
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from lab.chaos.cuts import NEW, NEW_PACK, OLD, Supplies
from lab.chaos.revival import Revival, judged
from lab.demo.cloud import Cloud
from lab.demo.office import FLEET, ROUTER, Office, join, office
from lab.demo.unit import Unit
from lab.namespaces import reaches, wait_until
from omamori.image.state import State

GONE: Final = "broker-gone"
HOST: Final = "nas"
_PATIENCE: Final = 400


def bereave(supplies: Supplies, place: Path, number: int) -> Revival:
    """What became of it. `place` is made, and must stay until the end."""
    seen = Revival(number, GONE, fault=True)
    place.mkdir()
    with judged(seen), ExitStack() as stack:
        around = stack.enter_context(office(f"cf{uuid.uuid4().hex[:4]}", place))
        cloud = Cloud(around, place / "state", supplies.served / "tuf")
        stack.callback(cloud.stop)
        claim = cloud.found(FLEET)
        cloud.start()
        unit = _unit(supplies, around, place, claim)
        with unit.guest:
            unit.plugged()
            unit.wait_for_ssh()
            unit.press_button()
            wait_until(cloud.is_online, seconds=_PATIENCE, what="the unit to come online", step=0.5)
            join(around, stack)
            cloud.stop_link()
            cloud.roll_out("firmware", NEW)
            cloud.roll_out("pack", NEW_PACK)
        began = time.monotonic()
        unit = _unit(supplies, around, place, claim)
        with unit.guest:
            _alone(unit, around, seen, began)
            cloud.start_link()
            _found_again(unit, cloud, seen)
    return seen


def _alone(unit: Unit, around: Office, seen: Revival, began: float) -> None:
    """It forwards and runs what it had. Raises GuestError, TimeoutError."""
    unit.plugged()
    host = around.hosts[HOST]
    wait_until(lambda: reaches(host, ROUTER), seconds=seen.patience, what="a packet to get through")
    seen.forwards = round(time.monotonic() - began, 1)
    unit.wait_for_ssh()
    seen.answers = round(time.monotonic() - began, 1)
    unit.wait_for_processes()
    told: dict[str, Any] = unit.status()
    seen.runs = told["unit"]["firmware"]
    if seen.runs != OLD or told["agent"]["connected"]:
        seen.problems.append(f"runs {seen.runs}, and the agent says {told['agent']}")


def _found_again(unit: Unit, cloud: Cloud, seen: Revival) -> None:
    """It takes what was ordered meanwhile. Raises GuestError, TimeoutError."""
    began = time.monotonic()
    staged = lambda: cloud.update()["phase"] == "staged"  # noqa: E731
    wait_until(staged, seconds=_PATIENCE, what=f"{NEW} staged", step=1)
    wait_until(lambda: cloud.unit()["pack"] == NEW_PACK, seconds=_PATIENCE, what="the pack", step=1)
    boot = unit.guest.boot_id()
    cloud.apply_now()
    unit.guest.wait_for_reboot(boot, seconds=_PATIENCE)
    arrived = lambda: (cloud.unit()["firmware"], cloud.update()["phase"]) == (NEW, "committed")  # noqa: E731
    wait_until(arrived, seconds=_PATIENCE, what=f"{NEW} committed", step=1)
    seen.runs = NEW
    seen.arrives = round(time.monotonic() - began, 1)


def _unit(supplies: Supplies, around: Office, place: Path, claim: str) -> Unit:
    """The same disk each time."""
    return Unit(supplies.image.directory, around, place / "unit", claim, State.of().root)
