"""What makes shared objects of Python modules; run by the very Python they are for, alone, never imported.

`generate FOLDER MODULE ...`: from the packages in FOLDER/sources, C in FOLDER/c. `link FOLDER C`: from that C, stripped objects in
FOLDER/objects, named after their modules. The same input and tools give the same bytes, wherever the folders are: no build id, no
debugging information, no path. Only the standard library and mypyc are used: this runs in the image's tools as well.
"""

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

GROUP = "omamori_engine"
_TYPES = (
    "--config-file=",
    "--follow-imports=silent",
    "--ignore-missing-imports",
    "--no-site-packages",
    "--cache-dir=/dev/null",
)
_FLAGS = ("-O3", "-fPIC", "-fwrapv", "-DNDEBUG", "-w", "-fvisibility=hidden")
# It reads what strangers send.
_HARDENED = ("-fstack-protector-strong", "-D_FORTIFY_SOURCE=2")
_LINKED = ("-shared", "-s", "-Wl,--build-id=none", "-Wl,-z,relro", "-Wl,-z,now")


def generate(folder: Path, modules: list[str]) -> None:
    """Exits with what mypyc finds wrong."""
    from mypyc.build import generate_c_extension_shim, mypyc_build
    from mypyc.common import shared_lib_name
    from mypyc.options import CompilerOptions

    made = folder / "c"
    made.mkdir()
    os.chdir(folder / "sources")
    files = [name.replace(".", "/") + ".py" for name in modules]
    options = CompilerOptions(target_dir=str(made), group_name=GROUP)
    _, groups, dependencies = mypyc_build([*_TYPES, *files], options)
    ((sources, _),) = groups
    shims = {
        name: generate_c_extension_shim(name, name.rpartition(".")[2], str(made), GROUP) for name in modules
    }
    units = {shared_lib_name(GROUP): sources, **{name: [shim] for name, shim in shims.items()}}
    relative = {name: [os.path.relpath(each, made) for each in parts] for name, parts in units.items()}
    more = sorted({each for one in dependencies for each in one.include_dirs})
    (made / "ops.txt").unlink()
    (made / "units.json").write_text(json.dumps({"units": relative, "more": more}, indent=1))


def link(folder: Path, written: Path) -> None:
    """Raises CalledProcessError."""
    made = folder / "objects"
    made.mkdir()
    told = json.loads((written / "units.json").read_text())
    runtime = _runtime()
    places = [sysconfig.get_paths()["include"], runtime, written, *(runtime / each for each in told["more"])]
    flags = [*_FLAGS, *_HARDENED, *(f"-I{place}" for place in places)]
    suffix = sysconfig.get_config_var("EXT_SUFFIX")

    def gcc(*words: str | Path) -> None:
        subprocess.run(["gcc", *flags, *words], cwd=written, check=True)

    # Piece by piece, as many at once as there are processors; what is linked, and in which order, is the same.
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        pieces = {source: Path(place, f"{number}.o") for number, source in enumerate(_sources(told["units"]))}
        for _ in pool.map(lambda source: gcc("-c", source, "-o", pieces[source]), pieces):
            pass
        for name, sources in told["units"].items():
            gcc(*_LINKED, *(pieces[source] for source in sources), "-o", made / f"{name}{suffix}")


def _sources(units: dict[str, list[str]]) -> list[str]:
    return [source for sources in units.values() for source in sources]


def _runtime() -> Path:
    """The C that comes with mypyc."""
    found = importlib.util.find_spec("mypyc")
    if found is None or found.origin is None:
        sys.exit("mypyc is not installed")
    return Path(found.origin).parent / "lib-rt"


if __name__ == "__main__":
    if sys.argv[1] == "generate":
        generate(Path(sys.argv[2]).resolve(), sys.argv[3:])
    else:
        link(Path(sys.argv[2]).resolve(), Path(sys.argv[3]).resolve())
