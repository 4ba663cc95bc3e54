"""A loss from its name, its options, or as a weighted combination: what ``loss:`` in ``params.yaml`` becomes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from scantune.losses import registry, schedules
from scantune.losses.loss import Loss
from scantune.losses.parts import parts_of
from scantune.records import ScantuneError


@dataclass(frozen=True)
class Combined:
    """Named losses and their weights over training. A single loss is a combination of one, of weight 1.

    Attributes:
        components: name → loss; each is logged as ``<name>_loss``.
        weights: ``weights(epoch, step, history)`` → name → weight.
    """

    components: Mapping[str, Loss]
    weights: schedules.Schedule

    def __call__(
        self, output: Tensor, target: Tensor, *, epoch: int = 0, step: int = 0, history: schedules.History = ()
    ) -> Tensor:
        """The weighted sum for a batch that stands alone, in a loop of your own."""
        weights = self.weights(epoch, step, history)
        return torch.stack([weights[name] * loss(output, target) for name, loss in self.components.items()]).sum()


def build(
    spec: str | Mapping[str, Any],
    *,
    targets: str | Collection[str] | None = None,
    frequencies: Mapping[float, float] | None = None,
    classes: int | None = None,
    epochs: int | None = None,
) -> Combined:
    """The loss of ``spec``.

    Args:
        spec: a name (``mse``); a name with options (``{name: huber, delta: 2}``); a preset (``{name: dice_focused}``);
            a combination ``{name: combined, parts: {dice: 0.7, bce: {weight: 0.3, pos_weight: 2}}}`` or
            ``{name: combined, dice_weight: 0.7, bce_weight: 0.3}``; the latter two with ``schedule:``, see
            :func:`scantune.losses.schedules.build`.
        targets: kinds of targets that the task has, see :func:`scantune.losses.register`: what ``focal`` means, and
            whether the loss fits; None checks nothing.
        frequencies: target value or class number → how often it stands in the training set; needed by ``weighted_mse``
            and by ``class_weights: balanced``.
        classes: K, for weights by class.
        epochs: of the training; needed by the schedules cosine and step.

    Raises:
        ScantuneError: an unknown name or option, one that does not fit the targets, a context that is missing.

    Example:
        >>> loss = build({"name": "combined", "dice_weight": 0.7, "bce_weight": 0.3}, targets=("binary", "masks"))
        >>> loss(torch.zeros(2, 1, 8, 8), torch.zeros(2, 8, 8)) > 0
        tensor(True)
    """
    parts, schedule = parts_of(spec, targets)
    components: dict[str, Loss] = {}
    start: dict[str, float] = {}
    for known, options in parts.items():
        start[known] = float(options.pop("weight", 1.0))
        components[known] = registry.make(known, _with_context(known, options, frequencies, classes))
    return Combined(components, schedules.build(schedule, start, epochs=epochs))


def _with_context(
    name: str, options: dict[str, Any], frequencies: Mapping[float, float] | None, classes: int | None
) -> dict[str, Any]:
    made = dict(options)
    if registry.takes(name, "frequencies") and "frequencies" not in made:
        if not frequencies:
            raise ScantuneError(f"loss {name!r} needs the frequencies of the target in the training set")
        made["frequencies"] = dict(frequencies)
    if registry.takes(name, "class_weights"):
        made.update(_class_weights(name, made, frequencies, classes))
    return made


def _class_weights(
    name: str, made: dict[str, Any], frequencies: Mapping[float, float] | None, classes: int | None
) -> dict[str, Any]:
    """Resolves ``class_weights`` (a list, or "balanced") and ``unknown_weight``; pops the latter from ``made``."""
    unknown = made.pop("unknown_weight", None)
    weights = made.get("class_weights")
    if weights is None and unknown is None:
        if name != "weighted_cross_entropy":
            return {}
        weights = "balanced"
    if weights is None:
        weights = [1.0] * _known(classes, name)
    if weights == "balanced":
        weights = balanced_weights(frequencies, _known(classes, name), name)
    if not isinstance(weights, Sequence) or isinstance(weights, str):
        raise ScantuneError(f"loss {name!r}: class_weights is {weights!r}; it is 'balanced' or one number a class")
    weights = [float(weight) for weight in weights]
    if classes is not None and len(weights) != classes:
        raise ScantuneError(f"loss {name!r}: {len(weights)} class_weights for {classes} classes")
    if unknown is not None:
        weights[-1] = float(unknown)
    return {"class_weights": weights}


def balanced_weights(frequencies: Mapping[float, float] | None, classes: int, name: str = "") -> list[float]:
    """n / (K · n_k) per class (King & Zeng 2001); a class without training samples has weight 0: nothing to learn."""
    if not frequencies:
        raise ScantuneError(f"loss {name!r}: balanced class weights need the frequencies of the classes in training")
    counts = [float(frequencies.get(k, 0)) for k in range(classes)]
    present = sum(count > 0 for count in counts)
    return [sum(counts) / (present * count) if count else 0.0 for count in counts]


def _known(classes: int | None, name: str) -> int:
    if classes is None:
        raise ScantuneError(f"loss {name!r}: the number of classes is needed for its class weights")
    return classes
