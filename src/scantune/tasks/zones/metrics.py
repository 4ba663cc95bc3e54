"""Metrics of graded zones: F1 and κ per zone and pooled, coverage, the mean score and the class it falls in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from scantune.class_names import label
from scantune.statistics.agreement import error_statistic
from scantune.statistics.confusion import figures_of, kinds_of, one_hot, shares_of
from scantune.statistics.correlation import constant, spearman_statistic
from scantune.statistics.discrimination import DELONG, area_statistic, delong_interval
from scantune.statistics.ordinal import KINDS, kappa, kappas
from scantune.statistics.resampling import Interval, Statistic, Sums
from scantune.tasks.classification.metrics import check_probabilities
from scantune.tasks.plan import MetricPlan, not_finite, only, renamed
from scantune.tasks.predictions import Faults, PredictionTable
from scantune.tasks.zones.settings import HEADLINE, UNGRADABLE, Zones

ERRORS = ("mean_score_mae", "mean_score_rmse")
"""Metrics that are better when lower."""

_MEAN_SCORE = {
    **{k: f"mean_score_{k}" for k in ("mae", "rmse", "pearson_r", "icc_2_1")},
    **{f"bland_altman_{k}": f"mean_score_bland_altman_{k}" for k in ("bias", "sd", "lower", "upper")},
}


@dataclass(frozen=True)
class Data:
    """What the metrics of graded zones are computed from.

    Attributes:
        target: int64 [N, Z], class indices; the last class is ungradable.
        probabilities: float64 [N, Z, K].
        subjects: [N].
        settings: of the task.
    """

    target: np.ndarray
    probabilities: np.ndarray
    subjects: np.ndarray
    settings: Zones

    @property
    def prediction(self) -> np.ndarray:
        """Index of the most probable class, int64 [N, Z]."""
        return self.probabilities.argmax(2)


def answers(data: Data) -> tuple[np.ndarray, np.ndarray]:
    """What custom metrics are given: class indices int64 [N, Z] and probabilities float64 [N, Z, K]."""
    return data.target, data.probabilities


def headline_names(data: Data) -> tuple[str, ...]:
    """Metrics of the subgroups, the baselines and the summary; the first is the primary one unless stated otherwise."""
    return HEADLINE


def parse(table: PredictionTable, settings: Zones, faults: Faults) -> Data | None:
    """Reads ``target/<zone>`` and ``p/<zone>/<class>``; ungradable may be written so, as its number, or left empty."""
    known = aliases(settings)
    columns_of = {z: _zone_columns(table, z, settings) for z in settings.zones}
    _unknown_classes(table, settings, faults)
    required = [f"target/{z}" for z in settings.zones] + [c for z in settings.zones for c in columns_of[z]]
    if not table.require(required, faults):
        return None
    targets, probabilities = [], []
    for zone in settings.zones:
        labels = np.array([label(t) for t in table.text(f"target/{zone}")], dtype=object)
        codes = np.array([known.get(v, -1) for v in labels], np.int64)
        bad = np.flatnonzero(codes < 0)
        right = f"0 to {settings.grades - 1}, or {settings.grades} or empty for ungradable"
        faults.rows(bad, f"column target/{zone}: not {right}", labels[bad].tolist())
        targets.append(np.maximum(codes, 0))
        p = np.stack([table.numbers(c, faults) for c in columns_of[zone]], axis=1)
        check_probabilities(p, columns_of[zone], faults)
        without = len(columns_of[zone]) < len(settings.classes)
        probabilities.append(np.pad(p, ((0, 0), (0, 1))) if without else p)
    return Data(np.stack(targets, 1), np.stack(probabilities, 1), table.subject_id, settings)


def aliases(settings: Zones) -> dict[str, int]:
    """How a table may write a class, to its index: ungradable also as its number, or left empty."""
    ungradable = (str(settings.grades), UNGRADABLE, "", "nan", "NaN")
    return {n: i for i, n in enumerate(settings.classes)} | dict.fromkeys(ungradable, settings.grades)


def _zone_columns(table: PredictionTable, zone: str, settings: Zones) -> list[str]:
    """The probability columns of a zone; ungradable by its name, else by its number, else left out: no zone is so."""
    *grades, named = (f"p/{zone}/{c}" for c in settings.classes)
    by_number = f"p/{zone}/{settings.grades}"
    return [*grades, *[c for c in (named, by_number) if c in table][:1]]


def _unknown_classes(table: PredictionTable, settings: Zones, faults: Faults) -> None:
    """Refuses columns of other classes, and a grade that a stated number of grades would turn into ungradable."""
    classes: set[str] = set(settings.classes)
    grades = settings.grades
    last = f"p/{settings.zones[0]}/{grades}"
    if "grades" not in settings.model_fields_set and f"p/{settings.zones[0]}/{UNGRADABLE}" not in table:
        classes.add(str(grades))
    elif last in table:
        faults.add(
            f"column {last}: with grades: {grades} the grades are 0 to {grades - 1}; state {grades + 1}, or name the "
            f"class ungradable p/<zone>/{UNGRADABLE}"
        )
        classes.add(str(grades))
    for zone in settings.zones:
        unknown = [c for c in table.columns if c.startswith(f"p/{zone}/") and c.rpartition("/")[2] not in classes]
        if unknown:
            faults.add(f"columns of unknown classes: {', '.join(unknown)}; there are {', '.join(settings.classes)}")


def mean_score(codes: np.ndarray, grades: int) -> np.ndarray:
    """Mean grade over the gradable zones of codes [N, Z]; NaN where no zone is gradable. float64 [N]."""
    gradable = codes < grades
    n = gradable.sum(1)
    return np.where(n > 0, np.where(gradable, codes, 0).sum(1) / np.maximum(n, 1), np.nan)


def severity(score: np.ndarray, cut_offs: Sequence[float]) -> np.ndarray:
    """Class 0, 1 … of a mean score: up to the first cut-off, up to the second, above. int64 [N]."""
    return np.searchsorted(np.asarray(cut_offs) + 1e-9, score, side="left")


def plan(
    data: Data, rows: np.ndarray, *, headline: bool = False, paired: bool = False, confidence: float = 0.95
) -> MetricPlan:
    """The metrics of some rows; see :func:`scantune.tasks.regression.metrics.plan`."""
    settings = data.settings
    p, y = data.probabilities[rows], data.target[rows]
    void = not_finite("probabilities", p)
    predicted = np.nan_to_num(p).argmax(2)
    cells = np.stack([one_hot(y[:, z], predicted[:, z], settings.grades + 1) for z in range(y.shape[1])], 1)
    statistics: list[Statistic] = [_graded(cells.sum(1), rows, settings, "", samples=y.size)]
    more: dict[str, dict[str, float]] = {}
    if not headline:
        for z, zone in enumerate(settings.zones):
            statistics.append(_graded(cells[:, z], rows, settings, f"/{zone}"))
            more |= _standard_errors(cells[:, z].sum(0), settings.grades, zone)
    score = [mean_score(codes, settings.grades) for codes in (y, predicted)]
    both = np.isfinite(score[0]) & np.isfinite(score[1])
    x, m, scored = score[0][both], score[1][both], rows[both]
    reasons = dict.fromkeys(KINDS, "undefined: all gradable zones are of one grade")
    analytic: dict[str, Interval] = {}
    if len(scored):
        statistics += _of_mean_score(x, m, scored)
        reasons |= _constant_reasons(x, m)
        if not headline:
            alone = len(np.unique(data.subjects[scored])) == len(scored)
            statistics += _of_severity(x, m, scored, settings, analytic, reasons, alone, confidence)
    else:
        statistics.append(_no_score(rows))
        reasons |= dict.fromkeys([*_MEAN_SCORE.values(), "mean_score_spearman_rho"], "undefined: no zone is gradable")
    if headline:
        statistics = [only(s, headline_names(data)) for s in statistics]
    most = dict.fromkeys(("mean_score_mae", "mean_score_rmse"), settings.grades - 1.0)
    return MetricPlan(
        statistics, analytic=analytic, reasons=reasons, more=more, void=void, p_values=_p(headline), most=most
    )


def _p(headline: bool) -> dict[str, None]:
    return {} if headline else {"mean_score_pearson_r": None, "mean_score_spearman_rho": None}


def _graded(cells: np.ndarray, rows: np.ndarray, settings: Zones, suffix: str, samples: int | None = None) -> Sums:
    """F1, precision and recall over all classes; κ over what both sides grade; coverage."""
    size, names = settings.grades + 1, settings.classes
    kinds = kinds_of(names) | {"coverage": "share"} | dict.fromkeys(KINDS, "kappa")

    def shares(sums: np.ndarray) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
        matrix = sums.reshape(*sums.shape[:-1], size, size)
        total = matrix.sum((-2, -1))
        of_name = shares_of(matrix, names) | {"coverage": [(total - matrix[..., :, -1].sum(-1), total)]}
        return {k + suffix: v for k, v in of_name.items()}

    figures = partial(_graded_figures, size=size, names=names, suffix=suffix)
    return Sums(rows, cells, figures, samples, {k + suffix: v for k, v in kinds.items()}, shares)


def _graded_figures(sums: np.ndarray, size: int, names: Sequence[str], suffix: str) -> dict[str, np.ndarray]:
    matrix = sums.reshape(*sums.shape[:-1], size, size)
    values = figures_of(matrix, names)
    total = matrix.sum((-2, -1))
    with np.errstate(all="ignore"):
        values["coverage"] = 1 - matrix[..., :, -1].sum(-1) / np.where(total > 0, total, np.nan)
    values |= kappas(matrix[..., :-1, :-1])
    selected = {k: v for k, v in values.items() if "/" not in k} if suffix else values
    return {k + suffix: v for k, v in selected.items()}


def _standard_errors(cells: np.ndarray, grades: int, zone: str) -> dict[str, dict[str, float]]:
    table = cells.reshape(grades + 1, grades + 1)[:-1, :-1]
    return {f"{name}/{zone}": {"ase": kappa(table, name).ase} for name in KINDS} if table.sum() else {}


def _of_mean_score(x: np.ndarray, m: np.ndarray, rows: np.ndarray) -> list[Statistic]:
    errors = error_statistic(x, m, rows, significant=1.0)
    return [renamed(errors, _MEAN_SCORE), spearman_statistic(x, m, rows, "mean_score_spearman_rho")]


def _no_score(rows: np.ndarray) -> Sums:
    names = [*_MEAN_SCORE.values(), "mean_score_spearman_rho"]
    return Sums(rows[:0], np.zeros((0, 1)), lambda s: {n: np.full(s.shape[:-1], np.nan) for n in names})


def _constant_reasons(x: np.ndarray, m: np.ndarray) -> dict[str, str]:
    names = ("mean_score_pearson_r", "mean_score_spearman_rho")
    for side, values in (("target", x), ("prediction", m)):
        if constant(values):
            return dict.fromkeys(names, f"undefined: the {side}'s mean score is constant")
    return {}


def _of_severity(
    x: np.ndarray,
    m: np.ndarray,
    rows: np.ndarray,
    settings: Zones,
    analytic: dict[str, Interval],
    reasons: dict[str, str],
    alone: bool,
    confidence: float,
) -> list[Statistic]:
    """The class of the mean score, and for each cut-off the ROC of the predicted mean score for a target above it."""
    size = len(settings.cut_offs) + 1
    actual, predicted = severity(x, settings.cut_offs), severity(m, settings.cut_offs)
    names = severity_names(settings.cut_offs)

    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        matrix = sums.reshape(*sums.shape[:-1], size, size)
        values = figures_of(matrix, names) | kappas(matrix)
        selected = ("accuracy", "balanced_accuracy", "f1_macro", "kappa_quadratic", *(f"recall/{n}" for n in names))
        return {f"ahf_{k}": values[k] for k in selected}

    def shares(sums: np.ndarray) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
        of_name = shares_of(sums.reshape(*sums.shape[:-1], size, size), names)
        return {f"ahf_{k}": v for k, v in of_name.items()}

    kinds = {f"ahf_{k}": v for k, v in (kinds_of(names) | dict.fromkeys(KINDS, "kappa")).items()}
    statistics: list[Statistic] = [Sums(rows, one_hot(actual, predicted, size), figures, kinds=kinds, shares=shares)]
    for cut in settings.cut_offs:
        above = x > cut + 1e-9
        name = f"ahf_auroc/above_{cut:g}"
        statistics.append(renamed(area_statistic(m, above, rows), {"auroc": name}))
        side = "is" if not above.any() else "is not"
        reasons[name] = f"undefined: no target's mean score {side} above {cut:g}"
        bounds = delong_interval(m, above, confidence) if alone else None
        if bounds is not None:
            analytic[name] = Interval(*bounds, DELONG)
    return statistics


def severity_names(cut_offs: Sequence[float]) -> tuple[str, ...]:
    """Names of the classes of the mean score: ``up_to_1.3``, ``up_to_2.2``, ``above_2.2``."""
    return (*(f"up_to_{c:g}" for c in cut_offs), f"above_{cut_offs[-1]:g}")
