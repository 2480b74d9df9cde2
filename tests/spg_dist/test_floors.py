"""Dependencies point one way: no arrow back up, no circle, and nothing above names what is looked up below."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from spg_dist.methods import METHODS

REPOSITORY = Path(__file__).resolve().parents[2]
FLOORS = ("cache", "spg_dist", "tuning", "jobs")
"""From the ground up: each may import those before it."""


def modules() -> dict[str, Path]:
    """Dotted name → file."""
    found = {}
    for package in FLOORS:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            name = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


MODULES = modules()


def imported(node: ast.AST) -> Iterator[str]:
    """What a module imports when it is imported: not inside functions, and not for type checkers alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        elif not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from imported(child)


def tree(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text(encoding="utf-8"))


def module_of(dotted: str) -> str:
    """The module that a name is from; empty for other libraries."""
    while dotted and dotted not in MODULES:
        dotted = dotted.rpartition(".")[0]
    return dotted


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_from_its_own_floor_and_those_below(name: str) -> None:
    own = FLOORS.index(name.split(".")[0])
    every = {alias for node in ast.walk(tree(name)) for alias in imported(node)}
    above = [dotted for dotted in every if (floor := dotted.split(".")[0]) in FLOORS and FLOORS.index(floor) > own]
    assert above == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {}
    for name in MODULES:
        needs = {module_of(dotted) for dotted in imported(tree(name))}
        graph[name] = {need for need in needs if need and need != name and not name.startswith(f"{need}.")}
    TopologicalSorter(graph).prepare()  # raises CycleError with the circle


def test_only_the_distributed_room_imports_ray() -> None:
    allowed = ("spg_dist.distributed", "tuning.search", "jobs.")
    naming = [
        name
        for name in MODULES
        if any(dotted.split(".")[0] == "ray" for node in ast.walk(tree(name)) for dotted in imported(node))
    ]
    assert [name for name in naming if not name.startswith(allowed)] == []


def test_nothing_outside_the_methods_room_names_a_method() -> None:
    names = {one.name for method in METHODS for one in (*method.needed, method)}
    naming = {
        f"{name}: {node.value}"
        for name in MODULES
        if not name.startswith("spg_dist.methods")
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Constant) and node.value in names
    }
    assert naming == set()
