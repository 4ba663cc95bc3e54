"""One number a sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.records import ScantuneError
from scantune.tasks.per_sample import PerSample
from scantune.tasks.regression.settings import epoch_metrics, epoch_ranges
from scantune.tasks.strata import fifths

if TYPE_CHECKING:
    from torch import nn

    from scantune.tasks.regression.settings import Regression


class RegressionTask(PerSample):
    """One number a sample, such as a severity score.

    Args:
        target: name of the target among the data set's targets.
        limits: lowest and highest value it can take, in its own unit; predictions are cut off there.
        score_ranges: cut points of the target between which an epoch's mean absolute error is given.
        step: predictions are rounded to multiples of it; None leaves them.
        miscoverage: share of true values that the conformal intervals may miss.
    """

    name = "regression"
    outputs = 1
    output_shape = (1,)
    class_axis: int | None = None
    class_count = None
    labels = ()
    sided = False

    def __init__(
        self,
        target: str,
        *,
        limits: tuple[float, float] | None = None,
        score_ranges: tuple[float, ...] = (),
        step: float | None = None,
        miscoverage: float = 0.1,
    ) -> None:
        self.target = target
        self.limits = limits
        self.score_ranges = score_ranges
        self.step = step
        self.miscoverage = miscoverage

    def head(self, feature_dim: int, targets: np.ndarray | None = None) -> nn.Module:
        """A linear layer, features [B, feature_dim] → [B, 1]; with ``targets`` in units of their standard deviation
        about their mean, and a last layer that turns it back into the target's own unit."""
        from torch import nn

        from scantune.models.rescale import Rescale

        linear = nn.Linear(feature_dim, 1)
        if targets is None or not len(targets):
            return linear
        values = np.asarray(targets, np.float64)
        return nn.Sequential(linear, Rescale(float(values.mean()), float(values.std()) or 1.0))

    def encode(self, targets: Mapping[str, str]) -> np.ndarray:
        """The target as float32 [1].

        Raises:
            ScantuneError: it is no number, or lies outside the limits.
        """
        text = targets[self.target]
        try:
            value = float(text)
        except ValueError:
            raise ScantuneError(f"target {self.target!r} is {text!r}; a number is needed") from None
        if not np.isfinite(value) or (self.limits and not self.limits[0] <= value <= self.limits[1]):
            allowed = f"{self.limits[0]:g} to {self.limits[1]:g}" if self.limits else "a finite number"
            raise ScantuneError(f"target {self.target!r} is {text}; allowed: {allowed}")
        return np.array([value], np.float32)

    def strata(self, encoded: np.ndarray) -> np.ndarray:
        """Which fifth of the training targets each one lies in."""
        return fifths(encoded.reshape(len(encoded), -1).astype(float).mean(axis=1))

    @property
    def epoch_metrics(self) -> Mapping[str, str]:
        """Metrics of :meth:`summarise`, and which way each is better."""
        return epoch_metrics(self.score_ranges)

    def summarise(self, reduced: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """``mae``, ``rmse``, ``pearson_r``, ``spearman_rho`` and ``mae_<range>``; undefined is NaN."""
        prediction, target = reduced[:, 0].astype(float), targets[:, 0].astype(float)
        error = prediction - target
        figures = {
            "mae": float(np.abs(error).mean()),
            "rmse": float(np.sqrt((error**2).mean())),
            "pearson_r": _correlation(prediction, target),
            "spearman_rho": _correlation(_ranks(prediction), _ranks(target)),
        }
        for name, low, high in epoch_ranges(self.score_ranges):
            inside = (target >= low) & (target < high)
            figures[f"mae_{name}"] = float(np.abs(error[inside]).mean()) if inside.any() else float("nan")
        return figures

    def fit(self, reduced: np.ndarray, targets: np.ndarray, subjects: list[str]) -> dict[str, Any]:
        """The split-conformal quantile of absolute errors on validation."""
        from scantune.statistics import conformal

        scores = conformal.interval_scores(targets[:, 0].astype(float), self._finish(reduced[:, 0].astype(float)))
        return {"conformal": conformal.fit(scores, self.miscoverage, np.array(subjects))}

    def columns(
        self,
        reduced: np.ndarray,
        targets: np.ndarray | None,
        fitted: Mapping[str, Any],
        spread: np.ndarray | None = None,
    ) -> dict[str, Any]:
        """``target, prediction, prediction_sd, lower, upper``; the spread and the bounds only where there are any."""
        prediction = self._finish(reduced[:, 0].astype(float))
        columns: dict[str, Any] = {} if targets is None else {"target": targets[:, 0].astype(float)}
        columns["prediction"] = prediction
        if spread is not None:
            columns["prediction_sd"] = spread[:, 0].astype(float)
        if fitted.get("conformal", {}).get("quantile") is not None:
            from scantune.statistics import conformal

            quantiles = conformal.quantiles_for(fitted["conformal"], len(prediction))
            lower, upper = conformal.intervals(prediction, quantiles)
            columns["lower"], columns["upper"] = self._cut(lower), self._cut(upper)
        return columns

    def _finish(self, prediction: np.ndarray) -> np.ndarray:
        rounded = np.round(prediction / self.step) * self.step if self.step else prediction
        return self._cut(rounded)

    def _cut(self, values: np.ndarray) -> np.ndarray:
        return np.clip(values, *self.limits) if self.limits else values


def build(
    settings: Regression,
    *,
    classes: tuple[str, ...] | None = None,
    loss: str | None = None,
    calibration: str = "temperature",
    miscoverage: float = 0.1,
) -> RegressionTask:
    """The task of a ``task:`` block; see :func:`scantune.tasks.build.build_task`."""
    return RegressionTask(
        settings.target,
        limits=settings.range,
        score_ranges=settings.cuts(),
        step=settings.round,
        miscoverage=miscoverage,
    )


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / size if size > 0 else float("nan")


def _ranks(values: np.ndarray) -> np.ndarray:
    """Mid-ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[inverse]
