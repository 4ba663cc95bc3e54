"""What the data make wrong or idle in settings that are right by themselves: refused, or noted, before the first step.

Classes and levels are known only when the samples are; what the evaluation would refuse is refused here too, because it
would otherwise be told after the training.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from scantune.config import training_notes
from scantune.config.augment import augment_config, changes_samples
from scantune.config.names import unknown
from scantune.pipeline.data.datasets import encode
from scantune.pipeline.data.sides import Side, Sides
from scantune.pipeline.train.augmentation import settled, stays
from scantune.pipeline.train.sampling import partners_of, scanners_of
from scantune.prediction.augmentation import mirrors
from scantune.preprocess.mask_labels import counts_of
from scantune.records import ScantuneError
from scantune.tasks.levels import level, unlike
from scantune.tasks.protocol import Task

if TYPE_CHECKING:
    from scantune.cohort.manifest import Sample
    from scantune.config.evaluate import EvaluateConfig
    from scantune.config.params import ExperimentConfig


log = logging.getLogger(__name__)


def refuse(block: ExperimentConfig, modality: str, task: Task, classes: Sequence[str] | None, sides: Sides) -> None:
    """Refuse what cannot be with these classes and samples.

    Args:
        block: the experiment's settings.
        modality: of its input.
        task: the task.
        classes: of a classification, or the findings; None where the block settles them.
        sides: the samples.

    Raises:
        ScantuneError: copies cannot be ranked below samples of these classes; copies for predictions that would be
            mirrored and nothing else, of answers that have a side; a case mix, or the class of the masks, that the
            samples do not have.
    """
    if block.train.partners is not None and not block.task.ranks(classes):
        raise ScantuneError(
            f"train.partners: of the {len(classes or ())} classes {', '.join(classes or ())} none is above another; "
            "remove the key, or set task.ordinal: true where they are grades"
        )
    if block.train.partners is not None and block.task.unordered(classes):
        raise ScantuneError(
            f"train.partners: samples of the last class, {(classes or ('',))[-1]!r} by the alphabet, are those that "
            f"degraded copies rank below: name the classes ({', '.join(classes or ())}) by task.classes, the best last"
        )
    if block.train.test_time_augmentation and task.sided and not block.task.mask_classes:
        _refuse_equal_copies(block, modality)
    _refuse_levels(block.evaluate, sides)
    name = block.evaluate.saliency.mask_class
    if name is not None and classes is not None and block.evaluate.saliency.enabled:
        for fault in unknown("evaluate.saliency.mask_class", name, list(classes), "the classes in the data"):
            raise ScantuneError(fault)


def check_side(key: str, block: ExperimentConfig, modality: str, task: Task, side: Side) -> None:
    """Refuse a training side from which nothing, or a term of the loss nothing, would be learned: of all folds before
    the first trains.

    Args:
        key: the experiment's name.
        block: its settings.
        modality: of its input.
        task: the task.
        side: the training samples, or those of a fold.

    Raises:
        ScantuneError: why, or of which term.
    """
    encoded = encode(side, task)
    why = "" if encoded is None or not len(encoded) else block.task.nothing_to_learn(encoded)
    if encoded is None and all(_is_empty(one) for one in side):
        why = "no mask of the training samples marks anything"
    if why and block.train.partners is None and block.train.distillation is None:  # which teach beside the targets
        raise ScantuneError(f"{key}: {why}, so that nothing can be learned; look at the table and at splits.csv")
    if encoded is not None and len(encoded) and (names := _untaught(block, task, encoded)):
        log.warning("%s: the training samples do not differ in, or lack: %s; that cannot be learned", key, names)
    scanners_of(block.train, side)
    partners_of(block.train, modality, encoded)


def _untaught(block: ExperimentConfig, task: Task, encoded: np.ndarray) -> str:
    """Answers, among several, that a training side has in one state alone, and classes that it lacks."""
    columns = encoded.reshape(len(encoded), -1)
    if columns.shape[1] > 1:
        several = task.labels if len(task.labels) == columns.shape[1] else ()
        lacking = [name for i, name in enumerate(several) if block.task.nothing_to_learn(columns[:, [i]])]
    else:
        classes = task.labels if len(task.labels) == task.class_count else ()
        lacking = [f"class {name}" for k, name in enumerate(classes) if k not in columns]
    return ", ".join(lacking)


def _is_empty(sample: Sample) -> bool:
    """Whether a sample's own mask is known to mark nothing."""
    labels = sample.row.get("mask_labels")
    return labels is not None and not sample.mask_from and not counts_of(labels)


def _refuse_equal_copies(block: ExperimentConfig, modality: str) -> None:
    """Copies for predictions are not mirrored where answers have a side; nothing else may change them."""
    augment = block.train.augment
    if augment and not changes_samples(augment_config(modality, augment), mirrored=False):
        raise ScantuneError(
            f"train.test_time_augmentation: {block.train.test_time_augmentation} copies, but train.augment, by which "
            "they change, leaves each as the sample is (mirrored copies would swap left and right): add a transform, "
            "or set it to 0"
        )


def _refuse_levels(settings: EvaluateConfig, sides: Sides) -> None:
    if not settings.case_mix:
        return
    test = sides.side("test")
    for column, shares in settings.case_mix.items():
        present = {level(column, one.groups.get(column, ""), settings.age_bands) for one in test}
        wrong = unlike(column, present, set(shares)) if present else None
        if wrong is not None:
            raise ScantuneError(f"evaluate.case_mix: {wrong}")


def notes(block: ExperimentConfig, modality: str, task: Task, *, starts_trained: bool) -> list[str]:
    """Settings that work against each other without being wrong, among them those that the data show.

    Args:
        block: of the experiment.
        modality: of its input.
        task: the task, of these classes.
        starts_trained: the network starts from another experiment's.
    """
    return [
        *training_notes.notes_of(block.train),
        *mirrored_sides(block, modality, task),
        *_random(block, starts_trained),
        *_surplus(block, modality, task),
    ]


def copies(block: ExperimentConfig, modality: str, task: Task) -> int:
    """Copies of a sample that are averaged with it in a prediction; those of a mask are its mirror images.

    Args:
        block: of the experiment.
        modality: of its input.
        task: the task.
    """
    stated = block.train.test_time_augmentation
    return min(stated, len(mirrors(3 if modality == "volume" else 2))) if task.copies == "mirrored" else stated


def _surplus(block: ExperimentConfig, modality: str, task: Task) -> list[str]:
    """A note where more copies of masks are asked for than there are mirror images."""
    stated, made = block.train.test_time_augmentation, copies(block, modality, task)
    if stated == made:
        return []
    return [
        f"train.test_time_augmentation: {stated} copies, but those of a mask are its mirror images, of which there are "
        f"{made}: {made} are averaged with it"
    ]


def mirrored_sides(block: ExperimentConfig, modality: str, task: Task) -> list[str]:
    """A note where training mirrors samples whose left and right are different answers, and the answers stay."""
    if not (task.sided and _mirrors(block, modality, task)):
        return []
    if block.task.mask_classes:
        return [
            "train.augment.flip_left_right: mirrored masks keep their labels; right for classes told by their shape (a "
            "left ventricle), wrong for those told by their side (a left kidney): set it to 0 for these"
        ]
    if not stays(task):
        return []
    return [
        "train.augment.flip_left_right: mirrored samples keep their answers, of which some are named by a side; "
        "right for what is told by its shape, wrong for what is told by its side: set it to 0 for these"
    ]


def _mirrors(block: ExperimentConfig, modality: str, task: Task) -> bool:
    """Whether samples are mirrored left-right as they train."""
    if not block.train.augment:
        return False
    augment = augment_config(modality, settled(block.train.augment, task))
    return bool(augment.enabled and augment.flip_left_right)


def _random(block: ExperimentConfig, starts_trained: bool) -> list[str]:
    """A note where layers stay as they were drawn."""
    freezing = block.train.freezing
    for_good = freezing.unfreeze_epochs is None and freezing.progressive_every is None
    frozen = [name for name in ("freeze_backbone", "freeze_ratio", "freeze_layers") if getattr(freezing, name)]
    frozen += ["num_unfrozen_layers"] if freezing.num_unfrozen_layers is not None else []
    if not (frozen and for_good) or starts_trained or block.model.source is not None:
        return []
    return [
        f"train.freezing.{frozen[0]}: the frozen layers never learn, and model.weights is none: they stay as they were "
        "drawn at random; set model.weights, or remove the key"
    ]
