"""Which modules a stage's script reaches by its imports, those inside functions included.

A package's ``__init__`` that hands on names is looked through: ``from scantune.cohort import read_splits`` reaches the
module that has it, and not what else the package hands on. Imports of types alone count for nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: A task's modules are looked up by the task's name: what ``part(…, "words")`` reaches.
_LOOKUPS = {"part", "optional_part"}
#: Tables of names that a package loads when they are first used.
_TABLES = {"_HOME", "_LATER"}


@cache
def modules() -> dict[str, Path]:
    """Dotted name to file of every module of the project's packages and stages."""
    found = {}
    for base, packages in ((ROOT / "src", ("scantune", "scantune_phantoms")), (ROOT, ("stages",))):
        for path in (path for package in packages for path in (base / package).rglob("*.py")):
            name = ".".join(path.relative_to(base).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def reached(start: str, task: str = "", without: Collection[str] = ()) -> dict[str, str]:
    """What a module reaches.

    Args:
        start: the module, ``stages.train``.
        task: the task whose modules are looked up by name; all of them where empty.
        without: patterns of modules that are not entered.

    Returns:
        Module to the one that imports it.
    """
    refused = re.compile("|".join(without) or r"(?!)")
    found, left = {start: ""}, [start]
    while left:
        here = left.pop(0)
        for there in sorted(imports(here, task)):
            if there not in found and not refused.fullmatch(there):
                found[there] = here
                left.append(there)
    return found


@cache
def imports(name: str, task: str = "") -> frozenset[str]:
    """Modules of the project that a module imports, through what their packages hand on."""
    return frozenset(_imports(name, task))


def _imports(name: str, task: str) -> Iterator[str]:
    tree = _tree(name)
    packages: dict[str, str] = {}  # a name in this module to the package it stands for
    for node in _nodes(tree):
        if isinstance(node, ast.ImportFrom):
            source = _source(name, node)
            for alias in node.names:
                target = resolve(source, alias.name)
                yield from (one for one in target if one != f"{source}.{alias.name}" or not _is_package(one))
                for package in filter(_is_package, target):
                    packages[alias.asname or alias.name] = package
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules())
    for node in _nodes(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in packages:
            yield from resolve(packages[node.value.id], node.attr)
        elif isinstance(node, ast.Call) and _called(node) in _LOOKUPS and len(node.args) == 2:
            yield from _of_tasks(node.args[1], task)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _named(node.value)


def resolve(source: str, name: str) -> set[str]:
    """The module of ``from source import name``: where a package hands the name on, the module that has it."""
    if source not in modules():
        return set()
    if f"{source}.{name}" in modules():
        return {f"{source}.{name}"}
    if _is_package(source):
        for node in _nodes(_tree(source)):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if (alias.asname or alias.name) == name:
                        return resolve(_source(source, node), alias.name)
        home = _table(source).get(name)
        if home:
            return {f"{source}.{home}"}
    return {source}


def _table(package: str) -> dict[str, str]:
    """Names that a package loads when they are used, to their modules."""
    for node in _tree(package).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(target, ast.Name) and target.id in _TABLES and isinstance(node.value, ast.Dict):  # type: ignore[union-attr]
            table = ast.literal_eval(node.value)  # type: ignore[union-attr]
            return table if isinstance(table, dict) else {}
    return {}


def _of_tasks(module: ast.expr, task: str) -> Iterator[str]:
    if isinstance(module, ast.Constant):
        found = (re.fullmatch(rf"scantune\.tasks\.(\w+)\.{module.value}", one) for one in modules())
        yield from (match[0] for match in found if match and task in ("", match[1]))


def _named(text: str) -> Iterator[str]:
    """A module that stands in a table as text: ``scantune.preprocess.still:prepare``."""
    if re.fullmatch(r"scantune(\.\w+)+(:\w+)?", text):
        module = text.partition(":")[0]
        yield from (one for one in (module, module.rpartition(".")[0]) if one in modules() and not _is_package(one))


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those below ``if TYPE_CHECKING:``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from _nodes(node)


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _source(name: str, node: ast.ImportFrom) -> str:
    """The module that an import takes from, also where it is a relative one."""
    if not node.level:
        return node.module or ""
    package = name if _is_package(name) else name.rpartition(".")[0]
    for _ in range(node.level - 1):
        package = package.rpartition(".")[0]
    return f"{package}.{node.module}" if node.module else package


def _is_package(name: str) -> bool:
    return name in modules() and modules()[name].name == "__init__.py"


@cache
def _tree(name: str) -> ast.Module:
    return ast.parse(modules()[name].read_text(encoding="utf-8"))
