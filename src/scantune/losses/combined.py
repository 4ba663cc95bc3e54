"""Building of a loss from ``loss:`` in ``params.yaml``: a name, a name with options, or a weighted combination."""

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
    """Named losses and their weights over training. A single loss is a combination of one component with weight 1.

    Attributes:
        components: name → loss; each is logged as ``<name>_loss``.
        weights: ``weights(epoch, step, history)`` → name → weight.
    """

    components: Mapping[str, Loss]
    weights: schedules.Schedule

    def __call__(
        self, output: Tensor, target: Tensor, *, epoch: int = 0, step: int = 0, history: schedules.History = ()
    ) -> Tensor:
        """The weighted sum for a single batch, for custom training loops."""
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
        targets: kinds of targets that the task has, see :func:`scantune.losses.register`: resolves
            ``focal`` and checks the loss; None for no check.
        frequencies: target value or class number → frequency in the training set; required by ``weighted_mse``
            and ``class_weights: balanced``.
        classes: K, for weights by class.
        epochs: of the training; required by the schedules cosine and step.

    Raises:
        ScantuneError: an unknown name or option, a loss that does not fit, or missing frequencies or classes.

    Example:
        >>> loss = build({"name": "combined", "dice_weight": 0.7, "bce_weight": 0.3}, targets=("binary", "masks"))
        >>> loss(torch.zeros(2, 1, 8, 8), torch.zeros(2, 8, 8)) > 0
        tensor(True)
    """
    parts, schedule = parts_of(spec, targets)
    components: dict[str, Loss] = {}
    start: dict[str, float] = {}
    for registered, options in parts.items():
        start[registered] = float(options.pop("weight", 1.0))
        components[registered] = registry.make(registered, _with_context(registered, options, frequencies, classes))
    return Combined(components, schedules.build(schedule, start, epochs=epochs))


def _with_context(
    name: str, options: dict[str, Any], frequencies: Mapping[float, float] | None, classes: int | None
) -> dict[str, Any]:
    resolved = dict(options)
    if registry.takes(name, "frequencies") and "frequencies" not in resolved:
        if not frequencies:
            raise ScantuneError(f"loss {name!r} requires the frequencies of the target in the training set")
        resolved["frequencies"] = dict(frequencies)
    if registry.takes(name, "class_weights"):
        resolved.update(_class_weights(name, resolved, frequencies, classes))
    return resolved


def _class_weights(
    name: str, options: dict[str, Any], frequencies: Mapping[float, float] | None, classes: int | None
) -> dict[str, Any]:
    """Resolve ``class_weights`` (a list, or "balanced") and ``unknown_weight``, which is removed from ``options``."""
    unknown = options.pop("unknown_weight", None)
    weights = options.get("class_weights")
    if weights is None and unknown is None:
        if name != "weighted_cross_entropy":
            return {}
        weights = "balanced"
    if weights is None:
        weights = [1.0] * _require_classes(classes, name)
    if weights == "balanced":
        weights = balanced_weights(frequencies, _require_classes(classes, name), name)
    if not isinstance(weights, Sequence) or isinstance(weights, str):
        raise ScantuneError(f"loss {name!r}: class_weights is {weights!r}; expected 'balanced' or one number per class")
    weights = [float(weight) for weight in weights]
    if classes is not None and len(weights) != classes:
        raise ScantuneError(f"loss {name!r}: {len(weights)} class_weights for {classes} classes")
    if unknown is not None:
        weights[-1] = float(unknown)
    return {"class_weights": weights}


def balanced_weights(frequencies: Mapping[float, float] | None, classes: int, name: str = "") -> list[float]:
    """n / (K · n_k) per class (King & Zeng 2001); a class without training samples has weight 0."""
    if not frequencies:
        raise ScantuneError(f"loss {name!r}: balanced class weights require the frequencies of the classes in training")
    counts = [float(frequencies.get(k, 0)) for k in range(classes)]
    present = sum(count > 0 for count in counts)
    return [sum(counts) / (present * count) if count else 0.0 for count in counts]


def _require_classes(classes: int | None, name: str) -> int:
    if classes is None:
        raise ScantuneError(f"loss {name!r}: its class weights require the number of classes")
    return classes
