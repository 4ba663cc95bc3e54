"""What several commands share: the project's settings, its environment, DVC."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scantune.records import ScantuneError


def environment() -> dict[str, str]:
    """What DVC and the stages it starts need: this Python first on the PATH, the project's own code."""
    env = dict(os.environ)
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", "")])
    env["PYTHONPATH"] = os.pathsep.join(p for p in ("src", env.get("PYTHONPATH", "")) if p)
    env.setdefault("DVC_NO_ANALYTICS", "true")
    return env


def quiet_logging() -> None:
    """Messages as plain lines; the libraries' own below a warning are left out."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for noisy in ("alembic", "mlflow", "httpx", "git"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def settings() -> Any:
    """``params.yaml``, checked."""
    from scantune.config.load import load

    return load()


def group_of(params: Any, name: str) -> str:
    """``experiments`` or ``derived``, whichever has the name.

    Raises:
        ScantuneError: neither has.
    """
    for group in ("experiments", "derived"):
        if name in getattr(params, group):
            return group
    known = ", ".join([*params.experiments, *params.derived])
    raise ScantuneError(f"--experiment {name!r}: there is none of that name in params.yaml. There are: {known}")


def register_target(params: Any, name: str) -> str:
    """The DVC target that runs all that an experiment needs."""
    return f"{'register' if group_of(params, name) == 'experiments' else 'register-derived'}@{name}"


def run_dvc(targets: Sequence[str], changed: Sequence[str] = ()) -> int:
    """``dvc repro``, or ``dvc exp run`` where settings are changed; its exit code.

    Args:
        targets: DVC targets.
        changed: ``key.path=value``, written to params.yaml.
    """
    command = ["dvc", "exp", "run", *(f"-S={hydra(c)}" for c in changed)] if changed else ["dvc", "repro"]
    return subprocess.call([sys.executable, "-m", *command, *targets], env=environment())


def hydra(setting: str) -> str:
    """``key=value`` with Hydra's ``++``: it may override a key that stands, or one that only has a default."""
    if "=" not in setting:
        raise ScantuneError(f"--set {setting!r}: write key.path=value")
    return setting if setting.startswith(("+", "~")) else f"++{setting}"


def named(params: Any, group: str, name: str) -> Any:
    """The block of a name in a group.

    Raises:
        ScantuneError: there is none, with those there are.
    """
    blocks = getattr(params, group)
    if name not in blocks:
        raise ScantuneError(f"{name!r} is not in {group} of params.yaml. There are: {', '.join(blocks) or 'none'}")
    return blocks[name]
