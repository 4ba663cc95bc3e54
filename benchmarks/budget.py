"""Trainings by the stages of the project within processor minutes, and what compares the masks of two sides."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.defaults import project_at, run_stage

#: Groups that params.yaml must have; the benchmarks need none of them.
_EMPTY: dict[str, Any] = {name: {} for name in ("derived", "external", "ensembles", "ensemble_members")}
#: Epochs of the two trainings that measure an epoch; each of both has two validations.
_TRIALS = (2, 3)


def project(home: Path, params: dict[str, Any]) -> Path:
    """A copy of the code in a folder, with a params.yaml, in which the stages run."""
    folder = project_at(home)
    write(folder, params)
    return folder


def write(project: Path, params: dict[str, Any]) -> None:
    """Replace the settings of a project."""
    content = {"tracking": {"enabled": False}, **_EMPTY, **params}
    (project / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def epochs_within(minutes: float, project: Path, params: dict[str, Any], name: str) -> int:
    """Epochs of an experiment whose train stage takes so many processor minutes, by two short trainings."""
    few, more = (_trained(project, params, name, {"epochs": epochs}) for epochs in _TRIALS)
    an_epoch = (more - few) / (_TRIALS[1] - _TRIALS[0])
    start = few - _TRIALS[0] * an_epoch
    epochs = max(2, int((minutes - start) / an_epoch))
    print(f"an epoch of {name}: {60 * an_epoch:.1f} s of the processor, the rest {60 * start:.0f} s: {epochs} epochs")
    return epochs


def _trained(project: Path, params: dict[str, Any], name: str, train: dict[str, Any]) -> float:
    experiment = params["experiments"][name]
    write(project, {**params, "experiments": {name: {**experiment, "train": {**experiment["train"], **train}}}})
    shutil.rmtree(project / "outputs", ignore_errors=True)
    shutil.rmtree(project / ".scantune" / "state", ignore_errors=True)
    return run_stage(project, "train", name)


def train(project: Path, params: dict[str, Any], name: str, **train: Any) -> float:
    """Train and evaluate an experiment with other keys of ``train``; returns processor minutes of the training."""
    minutes = _trained(project, params, name, train)
    run_stage(project, "evaluate", name)
    return minutes


def dice(first: np.ndarray, second: np.ndarray) -> float:
    """2 |A ∩ B| / (|A| + |B|) of two boolean arrays; NaN where both are empty."""
    both = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / both if both else float("nan")


def interval(values: np.ndarray) -> str:
    """Mean and its 95 % interval by Student's t over samples."""
    from scipy import stats

    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return f"{values.mean():.4f} ({values.mean() - half:.4f} to {values.mean() + half:.4f})"


def kept(path: Path) -> dict[str, Any] | None:
    """A result that was written before, or None."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def keep(path: Path, result: dict[str, Any]) -> None:
    """Write a result beside the projects."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1), encoding="utf-8")
