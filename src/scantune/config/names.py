"""Names that must exist before anything runs: losses and their options, backbones, weights, demo cohorts.

All of it is known without torch, plugins included.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from scantune.config.params import ExperimentConfig, Params
from scantune.config.train import TrainConfig
from scantune.records import ScantuneError
from scantune.spelling import did_you_mean
from scantune.tasks import catalogue
from scantune.tasks.base import TaskSettings


def unknown_names(params: Params) -> Iterator[str]:
    """Every name that is not there, as ``key.path: what, and the nearest``."""
    for name, demo in params.demo.items():
        from scantune import demos

        cohorts = demos.cohorts()
        yield from unknown(f"demo.{name}.cohort", demo.cohort, sorted(cohorts), "the demo cohorts")
        for option in demo.options if demo.cohort in cohorts else ():
            options = list(demos.options_of(cohorts[demo.cohort]))
            yield from unknown(f"demo.{name}.options", option, options, f"the options of the cohort {demo.cohort}")
    blocks = {f"experiments.{name}": block for name, block in params.experiments.items()}
    blocks |= {f"derived.{name}": block for name, block in params.derived.items()}
    for key, block in blocks.items():
        input_ = params.inputs.get(block.input)
        yield from loss_faults(key, block)
        if input_ is not None:
            yield from _network(key, block, input_.modality)


def unknown(key: str, name: str, known: Collection[str], where: str) -> Iterator[str]:
    """That a name stands at a key and is not among the known ones, with the nearest and all of them; or nothing."""
    if name not in known:
        hint = did_you_mean(name, known, ".")
        yield f"{key}: there is no {name!r} in {where}{hint} There are: {', '.join(known) or 'none'}"


def loss_name(task: TaskSettings, block: TrainConfig) -> str:
    """The loss's own name, where another spelling of it is stated too; the task's default where none is."""
    from scantune.losses import registry

    _declare_losses(task.name)
    return registry.own_name(block.loss.name) if block.loss is not None else task.default_loss


def loss_spec(task: TaskSettings, block: TrainConfig) -> dict[str, Any]:
    """The loss's name and options, with what other keys of the blocks say of it.

    Args:
        task: the ``task:`` block.
        block: the ``train:`` block.

    Raises:
        ScantuneError: a combination without parts, or with an unknown one.
    """
    from scantune.losses.parts import parts_of

    spec: dict[str, Any] = {"name": loss_name(task, block)}
    if block.loss is not None:
        spec |= block.loss.options()
    if block.label_smoothing:
        spec.setdefault("label_smoothing", block.label_smoothing)
    if block.class_weights is not None:
        spec.setdefault("class_weights", block.class_weights)
    if spec["name"] != "combined":
        return task.loss_options(spec["name"]) | spec
    parts, schedule = parts_of(spec, task.fitting_losses)
    whole = {name: task.loss_options(name) | options for name, options in parts.items()}
    return {"name": "combined", "parts": whole, "schedule": schedule} if whole != parts else spec


def loss_faults(key: str, block: ExperimentConfig) -> Iterator[str]:
    """Why the loss of an experiment cannot be built."""
    from scantune.losses import parts

    try:
        parts.check(loss_spec(block.task, block.train), block.task.fitting_losses, block.train.epochs)
    except ScantuneError as error:
        yield f"{key}.train.loss: {error}"


def _declare_losses(task: str) -> None:
    """A task's own losses stand in its module ``losses``."""
    from scantune.losses import registry

    module = f"{catalogue.package_of(task)}.losses"
    spec = importlib.util.find_spec(module)
    if spec is not None and spec.origin is not None:
        registry.declare(module, Path(spec.origin))


_INPUT = "a network takes it from the input and the task of its experiment"
#: What is no option of a network's builder, and where it is set.
_NOT_OPTIONS = {
    **dict.fromkeys(("in_channels", "in_chans", "modality", "ndim", "num_classes", "out_channels", "size"), _INPUT),
    **{name: f"this is model.{name}" for name in ("backbone", "download", "min_matched")},
    **{name: f"this is model.{name}" for name in ("normalization", "weights", "weights_folder")},
    "seed": "this is train.seed",
}


def _network(key: str, block: ExperimentConfig, modality: Any) -> Iterator[str]:
    from scantune.models import catalogue as backbones
    from scantune.models import own_weights
    from scantune.models.names import weights_fault, with_weights

    table = block.task.backbones(modality)
    fault = backbones.fault(block.model.backbone, table)
    if fault is not None:
        yield f"{key}.model.backbone: {fault}"
    for option in sorted(_NOT_OPTIONS.keys() & block.model.options.keys()):
        yield f"{key}.model.options.{option}: {_NOT_OPTIONS[option]}; remove it from options"
    if block.model.first_stride is not None and "first_stride" in block.model.options:
        yield f"{key}.model.options.first_stride: model.first_stride is stated too; remove it from options"
    if modality == "volume" and table == "dense" and block.model.backbone in backbones.IN_THE_PLANE:
        yield (
            f"{key}.model.backbone: {block.model.backbone} is for images, and inputs.{block.input} is of volumes; use "
            "unet, plain_unet or another network that has three axes of space"
        )
    wrong = backbones.foreign(block.model.options)
    if wrong is not None:
        yield f"{key}.model.options: {wrong}"
    if fault is None and block.model.source is not None:
        carrier = with_weights(block.model.backbone, table, block.model.options)
        fault = weights_fault(block.model.source, *carrier) or own_weights.fault(block.model)
        if fault is not None:
            yield f"{key}.model.weights: {fault}"
