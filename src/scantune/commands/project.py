"""What several commands share: the project's settings, its environment, DVC."""

from __future__ import annotations

import contextlib
import getpass
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scantune.pipeline.project import unknown_name
from scantune.records import ScantuneError

if TYPE_CHECKING:
    from scantune.config.params import Params


def environment() -> dict[str, str]:
    """The environment of DVC and its stages: this Python first on the PATH, and the project's code."""
    env = dict(os.environ)
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", "")])
    env["PYTHONPATH"] = os.pathsep.join(p for p in ("src", env.get("PYTHONPATH", "")) if p)
    env.setdefault("DVC_NO_ANALYTICS", "true")
    try:
        getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as `docker run --user` gives: DVC asks for a name, and ends
        env["USER"] = f"user-{os.getuid()}"
    return env


def settings() -> Any:
    """``params.yaml``, checked."""
    from scantune.config.load import load

    return load()


def group_of(params: Params, name: str) -> str:
    """``experiments`` or ``derived``, the group that has the name.

    Raises:
        ScantuneError: neither has.
    """
    for group in ("experiments", "derived"):
        if name in getattr(params, group):
            return group
    raise unknown_name(name, "experiments or derived", [*params.experiments, *params.derived])


def register_target(params: Params, name: str) -> str:
    """The DVC target that runs all that an experiment needs."""
    return f"{'register' if group_of(params, name) == 'experiments' else 'register-derived'}@{name}"


def refuse_broken(folder: Path) -> None:
    """What DVC would tell without a remedy, before it is started.

    Raises:
        ScantuneError: no project of DVC, no git, a damaged ``dvc.lock``, a folder that cannot be written.
    """
    from scantune.config.reading import ConfigError, read_text

    if not (folder / ".dvc").is_dir():
        raise ScantuneError(f"{folder.absolute()}: not the top folder of a project (there is no .dvc); go there first")
    here = folder.resolve()
    config = folder / ".dvc" / "config"
    alone = config.is_file() and "no_scm = true" in config.read_text(encoding="utf-8").lower()
    if not alone and not any((place / ".git").exists() for place in (here, *here.parents)):
        raise ScantuneError("DVC needs a git repository here: git init (or: dvc config core.no_scm true)")
    if not os.access(here, os.W_OK):
        raise ScantuneError(f"{here}: this user cannot write here; copy the project to a folder of your own")
    lock = folder / "dvc.lock"
    try:
        text = lock.read_text(encoding="utf-8") if lock.is_file() else ""
        if not isinstance(read_text(text, lock.name), dict):
            raise ConfigError(["it is no mapping"], lock.name)
    except (ConfigError, UnicodeDecodeError):
        raise ScantuneError(
            "dvc.lock is damaged: remove it (rm dvc.lock) and run again; what ran already comes from DVC's run cache"
        ) from None


#: Groups of params.yaml of which a name can be run by itself, to the DVC stage that runs all that it needs.
_LAST = {
    "experiments": "register",
    "derived": "register-derived",
    "ensembles": "register-ensemble",
    "external": "external",
    "external_ensembles": "external-ensemble",
}


def target_of(params: Params, name: str) -> str:
    """The DVC target that runs all that an experiment, ensemble or external evaluation needs.

    Raises:
        ScantuneError: no block has that name, or blocks of two groups have it.
    """
    stages = [stage for group, stage in _LAST.items() if name in getattr(params, group)]
    if len(stages) > 1:
        choices = " or ".join(f"{stage}@{name}" for stage in stages)
        raise ScantuneError(f"{name!r}: several groups of params.yaml have it; name the target: {choices}")
    if not stages:
        refuse_unknown(params, name)
    return f"{stages[0]}@{name}"


def refuse_unknown(params: Params, name: str) -> None:
    """Refuse a name that is no experiment, ensemble or external evaluation.

    Raises:
        ScantuneError: with the names that there are.
    """
    known = [key for group in _LAST for key in getattr(params, group)]
    if name not in known:
        raise unknown_name(name, f"{', '.join([*_LAST][:-1])} or {[*_LAST][-1]}", known)


def run_dvc(arguments: Sequence[str], cwd: Path | None = None) -> int:
    """``dvc`` with some arguments; its exit code. SIGTERM and Ctrl-C end all that it started.

    Args:
        arguments: ``["repro", "register@digits"]``.
        cwd: working folder; None: the current one.
    """
    from scantune import stopping

    refuse_broken(cwd or Path())
    try:
        return stopping.call([sys.executable, "-m", "dvc", *arguments], env=environment(), cwd=cwd)
    except (stopping.Terminated, KeyboardInterrupt):
        close_left_runs()
        raise


def close_left_runs() -> None:
    """Mark the MLflow runs as killed that ended processes left open."""
    from scantune.tracking import TrackingError, client, unfinished

    if unfinished.has_orphans():
        with contextlib.suppress(TrackingError):
            unfinished.close_all(client())
