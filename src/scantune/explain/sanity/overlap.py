"""Does the map lie where the finding is: against chance, and against a segmentation network."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from torch import nn

from scantune.explain.saliency import Saliency
from scantune.explain.sanity.judge import Entry, constant_bounds, mean_figure, verdict
from scantune.explain.sanity.question import Mapper, Question, mapper, subjects
from scantune.explain.sanity.similarity import average_precision, points_at

PRECISION_RULE = "passes where the lower bound of the mean difference from chance (the mask's share) is above 0"
POINTING_RULE = "passes where the lower bound of the mean difference from chance (the mask's share) is above 0"
NEAR = 0.1
"""A map that falls short of a segmentation network by no more than this is as good as it."""
SEGMENTATION_RULE = (
    f"passes where the lower bound of the mean difference of the map from the segmentation network is above −{NEAR}"
)


def overlap(
    network: nn.Module,
    questions: Sequence[Question],
    *,
    make: Mapper | None = None,
    segmentation: Sequence[np.ndarray | None] | None = None,
) -> dict[str, Entry]:
    """Area under precision–recall and the pointing game, of the samples that have a mask with something in it.

    An undefined map points nowhere: it is left out and counted, not scored 0.

    Args:
        network: which answers.
        questions: samples; those without mask are left out.
        make: how maps are made.
        segmentation: for each question a segmentation network's probabilities [… space], or None.

    Returns:
        ``mask_auprc`` and ``mask_pointing`` with ``chance``, ``difference`` and, of other samples' maps on this mask,
        ``shuffled`` (what a habit would reach) and ``beyond_shuffled``. With ``segmentation`` also
        ``mask_auprc_segmentation`` and ``mask_pointing_segmentation``: the same figures of that network, with ``map``
        (the map's on the same samples), ``difference`` (map less network) and the verdict on it.
    """
    make = make or mapper()
    kept = [i for i, question in enumerate(questions) if question.mask is not None and (question.mask > 0).any()]
    asked = [questions[i] for i in kept]
    maps = [make(network, question) for question in asked]
    masks, who = [_mask(question) for question in asked], subjects(asked)
    entries = from_maps(maps, masks, who)
    if segmentation is not None:
        entries |= against_network(maps, [segmentation[i] for i in kept], masks, who)
    return entries


def from_maps(maps: Sequence[Saliency], masks: Sequence[np.ndarray], who: Sequence[str]) -> dict[str, Entry]:
    """The same from maps that are there already; ``masks`` [… space] each with something in it."""
    chance = np.array([float((mask > 0).mean()) for mask in masks])
    entries = {}
    for name, (measure, rule) in _MEASURES.items():
        own = np.array([np.nan if s.map is None else measure(s.map, mask) for s, mask in zip(maps, masks)])
        others = [_other(maps, i) for i in range(len(maps))]
        shuffled = np.array(
            [np.nan if m is None or m.shape != k.shape else measure(m, k) for m, k in zip(others, masks)]
        )
        entries[name] = _entry(own, chance, shuffled, list(who), rule)
    return entries


def against_network(
    maps: Sequence[Saliency], found: Sequence[np.ndarray | None], masks: Sequence[np.ndarray], who: Sequence[str]
) -> dict[str, Entry]:
    """What a segmentation network reaches on the same masks, and how far the maps fall short of it.

    Args:
        maps: of each question.
        found: the network's probabilities [… space] for it, None where it cannot say.
        masks: [… space], each with something in it.
        who: subject of each.
    """
    chance = np.array([float((mask > 0).mean()) for mask in masks])
    entries = {}
    for name, (measure, _) in _MEASURES.items():
        own = np.array([np.nan if s.map is None else measure(s.map, mask) for s, mask in zip(maps, masks)])
        theirs = np.array([np.nan if p is None else measure(p, mask) for p, mask in zip(found, masks)])
        both = np.isfinite(own) & np.isfinite(theirs)
        less = constant_bounds(mean_figure(own - theirs if len(own) else own, who))
        judged = verdict(less, SEGMENTATION_RULE, lambda lower, upper: lower > -NEAR)
        entries[f"{name}_segmentation"] = constant_bounds(mean_figure(theirs, who)).as_dict() | {
            "passed": judged["passed"],
            "rule": SEGMENTATION_RULE,
            "chance": float(chance[np.isfinite(theirs)].mean()) if np.isfinite(theirs).any() else None,
            "map": float(own[both].mean()) if both.any() else None,
            "difference": {key: judged[key] for key in _BOUNDS},
        }
    return entries


_MEASURES: dict[str, tuple[Callable[[np.ndarray, np.ndarray], float], str]] = {
    "mask_auprc": (average_precision, PRECISION_RULE),
    "mask_pointing": (points_at, POINTING_RULE),
}
_BOUNDS = ("value", "lower", "upper", "method", "reason")


def _entry(own: np.ndarray, chance: np.ndarray, shuffled: np.ndarray, who: list[str], rule: str) -> Entry:
    defined = np.isfinite(own)
    difference = constant_bounds(mean_figure(own - chance if len(own) else own, who))
    figure = mean_figure(own, who)
    judged = verdict(difference, rule, lambda lower, upper: lower > 0)
    habit = constant_bounds(mean_figure(own - shuffled if len(own) else own, who))
    more = {
        "passed": judged["passed"],
        "rule": rule,
        "chance": float(chance[defined].mean()) if defined.any() else None,
        "shuffled": float(np.nanmean(shuffled)) if np.isfinite(shuffled).any() else None,
        "difference": {key: judged[key] for key in _BOUNDS},
        "beyond_shuffled": {key: habit.as_dict()[key] for key in _BOUNDS},
    }
    return figure.as_dict() | more


def _other(maps: Sequence[Saliency], row: int) -> np.ndarray | None:
    """The map of the next sample; None where there is none."""
    following = maps[(row + 1) % len(maps)]
    return None if len(maps) < 2 else following.map


def _mask(question: Question) -> np.ndarray:
    mask = question.mask
    assert mask is not None
    return mask if mask.ndim == question.input.ndim - 1 else mask.reshape(question.input.shape[1:])
