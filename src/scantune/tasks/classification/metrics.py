"""Metrics of a classification: discrimination, the confusion matrix, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scantune.class_names import label
from scantune.statistics.calibration import ece_consistency, ece_statistic, loss_statistic
from scantune.statistics.confusion import confusion_statistic
from scantune.statistics.discrimination import DELONG, area_statistic, delong_interval, macro
from scantune.statistics.ordinal import KINDS, kappa_cells, kappas_of_cells
from scantune.statistics.resampling import Interval, Statistic, Sums
from scantune.statistics.slope import slope_statistic
from scantune.statistics.trials import too_rare
from scantune.tasks.classification.settings import Classification, headline_by
from scantune.tasks.labels import name_faults, natural
from scantune.tasks.plan import MetricPlan, not_finite, only
from scantune.tasks.predictions import Faults, PredictionTable, check_range

ERRORS = ("brier", "log_loss", "ece")
"""Metrics that are better when lower."""

SUM_TOLERANCE = 0.01
"""Probabilities of a row may miss a sum of one by this much: files are written with few digits."""


def answers(data: Data) -> tuple[np.ndarray, np.ndarray]:
    """What custom metrics are given: class indices int64 [N] and probabilities float64 [N, K]."""
    return data.target, data.probabilities


def headline_names(data: Data) -> tuple[str, ...]:
    """Metrics of the subgroups, the baselines and the summary; the first is the primary one unless stated otherwise."""
    return headline_by(two=data.positive is not None)


@dataclass(frozen=True)
class Data:
    """What the metrics of a classification are computed from.

    Attributes:
        target: int64 [N], class indices.
        probabilities: float64 [N, K].
        classes: names of the K classes.
        positive: index of the positive class where there are two, else None.
        subjects: [N].
        settings: of the task.
    """

    target: np.ndarray
    probabilities: np.ndarray
    classes: tuple[str, ...]
    positive: int | None
    subjects: np.ndarray
    settings: Classification

    @property
    def prediction(self) -> np.ndarray:
        """Index of the most probable class, int64 [N]; the first of equals."""
        return self.probabilities.argmax(1)

    @cached_property
    def confidence(self) -> np.ndarray:
        """Mean probability of each class over the samples labelled so, float64 [K]; NaN for a class without one."""
        of_class = np.arange(len(self.classes)) == self.target[:, None]  # [N, K]
        counts = of_class.sum(0)
        sums = np.where(of_class, self.probabilities, 0).sum(0)
        return np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)


def parse(table: PredictionTable, settings: Classification, faults: Faults) -> Data | None:
    """Reads ``target`` and ``p/<class>``; one column ``p/<positive>`` serves where there are two classes.

    Labels are matched by name or number. Faults: unknown labels, classes without a column, probabilities outside 0 … 1
    or that do not sum to one.
    """
    named = [c.removeprefix("p/") for c in table.columns if c.startswith("p/")]
    if wrong := name_faults(named):
        faults.add(f"columns p/<class>: {'; '.join(wrong)}")
        return None
    columns = {label(name): f"p/{name}" for name in named}
    if not table.require(("target",), faults) or not columns:
        if not columns:
            faults.add("the columns p/<class> with the probability of each class are missing")
        return None
    labels = np.array([label(t) for t in table.text("target")], dtype=object)
    classes = _classes(settings, columns, labels, faults)
    if classes is None:
        return None
    if unordered := settings.order_fault(classes):
        faults.add(unordered)
    index = {name: i for i, name in enumerate(classes)}
    target = np.array([index.get(name, -1) for name in labels], np.int64)
    bad = np.flatnonzero(target < 0)
    faults.rows(bad, f"column target: not one of the classes {', '.join(classes)}", labels[bad].tolist())
    positive = None
    if len(classes) == 2:
        positive = index.get(label(settings.positive), 1) if settings.positive is not None else 1
    probabilities = _probabilities(table, columns, classes, faults)
    return Data(np.maximum(target, 0), probabilities, classes, positive, table.subject_id, settings)


def _classes(
    settings: Classification, columns: dict[str, str], labels: np.ndarray, faults: Faults
) -> tuple[str, ...] | None:
    if settings.classes is not None:
        classes = tuple(label(c) for c in settings.classes)
    elif len(columns) == 1:
        ((name, column),) = columns.items()
        classes = tuple(natural(list({name, *(v for v in labels if v)})))
        if classes in (("0",), ("1",)):
            classes = ("0", "1")
        if len(classes) != 2:
            faults.add(
                f"column {column} alone serves two classes; target and column name {', '.join(classes)}: add a column "
                "p/<class> for each class, or state both, as in --set classes=[no,yes]"
            )
            return None
    else:
        classes = tuple(natural(list(columns)))
    if settings.positive is not None and label(settings.positive) not in classes:
        faults.add(f"the positive class {settings.positive!r} is not one of {list(classes)}")
    missing = [c for c in classes if c not in columns]
    if missing and not (len(classes) == 2 and len(columns) == 1):
        faults.add(f"columns missing: {', '.join('p/' + c for c in missing)}")
        return None
    unknown = [c for name, c in columns.items() if name not in classes]
    if unknown:
        faults.add(f"columns of unknown classes: {', '.join(unknown)}; the classes are {', '.join(classes)}")
        return None
    return classes


def _probabilities(
    table: PredictionTable, columns: dict[str, str], classes: Sequence[str], faults: Faults
) -> np.ndarray:
    values = {name: table.numbers(column, faults) for name, column in columns.items()}
    if len(values) == 1:
        (name,) = values
        check_range(values[name], columns[name], faults)
        return np.stack([values[name] if c == name else 1 - values[name] for c in classes], axis=1)
    p = np.stack([values[c] for c in classes], axis=1)
    check_probabilities(p, [columns[c] for c in classes], faults)
    return p


def check_probabilities(p: np.ndarray, columns: Sequence[str], faults: Faults) -> None:
    """Faults of probabilities [N, K]: outside 0 … 1, or rows that do not sum to one; what is not finite is let pass."""
    for k, column in enumerate(columns):
        check_range(p[:, k], column, faults)
    sums = p.sum(1)
    with np.errstate(invalid="ignore"):
        bad = np.flatnonzero((np.abs(sums - 1) > SUM_TOLERANCE) & ((p >= 0) & (p <= 1)).all(1))
    faults.rows(bad, f"{', '.join(columns)} must sum to one", [round(v, 4) for v in sums[bad].tolist()])


def plan(
    data: Data, rows: np.ndarray, *, headline: bool = False, paired: bool = False, confidence: float = 0.95
) -> MetricPlan:
    """The metrics of some rows; see :func:`scantune.tasks.regression.metrics.plan`."""
    p, y = data.probabilities[rows], data.target[rows]
    void = not_finite("probabilities", p)
    if void is not None:
        p = np.full_like(p, 1 / p.shape[1])
    predicted = p.argmax(1)
    alone = len(np.unique(data.subjects[rows])) == len(rows)
    positive = data.positive
    statistics: list[Statistic] = [confusion_statistic(y, predicted, data.classes, rows, positive)]
    statistics.append(loss_statistic(p, y, rows, positive))
    statistics.append(ece_statistic(p.max(1), predicted == y, rows))
    analytic: dict[str, Interval] = {}
    if positive is not None:
        statistics.append(area_statistic(p[:, positive], y == positive, rows))
        _add_delong(analytic, "auroc", p[:, positive], y == positive, alone, confidence)
    else:
        statistics.append(
            macro([area_statistic(p[:, k], y == k, rows, f"/{c}") for k, c in enumerate(data.classes)], rows)
        )
        for k, name in enumerate(data.classes):
            _add_delong(analytic, f"auroc/{name}", p[:, k], y == k, alone, confidence)
    analytic |= _rare(y, len(data.classes), data.subjects[rows])
    if headline:
        selected = set(headline_names(data))
        statistics = [only(s, selected) for s in statistics]
    else:
        statistics.append(_slope(p, y, positive, rows))
        if data.settings.ordinal:
            statistics.append(_kappa_statistic(y, predicted, len(data.classes), rows))
    more = {} if headline else _consistency(p, predicted == y, data.subjects[rows], confidence)
    return MetricPlan(statistics, analytic=analytic, reasons=_reasons(data, y, predicted), more=more, void=void)


def _rare(y: np.ndarray, classes: int, subjects: np.ndarray) -> dict[str, Interval]:
    rare = too_rare(y, classes, subjects)
    return {} if rare is None else {"brier": rare, "log_loss": rare}


def _consistency(
    p: np.ndarray, right: np.ndarray, subjects: np.ndarray, confidence: float
) -> dict[str, dict[str, float]]:
    return {"ece": ece_consistency(p.max(1), right, subjects, level=confidence)} if len(p) else {}


def _slope(p: np.ndarray, y: np.ndarray, positive: int | None, rows: np.ndarray) -> Statistic:
    """Calibration of the positive class where there are two, else of the most probable class being right."""
    if positive is not None:
        return slope_statistic(p[:, positive], y == positive, rows)
    return slope_statistic(p.max(1), p.argmax(1) == y, rows)


def calibration_plan(data: Data, rows: np.ndarray, confidence: float = 0.95) -> MetricPlan:
    """Only the figures that calibration changes."""
    p, y = data.probabilities[rows], data.target[rows]
    losses = loss_statistic(p, y, rows, data.positive)
    error = ece_statistic(p.max(1), p.argmax(1) == y, rows)
    reasons = _reasons(data, y, p.argmax(1))
    more = _consistency(p, p.argmax(1) == y, data.subjects[rows], confidence)
    rare = _rare(y, len(data.classes), data.subjects[rows])
    statistics = [losses, error, _slope(p, y, data.positive, rows)]
    return MetricPlan(statistics, analytic=rare, reasons=reasons, more=more)


def _add_delong(
    analytic: dict[str, Interval], name: str, scores: np.ndarray, positive: np.ndarray, alone: bool, confidence: float
) -> None:
    bounds = delong_interval(scores, positive, confidence) if alone else None
    if bounds is not None:
        analytic[name] = Interval(*bounds, DELONG)


def _kappa_statistic(y: np.ndarray, predicted: np.ndarray, classes: int, rows: np.ndarray) -> Sums:
    return Sums(rows, kappa_cells(y, predicted, classes), kappas_of_cells, kinds=dict.fromkeys(KINDS, "kappa"))


def _reasons(data: Data, y: np.ndarray, predicted: np.ndarray) -> dict[str, str]:
    actual = np.bincount(y, minlength=len(data.classes))
    guessed = np.bincount(predicted, minlength=len(data.classes))
    reasons = {"calibration_slope": "undefined: the fit does not converge (outcomes separated, or one probability)"}
    for k, name in enumerate(data.classes):
        absent = f"undefined: no sample is of class {name}"
        named = ("auroc", "auprc", "recall", "f1")
        if not actual[k]:
            reasons |= dict.fromkeys([f"{m}/{name}" for m in named], absent)
            reasons |= dict.fromkeys(("auroc", "auprc"), absent)
        if actual[k] == len(y):
            every = f"undefined: every sample is of class {name}"
            reasons |= dict.fromkeys((f"specificity/{name}", f"auroc/{name}", f"auprc/{name}"), every)
            reasons |= dict.fromkeys(("auroc", "auprc", "mcc", "kappa", "kappa_linear", "kappa_quadratic"), every)
            reasons |= dict.fromkeys(("calibration_slope", "calibration_intercept"), every)
        if not guessed[k]:
            reasons[f"precision/{name}"] = f"undefined: no sample is predicted as {name}"
        if guessed[k] == len(y):
            reasons.setdefault("mcc", f"undefined: every sample is predicted as {name}")
    if data.positive is not None:
        of_positive = "/" + data.classes[data.positive]
        reasons |= {k.removesuffix(of_positive): v for k, v in list(reasons.items()) if k.endswith(of_positive)}
    return reasons
