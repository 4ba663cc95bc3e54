"""``evaluate:`` beside other blocks: columns that do not exist, and what a task, an input or a network cannot have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from scantune.config.evaluate import EvaluateConfig
from scantune.config.names import unknown
from scantune.config.params import Params
from scantune.models import catalogue as backbones
from scantune.statistics.ages import is_age
from scantune.tasks.base import TaskSettings
from scantune.tasks.directions import custom_metrics, undecided

#: Facts of each image that a baseline may use beside the groups.
INTENSITY = ("mean", "sd", "min", "max")

#: Methods of maps that read the attention of a vision transformer.
ATTENTION = ("attention", "rollout")  # as in models.named, which needs torch


def faults(params: Params) -> Iterator[str]:
    """Every setting of an evaluation that would be told only after the training, or by nobody."""
    blocks = {**params.experiments, **params.derived}
    for name, block in blocks.items():
        key = f"{'experiments' if name in params.experiments else 'derived'}.{name}"
        others = [one.dataset for one in params.external.values() if one.experiment == name]
        yield from _columns(f"{key}.evaluate", block.evaluate, [block.dataset, *others], params)
        yield from _primary(f"{key}.evaluate", block.evaluate, block.task)
        yield from _covariates(f"{key}.evaluate", block, params)
        yield from _masks(key, block, params)
        yield from _maps(key, block, params)
    for name, ensemble in params.ensembles.items():
        others = [one.dataset for one in params.external_ensembles.values() if one.ensemble == name]
        yield from _columns(f"ensembles.{name}.evaluate", ensemble.evaluate, [ensemble.dataset, *others], params)
        own = {"evaluate": ensemble.evaluate, "dataset": ensemble.dataset, "input": ensemble.input}
        joint = [blocks[one].model_copy(update=own) for one in ensemble.members if one in blocks]
        for block in joint[:1]:
            yield from _primary(f"ensembles.{name}.evaluate", block.evaluate, block.task)
            yield from _covariates(f"ensembles.{name}.evaluate", block, params)
            yield from _masks(f"ensembles.{name}", block, params)
        yield from dict.fromkeys(fault for block in joint for fault in _maps(f"ensembles.{name}", block, params))


def _columns(key: str, settings: EvaluateConfig, datasets: Sequence[str], params: Params) -> Iterator[str]:
    """Groups and columns of a case mix that no sample has.

    Args:
        key: of the block.
        settings: the block.
        datasets: that it is for: the experiment's, then those of external validations.
        params: all settings.
    """
    known = {name: list(params.datasets[name].groups) for name in datasets if name in params.datasets}
    every = list(dict.fromkeys(group for groups in known.values() for group in groups))
    for group in settings.groups or ():
        if known:
            yield from unknown(f"{key}.groups", group, every, f"datasets.{datasets[0]}.groups")
    for column in settings.case_mix:
        for name, groups in known.items():
            yield from unknown(f"{key}.case_mix", column, groups, f"datasets.{name}.groups")
        if settings.groups is not None and column not in settings.groups and column in every:
            yield f"{key}.case_mix: {column!r} is not in {key}.groups; add it there, or leave groups out"
    if settings.differs("age_bands") and known:
        yield from _ages(key, every if settings.groups is None else settings.groups, datasets, params)


def _ages(key: str, groups: Sequence[str], datasets: Sequence[str], params: Params) -> Iterator[str]:
    """Bands of an age by which nothing is grouped, or that another key has cut already."""
    ages = [group for group in groups if is_age(group)]
    cut = {group for name in datasets if name in params.datasets for group in params.datasets[name].bands}
    if not ages:
        yield (
            f"{key}.age_bands: has no effect: the groups ({', '.join(groups) or 'there are none'}) have no age; name "
            f"the column of the ages in datasets.{datasets[0]}.groups ({{age: <column>}}), or remove the key"
        )
    elif set(ages) <= cut:
        yield (
            f"{key}.age_bands: has no effect: datasets.{datasets[0]}.bands cuts {ages[0]} into bands already; keep one "
            "of the two"
        )


def _primary(key: str, settings: EvaluateConfig, task: TaskSettings) -> Iterator[str]:
    """A metric that models are not compared by. Custom metrics are of tasks that answer by sample."""
    known = task.headline_metrics()
    if settings.primary is None or not known:
        return
    custom = () if task.mask_classes else custom_metrics(task.name)
    where = f"the metrics by which models of this {task.name} are compared"
    yield from unknown(f"{key}.primary", settings.primary, (*known, *custom), where)
    if fault := undecided(settings.primary):
        yield f"{key}.primary: {fault}"


def _covariates(key: str, block: Any, params: Params) -> Iterator[str]:
    """Columns for the simple baseline that no sample has; the default names what many tables have."""
    dataset = params.datasets.get(block.dataset)
    if dataset is None or not block.evaluate.differs("covariates"):
        return
    if block.task.mask_classes:
        yield f"{key}.covariates: the baselines of a {block.task.name} are masks and use no covariates; remove the key"
        return
    known = list(dict.fromkeys((*dataset.groups, *INTENSITY)))
    for name in block.evaluate.covariates:
        yield from unknown(f"{key}.covariates", name, known, f"datasets.{block.dataset}.groups, or of the image")


def _masks(key: str, block: Any, params: Params) -> Iterator[str]:
    if block.evaluate.write_masks and block.input in params.inputs and not block.task.mask_classes:
        yield f"{key}.evaluate.write_masks: the task {block.task.name} predicts no masks"


def _maps(key: str, block: Any, params: Params) -> Iterator[str]:
    saliency, input_ = block.evaluate.saliency, params.inputs.get(block.input)
    if not saliency.enabled or input_ is None:
        return
    where, method = f"{key}.evaluate.saliency", saliency.method
    if method == "scorecam" and input_.modality != "image":
        yield f"{where}.method: scorecam is for images, and this is a {input_.modality}; gradcam works on it"
    if method in ATTENTION and not backbones.may_attend(block.model.backbone, block.task.backbones(input_.modality)):
        yield (
            f"{where}.method: {method} reads the attention of a vision transformer for images, which "
            f"{block.model.backbone} is not for this input and task; gradcam works with it"
        )
    if saliency.differs("animation") and input_.modality != "video":
        yield f"{where}.animation: has no effect: it is of loops, and this is a {input_.modality}; remove it"
    if saliency.layer_idx != -1 and method != "attention":
        yield f"{where}.layer_idx: of the method attention, and the method is {method}; remove it, or set layer"
    if saliency.mask_class is not None:
        yield from _evidence(f"{where}.mask_class", saliency.mask_class, block, params)


def _evidence(where: str, name: str, block: Any, params: Params) -> Iterator[str]:
    dataset, task = params.datasets.get(block.dataset), block.task
    if task.mask_classes:
        yield f"{where}: the maps of a {task.name} are compared with the mask of their own class; remove it"
        return
    if dataset is not None and not dataset.masks:
        yield f"{where}: needs datasets.{block.dataset}.masks: the path of a sample's mask"
    known = next((names for kind in ("classes", "findings", "targets") if (names := getattr(task, kind, None))), None)
    if known:
        yield from unknown(where, name, list(known), f"{where.removesuffix('.evaluate.saliency.mask_class')}.task")
