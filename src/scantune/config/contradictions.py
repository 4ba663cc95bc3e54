"""Settings that are each valid but contradict each other: reported before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from scantune.config import (
    cohort_keys,
    covariates,
    derivation,
    ensembles,
    evaluating,
    fitting,
    idle,
    map_checks,
    watching,
)
from scantune.config.augment import AugmentConfig, augment_config
from scantune.config.dataset import DatasetConfig
from scantune.config.input import InputConfig
from scantune.config.intensity import BOUNDED
from scantune.config.names import loss_faults, loss_spec, unknown
from scantune.config.params import ExperimentConfig, Params
from scantune.config.synonyms import metric_name
from scantune.records import ScantuneError
from scantune.tasks.directions import against, bare, epoch_directions, monitor_fault


def contradictions(params: Params) -> Iterator[str]:
    """Every fault that only appears when blocks are compared, as ``key.path: what``."""
    for find in _FINDERS:
        yield from find(params)


def _blocks(params: Params) -> Iterator[tuple[str, ExperimentConfig]]:
    yield from ((f"experiments.{name}", block) for name, block in params.experiments.items())
    yield from ((f"derived.{name}", block) for name, block in params.derived.items())


def _names(params: Params) -> Iterator[str]:
    for name, input_ in params.inputs.items():
        yield from unknown(f"inputs.{name}.dataset", input_.dataset, params.datasets, "datasets")
    for name, watched in params.watched.items():
        yield from unknown(f"watched.{name}.dataset", watched.dataset, params.datasets, "datasets")
    for key, block in _blocks(params):
        yield from unknown(f"{key}.dataset", block.dataset, params.datasets, "datasets")
        yield from unknown(f"{key}.input", block.input, params.inputs, "inputs")
    for name, derived in params.derived.items():
        yield from unknown(f"derived.{name}.from", derived.from_, params.experiments, "experiments")
        if name in params.experiments:
            yield f"derived.{name}: the name is also in experiments; their outputs would overwrite each other"
    for name, external in params.external.items():
        models = {*params.experiments, *params.derived}
        if external.experiment in params.ensembles and external.experiment not in models:
            instead = ensembles.in_own_group(name, external)
            yield f"external.{name}.experiment: {external.experiment!r} is an ensemble; {instead}"
        else:
            yield from unknown(f"external.{name}.experiment", external.experiment, models, "experiments or derived")
        yield from unknown(f"external.{name}.dataset", external.dataset, params.datasets, "datasets")
        yield from unknown(f"external.{name}.input", external.input, params.inputs, "inputs")
    members = {*params.experiments, *params.derived}
    for name, ensemble in params.ensembles.items():
        yield from unknown(f"ensembles.{name}.dataset", ensemble.dataset, params.datasets, "datasets")
        yield from unknown(f"ensembles.{name}.input", ensemble.input, params.inputs, "inputs")
        for index, member in enumerate(ensemble.members):
            yield from unknown(f"ensembles.{name}.members.{index}", member, members, "experiments or derived")
    for name, check in params.map_checks.items():
        yield from unknown(f"map_checks.{name}.experiment", check.experiment, members, "experiments or derived")
        yield from unknown(f"map_checks.{name}.from", check.from_, members, "experiments or derived")


def _input_of_dataset(params: Params) -> Iterator[str]:
    for name in params.datasets:
        if name not in params.inputs:
            yield f"inputs: the dataset {name!r} has no input of the same name, whose manifest the split reads"


def _same_dataset(params: Params) -> Iterator[str]:
    pairs = [(key, block.input, block.dataset) for key, block in _blocks(params)]
    for name, external in params.externals.items():
        group = "external" if name in params.external else "external_ensembles"
        pairs.append((f"{group}.{name}", external.input, external.dataset))
    for key, input_name, dataset in pairs:
        input_ = params.inputs.get(input_name)
        if input_ is not None and input_.dataset != dataset:
            yield f"{key}.input: {input_name!r} uses the dataset {input_.dataset!r}, not {dataset!r}"


def _targets(params: Params) -> Iterator[str]:
    for key, block in _blocks(params):
        dataset = params.datasets.get(block.dataset)
        names = block.task.target_names()
        if dataset is None:
            continue
        known = _target_names(dataset)
        for name in names:
            yield from unknown(f"{key}.task", name, known, f"datasets.{block.dataset}.targets")


def _target_names(dataset: DatasetConfig) -> list[str]:
    """Its targets; class folders without any have one, ``label``."""
    return list(dataset.targets) or (["label"] if dataset.class_folders else [])


def _augmentation(params: Params) -> Iterator[str]:
    for key, block in _blocks(params):
        input_ = params.inputs.get(block.input)
        if input_ is None or not block.train.augment:
            continue
        try:
            config = augment_config(input_.modality, block.train.augment, f"{key}.train.augment")
            yield from _colour(config, input_, key, block.input)
        except ScantuneError as error:
            yield from str(error).splitlines()


#: Keys of colour transforms, and their neutral values.
_COLOUR: dict[str, object] = {"hue": (0.0, 0.0), "saturation": (1.0, 1.0), "stain": 0.0}


def _colour(config: AugmentConfig, input_: InputConfig, key: str, name: str) -> Iterator[str]:
    """Colour transforms of an input without colour, or without the values they are defined for."""
    used = [transform for transform, neutral in _COLOUR.items() if getattr(config, transform, neutral) != neutral]
    if used and getattr(input_, "channels", 1) != 3:
        yield f"{key}.train.augment.{used[0]}: inputs.{name} is grey; set channels: 3 there, or remove the key"
    elif "stain" in used and input_.intensity.name not in BOUNDED:
        yield (
            f"{key}.train.augment.stain: needs values of 0 … 1, and inputs.{name}.intensity is "
            f"{input_.intensity.name}; use scale, percentile or window"
        )


def _channels(params: Params) -> Iterator[str]:
    """Colour of an image that is made of several files, each of which is a channel."""
    for name, input_ in params.inputs.items():
        dataset = params.datasets.get(input_.dataset)
        files = 1 if dataset is None else len(dataset.files)
        if input_.modality == "image" and input_.channels == 3 and files not in (0, 1, 3):
            yield (
                f"inputs.{name}.channels: 3, and datasets.{input_.dataset}.files are {files}, each of them a "
                "channel; remove the key"
            )


def _aggregation(params: Params) -> Iterator[str]:
    """Samples are aggregated by a column that predictions have: the subject, or a group of the dataset."""
    for key, block in _blocks(params):
        rule, dataset = getattr(block.task, "aggregate", None), params.datasets.get(block.dataset)
        if rule is not None and rule.by != "subject_id" and dataset is not None and rule.by not in dataset.groups:
            groups = f"datasets.{block.dataset}.groups"
            yield (
                f"{key}.task.aggregate.by: {rule.by!r} is neither subject_id nor one of {groups}: "
                f"{', '.join(dataset.groups) or 'there are none'}; add the column there"
            )


def _losses(params: Params) -> Iterator[str]:
    for key, block in _blocks(params):
        train = block.train
        if train.distillation is not None and getattr(block, "use", None) != "teacher":
            yield f"{key}.train.distillation: needs a teacher: a block in `derived` with `from:` and `use: teacher`"
        if getattr(block, "use", None) == "teacher" and train.distillation is None:
            yield f"{key}.use: teacher, but train.distillation is missing: nothing would be learned from the teacher"
        folds = params.datasets[block.dataset].split.folds if block.dataset in params.datasets else None
        if train.folds and folds != train.folds:
            yield f"{key}.train.folds: {train.folds}, but datasets.{block.dataset}.split.folds is {folds or 'not set'}"
        if folds and not train.folds and not params.datasets[block.dataset].split.has_test:
            yield (
                f"{key}: datasets.{block.dataset}.split has folds and no test side, so that nothing can be tested "
                f"without folds: set train.folds: {folds}, or a test share in split.fractions"
            )
        masks = bool(block.task.mask_classes)
        if masks and block.dataset in params.datasets and not params.datasets[block.dataset].masks:
            yield f"{key}.task: {block.task.name} needs datasets.{block.dataset}.masks: the path of a sample's mask"
        if masks and block.input in params.inputs and block.dataset in params.datasets:
            several = any("*" in template for template in params.datasets[block.dataset].masks)
            if several and not params.inputs[block.input].mask_instances:
                yield f"datasets.{block.dataset}.masks: files by * need inputs.{block.input}.mask_instances: true"
        if masks and train.sampler == "balanced":
            yield f"{key}.train.sampler: balanced requires one target per sample; masks have none"
        if train.partners is not None and not block.task.ranks():
            yield f"{key}.train.partners: needs one target per sample that is a number, one of two classes or a grade"


def _overlap(params: Params) -> Iterator[str]:
    """Labels that overlap for the task and not for the input, or the other way round; what is not made for them."""
    for key, block in _blocks(params):
        input_, where = params.inputs.get(block.input), f"inputs.{block.input}.mask_overlap"
        if input_ is None or not block.task.mask_classes:
            continue
        if block.task.masks_overlap and not input_.mask_overlap:
            yield f"{key}.task.overlapping: needs {where}: true, else a pixel of a mask has one label"
        elif input_.mask_overlap and len(block.task.mask_classes) > 2 and not block.task.masks_overlap:
            yield f"{where}: true, but {key}.task has classes that exclude each other: set its overlapping: true"
        for name in ("distillation", "scanner_consistency") if block.task.masks_overlap else ():
            if getattr(block.train, name) is not None:
                yield f"{key}.train.{name}: for classes that exclude each other, and those of {key}.task overlap"


def _region(params: Params) -> Iterator[str]:
    for name, input_ in params.inputs.items():
        dataset = params.datasets.get(input_.dataset)
        if dataset is None or input_.modality != "video":
            continue
        for key in ("region", "rater_masks"):
            if getattr(dataset, key):
                yield f"datasets.{input_.dataset}.{key}: of images and volumes, and inputs.{name} is of loops"


def _dense_loops(params: Params) -> Iterator[str]:
    """Networks with an output per pixel have two or three axes of space, and a loop has time beside two."""
    for key, block in _blocks(params):
        input_ = params.inputs.get(block.input)
        if input_ is not None and input_.modality == "video" and block.task.backbones("video") == "dense":
            yield (
                f"{key}.task: {block.task.name} is of images and volumes, and inputs.{block.input} is of loops: "
                "segment single frames as images"
            )


def _mirrored_copies(params: Params) -> Iterator[str]:
    """Test-time augmentation that would mirror masks whose left and right are different classes."""
    for key, block in _blocks(params):
        if block.train.test_time_augmentation and block.task.sided and block.task.mask_classes:
            yield (
                f"{key}.train.test_time_augmentation: the copies of masks are mirror images, in which the classes that "
                "are named left and right change places; set it to 0"
            )


def _class_weights(params: Params) -> Iterator[str]:
    """Losses of two classes, and weights by class, where the number of classes is known before the data are."""
    for key, block in _blocks(params):
        classes, task = getattr(block.task, "classes", None), block.task
        if not classes or task.masks_overlap or any(loss_faults(key, block)):
            continue
        spec = loss_spec(task, block.train)
        loss, weights = spec["name"], spec.get("class_weights")
        if not task.mask_classes and task.output_form(loss) == "one logit" and len(classes) != 2:
            yield f"{key}.train.loss: {loss} is for two classes, and the task has {len(classes)}: {', '.join(classes)}"
        if isinstance(weights, (tuple, list)) and len(weights) != len(classes):
            yield f"{key}.train.class_weights: {len(weights)} numbers for {len(classes)} classes: {', '.join(classes)}"
        if task.mask_classes and (weights == "balanced" or (weights is None and loss == "weighted_cross_entropy")):
            yield (
                f"{key}.train.class_weights: how often a class is in the masks is not counted; give a number for each "
                f"of {', '.join(classes)}"
            )


def _dense(params: Params) -> Iterator[str]:
    """What networks with an output per pixel alone have, and what they lack."""
    for key, block in _blocks(params):
        if block.model.first_stride is not None and block.task.mask_classes:
            yield f"{key}.model.first_stride: networks with an output per pixel keep their full resolution; remove it"
        if block.model.dropout and block.task.mask_classes:
            yield (
                f"{key}.model.dropout: networks with an output per pixel have no output layer behind it; remove it "
                "(unet, res_unet and attention_unet take options: {dropout: …})"
            )
        if block.model.normalization == "foreground" and not block.task.mask_classes:
            yield f"{key}.model.normalization: foreground needs masks, which a {block.task.name} is not trained on"


def _patches(params: Params) -> Iterator[str]:
    for key, block in _blocks(params):
        patch = getattr(params.inputs.get(block.input), "patch", None)
        if patch is None:
            if block.train.patches is not None:
                yield f"{key}.train.patches: inputs.{block.input} has no 'patch', so that no patches are drawn"
            continue
        if not block.task.mask_classes:
            yield (
                f"{key}.input: inputs.{block.input}.patch is for segmentation; {block.task.name} answers for a whole "
                "sample: give it an input with 'shape' and without 'patch'"
            )
        if block.train.distillation is not None:
            yield f"{key}.train.distillation: the teacher would see whole samples; not possible with inputs.*.patch"
        if block.train.distance:
            yield f"{key}.train.distance: needs whole samples in the network; not possible with inputs.*.patch"


def _groups(params: Params) -> Iterator[str]:
    for key, block in _blocks(params):
        consistency, dataset = block.train.scanner_consistency, params.datasets.get(block.dataset)
        if dataset is None:
            continue
        where = f"datasets.{block.dataset}.groups"
        if consistency is not None:
            yield from unknown(f"{key}.train.scanner_consistency.group", consistency.group, dataset.groups, where)
        for name in ("sampler_by", "match"):
            for group in getattr(block.train, name):
                yield from unknown(f"{key}.train.{name}", group, dataset.groups, where)
            if getattr(block.train, name) and block.task.mask_classes:
                yield f"{key}.train.{name}: requires one target per sample; masks have none"


def _monitors(params: Params) -> Iterator[str]:
    for key, block in _blocks(params):
        train = block.train
        known = epoch_directions(block.task.epoch_metrics(), train.monitoring.error_ranges, block.task.name)
        monitors = [("", train.monitor, train.mode)]
        for name in ("early_stopping", "checkpoints"):
            settings = getattr(train, name)
            if settings.monitor is not None or settings.mode != "auto":
                monitors.append((f"{name}.", settings.monitor or train.monitor, settings.mode))
        schedule = {} if train.loss is None else train.loss.schedule
        if str(schedule.get("name")).startswith("performance"):
            monitors.append(("loss.schedule.", schedule.get("monitor", "val_dice"), schedule.get("mode", "max")))
        for place, monitor, mode in monitors:
            fault = monitor_fault(monitor, mode, known, block.task.name) or against(monitor, mode, known)
            other = metric_name(bare(monitor))
            if fault is not None and other != bare(monitor):
                fault = f"{monitor!r} is {other!r} here. {monitor_fault(f'val_{other}', mode, known) or ''}".strip()
            if fault is not None:
                yield f"{key}.train.{place}monitor: {fault}"


_FINDERS: tuple[Callable[[Params], Iterator[str]], ...] = (
    _names,
    ensembles.external,
    _input_of_dataset,
    cohort_keys.faults,
    watching.faults,
    _same_dataset,
    _targets,
    _augmentation,
    _channels,
    _aggregation,
    _losses,
    _overlap,
    _region,
    _dense_loops,
    _mirrored_copies,
    _patches,
    _class_weights,
    _dense,
    _monitors,
    _groups,
    fitting.faults,
    evaluating.faults,
    derivation.faults,
    map_checks.faults,
    ensembles.faults,
    covariates.faults,
    idle.faults,
)
