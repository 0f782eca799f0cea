"""What a good start is worth: the starts before it are forgotten, its slot may be taken again, and the boot loader is made whole.

Not before every byte of its root was read: the kernel checks each against the seal as it is read, and one that is read late would panic
the unit again and again at that moment, each time after the count was forgotten (decision 0028). Read here, it counts.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from omamori.firmware.update import bootloader, loader, starts
from omamori.firmware.update.report import Memory
from omamori.firmware.update.world import World


def prove(world: World, memory: Memory, attempt: Callable[[Callable[[], object]], bool]) -> None:
    """`attempt` does what it is given and says what is wrong with it; False then. Raises Busy."""
    with ThreadPoolExecutor(max_workers=1, initializer=_give_way) as aside:
        if not attempt(lambda: aside.submit(world.disk.read_through).result()):
            return
    paths = world.paths
    with memory.locked(patience=world.patience.run):
        attempt(lambda: starts.forget(paths))
        attempt(lambda: loader.allow(paths, [entry.name for entry in world.disk.entries()]))
        attempt(lambda: bootloader.mend(paths, memory.say))


def _give_way() -> None:
    """Whoever inspects goes before this thread (setpriority(2), "C library/kernel differences")."""
    os.setpriority(os.PRIO_PROCESS, 0, 19)
