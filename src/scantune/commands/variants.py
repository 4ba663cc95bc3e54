"""A variant of the project: the pipeline with some settings changed, in a copy, as an experiment of DVC.

``dvc exp run --set-param`` writes to params.yaml of the workspace, and a kill leaves it changed. Here the settings are
changed in a clone below ``.dvc/tmp``, which shares the cache, the store of prepared samples and MLflow's; the finished
experiment is fetched from it. The workspace is only read.
"""

from __future__ import annotations

import configparser
import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from scantune.commands import project
from scantune.config.edit import Change
from scantune.config.reading import read_text
from scantune.digests import text_digest
from scantune.records import ScantuneError
from scantune.tracking import CHANGED

_MADE = {"outputs", "ensembles", "external"}
_MADE_DATA = {"demo", "index", "cache", "splits"}
_CODE = {"src", "stages", "plugins"}


def name_of(changes: Sequence[Change], experiment: str) -> str:
    """The experiment's name in DVC: ``digits-learning_rate=0.0005``, in letters that git accepts."""
    text = re.sub(r"[^A-Za-z0-9_=.-]+", "-", "-".join([experiment, *_short(changes, experiment)]).strip("-"))
    text = re.sub(r"-{2,}", "-", re.sub(r"\.{2,}|\.lock$|\.$", "-", text)).strip("-.")
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return text if len(text) <= 80 else f"{text[:70].rstrip('-.')}-{digest}"


def free_name(home: Path, name: str, text: str) -> str:
    """The name, with a digest where an experiment of other settings has it: DVC has one experiment of a name.

    Signs that git does not accept make no difference in a name, as of ``[-10, 10]`` and ``[10, 10]``.

    Args:
        home: the project.
        name: of the variant.
        text: its params.yaml.

    Raises:
        ScantuneError: the project is not in a git repository with a commit.
    """
    _top(home)
    settings = read_text(text)
    for reference in _git(home, "for-each-ref", "--format=%(refname)", "refs/exps").split():
        if reference.endswith(f"/{name}") and _settings_of(home, reference) != settings:
            return f"{name}-{text_digest(json.dumps(settings, sort_keys=True, default=str))[:8]}"
    return name


def _settings_of(home: Path, reference: str) -> Any:
    """The content of an experiment's params.yaml; None where it has none that can be read."""
    try:
        return read_text(_git(home, "show", f"{reference}:./params.yaml"))
    except ScantuneError:
        return None


def title_of(changes: Sequence[Change], experiment: str) -> str:
    """For people: ``digits · learning_rate=0.0005``."""
    return " · ".join(part for part in (experiment, ", ".join(_short(changes, experiment))) if part)


def _short(changes: Sequence[Change], experiment: str) -> list[str]:
    parts = []
    for change in changes:
        of_experiment = bool(experiment) and change.path[1] == experiment
        last = change.path[-1] if of_experiment else change.key
        parts.append(f"{last}={change.text or change.value}")
    return parts


@contextlib.contextmanager
def copied(home: Path, name: str, text: str, settings: Any) -> Iterator[Path]:
    """A temporary copy of the project with its uncommitted changes, with ``text`` as params.yaml.

    Args:
        home: the project.
        name: of the variant.
        text: the copy's params.yaml.
        settings: the same, read: data that git does not know are linked where it names them.

    Raises:
        ScantuneError: the project is not in a git repository with a commit.
    """
    top = _top(home)
    folder = home / ".dvc" / "tmp" / "variants"
    folder.mkdir(parents=True, exist_ok=True)
    _remove_left(folder)
    place = folder / name
    clone = place.joinpath(*["up"] * _ups(settings), top.name or "project")
    lock = FileLock(f"{place}.lock")
    with contextlib.suppress(TimeoutError):
        lock.acquire(timeout=0)
    if not lock.is_locked:
        raise ScantuneError(f"the variant {name} is already running; wait for it or stop it")
    try:
        clone.parent.mkdir(parents=True, exist_ok=True)
        _git(home, "clone", "--quiet", "--shared", "--no-checkout", str(top), str(clone))
        _git(clone, "checkout", "--quiet", "--detach", _git(home, "rev-parse", "HEAD").strip())
        copy = clone / home.relative_to(top)
        _overlay(top, clone)
        (copy / "params.yaml").write_text(text, encoding="utf-8")
        _share_cache(home, copy)
        _link_data(home, copy, settings, place)
        yield copy
    finally:
        shutil.rmtree(place, ignore_errors=True)
        lock.release()
        Path(f"{place}.lock").unlink(missing_ok=True)


def run(home: Path, copy: Path, name: str, title: str, targets: Sequence[str]) -> int:
    """The pipeline in the copy as an experiment of DVC; where it is done, the project has the experiment.

    Returns:
        DVC's exit code.
    """
    os.environ[CHANGED] = title.rpartition(" · ")[2]
    try:
        code = project.run_dvc(["exp", "run", "--name", name, "--message", title, *targets], cwd=copy)
    finally:
        del os.environ[CHANGED]
    if code == 0:
        references = _git(copy, "for-each-ref", "--format=%(refname)", "refs/exps").split()
        created = [reference for reference in references if reference.endswith(f"/{name}")]
        _git(home, "fetch", "--quiet", str(copy), *(f"+{reference}:{reference}" for reference in created))
    return code


def _top(home: Path) -> Path:
    """The git repository's own folder.

    Raises:
        ScantuneError: there is none, or it has no commit.
    """
    remedy = "Commit the project (git init; git add -A; git commit), or write the values to params.yaml by --keep"
    try:
        top = Path(_git(home, "rev-parse", "--show-toplevel").strip())
        _git(home, "rev-parse", "--verify", "HEAD")
    except ScantuneError:
        raise ScantuneError(f"a variant is a DVC experiment, which needs a git commit. {remedy}") from None
    return top


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise ScantuneError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def _remove_left(folder: Path) -> None:
    """Copies of processes that were killed."""
    for left in folder.glob("*.lock"):
        try:
            with FileLock(left, timeout=0):
                shutil.rmtree(left.with_suffix(""), ignore_errors=True)
                left.unlink(missing_ok=True)
        except Timeout:
            continue


def _overlay(top: Path, clone: Path) -> None:
    """What is changed, removed or new in the workspace, in the clone too; large new files and folders as links."""
    listed = _git(top, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=normal")
    for entry in filter(None, listed.split("\0")):
        path = Path(entry[3:])
        source, target = top / path, clone / path
        if not source.exists():
            target.unlink(missing_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir() and not _CODE & set(path.parts):
            target.symlink_to(source, target_is_directory=True)
        elif source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)


def _share_cache(home: Path, copy: Path) -> None:
    """Use the project's DVC cache in the copy: finished stages are not run again, and new results are cached."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(home / ".dvc" / "config")
    parser.read(home / ".dvc" / "config.local")
    cache = (home / ".dvc" / parser.get("cache", "dir", fallback="cache")).resolve()
    local = configparser.ConfigParser(interpolation=None)
    local.read(home / ".dvc" / "config.local")
    if not local.has_section("cache"):
        local.add_section("cache")
    local.set("cache", "dir", str(cache))
    with (copy / ".dvc" / "config.local").open("w", encoding="utf-8") as file:
        local.write(file)


def _ups(settings: Any) -> int:
    """How many folders up the data of the settings lie at most: as many are there above a copy, for links to them."""
    return max((Path(text).parts.count("..") for text in _texts(settings) if _leads_up(text)), default=0)


def _leads_up(text: str) -> bool:
    return Path(text).parts[:1] == ("..",)


def _link_data(home: Path, copy: Path, settings: Any, place: Path) -> None:
    """Links to files and folders that the settings name and git does not know, such as raw data, below ``place``."""
    for text in sorted(set(_texts(settings)), key=len):
        path = Path(text)
        if not text or path.is_absolute() or (".." in path.parts and not _leads_up(text)) or _is_output(path):
            continue
        source, target = (Path(os.path.normpath(base / path)) for base in (home, copy))
        if source.exists() and target.is_relative_to(place) and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)


def _is_output(path: Path) -> bool:
    """Whether the path is an output of the pipeline."""
    first = path.parts[:2]
    return not first or first[0] in _MADE or (first[0] == "data" and (len(first) < 2 or first[1] in _MADE_DATA))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
