"""ROC and precision–recall: areas with DeLong's variance, curves with bands, operating points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scantune.statistics.degrees import degrees_of_freedom
from scantune.statistics.distributions import chi2_sf, normal_two_sided, t_quantile
from scantune.statistics.resampling import FEWEST, Figures, Interval, Share, Weighted
from scantune.statistics.sums import LEAST, cumulate
from scantune.statistics.trials import within_trials

_FEW = 8
"""One positive in so many rows or more, from where :func:`_by_positives` is faster."""

GRID = 101
"""Points of a band: false positive rates, or recalls, 0, 0.01 … 1."""

DELONG = "DeLong, Student's t on the logit scale"
"""The method of :func:`delong_interval`."""


@dataclass(frozen=True)
class Areas:
    """Areas under correlated ROC curves (DeLong, DeLong & Clarke-Pearson, Biometrics 1988;44:837).

    Attributes:
        auc: float [M], one a model; NaN where one class is missing.
        covariance: float [M, M].
    """

    auc: np.ndarray
    covariance: np.ndarray

    @property
    def se(self) -> np.ndarray:
        """Standard errors [M]."""
        return np.sqrt(np.diag(self.covariance))


def delong(scores: np.ndarray, positive: np.ndarray) -> Areas:
    """Areas and their covariance for M sets of scores of the same subjects, in O(M n log n) (Sun & Xu 2014).

    Args:
        scores: float [M, n] or [n]; higher means positive.
        positive: bool [n].
    """
    scores = np.atleast_2d(np.asarray(scores, np.float64))
    positive = np.asarray(positive, bool)
    m, n = int(positive.sum()), int((~positive).sum())
    models = len(scores)
    if m == 0 or n == 0:
        return Areas(np.full(models, np.nan), np.full((models, models), np.nan))
    over_negatives, over_positives = np.empty((models, m)), np.empty((models, n))
    for i, s in enumerate(scores):
        over_negatives[i], over_positives[i] = _placements(s, positive)
    covariance = _covariance(over_negatives) / m + _covariance(over_positives) / n
    return Areas(over_negatives.mean(1), covariance)


def _placements(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of the negatives below each positive [m], and of the positives above each negative [n]."""
    ordered = {side: np.sort(scores[positive == side]) for side in (False, True)}

    def below(side: bool) -> np.ndarray:
        """How many of the other side are below each of this one; of those that are equal, half."""
        of, other = scores[positive == side], ordered[not side]
        return 0.5 * (np.searchsorted(other, of, "left") + np.searchsorted(other, of, "right"))

    return below(True) / len(ordered[False]), 1 - below(False) / len(ordered[True])


def _covariance(x: np.ndarray) -> np.ndarray:
    if x.shape[1] < 2:
        return np.full((len(x), len(x)), np.nan)
    return np.atleast_2d(np.cov(x))


def delong_interval(scores: np.ndarray, positive: np.ndarray, confidence: float = 0.95) -> tuple[float, float] | None:
    """Interval of one area: DeLong's standard error on the logit scale (Pepe 2003, section 5.2.5), Student's t.

    No wider than that of a share of the smaller class, see :func:`.trials.within_trials`.

    The degrees of freedom are those that the subjects' influence on the area leaves (:mod:`.degrees`). With
    20 of 200 subjects positive and an area of .92 the interval contains the truth in .936 (normal quantile: .907), with
    40 of 200 and an area of .98 in .958 (.921).

    Args:
        scores: float [n]; higher means positive.
        positive: bool [n].
        confidence: level.

    Returns:
        Both bounds; None where the variance is 0 (perfect separation) or undefined.
    """
    scores, positive = np.asarray(scores, np.float64), np.asarray(positive, bool)
    if min(positive.sum(), (~positive).sum()) < 2:
        return None
    over_negatives, over_positives = _placements(scores, positive)
    auc = float(over_negatives.mean())
    se = math.sqrt(sum(float(part.var(ddof=1)) / len(part) for part in (over_negatives, over_positives)))
    if not se > 0 or not 0 < auc < 1 or len(scores) < FEWEST:
        return None
    influence = [(part - part.mean()) / len(part) for part in (over_negatives, over_positives)]
    df = degrees_of_freedom(np.concatenate(influence))
    centre, half = math.log(auc / (1 - auc)), t_quantile((1 + confidence) / 2, df) * se / (auc * (1 - auc))
    lower, upper = (0.5 * (1 + math.tanh((centre + side * half) / 2)) for side in (-1, 1))
    ones = np.ones(min(map(len, influence)))
    limited = within_trials(Interval(lower, upper), auc, [Share(auc * ones, ones)], confidence)
    assert limited.lower is not None
    assert limited.upper is not None
    return limited.lower, limited.upper


@dataclass(frozen=True)
class AreaTest:
    """A test of equal areas: the statistic, its degrees of freedom and the p-value."""

    statistic: float
    df: int
    p_value: float


def delong_test(scores: np.ndarray, positive: np.ndarray) -> AreaTest:
    """Whether M areas of the same subjects are equal: χ² on the rank of the contrasts' covariance.

    Args:
        scores: float [M, n], M ≥ 2.
        positive: bool [n].
    """
    areas = delong(scores, positive)
    models = len(areas.auc)
    contrasts = np.eye(models)[:-1] - np.eye(models)[1:]
    covariance = contrasts @ areas.covariance @ contrasts.T
    difference = contrasts @ areas.auc
    if not np.isfinite(covariance).all():
        return AreaTest(math.nan, 0, math.nan)
    df = int(np.linalg.matrix_rank(covariance))
    if df == 0:
        equal = bool(np.allclose(difference, 0))
        return AreaTest(0.0 if equal else math.nan, 0, 1.0 if equal else math.nan)
    statistic = float(difference @ np.linalg.pinv(covariance) @ difference)
    p = normal_two_sided(math.sqrt(statistic)) if df == 1 else chi2_sf(statistic, df)
    return AreaTest(statistic, df, p)


def _descending(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Order by falling score, and the last index of each group of equal scores."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    return order, np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)


def area_statistic(scores: np.ndarray, positive: np.ndarray, rows: np.ndarray, suffix: str = "") -> Weighted:
    """``auroc`` and ``auprc`` of scores [n] (higher is positive), to be resampled.

    AUROC by trapezoids (ties count half); AUPRC is average precision Σ (R_k − R_{k−1}) P_k, without interpolation.

    Args:
        scores: float [n].
        positive: bool [n].
        rows: int [n], their rows in the table.
        suffix: appended to the names.
    """
    fewer = rows[positive] if 2 * positive.sum() <= len(positive) else rows[~positive]
    kinds = {"auroc" + suffix: "area", "auprc" + suffix: "auprc"}
    edges = dict.fromkeys(kinds, (fewer,))
    if _FEW * positive.sum() <= len(positive):
        return Weighted(rows, _by_positives(scores, positive, suffix), kinds, edges=edges)
    order, ends = _descending(scores)
    ties = len(ends) < len(order)
    positives = positive[order].astype(np.float64)[:, None]

    def figures(weights: np.ndarray) -> dict[str, np.ndarray]:
        gained = weights * positives  # positives, and below negatives, passed at each row
        lost = weights - gained
        total, true = cumulate(weights), cumulate(gained.copy())
        if ties:
            total, true = total[ends], true[ends]
            gained = np.diff(true, axis=0, prepend=0.0)
            lost = np.diff(total, axis=0, prepend=0.0) - gained
        p, n = true[-1].copy(), total[-1] - true[-1]
        # Negatives passed × mean of the true positives before and after; without ties a row is of one class.
        area = np.einsum("nb,nb->b", lost, true)
        if ties:
            area -= 0.5 * np.einsum("nb,nb->b", lost, gained)
        true /= np.maximum(total, LEAST)  # precision; where no row was taken yet, 0
        both = (p > 0) & (n > 0)
        return {
            "auroc" + suffix: np.where(both, area / (p * n), np.nan),
            "auprc" + suffix: np.where(both, np.einsum("nb,nb->b", gained, true) / p, np.nan),
        }

    return Weighted(rows[order], figures, kinds, edges=edges)


def _by_positives(scores: np.ndarray, positive: np.ndarray, suffix: str) -> Figures:
    """The figures of :func:`area_statistic` where positives are few.

    Both areas change at their scores alone: the weights of the rows between these are added up.
    """
    from scipy.sparse import csc_array

    at = np.unique(scores[positive])
    levels = len(at)
    below = np.searchsorted(at, scores)  # negatives: 2j lies below the score j of positives, 2j + 1 is equal to it
    equal = at[np.minimum(below, levels - 1)] == scores if levels else np.zeros(len(scores), bool)
    bins = np.where(positive, 2 * levels + 1 + below, 2 * below + equal).astype(np.int32)
    adding = csc_array(
        (np.ones(len(bins)), bins, np.arange(len(bins) + 1, dtype=np.int32)), shape=(3 * levels + 1, len(bins))
    )

    def figures(weights: np.ndarray) -> dict[str, np.ndarray]:
        sums = adding @ weights  # [3 levels + 1, n] @ [n, B]
        tied, gained = sums[1 : 2 * levels : 2], sums[2 * levels + 1 :]
        passed = np.cumsum(sums[: 2 * levels + 1], axis=0)
        p, n = gained.sum(0), passed[-1]
        area = np.einsum("jb,jb->b", gained, passed[: 2 * levels : 2] + 0.5 * tied)
        true = np.cumsum(gained[::-1], axis=0)[::-1]
        total = true + n - passed[: 2 * levels : 2]
        precise = np.einsum("jb,jb->b", gained, true / np.maximum(total, LEAST))
        both = (p > 0) & (n > 0)
        return {
            "auroc" + suffix: np.where(both, area / (p * n), np.nan),
            "auprc" + suffix: np.where(both, precise / p, np.nan),
        }

    return figures


def macro(statistics: Sequence[Weighted], rows: np.ndarray, names: Sequence[str] = ("auroc", "auprc")) -> Weighted:
    """Per-class areas and their mean over the classes, from statistics whose names end in ``/<class>``.

    Args:
        statistics: one a class, of the same rows in any order.
        rows: int [n], ascending.
        names: what to average.
    """
    places = [None if np.array_equal(s.rows, rows) else np.searchsorted(rows, s.rows) for s in statistics]

    def figures(weights: np.ndarray) -> dict[str, np.ndarray]:
        out: dict[str, np.ndarray] = {}
        for statistic, place in zip(statistics, places):
            out |= statistic.figures(weights.copy() if place is None else weights[place])  # it overwrites them
        means = {n: np.mean([v for k, v in out.items() if k.startswith(n + "/")], axis=0) for n in names}
        return means | out

    each = {k: v for s in statistics for k, v in s.kinds.items()}
    kinds = {name: next(v for k, v in each.items() if k.startswith(name + "/")) for name in names} | each
    edges = {k: v for s in statistics for k, v in s.edges.items()}
    edges |= {n: [part for k, parts in edges.items() if k.startswith(n + "/") for part in parts] for n in names}
    with np.errstate(all="ignore"):
        alike = figures(np.ones((len(rows), 1)))
    averaged = {n: [float(v[0]) for k, v in alike.items() if k.startswith(n + "/")] for n in names}
    return Weighted(rows, figures, kinds, edges=edges, averaged=averaged)


@dataclass(frozen=True)
class Curve:
    """A ROC or precision–recall curve.

    Attributes:
        x: false positive rate, or recall, [P].
        y: true positive rate, or precision, [P].
        threshold: the score from which a row counts as positive, [P]; the first is infinite.
    """

    x: np.ndarray
    y: np.ndarray
    threshold: np.ndarray


def roc_curve(scores: np.ndarray, positive: np.ndarray) -> Curve:
    """ROC curve through every threshold; x false positive rate, y true positive rate. NaN without both classes."""
    order, ends = _descending(scores)
    true = np.concatenate([[0], np.cumsum(positive[order])[ends]])
    false = np.concatenate([[0], np.cumsum(~positive[order])[ends]])
    with np.errstate(invalid="ignore"):
        return Curve(false / false[-1], true / true[-1], np.concatenate([[np.inf], scores[order][ends]]))


def pr_curve(scores: np.ndarray, positive: np.ndarray) -> Curve:
    """Precision–recall curve; x recall, y precision (1 at the threshold that no row reaches)."""
    order, ends = _descending(scores)
    true = np.cumsum(positive[order])[ends]
    with np.errstate(invalid="ignore"):
        recall = np.concatenate([[0.0], true / true[-1]])
    precision = np.concatenate([[1.0], true / (ends + 1.0)])
    return Curve(recall, precision, np.concatenate([[np.inf], scores[order][ends]]))


def curve_statistic(scores: np.ndarray, positive: np.ndarray, rows: np.ndarray) -> Weighted:
    """True positive rate at 101 false positive rates (``tpr/<i>``) and precision at 101 recalls (``precision/<i>``).

    Their band needs five subjects of the smaller class: of two positives a sensitivity is 0, a half or 1 in every draw.
    """
    order, ends = _descending(scores)
    positives = positive[order].astype(np.float64)[:, None]
    grid = np.linspace(0, 1, GRID)

    def figures(weights: np.ndarray) -> dict[str, np.ndarray]:
        true = cumulate(weights * positives)[ends]
        total = cumulate(weights)[ends]
        false = total - true
        draws = weights.shape[1]
        tpr, precision = np.full((GRID, draws), np.nan), np.full((GRID, draws), np.nan)
        for b in range(draws):
            p, n = true[-1, b], false[-1, b]
            if p > 0 and n > 0:
                fpr = np.concatenate([[0.0], false[:, b] / n])
                recall = np.concatenate([[0.0], true[:, b] / p])
                # a vertical step: the highest sensitivity at that rate
                tpr[:, b] = np.interp(grid, fpr, recall, right=1.0)
                first = np.minimum(np.searchsorted(recall[1:], grid - 1e-12), len(ends) - 1)
                precision[:, b] = true[first, b] / np.maximum(total[first, b], 1e-300)
        return dict(zip(names, np.concatenate([tpr, precision])))

    names = [f"{rate}/{i}" for rate in ("tpr", "precision") for i in range(GRID)]
    fewer = rows[positive] if 2 * positive.sum() <= len(positive) else rows[~positive]
    return Weighted(rows[order], figures, edges=dict.fromkeys(names, (fewer,)))


def threshold_for(scores: np.ndarray, positive: np.ndarray, criterion: str, value: float = math.nan) -> float | None:
    """The threshold (positive where score ≥ threshold) that meets a criterion; None where a class is missing.

    Args:
        scores: float [n].
        positive: bool [n].
        criterion: ``youden`` (highest sensitivity + specificity − 1), ``sensitivity`` (the highest threshold that
            reaches ``value``) or ``specificity`` (the lowest threshold that reaches it).
        value: the sensitivity or specificity to reach.
    """
    if not 0 < positive.sum() < len(positive):
        return None
    curve = roc_curve(scores, positive)
    if criterion == "youden":
        index = int(np.argmax(curve.y - curve.x))
    elif criterion == "sensitivity":
        index = int(np.argmax(curve.y >= value - 1e-12))
    elif criterion == "specificity":
        index = int(np.flatnonzero(1 - curve.x >= value - 1e-12)[-1])
    else:
        raise ValueError(f"criterion {criterion!r}: youden, sensitivity or specificity")
    if index == 0:  # no score is high enough: a threshold just above the highest
        return float(np.nextafter(scores.max(), np.inf))
    return float(curve.threshold[index])
