"""Keys that would have no effect beside others, or that contradict them: refused with what to do."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from scantune.amounts import number_of
from scantune.config.augment import AugmentConfig, augment_config, by_probability, changes_samples, switched_on
from scantune.config.input import InputConfig
from scantune.config.names import loss_name, loss_spec
from scantune.config.params import ExperimentConfig, Params
from scantune.records import ScantuneError


def faults(params: Params) -> Iterator[str]:
    """Every such key of the settings, as ``key.path: why, and what to do``."""
    blocks = {f"experiments.{name}": block for name, block in params.experiments.items()}
    blocks |= {f"derived.{name}": block for name, block in params.derived.items()}
    yield from _of_masks(params)
    yield from _of_resampling(params)
    for key, block in blocks.items():
        input_ = params.inputs.get(block.input)
        yield from _together(key, block)
        yield from _of_task(key, block)
        yield from _stated_twice(f"{key}.train", block)
        if input_ is not None:
            yield from _augmentation(f"{key}.train", block, input_.modality)
            yield from _one_frame(f"{key}.train.augment", block, input_)
            yield from _averaged(f"{key}.model.normalization", block, input_, params)


#: Keys of an input that are of masks.
_MASK_KEYS = frozenset((
    "mask_labels", "empty_mask", "mask_values", "mask_overlap", "mask_threshold", "mask_instances", "mask_grid",
))  # fmt: skip


def _of_masks(params: Params) -> Iterator[str]:
    """Mask keys in an input whose dataset has no masks; an external validation's input has those of its model."""
    external = {block.input for block in params.externals.values()}
    for name, input_ in params.inputs.items():
        dataset = params.datasets.get(input_.dataset)
        if dataset is None or dataset.masks or name in external:
            continue
        for key in sorted(_MASK_KEYS):
            if key in type(input_).model_fields and input_.differs(key):
                yield (
                    f"inputs.{name}.{key}: has no effect: datasets.{input_.dataset} has no masks; add masks: the path "
                    "of a sample's mask, or remove the key"
                )


def _of_resampling(params: Params) -> Iterator[str]:
    """How volumes are resampled, where each keeps its own voxels. Further channels may lie on other grids."""
    for name, input_ in params.inputs.items():
        dataset = params.datasets.get(input_.dataset)
        if input_.modality != "volume" or dataset is None or len(dataset.files) > 1:
            continue
        kept = input_.spacing is None and input_.brain is None
        for key in ("interpolation", "antialias"):
            if kept and input_.differs(key):
                yield f"inputs.{name}.{key}: has no effect without spacing: voxels stay where they are; set spacing"


def _averaged(key: str, block: ExperimentConfig, input_: InputConfig, params: Params) -> Iterator[str]:
    """Means for another number of channels than the input has, which a network would average. Of published weights,
    whose three are averaged for grey pictures as their first layer is, three may stand there."""
    dataset, means = params.datasets.get(block.dataset), getattr(block.model.normalization, "mean", ())
    if dataset is None or not means:
        return
    channels = 3 if getattr(input_, "channels", 1) == 3 else max(1, len(dataset.files))
    if len(means) not in {1, channels, 3 if block.model.source else 1}:
        yield (
            f"{key}: mean and std have {len(means)} numbers each, and inputs.{block.input} has "
            f"{number_of(channels, 'channel')}: give one number, or one for each channel"
        )


def _one_frame(key: str, block: ExperimentConfig, input_: InputConfig) -> Iterator[str]:
    """Transforms along time of a loop that has one frame."""
    if input_.modality == "video" and input_.frames == 1:
        for name in sorted({"temporal_crop", "temporal_mask"} & block.train.augment.keys()):
            yield f"{key}.{name}: has no effect: inputs.{block.input}.frames is 1; remove it, or set more frames"


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
    yield from _monitored(f"{key}.train", block)
    if not block.model.init_output and not task.starts_from_targets(spec["name"]):
        yield (
            f"{key}.model.init_output: has no effect: the output layer of a {task.name} with the loss {spec['name']} "
            "does not start from the training targets; remove it"
        )
    fits = train.distance or task.fits(loss_name(task, train), train.calibration)
    if train.calibration_fraction and not fits:
        yield (
            f"{key}.train.calibration_fraction: nothing is fitted on that part of the validation set with these "
            "settings of the task and train.calibration: remove the key"
        )


def _monitored(key: str, block: Any) -> Iterator[str]:
    """What is recorded each epoch: errors and histograms are of one number per sample, pictures go to two services."""
    monitoring, train = block.train.monitoring, block.train
    if "mae" not in block.task.epoch_metrics():
        whats = {"error_ranges": "absolute errors are", "bins": "histograms are", "range": "histograms are"}
        for name, what in whats.items():
            if monitoring.differs(name):
                yield (
                    f"{key}.monitoring.{name}: {what} of a regression of one target, not of this {block.task.name}: "
                    "remove the key"
                )
    if (
        monitoring.pictures
        and monitoring.differs("pictures")
        and not (train.loggers.tensorboard or train.loggers.wandb)
    ):
        yield (
            f"{key}.monitoring.pictures: has no effect: TensorBoard and Weights & Biases receive them, and neither is "
            "switched on; set train.loggers.tensorboard: true or train.loggers.wandb, or remove the key"
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
    if config.enabled:
        yield from _manner(f"{key}.augment", config, train.augment.keys())
    mirrors = bool(block.task.mask_classes)
    if train.test_time_augmentation and not mirrors and not changes_samples(config, mirrored=not block.task.sided):
        yield (
            f"{key}.test_time_augmentation: {train.test_time_augmentation} copies, but train.augment, by which they "
            "change, leaves each as the sample is (mixup and cutmix are of batches"
            + (", and mirrored copies would swap left and right" if block.task.sided else "")
            + "): add a transform, or set it to 0"
        )


#: Transforms after which something lies beyond an image's border.
_FILLED = frozenset({"rotation", "translation", "zoom", "elastic", "randaugment"})


def _manner(key: str, config: AugmentConfig, written: Collection[str]) -> Iterator[str]:
    """How samples are changed, where no transform is written that the key is of; and what ``p`` rules out."""
    transforms = switched_on(config)
    stated = {*transforms, *written} & type(config).model_fields.keys() - {"modality", "enabled", "p", "fill"}
    of = {
        "p": [name for name in stated - {"mixup", "cutmix"} if by_probability(name)],
        "fill": sorted(_FILLED & stated),
    }
    for name in sorted(of.keys() & written):
        if not of[name]:
            others = ", ".join(sorted(transforms))
            yield (
                f"{key}.{name}: has no effect, because "
                + (f"it is not of {others}" if others else "no transform is switched on")
                + "; remove it, or add the transforms that it is of, or default: true for the usual set"
            )
    ruled = [name for name in transforms if by_probability(name)]
    if config.p == 0 and ruled:
        yield f"{key}.p: 0, so that {', '.join(ruled)} never happens; raise it, or remove the transforms"
    for name in ("mixup", "cutmix"):
        if getattr(config, name).enabled and not getattr(config, name).prob:
            yield f"{key}.{name}.prob: 0, so that no batch is mixed; raise it, or remove {name}"
