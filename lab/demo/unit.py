"""The unit of the demo: the built image in QEMU, its two cables in the office, its button and its plug."""

import json
import time
from pathlib import Path

from lab.accelerator import accelerator
from lab.demo.office import Office
from lab.guest import Guest, GuestError
from lab.machine import Machine, Plug
from omamori.image.build import Image
from omamori.image.state import State

PROCESSES = ("omamori-bridge", "omamori-lan", "omamori-agent", "omamori-usage")


class Unit:
    """One appliance; `claim` is what the factory wrote into it."""

    def __init__(self, image: Path, office: Office, scratch: Path, claim: str, state: Path) -> None:
        router, hub = office.taps
        built, place = Image.open(image), State(state)
        machine = Machine(
            accelerator=accelerator(built, scratch, place),
            ports={"wan0": Plug(office.internet, router), "lan0": Plug(office.hub, hub)},
            credentials={"omamori.claim": claim},
        )
        self._office = office
        self.guest = Guest(built, scratch, machine, state=place)

    def plugged(self) -> None:
        """The cables lie in the router's port and the hub."""
        self._office.plug_right()

    def wait_for_ssh(self) -> float:
        """Seconds until the unit can be looked into."""
        return self.guest.wait_for_ssh(seconds=240)

    def wait_for_processes(self) -> None:
        """Until all of them say they are ready: a host that joins now is heard by its name."""
        # Asked about several, systemctl is content with one.
        asked = " && ".join(f"systemctl is-active --quiet {name}.service" for name in PROCESSES)
        self._until(asked, seconds=120, what="all processes to be ready")

    def press_button(self) -> None:
        """The activation button, once the unit waits for it."""
        waits = "grep -qs 'waiting for the button' /run/omamori/agent/status.json"
        self._until(waits, seconds=90, what="the unit to wait for its button")
        self.guest.press()

    def _until(self, condition: str, *, seconds: int, what: str) -> None:
        """One session that waits on the unit: each sign-in costs an emulated processor half a second. Raises GuestError."""
        turns = (
            f"for turn in $(seq {4 * seconds}); do {{ {condition}; }} && echo held && exit; sleep 0.25; done"
        )
        if not self.guest.ssh(turns, timeout=4 * seconds):
            raise GuestError(f"waited {seconds} s for {what}")

    def rewire(self, router_side: str, hub_side: str) -> None:
        """Pull both cables out of the unit, plug their other ends (tap names) elsewhere, and put them in again."""
        for port in ("wan0", "lan0"):
            self.guest.set_link(port, up=False)
        self._office.plug(router_side, hub_side)
        time.sleep(1)
        for port in ("wan0", "lan0"):
            self.guest.set_link(port, up=True)

    def kill_processes(self) -> None:
        """SIGKILL to every process of ours, and none comes back until `start_processes`."""
        names = " ".join(f"{name}.service" for name in PROCESSES)
        self.guest.ssh(
            f"systemctl kill --signal=SIGKILL {names}; systemctl stop {names}; systemctl kill --signal=SIGKILL {names}; true",
            timeout=180,
        )
        # The updater, which may be at work, is none of them.
        ours = "|".join(name.removeprefix("omamori-") for name in PROCESSES)
        left = self.guest.ssh(f"pgrep -fc 'omamori[.]firmware[.]({ours})' || true").strip()
        if left != "0":
            raise RuntimeError(f"{left} processes of ours still run in the unit")

    def start_processes(self) -> None:
        self.guest.ssh("systemctl start " + " ".join(f"{name}.service" for name in PROCESSES), timeout=180)

    def forget_hosts(self) -> None:
        """As after a move to another branch: the hosts of before are no longer expected."""
        self.guest.ssh(
            "systemctl stop omamori-lan && rm -rf /var/lib/omamori/lan/* && systemctl start omamori-lan"
        )

    def status(self) -> dict[str, object]:
        """What `omamori-unit status --json` says on the unit."""
        found: dict[str, object] = json.loads(self.guest.ssh("omamori-unit status --json"))
        return found

    def fetched(self) -> int:
        """Bytes that the line has carried for the firmware it was told to take."""
        return int(json.loads(self.guest.ssh("cat /var/lib/omamori/update/state.json"))["fetched"])

    def said(self) -> str:
        """The last warnings of our processes, for a failed step."""
        return self.guest.ssh("journalctl -b -p info -o short-monotonic --no-pager -u 'omamori-*' | tail -25")
