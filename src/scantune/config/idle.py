"""Keys that would have no effect beside others, or that contradict them: refused with what to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scantune.config.augment import augment_config, changes_samples
from scantune.config.names import loss_name, loss_spec
from scantune.config.params import ExperimentConfig, Params
from scantune.records import ScantuneError


def faults(params: Params) -> Iterator[str]:
    """Every such key of the settings, as ``key.path: why, and what to do``."""
    blocks = {f"experiments.{name}": block for name, block in params.experiments.items()}
    blocks |= {f"derived.{name}": block for name, block in params.derived.items()}
    for key, block in blocks.items():
        input_ = params.inputs.get(block.input)
        yield from _together(key, block)
        yield from _of_task(key, block)
        yield from _stated_twice(f"{key}.train", block)
        if input_ is not None:
            yield from _augmentation(f"{key}.train", block, input_.modality)


def _together(key: str, block: ExperimentConfig) -> Iterator[str]:
    """What needs several samples of a batch, as they are."""
    train, one = block.train, block.train.batch_size == 1
    for name in train.mixing if one else ():
        yield f"{key}.train.augment.{name}: mixes the samples of a batch, and train.batch_size is 1: set 2 or more"
    if train.scanner_consistency is None:
        return
    where = f"{key}.train.scanner_consistency"
    if one:
        yield f"{where}: compares the scanners in a batch, and train.batch_size is 1: set 2 or more"
    for name in train.mixing:
        yield f"{where}: a sample that is mixed with another is of no one scanner; remove train.augment.{name}"


def _of_task(key: str, block: ExperimentConfig) -> Iterator[str]:
    task, train = block.task, block.train
    try:
        spec = loss_spec(task, train)
    except ScantuneError:
        return  # told with the losses that there are
    for name, why in task.idle(spec):
        yield f"{key}.task.{name}: has no effect: {why}"
    if train.monitoring.error_ranges and "mae" not in task.epoch_metrics():
        yield (
            f"{key}.train.monitoring.error_ranges: absolute errors are of a regression of one target, not of this "
            f"{task.name}: remove the key"
        )
    fits = train.distance or task.fits(loss_name(task, train), train.calibration)
    if train.calibration_fraction and not fits:
        yield (
            f"{key}.train.calibration_fraction: nothing is fitted on that part of the validation set with these "
            "settings of the task and train.calibration: remove the key"
        )


def _stated_twice(key: str, block: Any) -> Iterator[str]:
    """Options that the loss states otherwise."""
    options = {} if block.train.loss is None else block.train.loss.options()
    for name in ("class_weights", "label_smoothing"):
        value = getattr(block.train, name)
        own = tuple(options[name]) if isinstance(options.get(name), list) else options.get(name)
        if block.train.differs(name) and name in options and own != value:
            yield f"{key}.{name}: {_shown(value)}, but {key}.loss.{name} is {_shown(own)}; keep one of them"


def _shown(value: object) -> str:
    return str(list(value) if isinstance(value, tuple) else value)


def _augmentation(key: str, block: ExperimentConfig, modality: str) -> Iterator[str]:
    """Augmentation that changes no sample, where a key of it or copies for predictions ask for a change."""
    train = block.train
    if not train.augment:
        return
    try:
        config = augment_config(modality, train.augment)
    except ScantuneError:
        return  # told by key
    manner = sorted({"p", "fill"} & train.augment.keys())
    if config.enabled and manner and not changes_samples(config) and train.augment.keys() <= {"p", "fill"}:
        yield (
            f"{key}.augment.{manner[0]}: has no effect, because no transform is switched on; add default: true for the "
            "usual set, or the transforms"
        )
    mirrors = bool(block.task.mask_classes)
    if train.test_time_augmentation and not mirrors and not changes_samples(config, mirrored=not block.task.sided):
        yield (
            f"{key}.test_time_augmentation: {train.test_time_augmentation} copies, but train.augment, by which they "
            "change, leaves each as the sample is (mixup and cutmix are of batches"
            + (", and mirrored copies would swap left and right" if block.task.sided else "")
            + "): add a transform, or set it to 0"
        )
