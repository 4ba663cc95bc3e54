"""Agreement of maps between networks, under small shifts, and with a network trained on shuffled labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import torch
from torch import Tensor, nn

from scantune.explain.sanity.question import Mapper, Question, mapper, subjects
from scantune.explain.sanity.similarity import rank_correlation, ssim
from scantune.explain.sanity.verdicts import ALIKE, Entry, constant_bounds, mean_metric, verdict

REPEAT_RULE = (
    f"passes where the lower bound of the mean rank correlation between networks is above {ALIKE} "
    "and above the mean between maps of different samples"
)
SHIFT_RULE = f"passes where the lower bound of the mean rank correlation, shifted back, is above {ALIKE}"
LABEL_RULE = f"passes where the upper bound of the mean rank correlation with the other network is below {ALIKE}"


def repeatability(
    networks: Sequence[nn.Module],
    questions: Sequence[Question],
    *,
    make: Mapper | None = None,
    confidence: float = 0.95,
) -> dict[str, Entry]:
    """Maps of the same samples by networks that differ in seed or fold only (Arun et al. 2021, repeatability).

    Args:
        networks: two or more; pairs are averaged.
        questions: samples that are in no training set of the networks.
        make: how maps are made.
        confidence: level of the interval that the verdict goes by.

    Returns:
        ``repeatability``: mean rank correlation between the maps of a sample; ``chance`` is that between maps of
        different samples, which is also high for a network that always highlights the centre.
    """
    make = make or mapper()
    maps = [[make(network, question).map for question in questions] for network in networks]
    same, other, structure = np.full((3, len(questions)), np.nan)
    for row in range(len(questions)):
        following = (row + 1) % len(questions)
        pairs = [(a[row], b[row], b[following]) for a, b in combinations(maps, 2)]
        same[row] = _mean([_rank(a, b) for a, b, _ in pairs])
        structure[row] = _mean([ssim(a, b) for a, b, _ in pairs if a is not None and b is not None])
        if following != row:
            other[row] = _mean([_rank(a, c) for a, _, c in pairs])
    chance = _mean(list(other))
    bar = max(ALIKE, chance) if np.isfinite(chance) else ALIKE
    metric = constant_bounds(mean_metric(same, subjects(questions), confidence))
    entry = verdict(
        metric,
        REPEAT_RULE,
        lambda lower, upper: lower > bar,
        chance=chance,
        ssim=_mean(list(structure)),
        n_networks=len(networks),
    )
    return {"repeatability": entry}


def shifts(
    network: nn.Module,
    questions: Sequence[Question],
    *,
    make: Mapper | None = None,
    share: float = 0.04,
    draws: int = 2,
    seed: int = 0,
    confidence: float = 0.95,
) -> dict[str, Entry]:
    """Shift each sample by a few pixels and compare its map, shifted back, with the original map.

    Args:
        network: which answers.
        questions: samples.
        make: how maps are made.
        share: largest shift along each axis as a share of its size (at least 1 pixel); time is not shifted.
        draws: shifts per sample, averaged.
        seed: of the shifts.
        confidence: level of the interval that the verdict goes by.

    Returns:
        ``shift_reproducibility``.
    """
    make = make or mapper()
    rng = np.random.default_rng(seed)
    correlations = np.full(len(questions), np.nan)
    for row, question in enumerate(questions):
        original = make(network, question).map
        offsets = [_draw_shift(rng, question.input, share) for _ in range(draws)]
        if original is None:
            continue
        similarities = []
        for offset in offsets:
            shifted = make(network, replace(question, input=_moved(question.input, offset))).map
            if shifted is not None:
                inside = tuple(slice(max(0, -s), n - max(0, s)) for s, n in zip(offset, original.shape))
                back = tuple(slice(max(0, s), n - max(0, -s)) for s, n in zip(offset, original.shape))
                similarities.append(rank_correlation(original[inside], shifted[back]))
        correlations[row] = _mean(similarities)
    metric = constant_bounds(mean_metric(correlations, subjects(questions), confidence))
    return {"shift_reproducibility": verdict(metric, SHIFT_RULE, lambda lower, upper: lower > ALIKE)}


def label_randomization(
    network: nn.Module,
    shuffled: nn.Module,
    questions: Sequence[Question],
    *,
    make: Mapper | None = None,
    confidence: float = 0.95,
) -> dict[str, Entry]:
    """Compare with a network trained on shuffled labels (Adebayo et al. 2018, section 3.2).

    Args:
        network: the evaluated network.
        shuffled: network trained identically on :func:`scantune.explain.sanity.shuffle_labels`.
        questions: samples.
        make: how maps are made.
        confidence: level of the interval that the verdict goes by.

    Returns:
        ``label_randomization``.
    """
    make = make or mapper()
    correlations = [_rank(make(network, question).map, make(shuffled, question).map) for question in questions]
    metric = constant_bounds(mean_metric(np.array(correlations), subjects(questions), confidence))
    return {"label_randomization": verdict(metric, LABEL_RULE, lambda lower, upper: upper < ALIKE)}


def _draw_shift(rng: np.random.Generator, input: Tensor, share: float) -> tuple[int, ...]:
    """Shift in pixels along each spatial axis, not all 0; the first of three axes (possibly time) is not shifted."""
    while True:
        offsets = [int(rng.integers(-max(1, round(share * n)), max(1, round(share * n)) + 1)) for n in input.shape[-2:]]
        if any(offsets):
            return (*[0] * (input.ndim - 3), *offsets)


def _moved(input: Tensor, offset: tuple[int, ...]) -> Tensor:
    """The input shifted by whole pixels, with the border repeated."""
    for axis, pixels in enumerate(offset, start=1):
        if pixels:
            size = input.shape[axis]
            input = input.index_select(axis, (torch.arange(size) - pixels).clamp(0, size - 1).to(input.device))
    return input


def _rank(first: np.ndarray | None, second: np.ndarray | None) -> float:
    return float("nan") if first is None or second is None else rank_correlation(first, second)


def _mean(values: list[float]) -> float:
    finite = [v for v in values if np.isfinite(v)]
    return float(np.mean(finite)) if finite else float("nan")
