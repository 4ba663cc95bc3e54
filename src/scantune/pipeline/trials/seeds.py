"""One experiment trained with several seeds: the variation of its metrics by chance alone."""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scantune.config.load import read
from scantune.files import write_json
from scantune.pipeline.project import block_of
from scantune.pipeline.trials import kept
from scantune.pipeline.trials.kept import SeedRun
from scantune.records import ScantuneError

if TYPE_CHECKING:
    from scantune.config.params import Params

#: Parts of a project that a training in a separate folder must not write to or does not use.
_OWN = {"outputs", "params.yaml", "ensembles", "external", "logs", "mlruns", "mlartifacts", "mlflow.db"}
_STAGES = ("train", "evaluate")


def order(params: Params, keys: Sequence[str]) -> list[str]:
    """The experiments, each after the one that it starts from, if that is included.

    Raises:
        ScantuneError: a name that params.yaml does not have.
    """
    done: list[str] = []

    def add(key: str) -> None:
        parent = parent_of(params, key)
        if parent in keys and parent not in done:
            add(parent)
        if key not in done:
            done.append(key)

    for key in keys:
        add(key)
    return done


def parent_of(params: Params, key: str) -> str:
    """The experiment that one starts from or learns from; "" for none."""
    return getattr(block_of(params, key), "from_", "") or ""


def seeds_of(params: Params, key: str, count: int) -> list[int]:
    """The experiment's seed and the following ones; a training of several members uses several."""
    train = block_of(params, key).train
    return [train.seed + number * train.members for number in range(count)]


def run_seeds(
    params: Params,
    keys: Sequence[str],
    count: int,
    project: Path,
    *,
    precision: str = "",
    keep: Path | None = None,
    say: Callable[[str], None] = print,
) -> Iterator[SeedRun]:
    """Train and evaluate each experiment ``count`` times, in a folder beside the project, with its cache and splits.

    params.yaml, outputs/ and MLflow of the project are not touched. Where the experiment that another one starts from
    is among ``keys``, the model of the same round is what it starts from; else the project's own.

    Args:
        params: all settings.
        keys: names in experiments or derived.
        count: trainings of each.
        project: the project's folder.
        precision: in place of ``train.precision``; "" keeps it.
        keep: folder for ``<experiment>/seed_<seed>/predictions.csv`` of every training; None: they are not kept.
            Trainings that it already has are not repeated.
        say: receives a line per training.

    Raises:
        ScantuneError: data are not prepared, a parent's model is not found, the folder has trainings of other settings,
            or a stage failed, with what it printed.
    """
    ordered = order(params, keys)
    for key in ordered:
        _ready(params, key, ordered, project)
    parents = {key: parent_of(params, key) for key in ordered}
    digests = {} if keep is None else _digests(params, parents, project, precision)
    if keep is not None:
        kept.refuse_others(keep, digests)
    for number in range(count):
        seeds = {key: seeds_of(params, key, count)[number] for key in ordered}
        complete = {} if keep is None else {key: kept.load(keep, key, seeds[key]) for key in ordered}
        training = kept.to_train(ordered, parents, complete)
        with _beside(project) as home:
            for key in ordered:
                run = complete.get(key)
                place = "" if key in training else f", already in {keep}"
                say(f"{key}: seed {seeds[key]} ({number + 1} of {count}){place}")
                if run is None or key in training:
                    run = _one(params, key, seeds[key], home, project, precision)
                    if keep is not None:
                        kept.save(keep, run, home / "outputs" / key / "evaluate" / "predictions.csv", digests[key])
                yield run


def _digests(params: Params, parents: Mapping[str, str], project: Path, precision: str) -> dict[str, str]:
    """Of each experiment, in order, what its trainings depend on: its settings, and those of its parent in the same
    round, or else the parent's own model."""
    digests: dict[str, str] = {}
    for key, parent in parents.items():
        model = project / "outputs" / parent / "train" / "model"
        of_parent = digests.get(parent) or kept.model_digest(model) if parent else ""
        digests[key] = kept.settings_digest(params, key, project, precision, of_parent)
    return digests


def _ready(params: Params, key: str, keys: Sequence[str], project: Path) -> None:
    block = block_of(params, key)
    parent = parent_of(params, key)
    needed = {
        project / "data" / "cache" / block.input / "manifest.csv": f"preprocess@{block.input}",
        project / "data" / "splits" / block.dataset / "splits.csv": f"split@{block.dataset}",
    }
    if parent and parent not in keys:
        needed[project / "outputs" / parent / "train" / "model" / "model.json"] = f"train@{parent}"
    for path, target in needed.items():
        if not path.exists():
            raise ScantuneError(f"{path.relative_to(project)}: not found; run: dvc repro {target}")


@contextlib.contextmanager
def _beside(project: Path) -> Iterator[Path]:
    """A temporary folder with links to the project's files except its outputs and settings."""
    with tempfile.TemporaryDirectory(prefix="scantune-seeds-") as folder:
        home = Path(folder)
        for path in project.iterdir():
            if path.name not in _OWN and not path.name.startswith("."):
                (home / path.name).symlink_to(path.resolve())
        (home / "outputs").mkdir()
        yield home


def _one(params: Params, key: str, seed: int, home: Path, project: Path, precision: str) -> SeedRun:
    changed = {"seed": seed} | ({"precision": precision} if precision else {})
    _write_settings(key, changed, home, project)
    parent = parent_of(params, key)
    if parent and not (home / "outputs" / parent).exists():
        (home / "outputs" / parent).symlink_to((project / "outputs" / parent).resolve())
    shutil.rmtree(home / ".scantune", ignore_errors=True)
    began = time.monotonic()
    for stage in _STAGES:
        _call(stage, key, seed, home)
    minutes = (time.monotonic() - began) / 60
    metrics = json.loads((home / "outputs" / key / "evaluate" / "metrics.json").read_text(encoding="utf-8"))
    entries = {name: metrics["metrics"][name] for name in metrics["headline"] if name in metrics["metrics"]}
    values = {name: float("nan") if entry["value"] is None else entry["value"] for name, entry in entries.items()}
    counts = [(entry["n"], entry["n_subjects"]) for entry in entries.values() if entry.get("n")]
    n, n_subjects = max(counts, default=(0, 0))
    trained = json.loads((home / "outputs" / key / "train" / "summary.json").read_text(encoding="utf-8"))["members"][0]
    exact = {"32-true": "float32", "bf16-mixed": "bf16", "16-mixed": "fp16"}
    computed = f"{trained['device']}, {exact.get(trained['precision'], trained['precision'])}"
    return SeedRun(key, seed, values, n, n_subjects, minutes, computed)


def _write_settings(key: str, changed: Mapping[str, Any], home: Path, project: Path) -> None:
    """params.yaml of one training: changed keys of ``train``, and of the evaluation only what the metrics need."""
    params = read(project / "params.yaml")
    group = "experiments" if key in (params.get("experiments") or {}) else "derived"
    block = dict(params[group][key])
    block["train"] = {**(block.get("train") or {}), **changed}
    block["evaluate"] = {**(block.get("evaluate") or {}), "saliency": False}
    params[group] = {**params[group], key: block}
    write_json(home / "params.yaml", params)  # JSON is YAML without ambiguous words such as no


def _call(stage: str, key: str, seed: int, home: Path) -> None:
    env = dict(os.environ)
    env["PYTHONPATH"] = os.pathsep.join(p for p in ("src", env.get("PYTHONPATH", "")) if p)
    env["SCANTUNE_MLFLOW"] = "off"
    command = [sys.executable, f"stages/{stage}.py", key]
    with subprocess.Popen(
        command, cwd=home, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            text, _ = process.communicate()
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        last = "\n  ".join(text.strip().splitlines()[-10:])
        raise ScantuneError(f"stages/{stage}.py {key} with seed {seed} ended with {process.returncode}:\n  {last}")


def spread(runs: Sequence[SeedRun]) -> dict[str, tuple[float, float, float]]:
    """Mean, lowest and highest value of each headline metric over the seeds; one that is undefined for a seed is
    omitted."""
    ranges = {}
    for name in runs[0].metrics:
        values = [run.metrics.get(name, math.nan) for run in runs]
        if not any(map(math.isnan, values)):
            ranges[name] = (statistics.fmean(values), min(values), max(values))
    return ranges


def table(params: Params, runs: Sequence[SeedRun], keys: Sequence[str]) -> list[str]:
    """A Markdown table, one row per experiment, and below it what it was computed on.

    Args:
        params: all settings.
        runs: of all experiments and seeds.
        keys: the experiments that were trained, which says whose parents were trained too.
    """
    from scantune.plots.words import label

    lines = [
        "| experiment | test side: mean over seeds (lowest to highest) | test samples (subjects) | seeds | starts from "
        "| minutes each |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for key in order(params, keys):
        seed_runs = [run for run in runs if run.experiment == key]
        if not seed_runs:
            continue
        cells = [
            f"{label(name)} {m:.3g} ({low:.3g} to {high:.3g})" for name, (m, low, high) in spread(seed_runs).items()
        ]
        seeds = ", ".join(str(run.seed) for run in seed_runs)
        minutes = statistics.fmean(run.minutes for run in seed_runs)
        size = f"{seed_runs[0].n} ({seed_runs[0].n_subjects})"
        lines.append(f"| {key} | {'; '.join(cells)} | {size} | {seeds} | {_start(params, key, keys)} | {minutes:.1f} |")
    computed = " and ".join(sorted({run.computed for run in runs}))
    return [*lines, "", f"One split, several trainings of it. Computed on: {machine()}; {computed}."]


def _start(params: Params, key: str, keys: Sequence[str]) -> str:
    parent = parent_of(params, key)
    if not parent:
        weights = block_of(params, key).model.source
        return weights or "random weights"
    return f"{parent} of the same round" if parent in keys else f"the project's {parent}"


def machine() -> str:
    """Processor, cores that may be used, and the version of PyTorch; a GPU's name where there is one."""
    import torch

    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.exists() else []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    cpu = f"{named or platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{cpu}{gpu}, PyTorch {torch.__version__}"
