"""Which pack is wanted: the current one, else the factory's; one that proved to be no use is left out until its file changes."""

from omamori.firmware.bridge.generation import Pack
from omamori.firmware.host.paths import Paths


class Choice:
    """Of one supervisor; times are monotonic."""

    def __init__(self, paths: Paths, forgive: float) -> None:
        """After `forgive` seconds without any pack that is of use all are tried again."""
        self._paths, self._forgive = paths, forgive
        self._refused: dict[Pack, str] = {}
        self._forgive_at = 0.0

    def wanted(self, now: float, *, serving: bool) -> Pack | None:
        """None where there is no pack of use. `serving`: one is in force."""
        usable = self._usable()
        if not usable and not serving and now > self._forgive_at:
            self._refused.clear()
        return usable[0] if usable else None

    def others(self, pack: Pack) -> bool:
        """Whether there is another one."""
        return any(other != pack for other in self._usable())

    def refuse(self, pack: Pack, why: str, now: float) -> None:
        self._refused[pack] = why
        self._forgive_at = now + self._forgive

    def refused(self) -> dict[str, str]:
        """Why, by the names of the files without their endings."""
        return {pack.path.stem: why[:300] for pack, why in self._refused.items()}

    def _usable(self) -> list[Pack]:
        """In the order of preference."""
        found = (Pack.at(path) for path in (self._paths.current_pack, self._paths.factory_pack))
        return [pack for pack in found if pack and pack not in self._refused]
