"""The time until an event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.records import ScantuneError
from scantune.tasks.decimals import as_written
from scantune.tasks.per_sample import PerSample
from scantune.tasks.survival.settings import EPOCH_METRICS, HAZARDS

if TYPE_CHECKING:
    from torch import nn

    from scantune.tasks.survival.settings import Survival

FEWEST_EVENTS = 10
"""Events on validation below which the slope of the risk score is not fitted."""

SLOPES = (0.01, 100.0)


class SurvivalTask(PerSample):
    """The time until an event: one log relative hazard a sample, or its hazard in each of K intervals of time.

    Args:
        settings: the ``task:`` block.
        hazards: the outputs are logits of hazards in the intervals of ``settings.cuts``, [K, 1]; else one log relative
            hazard, [1].
        slope: the log relative hazard is multiplied by a slope that is fitted on validation.
    """

    name = "survival"
    class_count = None
    sided = False
    epoch_metrics: Mapping[str, str] = EPOCH_METRICS

    def __init__(self, settings: Survival, *, hazards: bool = False, slope: bool = True) -> None:
        self.settings = settings
        self.horizons = np.array(settings.horizons)
        self.cuts = np.array(settings.intervals()) if hazards else None
        self.slope = slope
        self.outputs = 1 if self.cuts is None else len(self.cuts)
        self.output_shape: tuple[int, ...] = (1,) if self.cuts is None else (len(self.cuts), 1)
        # a logit of each interval: networks are averaged as hazards
        self.class_axis: int | None = None if self.cuts is None else 2
        self.labels = () if self.cuts is None else tuple(f"to {cut:g}" for cut in self.cuts)

    def head(self, feature_dim: int, targets: np.ndarray | None = None) -> nn.Module:
        """A linear layer, features [B, feature_dim] → [B, 1]; or → [B, K, 1], with ``targets`` starting from the
        hazards of the training side as they are for everyone."""
        import torch
        from torch import nn

        linear = nn.Linear(feature_dim, self.outputs)
        if self.cuts is None:
            return linear
        if targets is not None and len(targets):
            with torch.no_grad():
                linear.bias.copy_(torch.from_numpy(_common_logits(targets, self.cuts)))
        return nn.Sequential(linear, nn.Unflatten(1, self.output_shape))

    def encode(self, targets: Mapping[str, str]) -> np.ndarray:
        """Time and event as float32 [2].

        Raises:
            ScantuneError: a time that is not a number of 0 or more; an event that is neither 0 nor 1.
        """
        time, event = (_number(targets[name]) for name in self.settings.target_names())
        if not 0 <= time < np.inf:
            raise ScantuneError(
                f"target {self.settings.time!r} is {targets[self.settings.time]!r}; "
                f"right would be the time to the event or to the end of follow-up in {self.settings.unit}, 0 or more"
            )
        if event not in (0, 1):
            raise ScantuneError(
                f"target {self.settings.event!r} is {targets[self.settings.event]!r}; "
                "right would be 1 (the event) or 0 (censored: follow-up ended without it)"
            )
        return np.array([time, event], np.float32)

    def strata(self, encoded: np.ndarray) -> np.ndarray:
        """Whether the event was observed."""
        return encoded[:, 1].astype(np.int64)

    def summarise(self, reduced: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """``concordance_harrell``; NaN where no pair can be compared."""
        from scantune.tasks.survival.discrimination import concordance

        time, event = targets[:, 0], targets[:, 1] > 0
        ones = np.ones((len(time), 1))
        return {"concordance_harrell": float(concordance(time, event, self._risk(reduced), ones)[0])}

    def fit(self, reduced: np.ndarray, targets: np.ndarray, subjects: list[str]) -> dict[str, Any]:
        """For log relative hazards: the slope of the score and the cumulative hazard at score 0 by each horizon, on
        validation; null beyond its follow-up, and without an event there: no probability is 0. Hazards need neither."""
        if self.cuts is not None:
            return {}
        from scantune.tasks.survival.estimators import breslow

        time, event, score = as_written(targets[:, 0]), targets[:, 1] > 0, self._risk(reduced)
        center = float(score.mean())
        slope, note = _slope(time, event, score - center) if self.slope else (1.0, "not fitted: calibration is none")
        hazard = breslow(time, event, slope * (score - center), self.horizons)
        values = [None if np.isnan(h) or not event.any() else float(h) for h in hazard]
        return {"baseline": {"center": center, "slope": slope, "note": note, "cumulative_hazard": values}}

    def columns(
        self,
        reduced: np.ndarray,
        targets: np.ndarray | None,
        fitted: Mapping[str, Any],
        spread: np.ndarray | None = None,
    ) -> dict[str, Any]:
        """``target/<time>, target/<event>, prediction, prediction_sd, p/<horizon>/event``: the risk score (log relative
        hazard, or log of the cumulative hazard of all intervals), and the probability of the event by each horizon."""
        columns: dict[str, Any] = {}
        if targets is not None:
            time, event = self.settings.columns
            columns[time] = as_written(targets[:, 0])
            columns[event] = targets[:, 1].astype(int)
        columns["prediction"] = self._risk(reduced)
        if spread is not None:
            columns["prediction_sd"] = spread[:, 0].astype(float)
        if self.cuts is not None or "baseline" in fitted:
            p = self._probabilities(reduced, fitted)
            columns |= {name: p[:, i] for i, name in enumerate(self.settings.probability_columns())}
        return columns

    def _risk(self, reduced: np.ndarray) -> np.ndarray:
        if self.cuts is None:
            return reduced.reshape(len(reduced)).astype(float)
        return np.log(_cumulative(reduced)[:, -1])

    def _probabilities(self, reduced: np.ndarray, fitted: Mapping[str, Any]) -> np.ndarray:
        """[N, H]."""
        if self.cuts is not None:
            hazard = np.concatenate([np.zeros((len(reduced), 1)), _cumulative(reduced)], axis=1)
            ends = np.concatenate([[0.0], self.cuts])
            return np.stack([-np.expm1(-np.interp(self.horizons, ends, row)) for row in hazard])
        baseline = fitted["baseline"]
        common = np.array([np.nan if h is None else h for h in baseline["cumulative_hazard"]])
        relative = np.exp(np.clip(baseline["slope"] * (self._risk(reduced) - baseline["center"]), -500, 500))
        return -np.expm1(-relative[:, None] * common)


def build(
    settings: Survival,
    *,
    classes: tuple[str, ...] | None = None,
    loss: str | None = None,
    calibration: str = "temperature",
    miscoverage: float = 0.1,
) -> SurvivalTask:
    """The task of a ``task:`` block; see :func:`scantune.tasks.build.build_task`."""
    return SurvivalTask(settings, hazards=loss == HAZARDS, slope=calibration != "none")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _cumulative(reduced: np.ndarray) -> np.ndarray:
    """Logits [N, K, 1] to the cumulative hazard at the end of each interval, −log of the event-free share, [N, K]."""
    return np.logaddexp(0.0, reduced.reshape(len(reduced), -1).astype(float)).cumsum(axis=1)


def _common_logits(targets: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Logit of the hazard in each interval for everyone, float32 [K]; a sample of the mean hazard is added to each."""
    time, event = as_written(targets[:, 0]), targets[:, 1] > 0
    lower = np.concatenate([[0.0], cuts[:-1]])
    failed = ((time[:, None] <= cuts) & ((time[:, None] > lower) | (lower == 0)) & event[:, None]).sum(0)
    survived = np.where(event[:, None], time[:, None] > cuts, time[:, None] >= (lower + cuts) / 2).sum(0)
    mean = np.clip(failed.sum() / max(1, failed.sum() + survived.sum()), 1e-3, 1 - 1e-3)
    return np.log((failed + mean) / (survived + 1 - mean)).astype(np.float32)


def _slope(time: np.ndarray, event: np.ndarray, score: np.ndarray) -> tuple[float, str]:
    """The coefficient of the score in Cox's regression, and why it is 1 where it is not fitted."""
    from scantune.tasks.survival.estimators import fit_cox

    if event.sum() < FEWEST_EVENTS:
        return 1.0, f"not fitted: {int(event.sum())} events on validation, {FEWEST_EVENTS} are needed"
    spread = float(score.std())
    if not spread > 0:
        return 1.0, "not fitted: all scores are equal"
    slope = float(fit_cox(time, event, score[:, None] / spread).coefficients[0]) / spread
    if not SLOPES[0] <= slope <= SLOPES[1]:
        cut = float(np.clip(slope, *SLOPES))
        return cut, f"set to {cut:g}: the fit gives {slope:.3g}, a score that does not rise with the risk"
    return slope, "fitted by Cox's regression"
