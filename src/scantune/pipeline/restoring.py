"""The MLflow runs and the registry of an experiment made again from its outputs, for a store that does not know them.

A colleague's clone has the outputs (``dvc pull``) and an empty store; ``mlflow.db`` may have been deleted. The outputs
name runs of the former store: the new ones carry those ids as tags, by which stages find them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scantune.pipeline.data.sides import sides_of
from scantune.pipeline.evaluate import across
from scantune.pipeline.evaluate.stage import log_results
from scantune.pipeline.monitoring import curves
from scantune.pipeline.project import evaluated_block, external_block, home_of, trained_by
from scantune.pipeline.train import ensembles
from scantune.pipeline.train import stage as recipe
from scantune.registry import looks
from scantune.registry.model import read_facts, weights_digest
from scantune.registry.promotion import register_again
from scantune.tracking import RunReference, open_run
from scantune.tracking.opening import RESTORED_MODEL, RESTORED_RUN
from scantune.tracking.sending import MODEL_ID

if TYPE_CHECKING:
    from scantune.config.params import Params


def restore(params: Params, key: str) -> str:
    """Log an experiment's or ensemble's model, evaluation and registration again where the store does not know them.

    Args:
        params: all settings.
        key: of ``experiments``, ``derived`` or ``ensembles``, with its outputs in ``outputs/<key>``,
            ``ensembles/<key>``.

    Returns:
        What was done, for the terminal.

    Raises:
        ScantuneError: what the training was made from is not there.
    """
    home, stage = home_of(params, key), trained_by(params, key)
    if not (home / "train" / "model" / "model.json").is_file():
        return f"{key}: no model in {home / 'train' / 'model'} (dvc pull or dvc repro {stage}@{key})"
    former = RunReference.read(home / "train" / "run.json")
    if former.run_id is None:
        return f"{key}: it was made without MLflow, so there is nothing to restore (dvc repro -f {stage}@{key} logs it)"
    if former.in_store().run_id:
        return f"{key}: MLflow has it"
    joined = key in params.ensembles
    now = (_ensemble if joined else _training)(params, key, home / "train", former)
    done = ["model" if joined else "training and model"]
    if (home / "evaluate" / "metrics.json").is_file():
        _evaluation(params, key, home, now)
        done.append("evaluation")
    registered = _registration(params, key, home, now)
    return f"{key}: {', '.join(done)} logged{registered}"


def restore_external(params: Params, key: str) -> str:
    """Log an external evaluation again where the store does not know it.

    Args:
        params: all settings.
        key: of ``external`` or ``external_ensembles``, with its outputs in ``outputs/external/<key>``.

    Returns:
        What was done, for the terminal.
    """
    block, out = external_block(params, key), across.HOME / key
    stage = "external" if key in params.external else "external-ensemble"
    if not (out / "metrics.json").is_file():
        return f"{key}: no evaluation in {out} (dvc pull or dvc repro {stage}@{key})"
    former = RunReference.read(out / "run.json")
    if former.run_id is None:
        return f"{key}: it was made without MLflow, so there is nothing to restore (dvc repro -f {stage}@{key} logs it)"
    if former.in_store().run_id:
        return f"{key}: MLflow has it"
    source = home_of(params, block.experiment) / "train"
    trained = RunReference.read(source / "run.json").in_store()
    side = sides_of(params, block.input, None).all_samples
    metrics, summary = _results(out)
    tags = _look_tags(metrics, source / "model") | {RESTORED_RUN: former.run_id}
    dataset = evaluated_block(params, block.experiment).dataset
    with open_run(
        "external", key, dataset=dataset, parent=trained.run_id, tags=tags, enabled=params.tracking.enabled
    ) as run:
        run.params({"external": block.model_dump(mode="json")})
        run.metrics({"test_look": metrics["test_set"]["look"]})
        prefix = f"external_{block.dataset}"
        log_results(run, block.dataset, side, metrics, summary, out, trained, prefix=prefix)
        run.artifact(out / "table.csv")
    return f"{key}: external evaluation logged"


def _results(out: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """``metrics.json`` and ``summary.json``."""
    metrics, summary = (json.loads((out / f"{name}.json").read_text()) for name in ("metrics", "summary"))
    return metrics, summary


def _look_tags(metrics: dict[str, Any], model: Path) -> dict[str, str]:
    seen = metrics["test_set"]
    return looks.tags(seen["digest"], weights_digest(model), seen["look"])


def _ensemble(params: Params, key: str, out: Path, former: RunReference) -> RunReference:
    plan = ensembles.plan_of(params, key, ensembles.members_of(params, key))
    tags = {RESTORED_RUN: former.run_id or "", RESTORED_MODEL: former.model_id or ""}
    with open_run("ensemble", key, dataset=plan.block.dataset, tags=tags, enabled=params.tracking.enabled) as run:
        model_id = ensembles.log_joined(run, plan, read_facts(out / "model"), params.ensembles[key].members, out)
        run.tags({MODEL_ID: model_id or ""})
    return RunReference(run.run_id, model_id)


def _training(params: Params, key: str, out: Path, former: RunReference) -> RunReference:
    plan = recipe.plan_of(params, key)
    facts = read_facts(out / "model")
    tags = {RESTORED_RUN: former.run_id or "", RESTORED_MODEL: former.model_id or ""}
    with open_run("train", key, dataset=plan.block.dataset, tags=tags, enabled=params.tracking.enabled) as run:
        recipe.log_start(run, plan)
        history = json.loads((out / "history.json").read_text())
        for member, part in (history.get("members") or {"": history}).items():
            prefix = f"{member}/" if member else ""
            for row in part["epochs"]:
                values = {f"{prefix}{name}": value for name, value in row.items() if isinstance(value, float)}
                run.metrics(values, step=int(row["epoch"]))
        model_id = recipe.log_trained(run, plan, facts, facts.training["metrics"], out)
        curves.log_curves(run, plan, out)
        run.tags({MODEL_ID: model_id or ""})
    return RunReference(run.run_id, model_id)


def _evaluation(params: Params, key: str, home: Path, trained: RunReference) -> None:
    block = evaluated_block(params, key)
    test = sides_of(params, block.input, block.dataset).side("test")
    metrics, summary = _results(home / "evaluate")
    tags = _look_tags(metrics, home / "train" / "model")
    parent = trained.run_id
    with open_run(
        "evaluate", key, dataset=block.dataset, parent=parent, tags=tags, enabled=params.tracking.enabled
    ) as run:
        run.params({"task": block.task.model_dump(mode="json"), "evaluate": block.evaluate.model_dump(mode="json")})
        run.metrics({"test_look": metrics["test_set"]["look"]})
        log_results(run, f"{block.dataset} test", test, metrics, summary, home / "evaluate", trained)


def _registration(params: Params, key: str, home: Path, trained: RunReference) -> str:
    path = home / "register" / "registration.json"
    decided = json.loads(path.read_text()) if path.is_file() else {}
    if not decided.get("version") or not trained.model_id:
        return ""
    block = evaluated_block(params, key)
    parent = trained.run_id
    with open_run("register", key, dataset=block.dataset, parent=parent, enabled=params.tracking.enabled) as run:
        version = register_again(run, trained, decided, home / "evaluate")
        run.artifact(path)
    alias = f", with the alias {decided['alias']!r}" if decided["promoted"] else ""
    return f"; {decided['name']} version {version} registered{alias} (it was version {decided['version']})"


def order(params: Params) -> list[str]:
    """Experiments and ensembles; those registered last come last, so that the alias is theirs again."""

    def version(key: str) -> int:
        path = home_of(params, key) / "register" / "registration.json"
        text = json.loads(path.read_text()).get("version") if path.is_file() else ""
        return int(text) if text else 0

    return sorted([*params.experiments, *params.derived, *params.ensembles], key=version)
