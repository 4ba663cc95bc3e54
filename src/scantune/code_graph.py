"""Which code a stage uses: what its script reaches by imports, those inside functions included.

A package's ``__init__`` that hands on names is looked through: ``from scantune.cohort import read_splits`` reaches the
module that has it, and not what else the package re-exports. Modules that it imports as modules count: they register
what is
in them. Imports of types alone count for nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator
from functools import cache, cached_property
from pathlib import Path

#: Modules that no stage depends on, with the reason that a change of them leaves every output unchanged.
LEFT_OUT = {
    r"scantune\.(script|stopping)": "how a stage begins and ends",
    r"scantune\.config\.(load|reading|params|task|contradictions|run_cache|watching)": "reads and checks params.yaml: "
    "a stage depends on its keys as parameters of dvc.yaml, and on the modules of the blocks whose defaults it uses",
    r"scantune\.config\.synonyms": "other systems' names for keys and values: what is read under ours stays",
    r"scantune\.(tracking(\..+)?|outbox|registry\.log)": "what MLflow is told",
    r"scantune\.pipeline\.naming": "files in a message of the terminal",
    r"scantune\.pipeline\.monitoring(\..+)?": "pictures of a training for MLflow and the loggers",
}
#: Functions that look up a module of a task by the task's name: ``part(name, "words")``.
_LOOKUPS = {"part", "optional_part"}
#: Tables in a package's ``__init__`` of names that are loaded when they are first used.
_TABLES = {"_HOME", "_LATER"}
_TASK = re.compile(r"scantune\.tasks\.(\w+)\.(\w+)")


class CodeGraph:
    """The modules of a project and what they import.

    Args:
        root: the project's folder, with ``src`` and ``stages``.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._nodes = cache(self._parsed)
        self._imports = cache(lambda name, task: frozenset(self._all_imports(name, task)))

    @cached_property
    def modules(self) -> dict[str, Path]:
        """Dotted name to file."""
        paths = {}
        for path in sorted([*self.root.glob("src/*/**/*.py"), *self.root.glob("stages/*.py")]):
            base = self.root / "src" if self.root / "src" in path.parents else self.root
            paths[".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__")] = path
        return paths

    @cached_property
    def _data(self) -> dict[Path, list[Path]]:
        """Folder of a package to the files in it that are no modules: templates, tables."""
        packages = {path.parent for path in self.modules.values()}
        by_folder: dict[Path, list[Path]] = {}
        for path in sorted(self.root.glob("src/**/*")):
            if path.is_file() and path.suffix not in (".py", ".pyc"):
                home = next((folder for folder in path.parents if folder in packages), None)
                if home is not None:
                    by_folder.setdefault(home, []).append(path)
        return by_folder

    def reached(self, start: str, task: str = "", without: Collection[str] = tuple(LEFT_OUT)) -> dict[str, str]:
        """What a module reaches.

        Args:
            start: the module, ``stages.train``.
            task: the task whose modules are looked up by name; those of every task where empty.
            without: patterns of modules that are not entered.

        Returns:
            Module to the one that imports it, ``start`` to nothing.
        """
        refused = re.compile("|".join(without) or "(?!)")
        importers, left = {start: ""}, [start]
        while left:
            module = left.pop(0)
            for imported in sorted(self._imports(module, task)):
                if imported not in importers and not refused.fullmatch(imported):
                    importers[imported] = module
                    left.append(imported)
        return importers

    def files(self, names: Collection[str]) -> list[Path]:
        """The files of some modules, with the data files of their packages; sorted by name."""
        sources = {self.modules[name] for name in names}
        return sorted(sources | {path for one in sources for path in self._data.get(one.parent, ())})

    def _all_imports(self, name: str, task: str) -> Iterator[str]:
        yield from self._registering(name)
        packages: dict[str, str] = {}  # a name in this module to the package that it stands for
        for node in self._nodes(name):
            if isinstance(node, ast.ImportFrom):
                source = self._source(name, node)
                for alias in node.names:
                    if self._is_package(f"{source}.{alias.name}"):
                        packages[alias.asname or alias.name] = f"{source}.{alias.name}"
                    else:
                        yield from self._resolved(source, alias.name)
            elif isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names if alias.name in self.modules)
        for node in self._nodes(name):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in packages:
                yield from self._resolved(packages[node.value.id], node.attr)
            elif isinstance(node, ast.Call) and _called(node) in _LOOKUPS and len(node.args) == 2:
                yield from self._of_tasks(node.args[1], task)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from self._named(node.value)

    def _resolved(self, source: str, name: str) -> set[str]:
        """The module of ``from source import name``: where a package hands the name on, the one that has it."""
        if source not in self.modules:
            return set()
        if f"{source}.{name}" in self.modules:
            return {f"{source}.{name}"}
        if self._is_package(source):
            for node in self._nodes(source):
                if isinstance(node, ast.ImportFrom):
                    for alias in node.names:
                        if (alias.asname or alias.name) == name:
                            return self._resolved(self._source(source, node), alias.name)
            home = _table(self._nodes(source)).get(name)
            if home:
                return {f"{source}.{home}"}
        return {source}

    def _registering(self, name: str) -> Iterator[str]:
        """Modules that the ``__init__`` of a module's package imports whole."""
        package = name.rpartition(".")[0]
        for node in self._nodes(package) if self._is_package(package) else ():
            if isinstance(node, ast.ImportFrom) and self._source(package, node) == package:
                imported = (f"{package}.{one.name}" for one in node.names)
                yield from (one for one in imported if one in self.modules and not self._is_package(one))

    def _of_tasks(self, module: ast.expr, task: str) -> Iterator[str]:
        if isinstance(module, ast.Constant):
            matches = (_TASK.fullmatch(name) for name in self.modules)
            yield from (m[0] for m in matches if m and m[2] == module.value and task in ("", m[1]))

    def _named(self, text: str) -> Iterator[str]:
        """A module that stands in a table as text: ``scantune.preprocess.still``."""
        if re.fullmatch(r"scantune(\.\w+)+", text) and text in self.modules and not self._is_package(text):
            yield text

    def _source(self, name: str, node: ast.ImportFrom) -> str:
        """The module that an import takes from, also where it is a relative one."""
        if not node.level:
            return node.module or ""
        parts = name.split(".") if self._is_package(name) else name.split(".")[:-1]
        package = ".".join(parts[: len(parts) - node.level + 1])
        return f"{package}.{node.module}" if node.module else package

    def _is_package(self, name: str) -> bool:
        return name in self.modules and self.modules[name].name == "__init__.py"

    def _parsed(self, name: str) -> tuple[ast.AST, ...]:
        return tuple(_nodes(ast.parse(self.modules[name].read_text(encoding="utf-8"))))


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those below ``if TYPE_CHECKING:``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from _nodes(node)


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _table(nodes: Iterable[ast.AST]) -> dict[str, str]:
    """Names that a package loads when they are first used, to their modules."""
    for node in nodes:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            target = node.targets[0]
            if isinstance(target, ast.Name) and target.id in _TABLES:
                table: dict[str, str] = ast.literal_eval(node.value)
                return table
    return {}
