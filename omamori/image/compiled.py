"""The engine's hot modules as shared objects: which modules, what they are made from, and where (decision 0022).

Two stages: C out of Python by mypyc, and objects out of that C. What the first one reads is the listed modules and all of ours that
they import, for a type or a constant there may be in the C; where the C stays the same nothing is compiled. Neither looks at
any other Python, and the objects never decide whether they are used: `firmware/bridge/compiled.py` does.
"""

import ast
import re
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from omamori.image.architecture import Architecture
from omamori.image.architecture import here as this_machine
from omamori.image.errors import BuildHostError
from omamori.image.layers import PROJECT, PYTHON, fetch_wheels, unpack_wheels
from omamori.image.programs import Chroot, run
from omamori.image.stages import Cache, Stage, hash_of, hash_of_tree

LIST = Path(__file__).with_name("compiled.txt")
SCRIPT = Path(__file__).with_name("make_objects.py")
HOME = "usr/lib/omamori/compiled"
"""Where a unit has them, below its root."""
RUNTIME = "runtime"
"""In the compiler's stage: what the wheel says of itself whose C is part of every object."""
_LOCK = PROJECT / "requirements/dev.txt"
_COMPILER = ("ast-serialize", "librt", "mypy", "mypy-extensions", "pathspec", "typing-extensions")
_PATIENCE = 1200
_PROGRAMS = "programs"


@dataclass(frozen=True, slots=True)
class Place:
    """A Python with a C compiler and mypyc beside it."""

    facts: dict[str, str]
    """What of it may change the objects."""
    run: Callable[[Path, Sequence[str]], None]
    """Run the script's words over a folder; they call it `.`."""


def modules(file: Path = LIST) -> list[str]:
    """Those that are compiled."""
    lines = (line.partition("#")[0].strip() for line in file.read_text().splitlines())
    return sorted(line for line in lines if line)


def objects(cache: Cache, place: Place, names: Sequence[str] | None = None) -> Path:
    """Their folder; made now if they are not there. Raises ToolFailed, BuildHostError."""
    return stage(cache, place, names) / "layer" / HOME


def stage(cache: Cache, place: Place, names: Sequence[str] | None = None) -> Path:
    """The same as a stage's output, with its `layer`."""
    wanted = modules() if names is None else sorted(names)
    written = cache.get(_written_stage(place, wanted))
    return cache.get(_objects_stage(place, written))


def _written_stage(place: Place, wanted: Sequence[str]) -> Stage:
    sources = list(closure(wanted))
    inputs = {
        "sources": hash_of_tree(PROJECT, sources),
        "modules": wanted,
        "script": hash_of(SCRIPT),
        **place.facts,
        "format": 1,
    }

    def make(made: Path) -> None:
        for source in sources:
            target = made / "sources" / source.relative_to(PROJECT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        place.run(made, ["generate", ".", *wanted])
        shutil.rmtree(made / "sources")

    return Stage("compiled-c", inputs, make)


def _objects_stage(place: Place, written: Path) -> Stage:
    c = written / "c"
    files = [path for path in c.rglob("*") if path.is_file()]
    inputs = {"c": hash_of_tree(c, files), "script": hash_of(SCRIPT), **place.facts, "format": 1}

    def make(made: Path) -> None:
        shutil.copytree(c, made / "c")
        place.run(made, ["link", ".", "c"])
        shutil.rmtree(made / "c")
        home = made / "layer" / HOME
        home.parent.mkdir(parents=True)
        (made / "objects").rename(home)

    return Stage("compiled", inputs, make)


def here() -> Place:
    """For the Python that runs this. Raises BuildHostError where it has no compiler."""
    headers = Path(sysconfig.get_paths()["include"], "Python.h")
    if not shutil.which("gcc") or not headers.is_file():
        raise BuildHostError(f"gcc or {headers} is not there: ./inv installs what a build needs")
    compiler = run(["gcc", "-dumpfullversion"]).strip()

    def work(made: Path, words: Sequence[str]) -> None:
        paths = [str(made / word) if word in {".", "c"} else word for word in words]
        run([sys.executable, "-P", SCRIPT, *paths], environment={"PYTHONHASHSEED": "0"}, timeout=_PATIENCE)

    return Place({"python": sys.version, "gcc": compiler, "mypy": version("mypy")}, work)


def within(tools: Path, wheels: Path, target: Architecture) -> Place:
    """For the unit's Python: the tools of the image have the same one, and a compiler, neither of which the root gets.

    For another processor the script is told that it runs there: Python's facts are the other one's, and so is `gcc`.
    """

    def work(made: Path, words: Sequence[str]) -> None:
        shutil.copyfile(SCRIPT, made / SCRIPT.name)
        crossing = _crossing(made, target) if target.foreign else {}
        binds = {"/run/out": made, "/run/mypy": wheels / "site"}
        paths = [f"/run/out/{word}" if word in {".", "c"} else word for word in words]
        Chroot(tools / "root", binds=binds).run(
            ["python3", "-P", f"/run/out/{SCRIPT.name}", *paths],
            environment={
                "PYTHONHASHSEED": "0",
                "PYTHONPATH": "/run/mypy",
                "PYTHONDONTWRITEBYTECODE": "1",
                **crossing,
            },
            timeout=_PATIENCE,
        )
        (made / SCRIPT.name).unlink()
        shutil.rmtree(made / _PROGRAMS, ignore_errors=True)

    return Place({"python": PYTHON, "tools": tools.name, "mypy": wheels.name}, work)


def _crossing(made: Path, target: Architecture) -> dict[str, str]:
    """How CPython is told what it is compiled for (its `configure.ac` does the same); the compiler goes by its plain name."""
    programs = made / _PROGRAMS
    programs.mkdir()
    (programs / "gcc").symlink_to(f"/usr/bin/{target.multiarch}-gcc")
    return {
        "_PYTHON_SYSCONFIGDATA_NAME": f"_sysconfigdata__{target.multiarch}",
        "PATH": f"/run/out/{_PROGRAMS}:/usr/sbin:/usr/bin:/sbin:/bin",
    }


def compiler_stage() -> Stage:
    """What runs mypyc with the unit's Python: wheels of the lock file, unpacked to `site`."""

    def make(place: Path) -> None:
        lock = place / "lock.txt"
        lock.write_text(_locked(_LOCK.read_text()))
        fetch_wheels(lock, place / "wheels", this_machine())
        unpack_wheels(place / "wheels", place / "site")
        for about in (place / "site").glob("mypy-*.dist-info"):
            shutil.copytree(about, place / RUNTIME / about.name)

    return Stage("compiler", {"lock": _locked(_LOCK.read_text()), "python": PYTHON, "format": 1}, make)


def _locked(text: str) -> str:
    """The lines of a lock file about the compiler, with their hashes."""
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)
    return "".join(entry for entry in entries if entry.partition("==")[0] in _COMPILER)


def closure(wanted: Sequence[str]) -> Iterator[Path]:
    """The files of these modules and of all of ours that they import, for type checkers too, with their packages."""
    waiting, seen = list(wanted), set[Path]()
    while waiting:
        name = waiting.pop()
        path = _file_of(name)
        if path is None or path in seen:
            continue
        seen.add(path)
        yield path
        waiting += [*imported(path), name.rpartition(".")[0]]


def imported(path: Path) -> set[str]:
    """Everything of ours that a file imports by its full name, wherever in it; names of things in modules are among them."""
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_bytes())):
        match node:
            case ast.Import(names=names):
                found |= {each.name for each in names}
            case ast.ImportFrom(module=str(module), names=names):
                found |= {module, *(f"{module}.{each.name}" for each in names)}
            case _:
                pass
    return {name for name in found if name.partition(".")[0] == "omamori"}


def _file_of(name: str) -> Path | None:
    """None where there is no such module."""
    place = PROJECT.joinpath(*name.split("."))
    found = (place.with_suffix(".py"), place / "__init__.py")
    return next((path for path in found if name and path.is_file()), None)
