"""Does the map lie where the finding is: against chance, and against a segmentation network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import nn

from scantune.explain.saliency import Saliency
from scantune.explain.sanity.judge import Entry, constant_bounds, mean_figure, verdict
from scantune.explain.sanity.question import Mapper, Question, mapper, subjects
from scantune.explain.sanity.similarity import average_precision, points_at

PRECISION_RULE = "passes where the lower bound of the mean difference from chance (the mask's share) is above 0"
POINTING_RULE = "passes where the lower bound of the mean difference from chance (the mask's share) is above 0"
SEGMENTATION_RULE = "no rule: how much of what a segmentation network finds the map finds"


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
        ``shuffled`` (what a habit would reach) and ``beyond_shuffled``; ``mask_auprc_segmentation`` where asked for.
    """
    make = make or mapper()
    kept = [i for i, question in enumerate(questions) if question.mask is not None and (question.mask > 0).any()]
    asked = [questions[i] for i in kept]
    maps = [make(network, question) for question in asked]
    entries = from_maps(maps, [_mask(question) for question in asked], subjects(asked))
    if segmentation is not None:
        pairs = [(segmentation[i], question) for i, question in zip(kept, asked)]
        values = [np.nan if p is None else average_precision(p, _mask(question)) for p, question in pairs]
        figure = mean_figure(np.array(values, np.float64), subjects(asked))
        ours = entries["mask_auprc"]["value"]
        share = None if ours is None or not figure.value else ours / figure.value
        entry = verdict(figure, SEGMENTATION_RULE, lambda *_: False, share_of_it=share)
        entries["mask_auprc_segmentation"] = entry | {"passed": None}
    return entries


def from_maps(maps: Sequence[Saliency], masks: Sequence[np.ndarray], who: Sequence[str]) -> dict[str, Entry]:
    """The same from maps that are there already; ``masks`` [… space] each with something in it."""
    chance = np.array([float((mask > 0).mean()) for mask in masks])
    measures = {"mask_auprc": (average_precision, PRECISION_RULE), "mask_pointing": (points_at, POINTING_RULE)}
    entries = {}
    for name, (measure, rule) in measures.items():
        own = np.array([np.nan if s.map is None else measure(s.map, mask) for s, mask in zip(maps, masks)])
        others = [_other(maps, i) for i in range(len(maps))]
        shuffled = np.array(
            [np.nan if m is None or m.shape != k.shape else measure(m, k) for m, k in zip(others, masks)]
        )
        entries[name] = _entry(own, chance, shuffled, list(who), rule)
    return entries


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
        "difference": {key: judged[key] for key in ("value", "lower", "upper", "method")},
        "beyond_shuffled": {key: habit.as_dict()[key] for key in ("value", "lower", "upper", "method", "reason")},
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
