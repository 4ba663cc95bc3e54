"""Overlap of maps with masks of the finding, compared with chance and with a segmentation network."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from torch import nn

from scantune.explain.saliency import Saliency
from scantune.explain.sanity.question import Mapper, Question, mapper, subjects
from scantune.explain.sanity.similarity import average_precision, points_at
from scantune.explain.sanity.verdicts import Entry, constant_bounds, mean_metric, verdict

PRECISION_RULE = "passes where the lower bound of the mean difference from chance (the mask's share) is above 0"
POINTING_RULE = "passes where the lower bound of the mean difference from chance (the mask's share) is above 0"
NEAR = 0.1
"""Non-inferiority margin of a map relative to a segmentation network."""
SEGMENTATION_RULE = (
    f"passes where the lower bound of the mean difference of the map from the segmentation network is above −{NEAR}"
)


def overlap(
    network: nn.Module,
    questions: Sequence[Question],
    *,
    make: Mapper | None = None,
    segmentation: Sequence[np.ndarray | None] | None = None,
    confidence: float = 0.95,
) -> dict[str, Entry]:
    """Area under the precision–recall curve and pointing game, for samples with a non-empty mask.

    An undefined map is excluded and counted, not scored 0.

    Args:
        network: the evaluated network.
        questions: samples; those without mask are excluded.
        make: how maps are made.
        segmentation: for each question a segmentation network's probabilities [… space], or None.
        confidence: level of the intervals that the verdicts go by.

    Returns:
        ``mask_auprc`` and ``mask_pointing`` with ``chance``, ``difference`` and, for maps of other samples
        on the same mask, ``shuffled`` and ``beyond_shuffled``. With ``segmentation`` also
        ``mask_auprc_segmentation`` and ``mask_pointing_segmentation``: the same metrics of that network, with ``map``
        (that of the map on the same samples), ``difference`` (map minus network) and its verdict.
    """
    make = make or mapper()
    with_mask = [i for i, question in enumerate(questions) if question.mask is not None and (question.mask > 0).any()]
    masked_questions = [questions[i] for i in with_mask]
    maps = [make(network, question) for question in masked_questions]
    masks, subject_ids = [_mask(question) for question in masked_questions], subjects(masked_questions)
    entries = from_maps(maps, masks, subject_ids, confidence)
    if segmentation is not None:
        entries |= against_network(maps, [segmentation[i] for i in with_mask], masks, subject_ids, confidence)
    return entries


def from_maps(
    maps: Sequence[Saliency], masks: Sequence[np.ndarray], subject_ids: Sequence[str], confidence: float = 0.95
) -> dict[str, Entry]:
    """The metrics of existing maps; ``masks`` [… space] are non-empty, ``confidence`` is the level of the intervals."""
    chance = np.array([float((mask > 0).mean()) for mask in masks])
    entries = {}
    for name, (measure, rule) in _MEASURES.items():
        scores = np.array([np.nan if s.map is None else measure(s.map, mask) for s, mask in zip(maps, masks)])
        others = [_other(maps, i) for i in range(len(maps))]
        shuffled = np.array(
            [np.nan if m is None or m.shape != k.shape else measure(m, k) for m, k in zip(others, masks)]
        )
        entries[name] = _entry(scores, chance, shuffled, list(subject_ids), rule, confidence)
    return entries


def against_network(
    maps: Sequence[Saliency],
    probabilities: Sequence[np.ndarray | None],
    masks: Sequence[np.ndarray],
    subject_ids: Sequence[str],
    confidence: float = 0.95,
) -> dict[str, Entry]:
    """Metrics of a segmentation network on the same masks, and the difference of the maps from them.

    Args:
        maps: of each question.
        probabilities: probabilities [… space] of the network for each question, or None.
        masks: [… space], non-empty.
        subject_ids: subject of each.
        confidence: level of the intervals that the verdicts go by.
    """
    chance = np.array([float((mask > 0).mean()) for mask in masks])
    entries = {}
    for name, (measure, _) in _MEASURES.items():
        map_scores = np.array([np.nan if s.map is None else measure(s.map, mask) for s, mask in zip(maps, masks)])
        network_scores = np.array([np.nan if p is None else measure(p, mask) for p, mask in zip(probabilities, masks)])
        both = np.isfinite(map_scores) & np.isfinite(network_scores)
        difference = constant_bounds(
            mean_metric(map_scores - network_scores if len(map_scores) else map_scores, subject_ids, confidence)
        )
        result = verdict(difference, SEGMENTATION_RULE, lambda lower, upper: lower > -NEAR)
        entries[f"{name}_segmentation"] = constant_bounds(
            mean_metric(network_scores, subject_ids, confidence, lowest=0.0)
        ).as_dict() | {
            "passed": result["passed"],
            "rule": SEGMENTATION_RULE,
            "chance": float(chance[np.isfinite(network_scores)].mean()) if np.isfinite(network_scores).any() else None,
            "map": float(map_scores[both].mean()) if both.any() else None,
            "difference": {key: result[key] for key in _BOUNDS},
        }
    return entries


_MEASURES: dict[str, tuple[Callable[[np.ndarray, np.ndarray], float], str]] = {
    "mask_auprc": (average_precision, PRECISION_RULE),
    "mask_pointing": (points_at, POINTING_RULE),
}
_BOUNDS = ("value", "lower", "upper", "method", "reason")


def _entry(
    scores: np.ndarray,
    chance: np.ndarray,
    shuffled: np.ndarray,
    subject_ids: list[str],
    rule: str,
    confidence: float,
) -> Entry:
    defined = np.isfinite(scores)
    difference = constant_bounds(mean_metric(scores - chance if len(scores) else scores, subject_ids, confidence))
    metric = mean_metric(scores, subject_ids, confidence, lowest=0.0)
    result = verdict(difference, rule, lambda lower, upper: lower > 0)
    habit = constant_bounds(mean_metric(scores - shuffled if len(scores) else scores, subject_ids, confidence))
    more = {
        "passed": result["passed"],
        "rule": rule,
        "chance": float(chance[defined].mean()) if defined.any() else None,
        "shuffled": float(np.nanmean(shuffled)) if np.isfinite(shuffled).any() else None,
        "difference": {key: result[key] for key in _BOUNDS},
        "beyond_shuffled": {key: habit.as_dict()[key] for key in _BOUNDS},
    }
    return metric.as_dict() | more


def _other(maps: Sequence[Saliency], row: int) -> np.ndarray | None:
    """The map of the next sample; None where there is none."""
    following = maps[(row + 1) % len(maps)]
    return None if len(maps) < 2 else following.map


def _mask(question: Question) -> np.ndarray:
    mask = question.mask
    assert mask is not None
    return mask if mask.ndim == question.input.ndim - 1 else mask.reshape(question.input.shape[1:])
