"""A project's own losses, metrics, backbones and tasks: the modules in its folder ``plugins``, and installed packages.

Every module of the folder, and every installed package with the entry point ``scantune.plugins``, is imported before
``params.yaml`` is checked; what it registers can then be named there. The folder's code travels inside the models that
are trained with it. To open such a model elsewhere is to run that code, so that a person must trust it first.
"""

from __future__ import annotations

import functools
import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

from scantune.digests import SHORT, file_digest, text_digest
from scantune.records import ScantuneError

#: The folder in a project and in a model, and the package that its modules are imported as.
NAME = "plugins"
#: The entry point of installed packages.
GROUP = "scantune.plugins"


@dataclass(frozen=True)
class Loaded:
    """The folder whose modules this process has imported, and the digest of its files."""

    folder: Path
    digest: str


_loaded: Loaded | None = None


class UntrustedCode(ScantuneError):
    """A model contains code that the user has not declared trusted."""


def load_plugins(folder: Path = Path(NAME)) -> None:
    """Import the installed plugins and all modules of ``folder``, where that has not been done.

    Args:
        folder: of the project; nothing is imported where it does not exist.

    Raises:
        ScantuneError: a module cannot be imported, or this process has imported the modules of another folder.
    """
    _load_installed()
    files = files_of(folder)
    if any(name.endswith(".py") for name in files):
        _load_folder(folder, digest_of(files))


def installed(group: str) -> list[importlib.metadata.EntryPoint]:
    """The entry points of a group; the installed packages are looked through once a process."""
    return list(_entry_points().select(group=group))


@functools.cache
def _entry_points() -> Any:
    return importlib.metadata.entry_points()


@functools.cache
def _load_installed() -> None:
    for point in installed(GROUP):
        try:
            point.load()
        except Exception as error:
            raise ScantuneError(f"installed plugin {point.value}: {_words(error)}") from error


def packages() -> dict[str, str]:
    """Installed packages that bring plugins, and their versions."""
    versions = {point.dist.name: point.dist.version for point in installed(GROUP) if point.dist is not None}
    return dict(sorted(versions.items()))


def files_of(folder: Path) -> dict[str, str]:
    """Path in the folder to digest, of all files that belong to the code: not of pages (``.md``) and hidden ones."""
    if not folder.is_dir():
        return {}
    digests: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_symlink() and path.is_dir():
            raise ScantuneError(f"{path}: a link to a folder, whose files would not travel with a model; copy it here")
        hidden = any(part == "__pycache__" or part.startswith(".") for part in name.parts)
        if path.is_file() and not hidden and path.suffix not in {".md", ".pyc"}:
            digests[name.as_posix()] = file_digest(path)
    return digests


def digest_of(files: Mapping[str, str]) -> str:
    """One digest of :func:`files_of`; "" of none."""
    return text_digest("\n".join(f"{name} {digest}" for name, digest in sorted(files.items()))) if files else ""


def _load_folder(folder: Path, digest: str) -> None:
    global _loaded
    if _loaded is not None:
        if _loaded.digest != digest:
            raise ScantuneError(
                f"{folder}: this process has imported the plugins of {_loaded.folder}, other ones; start anew"
            )
        return
    if NAME in sys.modules:
        raise ScantuneError(f"{folder}: another package {NAME!r} is imported already ({sys.modules[NAME]})")
    before = set(sys.modules)
    try:
        _import_package(folder)
        for name in _module_names(folder):
            _import_module(folder, name)
    except BaseException:
        for name in set(sys.modules) - before:
            if name.partition(".")[0] == NAME:
                del sys.modules[name]
        raise
    _loaded = Loaded(folder, digest)


class _SourceAlone(importlib.machinery.SourceFileLoader):
    """Compiles the source that has a digest: compiled files beside it are neither read nor written."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def _import_package(folder: Path) -> None:
    """The package itself, from its folder alone: nothing else of the folder's parent can be imported through it."""
    place = folder.resolve()
    for inner in (place, *(path for path in place.rglob("*") if path.is_dir())):
        finder = importlib.machinery.FileFinder(str(inner), (_SourceAlone, [".py"]))
        sys.path_importer_cache[str(inner)] = finder
    initial = place / "__init__.py"
    loader = _SourceAlone(NAME, str(initial)) if initial.is_file() else None
    spec = importlib.machinery.ModuleSpec(NAME, loader, origin=str(initial) if loader else None, is_package=True)
    spec.submodule_search_locations = [str(place)]
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    if loader is not None:
        loader.exec_module(module)


def _module_names(folder: Path) -> Iterator[str]:
    for path in sorted(folder.iterdir()):
        is_module = path.suffix == ".py" or (path / "__init__.py").is_file()
        if is_module and not path.name.startswith(("_", ".", "test_")):
            yield path.stem


def _import_module(folder: Path, name: str) -> None:
    try:
        importlib.import_module(f"{NAME}.{name}")
    except Exception as error:
        raise ScantuneError(f"{folder.name}/{name}: {_words(error)}") from error


def _words(error: Exception) -> str:
    """What went wrong, and the line of the plugin where it did."""
    if isinstance(error, ScantuneError):
        return str(error)
    line, trace = "", error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__", "").partition(".")[0] == NAME:
            line = f", line {trace.tb_lineno} of {Path(trace.tb_frame.f_code.co_filename).name}"
        trace = trace.tb_next
    return f"cannot be imported ({type(error).__name__}: {error}{line})"


def is_plugin(module: str) -> bool:
    """Whether a module is no part of scantune."""
    return module.partition(".")[0] != "scantune"


def carry(folder: Path, *, needed: bool) -> dict[str, Any]:
    """Copy the project's plugins into a model's folder.

    Args:
        folder: of the model.
        needed: the model cannot be opened without them: its backbone or task is theirs.

    Returns:
        Their entry in ``model.json``; empty without plugins.
    """
    shutil.rmtree(folder / NAME, ignore_errors=True)
    facts: dict[str, Any] = {"packages": packages()} if packages() else {}
    if _loaded is not None:
        files = files_of(_loaded.folder)
        if digest_of(files) != _loaded.digest:
            raise ScantuneError(f"{_loaded.folder}: changed since this process imported it; run the stage once more")
        for name in files:
            (folder / NAME / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(_loaded.folder / name, folder / NAME / name)
        facts |= {"files": files, "digest": _loaded.digest}
    return {**facts, "needed": needed} if facts else {}


def open_carried(model: Path, facts: Mapping[str, Any], *, trust: bool, remedy: str, home: Path = Path(NAME)) -> None:
    """Import what a model needs: installed plugins, the project's own where they are the same, else the model's.

    Args:
        model: its folder.
        facts: from :func:`carry`.
        trust: the model's own code may run.
        remedy: how a user allows that, for the message.
        home: the project's own plugins.

    Raises:
        UntrustedCode: the code is not the project's own, and ``trust`` is not set.
        ScantuneError: a file is missing or changed, or a package is not installed.
    """
    if not facts.get("needed"):
        return
    here = packages()
    missing = [f"{name}=={version}" for name, version in facts.get("packages", {}).items() if name not in here]
    if missing:
        raise ScantuneError(f"{model}: the model needs plugins that are not installed: {', '.join(missing)}")
    _load_installed()
    digest = facts.get("digest")
    if not digest or (_loaded is not None and _loaded.digest == digest):
        return
    if digest_of(files_of(home)) == digest:
        _load_folder(home, digest)
        return
    if not trust:
        raise UntrustedCode(
            f"{model}: the model brings code of its own ({NAME}, digest {digest[:SHORT]}), not that of this folder; "
            f"to open the model is to run it. If you know who made it and trust them: {remedy}"
        )
    if digest_of(files_of(model / NAME)) != digest:
        raise ScantuneError(f"{model / NAME}: not what the model was written with; take the model once more")
    _load_folder(model / NAME, digest)
