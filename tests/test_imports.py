"""Imports make no circle: no module's, no part's of a package, those inside functions and of types included."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grimp
import networkx
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def graph(request: pytest.FixtureRequest) -> Iterator[grimp.ImportGraph]:
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(ROOT / "src")
        patched.syspath_prepend(ROOT)
        yield grimp.build_graph("scantune", "scantune_phantoms", "stages", "benchmarks", cache_dir=None)


def circles(edges: set[tuple[str, str]]) -> list[list[str]]:
    result = networkx.strongly_connected_components(networkx.DiGraph(sorted(edges)))
    return [sorted(circle) for circle in result if len(circle) > 1]


def imports(graph: grimp.ImportGraph) -> set[tuple[str, str]]:
    return {(a, b) for a in graph.modules for b in graph.find_modules_directly_imported_by(a)}


def test_no_module_imports_itself_by_way_of_others(graph):
    assert len(graph.modules) > 300
    assert circles(imports(graph)) == []


def test_no_two_parts_of_a_package_import_each_other(graph):
    """A part is a module or a folder of the package: imports of all that is in it count as its own.

    Of scantune's own parts the linter's layers speak: ``config`` is read above the tasks, and its base lies below them.
    """
    result = {}
    for package in {name.rpartition(".")[0] for name in graph.modules if "." in name} - {"scantune"}:
        inside = f"{package}."

        def part(name: str, package: str = package, inside: str = inside) -> str:
            return inside + name.removeprefix(inside).partition(".")[0] if name.startswith(inside) else package

        within = {
            (part(a), part(b)) for a, b in imports(graph) if f"{a}.".startswith(inside) and f"{b}.".startswith(inside)
        }
        result[package] = circles({(a, b) for a, b in within if a != b})
    assert {package: circle for package, circle in result.items() if circle} == {}


def test_no_benchmark_takes_the_name_of_a_module_that_others_import(graph):
    """``python benchmarks/startup.py`` puts their folder first on the path, so ``statistics`` must not be theirs."""
    import sys

    names = {path.stem for path in (ROOT / "benchmarks").glob("*.py")} - {"__main__", "__init__"}
    assert names & set(sys.stdlib_module_names) == set()
