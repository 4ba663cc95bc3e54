"""Cascading randomisation of the weights, from the output down (Adebayo et al. 2018, section 3.1).

A map that does not change when the learned weights are replaced does not show what the network has learned.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from scantune.explain.layers import device_of
from scantune.explain.sanity.question import Mapper, Question, mapper, subjects
from scantune.explain.sanity.similarity import rank_correlation, ssim
from scantune.explain.sanity.verdicts import ALIKE, Entry, constant_bounds, mean_metric, verdict
from scantune.prediction.averaging import AveragedNetwork

RULE = f"passes where the upper bound of the mean rank correlation with the map of random weights is below {ALIKE}"


def stages(network: nn.Module, count: int) -> list[tuple[str, list[nn.Module]]]:
    """The parts of the network from output to input, in at most ``count`` stages of about equally many parts.

    Parts are the head and the ``blocks`` of the backbone; without blocks, modules with parameters.
    """
    if isinstance(network, AveragedNetwork):
        by_network = [stages(member, count) for member in network.networks]
        return [(same[0][0], [module for _, modules in same for module in modules]) for same in zip(*by_network)]
    backbone: Any = getattr(network, "backbone", network)
    parts: list[tuple[str, list[nn.Module]]] = list(getattr(backbone, "blocks", None) or [])
    if not parts:
        with_parameters = [
            (n, m) for n, m in backbone.named_modules() if next(m.parameters(recurse=False), None) is not None
        ]
        parts = [(name, [module]) for name, module in with_parameters]
    parts = [(name, modules) for name, modules in parts if any(True for m in modules for _ in m.parameters())]
    head = getattr(network, "head", None)
    if head is not None and next(head.parameters(), None) is not None:
        parts.append(("head", [head]))
    groups = np.array_split(np.arange(len(parts))[::-1], min(count, len(parts)))
    return [(parts[int(g[-1])][0], [m for i in g for m in parts[int(i)][1]]) for g in groups]


def randomise(modules: Sequence[nn.Module], seed: int, device: torch.device | None = None) -> None:
    """Give ``modules`` the weights of an untrained network, in place; the global random state does not change.

    Each layer is reinitialised by its ``reset_parameters`` (statistics of normalisations are reset); parameters outside
    such layers (position embeddings, class tokens) are shuffled.
    """
    devices = [device] if device is not None and device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        torch.manual_seed(seed)
        for part in modules:
            for module in part.modules():
                reset = getattr(module, "reset_parameters", None)
                if callable(reset):
                    reset()
                    continue
                for parameter in module.parameters(recurse=False):
                    order = torch.randperm(parameter.numel()).to(parameter.device)
                    parameter.copy_(parameter.flatten()[order].reshape(parameter.shape))


def cascade(
    network: nn.Module,
    questions: Sequence[Question],
    *,
    make: Mapper | None = None,
    steps: int = 5,
    seed: int = 0,
    confidence: float = 0.95,
) -> dict[str, Entry]:
    """Randomise stage after stage from the output, and compare each map with that of the trained network.

    Random weights differ between samples, so that the interval includes their variation.

    Args:
        network: not changed; a copy is randomised.
        questions: samples.
        make: how maps are made.
        steps: stages, see :func:`stages`.
        seed: of the random weights.
        confidence: level of the interval that the verdict goes by.

    Returns:
        ``weight_randomization`` (rank correlation after complete randomisation, with the rule, and the means after each
        stage in ``steps``) and ``weight_randomization_ssim``.
    """
    make = make or mapper()
    names = [name for name, _ in stages(network, steps)]
    ranks, structures = np.full((2, len(questions), len(names)), np.nan)
    for row, question in enumerate(questions):
        trained = make(network, question)
        if trained.map is None:
            continue
        copied = copy.deepcopy(network)
        for column, (_, modules) in enumerate(stages(copied, steps)):
            randomise(modules, seed * 1_000_003 + row * 101 + column, device_of(network))
            other = make(copied, question)
            if other.map is not None:
                ranks[row, column] = rank_correlation(trained.map, other.map)
                structures[row, column] = ssim(trained.map, other.map)
    return _entries(names, ranks, structures, subjects(questions), confidence)


def _entries(
    names: list[str], ranks: np.ndarray, structures: np.ndarray, subject_ids: list[str], confidence: float
) -> dict[str, Entry]:
    curve = []
    for column, name in enumerate(names):
        metric = mean_metric(ranks[:, column], subject_ids, confidence)
        curve.append({"down_to": name, **metric.as_dict(), "ssim": _mean(structures[:, column])})
    last = constant_bounds(mean_metric(ranks[:, -1], subject_ids, confidence))
    return {
        "weight_randomization": verdict(last, RULE, lambda lower, upper: upper < ALIKE, steps=curve),
        "weight_randomization_ssim": verdict(
            mean_metric(structures[:, -1], subject_ids, confidence),
            "no rule: reported with the rank correlation",
            lambda *_: False,
        )
        | {"passed": None},
    }


def _mean(values: np.ndarray) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
