"""The engine's hot modules compiled for this machine's Python, and any module run over them.

`python -m lab.compiled MODULE [ARGUMENT ...]` runs a module as `python -m` does (`pytest tests/firmware/engine`), with compiled
modules in place of those that `omamori/image/compiled.txt` lists; a minute the first time, cached until one of them changes.
`OMAMORI_COMPILED` names a folder of objects that are there already.
"""

import os
import runpy
import sys
from pathlib import Path

from omamori.firmware.bridge.compiled import use
from omamori.image import compiled
from omamori.image.progress import Lines
from omamori.image.stages import Cache
from omamori.image.state import State


def folder() -> Path:
    """The objects, compiled now if need be. Raises ImageError."""
    return compiled.objects(Cache(State.of().cache, Lines()), compiled.here())


def main() -> None:
    named = os.environ.get("OMAMORI_COMPILED")
    place = Path(named) if named else folder()
    if why := use(place):
        sys.exit(why)
    os.environ["OMAMORI_COMPILED"] = str(place)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
