"""The modules that are compiled: they are there, and none is imported by what it imports itself."""

import graphlib
import importlib
import inspect
import typing
from collections import OrderedDict
from enum import Enum
from pathlib import Path

import grimp
import pytest

from omamori.image import compiled

HEAP = 1 << 9
"""Of a type's flags: it was made by Python."""


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
    assert all(name.startswith("omamori.firmware.") for name in lines)


def test_compiled_modules_import_each_other_in_no_circle():
    found = imports_among(compiled.modules())
    assert sum(map(len, found.values())) > len(found)
    order(found)


@pytest.mark.parametrize("name", compiled.modules())
def test_no_compiled_class_has_the_inside_of_one_in_c(name):
    """Its layout would be mypyc's own: one that was an OrderedDict ended the process when garbage was collected (decision 22)."""
    module = importlib.import_module(name)
    classes = [each for each in vars(module).values() if inspect.isclass(each) and each.__module__ == name]
    for each in classes:
        assert not has_foreign_inside(each), each


def has_foreign_inside(each):
    if issubclass(each, Enum | tuple):  # left as Python's own
        return False
    bases = {base for base in each.__mro__ if not base.__module__.startswith("omamori")}
    known = {object, dict, typing.Generic, typing.Protocol}
    return any(base.__flags__ & HEAP == 0 for base in bases - known)


def test_such_a_class_would_be_found():
    class Bounded(OrderedDict):
        pass

    class LateError(OSError):
        pass

    assert has_foreign_inside(Bounded)
    assert has_foreign_inside(LateError)


def test_a_circle_for_type_checkers_would_be_found():
    """`known` names a type of `file`, which imports it: that is why it stays Python."""
    malware = "omamori.firmware.engine.malware"
    with pytest.raises(graphlib.CycleError):
        order(imports_among([f"{malware}.file", f"{malware}.known"]))
