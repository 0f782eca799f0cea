"""What the customer sees and touches: the status lamp and the button. Whether a lamp really shines only a person can say."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from omamori.firmware.agent.button import KEYS, Button
from omamori.firmware.factory.report import Line, judged
from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths
from omamori.firmware.lamp.leds import lamps, show
from omamori.protocol.codes import Lamp


@dataclass(frozen=True, slots=True)
class Person:
    """Whoever stands before the unit: answers a question, is told what to do, and has `patience` seconds for the button."""

    ask: Callable[[str], bool]
    tell: Callable[[str], object]
    patience: float = 60


_BLINKING: Final = Lamp(0, 3)
_TURN: Final = 0.1


def lamp(paths: Paths, person: Person | None = None) -> Iterator[Line]:
    """Each status lamp is switched on and off; with a person there, it also blinks. The next diagnosis shows itself again."""
    found = lamps(paths.root)
    if not found:
        yield judged("lamp", "there is no status lamp", good=False)
    for led in found:
        yield _switched(led)
        if person is not None:
            yield _seen(led, person)
    if found:
        paths.lamp.unlink(missing_ok=True)


def _switched(led: Path) -> Line:
    check = f"lamp {led.name}"
    try:
        most = int(files.read_capped(led / "max_brightness", cap=64))
        for level in (most, 0, most):
            _set(led / "trigger", "none")
            _set(led / "brightness", str(level))
            told = int(files.read_capped(led / "brightness", cap=64).split()[0])
            if told != level:
                return judged(check, f"was set to {level} and says {told}", good=False)
    except (OSError, ValueError, IndexError) as error:
        return judged(check, str(error) or "says nothing", good=False)
    return judged(check, f"switches between 0 and {most}", good=most > 0)


def _seen(led: Path, person: Person) -> Line:
    try:
        show(led, _BLINKING)
    except OSError as error:
        return judged(f"lamp {led.name} seen", str(error), good=False)
    return judged(f"lamp {led.name} seen", "by a person", good=person.ask(f"Does the lamp {led.name} blink?"))


def button(root: Path, person: Person | None = None) -> Iterator[Line]:
    """There is one; a person has to press it."""
    watched = Button(root)
    try:
        watched.rescan()
        names = watched.names()
        if not names:
            yield judged(
                "button", f"no input device has a key of ours ({', '.join(KEYS.values())})", good=False
            )
            return
        yield judged("button", f"input device {', '.join(names)}", good=True)
        if person is not None:
            person.tell("Press the button.")
            pressed = _pressed(watched, time.monotonic() + person.patience)
            detail = "by a person" if pressed else f"not within {person.patience:.0f} s"
            yield judged("button pressed", detail, good=pressed)
    finally:
        watched.close()


def _pressed(watched: Button, deadline: float) -> bool:
    while time.monotonic() < deadline:
        if watched.pressed():
            return True
        time.sleep(_TURN)
    return False


def _set(path: Path, text: str) -> None:
    """In one write, as sysfs wants it; never makes a file. Raises OSError."""
    with path.open("r+b", buffering=0) as file:
        file.write(f"{text}\n".encode())
