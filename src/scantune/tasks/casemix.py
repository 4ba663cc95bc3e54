"""Metrics as they would be among other subjects: rows weighted to a stated case mix; and intersections of groups."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from scantune.records import ScantuneError
from scantune.statistics.resampling import Resampler
from scantune.tasks import subgroups
from scantune.tasks.directions import custom_metrics
from scantune.tasks.levels import unlike
from scantune.tasks.plan import carry_out, reweighted

CaseMix = Mapping[str, Mapping[str, float]]
"""Column to level to share; the shares of a column sum to one."""

_MOST_COLUMNS, _MOST_LEVELS = 4, 6


def weights(labels: Mapping[str, np.ndarray], rows: np.ndarray, mix: CaseMix) -> np.ndarray:
    """Weight of each of ``rows`` so that the levels of each column have their stated shares; mean 1, float64 [n].

    Several columns are fitted in turn until all agree (raking; Deming & Stephan, Ann Math Stat 1940;11:427).

    Args:
        labels: column to the level of each row of the table, [N].
        rows: int [n].
        mix: the shares.

    Raises:
        ScantuneError: a column or level that the table lacks, or shares that do not sum to one.
    """
    of_row = np.ones(len(rows))
    for column, shares in mix.items():
        if column not in labels:
            raise ScantuneError(f"case mix: no grouping column {column!r}; there are {', '.join(labels)}")
        wrong = unlike(column, set(labels[column][rows].tolist()), set(shares))
        if wrong is not None:
            raise ScantuneError(wrong)
        if abs(sum(shares.values()) - 1) > 1e-6 or min(shares.values()) < 0:
            raise ScantuneError(f"case mix of {column}: shares {dict(shares)} must be 0 or more and sum to one")
    for _ in range(100):
        before = of_row.copy()
        for column, shares in mix.items():
            for level, share in shares.items():
                inside = labels[column][rows] == level
                of_row[inside] *= share * len(rows) / max(of_row[inside].sum(), 1e-300)
        if np.abs(of_row - before).max() < 1e-9:
            break
    return of_row


def standardised(
    module: Any,
    data: Any,
    rows: np.ndarray,
    labels: Mapping[str, np.ndarray],
    mix: CaseMix,
    resampler: Resampler,
    confidence: float,
) -> dict[str, Any]:
    """Headline metrics with the rows weighted to a case mix, and how many subjects the weights leave.

    Returns:
        ``case_mix``, ``figures`` and ``effective_samples``, (Σ w)² / Σ w² (Kish 1965).
    """
    w = weights(labels, rows, mix)
    plan = module.plan(data, rows, headline=True, paired=True, confidence=confidence)
    places = {int(row): i for i, row in enumerate(rows)}
    statistics = [reweighted(s, w[[places[int(row)] for row in s.rows]]) for s in plan.statistics]
    withheld = {name: bounds for name, bounds in plan.analytic.items() if bounds.lower is None}  # too few of a class
    takes_none = "undefined: a custom metric takes samples, not weights"
    reasons = {**plan.reasons, **dict.fromkeys(custom_metrics(None), takes_none)}
    plan = replace(plan, statistics=statistics, analytic=withheld, direct={}, p_values={}, more={}, reasons=reasons)
    (result,) = carry_out([plan], resampler, confidence)
    return {"case_mix": mix, "figures": result.figures, "effective_samples": float(w.sum() ** 2 / (w**2).sum())}


def intersections(
    module: Any,
    data: Any,
    rows: np.ndarray,
    labels: Mapping[str, np.ndarray],
    resampler: Resampler,
    *,
    confidence: float,
    min_group: int,
) -> dict[str, Any]:
    """Headline metrics of the levels of two grouping columns together, where at least ``min_group`` subjects are so.

    Of up to four columns with two to six levels; see :func:`scantune.tasks.subgroups.figures`.
    """
    sizes = {column: len(set(of_row[rows].tolist())) for column, of_row in labels.items()}
    columns = [column for column, size in sizes.items() if 1 < size <= _MOST_LEVELS][:_MOST_COLUMNS]
    crossed = {}
    for one, other in itertools.combinations(columns, 2):
        pairs = zip(labels[one].tolist(), labels[other].tolist(), strict=True)
        crossed[f"{one} × {other}"] = np.array([f"{a} × {b}" for a, b in pairs], dtype=object)
    return subgroups.figures(
        module, data, rows, crossed, resampler, confidence=confidence, min_group=min_group, least=min_group
    )
