"""Metrics of survival: concordance, time-dependent AUROC, Brier scores, calibration at the horizons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scantune.amounts import number_of
from scantune.plots.words import add_labels
from scantune.statistics.resampling import Weighted
from scantune.tasks.plan import MetricPlan, not_finite, only
from scantune.tasks.predictions import Faults, PredictionTable, check_range
from scantune.tasks.survival.discrimination import auroc_at, brier_at, concordances
from scantune.tasks.survival.estimators import survival_and_censoring
from scantune.tasks.survival.settings import HEADLINE, Survival

ERRORS = ("integrated_brier",)
"""Headline metrics that are better when lower."""

add_labels(
    {
        "calibration_difference": "Predicted − observed probability",
        "concordance_harrell": "Concordance (Harrell)",
        "concordance_uno": "Concordance (Uno)",
        "integrated_brier": "Integrated Brier score",
        "mean_auroc": "AUROC, mean over time",
    }
)

_NOT_EVALUABLE = "undefined: no pair of samples can be compared"


def headline_names(data: Data) -> tuple[str, ...]:
    """Metrics of the subgroups, the baselines and the summary; the first is the primary one unless stated otherwise."""
    return HEADLINE


@dataclass(frozen=True)
class Data:
    """What the metrics are made from.

    Attributes:
        target: time and event (0 or 1), float64 [N, 2].
        prediction: risk score, higher is earlier, [N].
        probabilities: of the event by each of the H horizons, [N, H]; NaN where the table has none.
        subjects: [N].
        settings: the ``task:`` block.
    """

    target: np.ndarray
    prediction: np.ndarray
    probabilities: np.ndarray
    subjects: np.ndarray
    settings: Survival

    @property
    def time(self) -> np.ndarray:
        """[N]."""
        return self.target[:, 0]

    @property
    def event(self) -> np.ndarray:
        """Bool [N]."""
        return self.target[:, 1] > 0

    def scores(self, horizon: int) -> np.ndarray:
        """What ranks samples at a horizon: its probabilities, the risk score without them; [N]."""
        p = self.probabilities[:, horizon]
        return p if np.isfinite(p).all() else self.prediction


def parse(table: PredictionTable, settings: Survival, faults: Faults) -> Data | None:
    """Reads time, event, ``prediction`` (the risk score) and, where there are any, the probabilities ``p/…/event``.

    Times below 0, events other than 0 and 1, and probabilities outside 0 … 1 are faults.
    """
    time_column, event_column = settings.columns
    if not table.require((time_column, event_column, "prediction"), faults):
        return None
    time, event = table.numbers(time_column, faults), table.numbers(event_column, faults)
    faults.rows(np.flatnonzero(~(time >= 0) | np.isinf(time)), f"column {time_column}: not a time of 0 or more")
    faults.rows(np.flatnonzero(~np.isin(event, (0, 1))), f"column {event_column}: neither 0 (censored) nor 1 (event)")
    columns = []
    for name in settings.probability_columns():
        values = table.numbers(name, faults) if name in table else np.full(len(table), np.nan)
        check_range(values, name, faults)
        columns.append(values)
    target = np.stack([time, event], axis=1)
    return Data(target, table.numbers("prediction", faults), np.stack(columns, axis=1), table.subject_id, settings)


def plan(
    data: Data, rows: np.ndarray, *, headline: bool = False, paired: bool = False, confidence: float = 0.95
) -> MetricPlan:
    """The metrics of some rows.

    Args:
        data: of the whole table.
        rows: int [n], ascending.
        headline: only those of :data:`HEADLINE`.
        paired: their draws are needed too; all are resampled in any case.
        confidence: level of the intervals, which the plan's owner makes.
    """
    time, event, risk = data.time[rows], data.event[rows], np.nan_to_num(data.prediction[rows])
    p = data.probabilities[rows]
    scores = np.stack([data.scores(i)[rows] for i in range(p.shape[1])], axis=1)
    horizons = data.settings.horizons

    def metrics(weights: np.ndarray) -> dict[str, np.ndarray]:
        return measure(time, event, risk, scores, p, weights, horizons)

    trials = {name: (rows[counted],) for name, counted in _trials(time, event, horizons).items()}
    kinds = {name: "area" if "auroc" in name or "concordance" in name else "unit" for name in trials}
    kinds |= dict.fromkeys((f"calibration_difference/{h:g}" for h in horizons), "real")
    statistic = Weighted(rows, metrics, kinds=kinds, edges=trials)
    return MetricPlan(
        [only(statistic, HEADLINE) if headline else statistic],
        reasons=_reasons(data, rows),
        void=not_finite("prediction", data.prediction[rows]),
    )


def _trials(time: np.ndarray, event: np.ndarray, horizons: tuple[float, ...]) -> dict[str, np.ndarray]:
    """Metric to the rows, bool [n], whose number limits how well it can be estimated.

    Of a Brier score those whose state at the horizon is known; of an AUROC those with the event by then or those
    followed beyond, whichever are fewer; of the concordance the events that someone outlasts or those who outlast one.
    """

    def fewer(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return one if one.sum() <= other.sum() else other

    last = horizons[-1]
    trials: dict[str, np.ndarray] = {}
    for h in horizons:
        trials[f"auroc/{h:g}"] = fewer(event & (time <= h), time > h)
        trials[f"brier/{h:g}"] = (event & (time <= h)) | (time > h)
    trials |= {"mean_auroc": trials[f"auroc/{last:g}"], "integrated_brier": trials[f"brier/{last:g}"]}
    for name, counted in (("concordance_harrell", event), ("concordance_uno", event & (time < last))):
        first = time[counted].min(initial=np.inf)
        later = (time > first) | ((time == first) & ~event)
        latest = time.max(initial=-np.inf)
        outlasted = counted & ((time < latest) | (~event & (time == latest)).any())
        trials[name] = fewer(outlasted, later)
    return trials


def names_of(horizons: tuple[float, ...]) -> list[str]:
    """Names of all metrics."""
    return [*HEADLINE, *(f"{stem}/{h:g}" for h in horizons for stem in ("auroc", "brier", "calibration_difference"))]


def measure(
    time: np.ndarray,
    event: np.ndarray,
    risk: np.ndarray,
    scores: np.ndarray,
    p: np.ndarray,
    weights: np.ndarray,
    horizons: tuple[float, ...],
) -> dict[str, np.ndarray]:
    """All metrics by name, [B] each; undefined is NaN.

    Args:
        time: [n].
        event: bool [n].
        risk: risk score, [n].
        scores: what ranks samples at each horizon, [n, H].
        p: probability of the event by each horizon, [n, H].
        weights: [n, B].
        horizons: H times.
    """
    nothing = np.full(weights.shape[1], np.nan)
    if not len(time):
        return dict.fromkeys(names_of(horizons), nothing)
    surviving, censoring = survival_and_censoring(time, event, weights)
    free = surviving.at(np.array(horizons))  # [H, B]
    aurocs = np.stack([auroc_at(time, event, scores[:, i], weights, h, censoring) for i, h in enumerate(horizons)])
    briers = np.stack([brier_at(time, event, p[:, i], weights, h, censoring) for i, h in enumerate(horizons)])
    harrell, uno = concordances(time, event, risk, weights, horizons[-1], censoring)
    total = weights.sum(0)
    followed = np.stack([(time > h).astype(np.float64) @ weights > 0 for h in horizons]) | (free == 0)
    values = {
        "concordance_harrell": harrell,
        "concordance_uno": uno,
        "mean_auroc": mean_over_events(aurocs, free),
        "integrated_brier": np.trapezoid(briers, horizons, axis=0) / (horizons[-1] - horizons[0])
        if len(horizons) > 1
        else briers[0],
    }
    for i, h in enumerate(horizons):
        observed = np.where(followed[i], 1 - free[i], np.nan)
        predicted = np.divide(p[:, i] @ weights, total, out=np.full_like(total, np.nan), where=total > 0)
        values |= {
            f"auroc/{h:g}": aurocs[i],
            f"brier/{h:g}": briers[i],
            f"calibration_difference/{h:g}": predicted - observed,
        }
    return values


def mean_over_events(aurocs: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Mean of AUROCs [H, B], each weighted by the share of events since the horizon before; ``free`` [H, B] of the
    event (Lambert & Chevret, Stat Methods Med Res 2016;25:2088)."""
    if len(aurocs) == 1:
        return aurocs[0]
    share = -np.diff(np.concatenate([np.ones_like(free[:1]), free]), axis=0)
    total = share.sum(0)
    return np.divide((aurocs * share).sum(0), total, out=np.full_like(total, np.nan), where=total > 0)


def _reasons(data: Data, rows: np.ndarray) -> dict[str, str]:
    """Why metrics are undefined, where they are."""
    settings, time, event = data.settings, data.time[rows], data.event[rows]
    last = settings.horizons[-1]
    reasons = dict.fromkeys(("concordance_harrell", "concordance_uno"), _NOT_EVALUABLE)
    integrated: list[str] = []
    for i, (h, column) in enumerate(zip(settings.horizons, settings.probability_columns(), strict=True)):
        cases, beyond = int((event & (time <= h)).sum()), int((time > h).sum())
        followed = number_of(beyond, "sample")
        why = f"undefined: {number_of(cases, 'event')} by {h:g} {settings.unit} and {followed} followed beyond"
        reasons[f"auroc/{h:g}"] = why
        missing = not np.isfinite(data.probabilities[rows, i]).all()
        text = f"undefined: column {column} is missing, or has rows without a number" if missing else why
        reasons |= {f"brier/{h:g}": text, f"calibration_difference/{h:g}": text}
        integrated += [text] if missing or not beyond else []
    reasons["mean_auroc"] = f"undefined: the AUROC is undefined at a horizon, the last being {last:g} {settings.unit}"
    reasons["integrated_brier"] = integrated[0] if integrated else reasons[f"brier/{last:g}"]
    return reasons
