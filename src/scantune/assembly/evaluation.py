"""A trained model on validation and test: ``predictions.csv`` and what is computed from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scantune.assembly.cohort import Side, Sides, refuse_masks
from scantune.assembly.samples import encode, samples
from scantune.models.members import averaged
from scantune.registry.model import ModelFacts, load_networks
from scantune.tasks.build import build_task
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.protocol import Task


def task_of(schema: Any, facts: ModelFacts) -> Task:
    """The task of a model, with the block's settings as they are now and the classes it was trained with."""
    return build_task(schema, classes=facts.classes, loss=facts.loss)


def predictions_of(
    schema: Any, facts: ModelFacts, folder: Path, sides: Sides, *, batch_size: int = 8, device: str = "auto"
) -> PredictionTable:
    """Predictions of validation and test, in the contract's columns.

    With folds every sample is predicted by the member that did not see it: those rows are ``test`` where the split has
    no test side of its own, else ``validation``; a test side is predicted by the averaged members.

    Args:
        schema: the ``task:`` block.
        facts: of the model.
        folder: the model's folder.
        sides: the samples.
        batch_size: samples at once.
        device: where it computes.
    """
    refuse_masks("the model", schema, sides)
    task = task_of(schema, facts)
    networks = load_networks(folder, facts)
    parts: list[tuple[Side, str, Sequence[Any]]] = []
    test = sides.side("test")
    if sides.folds:
        for fold in sides.folds:
            parts.append((sides.fold(fold)[1], "validation" if len(test) else "test", [networks[fold]]))
    else:
        parts.append((sides.side("validation"), "validation", networks))
    parts.append((test, "test", networks))
    tables = [part_of(task, facts, *part, batch_size, device) for part in parts if len(part[0])]
    names = list(dict.fromkeys(name for table in tables for name in table))
    joined = {name: np.concatenate([_column(table, name) for table in tables]) for name in names}
    if not sides.folds:
        joined.pop("fold")
    return PredictionTable.make(joined)


def _column(table: Mapping[str, Any], name: str) -> np.ndarray:
    length = len(table["sample_id"])
    return np.asarray(table[name]) if name in table else np.full(length, "", dtype=object)


def part_of(
    task: Task, facts: ModelFacts, side: Side, split: str, networks: Sequence[Any], batch_size: int, device: str
) -> dict[str, Any]:
    """Columns of one side's predictions by some networks."""
    columns: dict[str, Any] = {
        "sample_id": [m.sample_id for m in side],
        "subject_id": [m.subject_id for m in side],
        "split": [split] * len(side),
        "fold": ["" if m.fold is None else str(m.fold) for m in side],
    }
    columns |= _answers(task, facts, side, networks, batch_size, device)
    raters = list(side[0].raters)
    groups = list(side[0].groups)
    columns |= {f"rater/{name}": [m.raters.get(name, "") for m in side] for name in raters}
    columns |= {name: [m.groups.get(name, "") for m in side] for name in groups}
    return columns


def _answers(
    task: Task, facts: ModelFacts, side: Side, networks: Sequence[Any], batch_size: int, device: str
) -> dict[str, Any]:
    if task.dense:
        return _measured(task, side, networks, batch_size, device)
    targets = encode(side, task)
    reduced, spread = _predicted(task, facts, side, networks, batch_size, device)
    columns = task.columns(reduced, targets, facts.fitted)
    if spread is not None and task.name == "regression":
        columns["prediction_sd"] = spread
    return columns


def _predicted(
    task: Task, facts: ModelFacts, side: Side, networks: Sequence[Any], batch_size: int, device: str
) -> tuple[np.ndarray, np.ndarray | None]:
    from scantune import engine
    from scantune.engine.local import Local

    data = samples(side, task)
    local = Local.on(device)
    augment, draws = test_time_augmentation(facts)

    def ask(network: Any) -> Any:
        return engine.predict(
            network, task, data, batch_size=batch_size, fabric=local, augment=augment, num_augmentations=draws
        )

    if task.name == "regression" and len(networks) > 1:
        answers = np.stack([ask(network).reduced for network in networks])  # [M, N, 1]
        return answers.mean(0), answers.std(0, ddof=1)[:, 0]
    held = ask(averaged(networks, task.name))
    return held.reduced, None if held.spread is None else held.spread[:, 0]


def test_time_augmentation(facts: ModelFacts) -> tuple[Any, int]:
    """The augmentation of prediction and how many copies; none where the model has none."""
    if not facts.augment_draws:
        return None, 0
    from scantune import augment
    from scantune.config.augment import augment_config

    settings = augment_config(facts.input["modality"], facts.augment).model_dump()
    mirrors = [name for name in settings if "flip" in name]
    settings |= {name: 0.0 for name in mirrors if isinstance(settings[name], float)}
    return augment.build(facts.input["modality"], settings), facts.augment_draws


def _measured(task: Any, side: Side, networks: Sequence[Any], batch_size: int, device: str) -> dict[str, Any]:
    """All figures of each sample's mask; the masks themselves are not kept."""
    rows: list[dict[str, float]] = []
    for said, truth, member in predicted_masks(task, side, networks, batch_size, device):
        spacing = spacing_of(member.facts)
        figures = task.measure(said, truth, spacing)
        unit = float(np.prod(spacing)) if spacing else 1.0
        rows.append(
            {
                **figures,
                "volume_target": float((truth > 0).sum()) * unit,
                "volume_prediction": float((said > 0).sum()) * unit,
            }
        )
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def predicted_masks(task: Any, side: Side, networks: Sequence[Any], batch_size: int, device: str) -> Any:
    """Predicted and true labels (uint8 [H, W] or [D, H, W]) and the member, sample by sample."""
    import torch

    from scantune.engine.local import Local

    local = Local.on(device)
    network = local.setup_module(averaged(networks, task.name)).eval()
    data = samples(side, task)
    for start in range(0, len(side), batch_size):
        held = [data[i] for i in range(start, min(start + batch_size, len(side)))]
        with torch.inference_mode():
            output = network(torch.stack([sample["input"] for sample in held]).to(local.device)).float()
        said = task.masks(output).cpu().numpy().astype(np.uint8)
        for place, sample in enumerate(held):
            yield said[place], np.asarray(sample["target"]).astype(np.uint8), side[start + place]


def spacing_of(row: Mapping[str, str]) -> tuple[float, ...] | None:
    """mm along the axes of space as ``manifest.csv`` has it; None where unknown."""
    text = row.get("spacing", "")
    return tuple(float(part) for part in text.split("x")) if text else None
