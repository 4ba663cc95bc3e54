"""The MLflow runs and the registry of an experiment made again from its outputs, for a store that does not know them.

A colleague's clone has the outputs (``dvc pull``) and an empty store; ``mlflow.db`` may have been deleted. The outputs
name runs of the former store: the new ones carry those ids as tags, by which stages find them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scantune.pipeline.data.sides import sides_of
from scantune.pipeline.evaluate.stage import log_results
from scantune.pipeline.monitoring import curves
from scantune.pipeline.project import block_of
from scantune.pipeline.train import stage as recipe
from scantune.registry import looks
from scantune.registry.model import read_facts, weights_digest
from scantune.registry.promotion import register_again
from scantune.tracking import RunReference, open_run
from scantune.tracking.opening import RESTORED_MODEL, RESTORED_RUN
from scantune.tracking.sending import MODEL_ID


def restore(params: Any, key: str) -> str:
    """Log an experiment's training, evaluation and registration again where the store does not know them.

    Args:
        params: all settings.
        key: of ``experiments`` or ``derived``, with its outputs in ``outputs/<key>``.

    Returns:
        What was done, for the terminal.

    Raises:
        ScantuneError: what the training was made from is not there.
    """
    home = Path("outputs") / key
    if not (home / "train" / "model" / "model.json").is_file():
        return f"{key}: no model in {home / 'train' / 'model'} (dvc pull or dvc repro train@{key})"
    former = RunReference.read(home / "train" / "run.json")
    if former.run_id is None:
        return (
            f"{key}: it was trained without MLflow, so there is nothing to restore (dvc repro -f train@{key} logs it)"
        )
    if former.in_store().run_id:
        return f"{key}: MLflow has it"
    now = _training(params, key, home / "train", former)
    done = ["training and model"]
    if (home / "evaluate" / "metrics.json").is_file():
        _evaluation(params, key, home, now)
        done.append("evaluation")
    registered = _registration(params, key, home, now)
    return f"{key}: {', '.join(done)} logged{registered}"


def _training(params: Any, key: str, out: Path, former: RunReference) -> RunReference:
    plan = recipe.plan_of(params, key)
    facts = read_facts(out / "model")
    tags = {RESTORED_RUN: former.run_id or "", RESTORED_MODEL: former.model_id or ""}
    with open_run("train", key, dataset=plan.block.dataset, tags=tags, enabled=params.tracking.enabled) as run:
        recipe.log_start(run, plan)
        history = json.loads((out / "history.json").read_text())
        for member, held in (history.get("members") or {"": history}).items():
            prefix = f"{member}/" if member else ""
            for row in held["epochs"]:
                values = {f"{prefix}{name}": value for name, value in row.items() if isinstance(value, float)}
                run.metrics(values, step=int(row["epoch"]))
        model_id = recipe.log_trained(run, plan, facts, facts.training["metrics"], out)
        curves.log_curves(run, plan, out)
        run.tags({MODEL_ID: model_id or ""})
    return RunReference(run.run_id, model_id)


def _evaluation(params: Any, key: str, home: Path, trained: RunReference) -> None:
    block = block_of(params, key)
    test = sides_of(params, block.input, block.dataset).side("test")
    metrics, summary = (json.loads((home / "evaluate" / f"{n}.json").read_text()) for n in ("metrics", "summary"))
    seen = metrics["test_set"]
    tags = looks.tags(seen["digest"], weights_digest(home / "train" / "model"), seen["look"])
    parent = trained.run_id
    with open_run(
        "evaluate", key, dataset=block.dataset, parent=parent, tags=tags, enabled=params.tracking.enabled
    ) as run:
        run.params({"task": block.task.model_dump(mode="json"), "evaluate": block.evaluate.model_dump(mode="json")})
        run.metrics({"test_look": seen["look"]})
        log_results(run, f"{block.dataset} test", test, metrics, summary, home / "evaluate", trained)


def _registration(params: Any, key: str, home: Path, trained: RunReference) -> str:
    path = home / "register" / "registration.json"
    decided = json.loads(path.read_text()) if path.is_file() else {}
    if not decided.get("version") or not trained.model_id:
        return ""
    block = block_of(params, key)
    parent = trained.run_id
    with open_run("register", key, dataset=block.dataset, parent=parent, enabled=params.tracking.enabled) as run:
        version = register_again(run, trained, decided)
        run.artifact(path)
    alias = f", with the alias {decided['alias']!r}" if decided["promoted"] else ""
    return f"; {decided['name']} version {version} registered{alias} (it was version {decided['version']})"


def order(params: Any) -> list[str]:
    """Experiments and derived ones, those registered first before those registered later: the last has the alias."""

    def version(key: str) -> int:
        path = Path("outputs") / key / "register" / "registration.json"
        text = json.loads(path.read_text()).get("version") if path.is_file() else ""
        return int(text) if text else 0

    return sorted([*params.experiments, *params.derived], key=version)
