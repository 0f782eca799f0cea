"""Every path of the unit in one place, below a root that tests and demos may move (docs/internals.md).

Only names: nothing here touches a disk or reads the environment, apart from `from_environment`, which entry points call.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from omamori.protocol.version import Version

RADIO: Final = "radio0"
"""The interface of the unit's radio, where it has one."""


@dataclass(frozen=True, slots=True)
class Paths:
    """The unit's files. `root` is `/` on a unit."""

    root: Path = Path("/")

    # --- part of the image, read-only ---------------------------------------------------------------------------

    @property
    def trust_root(self) -> Path:
        """The TUF root of trust the image was sealed with."""
        return self.root / "usr/lib/omamori/root.json"

    @property
    def factory_pack(self) -> Path:
        """The signature pack used until one was applied."""
        return self.root / "usr/lib/omamori/factory.pack"

    @property
    def compiled(self) -> Path:
        """The engine's hot modules as shared objects; missing where they run as Python only."""
        return self.root / "usr/lib/omamori/compiled"

    @property
    def os_release(self) -> Path:
        return self.root / "usr/lib/os-release"

    # --- the kernel and systemd -----------------------------------------------------------------------------------

    @property
    def kernel_boot_id(self) -> Path:
        return self.root / "proc/sys/kernel/random/boot_id"

    @property
    def kernel_command_line(self) -> Path:
        return self.root / "proc/cmdline"

    @property
    def kernel_uptime(self) -> Path:
        return self.root / "proc/uptime"

    @property
    def claim(self) -> Path:
        """The factory claim, as systemd hands it to the agent's service (`LoadCredential=omamori.claim`)."""
        return self.root / "run/credentials/omamori-agent.service/omamori.claim"

    # --- the data partition -----------------------------------------------------------------------------------

    @property
    def state(self) -> Path:
        return self.root / "var/lib/omamori"

    def spool(self, process: str) -> Path:
        """Where `process` leaves messages for the agent; see host/spool.py."""
        return self.state / "spool" / process

    @property
    def agent_state(self) -> Path:
        """The agent's own: key, certificate, outbox."""
        return self.state / "agent"

    @property
    def unit_key(self) -> Path:
        """The unit's own key: plain, or sealed beside it (host/sealing.py)."""
        return self.agent_state / "unit.key"

    @property
    def sealed_key(self) -> Path:
        return self.agent_state / "unit.key.sealed"

    @property
    def spare_key(self) -> Path:
        """Sealed; made in place of one that does not open (agent/keys.py)."""
        return self.agent_state / "unit.key.spare.sealed"

    @property
    def opened_key(self) -> Path:
        """The unit's key as its TPM gave it back, in memory; missing where it lies plain on the disk."""
        return self.run / "identity/unit.key"

    @property
    def want(self) -> Path:
        """The newest `Want`, as the agent fetched it."""
        return self.agent_state / "want.json"

    @property
    def notice(self) -> Path:
        """Whom the page in place of a blocked one says to ask: `{"ja": text, "en": text}`; may be missing."""
        return self.state / "bridge/notice.json"

    @property
    def proven_pack(self) -> Path:
        """Which pack has replayed its captures here; see bridge/proven.py."""
        return self.state / "bridge/proven"

    @property
    def update(self) -> Path:
        """The updater's own: TUF metadata, downloads, trial marker."""
        return self.state / "update"

    @property
    def update_state(self) -> Path:
        return self.update / "state.json"

    @property
    def packs(self) -> Path:
        return self.state / "packs"

    def pack(self, version: Version) -> Path:
        return self.packs / f"{version}.pack"

    @property
    def current_pack(self) -> Path:
        """A symlink to the pack in force; missing until the first one was applied."""
        return self.packs / "current.pack"

    # --- run time ---------------------------------------------------------------------------------------------

    @property
    def run(self) -> Path:
        return self.root / "run/omamori"

    @property
    def bridge_status(self) -> Path:
        return self.run / "bridge/status.json"

    @property
    def forwarding(self) -> Path:
        """Since when the ports forward, in seconds since the kernel's start, as the initrd left it; gone once the bridge process has told it."""
        return self.run / "bridge/forwards"

    @property
    def compiled_trust(self) -> Path:
        """What this boot has learnt about compiled modules; see bridge/compiled.py."""
        return self.run / "bridge/compiled"

    @property
    def usage_status(self) -> Path:
        return self.run / "usage/status.json"

    @property
    def hosts(self) -> Path:
        return self.run / "lan/hosts.json"

    @property
    def wiring(self) -> Path:
        return self.run / "lan/wiring.json"

    @property
    def lamp(self) -> Path:
        """The code that the status lamp shows."""
        return self.run / "lamp/code"

    @property
    def ports(self) -> Path:
        """Which port the hosts are behind, as the lan process judges."""
        return self.run / "lan/ports.json"

    @property
    def fleet(self) -> Path:
        """Where the fleet is; written by the agent from the claim."""
        return self.agent_state / "fleet.json"

    @property
    def agent_status(self) -> Path:
        return self.run / "agent/status.json"

    @property
    def settings(self) -> Path:
        """What was set on the unit's page and kept; missing while everything is as usual."""
        return self.state / "settings/settings.json"

    @property
    def access_point(self) -> Path:
        """The access point that was set on the unit's page, with its passphrase; root's alone."""
        return self.state / "settings/access-point.json"

    @property
    def hostapd(self) -> Path:
        """What hostapd is to do; missing while there is to be no access point."""
        return self.run / "wifi/hostapd.conf"

    @property
    def radio(self) -> Path:
        """There where the unit has a radio."""
        return self.root / "sys/class/net" / RADIO / "phy80211"

    @property
    def order(self) -> Path:
        """What somebody wants to change, left by the page."""
        return self.run / "page/order.json"

    @property
    def outcome(self) -> Path:
        """What became of the last order."""
        return self.run / "settings/outcome.json"

    @property
    def held(self) -> Path:
        """`yes` while the button is held so long that the lamp is to show it."""
        return self.run / "agent/held"

    @property
    def reset(self) -> Path:
        """Left by the agent once the button was held long enough: what was set is to be forgotten."""
        return self.run / "agent/reset"

    @property
    def support_grant(self) -> Path:
        """Left by who judged the support key; missing while nobody may look at this unit."""
        return self.run / "support/grant.json"

    @property
    def support_notice(self) -> Path:
        """The part of the grant that the unit's page may show."""
        return self.run / "helper/notice.json"

    @property
    def support_state(self) -> Path:
        """The judge's own: TUF metadata, what was opened in which boot."""
        return self.state / "support"

    @property
    def reboot(self) -> Path:
        """Created by the agent when a staged firmware may be tried now."""
        return self.run / "agent/reboot"


def from_environment() -> Paths:
    """`OMAMORI_ROOT`, or `/`. For entry points only."""
    return Paths(Path(os.environ.get("OMAMORI_ROOT") or "/"))
