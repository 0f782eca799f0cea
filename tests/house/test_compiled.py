"""The modules that are compiled: they are there, and none is imported by what it imports itself."""

import graphlib
from pathlib import Path

import grimp
import pytest

from omamori.image import compiled


def order(imports):
    """Modules after those they import. Raises CycleError; what is imported for type checkers only counts."""
    return list(graphlib.TopologicalSorter(imports).static_order())


def imports_among(names):
    graph = grimp.build_graph("omamori", exclude_type_checking_imports=False, cache_dir=None)
    chosen = set(names)
    return {name: graph.find_modules_directly_imported_by(name) & chosen for name in names}


def test_each_listed_module_is_there_once_and_in_order():
    lines = [line for line in compiled.LIST.read_text().splitlines() if line and not line.startswith("#")]
    assert lines == sorted(set(lines)) == compiled.modules()
    assert all(Path(compiled.PROJECT, *name.split(".")).with_suffix(".py").is_file() for name in lines)
    assert all(name.startswith("omamori.firmware.engine.") for name in lines)


def test_compiled_modules_import_each_other_in_no_circle():
    found = imports_among(compiled.modules())
    assert sum(map(len, found.values())) > len(found)
    order(found)


def test_a_circle_for_type_checkers_would_be_found():
    """`known` names a type of `file`, which imports it: that is why it stays Python."""
    malware = "omamori.firmware.engine.malware"
    with pytest.raises(graphlib.CycleError):
        order(imports_among([f"{malware}.file", f"{malware}.known"]))
