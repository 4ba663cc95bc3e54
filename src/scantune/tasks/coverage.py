"""Conformal intervals and sets fitted on validation; their coverage on the test set, also by subgroup."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from scantune.statistics import conformal
from scantune.statistics.estimate import Estimate, undefined
from scantune.tasks.context import NO_VALIDATION, Analyses, Context

#: rows and their quantiles to what is averaged: name to values [n]; coverage first.
Measure = Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]]


def achieved(
    context: Context,
    scores: np.ndarray,
    measure: Measure,
    names: tuple[str, ...],
    into: Analyses,
    reported: Mapping[str, np.ndarray] | None = None,
    *,
    most: float | None = None,
) -> None:
    """Adds coverage and size of conformal intervals or sets, marginal and per group.

    Writes the section ``conformal`` with the fitted quantiles and, by grouping column, the coverage of quantiles fitted
    within each level (``within_groups``); figures ``names`` of all rows and of each subgroup under the common quantile.

    Args:
        context: what is tested and fitted on.
        scores: nonconformity of every row of the table, float [N], or [N, M] where a row has M (zones).
        measure: from rows and quantiles to the columns that are averaged.
        names: of these columns.
        into: where it goes.
        reported: of every row of the table, [N], what ``measure`` gives of the intervals or sets that the table itself
            has. Figures are of these where it is known what they were fitted with (``context.served``).
        most: that the second of ``names`` can be: the number of classes of sets; None: it has no limit.
    """
    served = (context.served or {}).get("conformal") if reported is not None else None
    fit_rows, rows = context.fitted_on, context.rows
    scores = scores.reshape(len(scores), -1)
    reason = NO_VALIDATION if not len(fit_rows) else "a prediction is not a finite number"
    fits = bool(len(fit_rows)) and bool(np.isfinite(scores[fit_rows]).all() and np.isfinite(scores[rows]).all())
    if served is None and not fits:
        into.sections["conformal"] = {"reason": reason}
        into.figures |= dict.fromkeys(names, undefined(reason))
        return
    subjects, each = np.repeat(context.table.subject_id[fit_rows], scores.shape[1]), scores.shape[1]
    fitted = served if served is not None else conformal.fit(scores[fit_rows].ravel(), context.miscoverage, subjects)
    fitted = conformal.at_level(fitted, context.confidence)
    fitted_on = "validation" if served is None else (context.served or {}).get("fitted_on", "validation")
    section: dict[str, Any] = {"fitted_on": fitted_on, **fitted, "within_groups": {}}

    def common(part: np.ndarray) -> dict[str, Any]:
        if reported is not None and served is not None:
            means = context.means({name: reported[name][part] for name in names}, part, _kinds(names))
        else:
            means = _figures(context, measure, part, conformal.quantiles_for(fitted, len(part)), names)
        return _limited(means, names[1], most)

    into.figures |= common(rows)
    for column, of_row in context.labels.items():
        levels = sorted(set(of_row[rows].tolist()))
        if not 1 < len(levels) <= 30:
            continue
        for level in levels:
            part = rows[of_row[rows] == level]
            small = context.resampler.count(part) < context.min_group
            into.by_level(column, level, {k: f.with_more(small=small) for k, f in common(part).items()})
        if not fits:
            continue
        groups = np.repeat(of_row[fit_rows], each)
        per_group = conformal.fit(scores[fit_rows].ravel(), context.miscoverage, subjects, groups)
        per_group = conformal.at_level(per_group, context.confidence)
        within = section["within_groups"].setdefault(column, {})
        for level in levels:
            part = rows[of_row[rows] == level]
            per_row = conformal.quantiles_for(per_group, len(part), of_row[part])
            figures = _limited(_figures(context, measure, part, per_row, names), names[1], most)
            within[level] = {**per_group["groups"].get(level, {"quantile": None, "n_subjects": 0}), **figures}
    into.sections["conformal"] = section


def _figures(
    context: Context, measure: Measure, rows: np.ndarray, quantiles: np.ndarray, names: tuple[str, ...]
) -> dict[str, Any]:
    columns = measure(rows, quantiles)
    if not all(np.isfinite(v).all() for v in columns.values()):
        # An infinite quantile: covered for certain, of no definite width.
        reason = "too few subjects of validation for a finite interval at this miscoverage"
        return dict.fromkeys(names, undefined(reason, len(rows), context.resampler.count(rows)))
    return context.means(columns, rows, _kinds(names))


def _limited(means: dict[str, Estimate], name: str, most: float | None) -> dict[str, Estimate]:
    """The same with the interval of one of them cut at the most that it can be."""
    one = means[name]
    if most is None or one.upper is None:
        return means
    return {**means, name: replace(one, upper=min(one.upper, most))}


def _kinds(names: tuple[str, ...]) -> dict[str, str]:
    """Coverage is a share, and width or size a positive number."""
    return dict(zip(names, ("share", "positive")))
