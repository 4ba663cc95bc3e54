"""One number a sample, or several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.records import ScantuneError
from scantune.statistics.correlation import pearson, spearman
from scantune.tasks import laterality
from scantune.tasks.decimals import as_written
from scantune.tasks.directions import named_ranges
from scantune.tasks.per_sample import PerSample
from scantune.tasks.regression.settings import MEANS
from scantune.tasks.strata import fifths

if TYPE_CHECKING:
    from torch import nn

    from scantune.tasks.regression.settings import Measure, Regression


class RegressionTask(PerSample):
    """A number for each of T targets, such as a severity score; T is mostly 1.

    Args:
        settings: of the task.
        miscoverage: share of true values that the conformal intervals of each target may miss.
    """

    name = "regression"
    class_axis: int | None = None
    class_count = None

    def __init__(self, settings: Regression, *, miscoverage: float = 0.1) -> None:
        self.settings = settings
        self.measures = settings.measures()
        self.miscoverage = miscoverage
        self.labels = () if settings.one_target else tuple(self.measures)
        self.outputs = len(self.measures)
        self.output_shape = (self.outputs,)
        self.sided = laterality.named(self.measures)

    def head(self, feature_dim: int, targets: np.ndarray | None = None) -> nn.Module:
        """A linear layer, features [B, feature_dim] → [B, T]; with ``targets`` in units of the standard deviation of
        each about its mean, and a last layer that turns it back into the targets' own units."""
        from torch import nn

        from scantune.models.rescale import Rescale

        linear = nn.Linear(feature_dim, self.outputs)
        if targets is None or not len(targets):
            return linear
        mean, std = self.standard_units(targets)
        return nn.Sequential(linear, Rescale(*((mean, std) if self.labels else (mean[0], std[0]))))

    def standard_units(self, targets: np.ndarray) -> tuple[list[float], list[float]]:
        """Mean and standard deviation (1 where there is none) of each target where it is known.

        Args:
            targets: float [N, T] as :meth:`encode` made them; NaN where unknown.

        Raises:
            ScantuneError: a target is unknown in all samples.
        """
        moments = []
        for name, values in zip(self.measures, np.asarray(targets, np.float64).reshape(len(targets), -1).T):
            known = values[np.isfinite(values)]
            if not len(known):
                raise ScantuneError(f"target {name!r} is empty in all {len(values)} training samples: leave it out")
            moments.append((float(known.mean()), float(known.std()) or 1.0))
        mean, std = zip(*moments)
        return list(mean), list(std)

    def encode(self, targets: Mapping[str, str]) -> np.ndarray:
        """The targets as float32 [T]; NaN for one among several that is unknown.

        Raises:
            ScantuneError: one is not a number, or lies outside its range.
        """
        return np.array([self._value(name, targets[name]) for name in self.measures], np.float32)

    def _value(self, name: str, text: str) -> float:
        if self.labels and not text.strip():
            return float("nan")
        limits = self.measures[name].range
        try:
            value = float(text)
        except ValueError:
            raise ScantuneError(f"target {name!r} is {text!r}; a number is needed") from None
        if not np.isfinite(value) or (limits and not limits[0] <= value <= limits[1]):
            allowed = f"{limits[0]:g} to {limits[1]:g}" if limits else "a finite number"
            raise ScantuneError(f"target {name!r} is {text}; allowed: {allowed}")
        return value

    def strata(self, encoded: np.ndarray) -> np.ndarray:
        """Which fifth of the training targets each one lies in; of several, of the mean of the known ones in standard
        units."""
        values = encoded.reshape(len(encoded), -1).astype(float)
        if self.labels:
            mean, std = self.standard_units(values)
            values = (values - mean) / std
        known = np.isfinite(values)
        total, count = np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1)
        return fifths(total / np.maximum(count, 1))

    @property
    def epoch_metrics(self) -> Mapping[str, str]:
        """Metrics of :meth:`summarise`, and which way each is better."""
        return self.settings.epoch_metrics()

    def summarise(self, reduced: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """``mae``, ``rmse``, ``pearson_r``, ``spearman_rho`` and ``mae_<range>``; undefined is NaN.

        Of several targets those of each (``mae/<name>``) and its R², on the samples that have it, and the means of R²
        and of the correlations.
        """
        values: dict[str, float] = {}
        each = []
        for place, (name, measure) in enumerate(self.measures.items()):
            known = np.isfinite(targets[:, place])
            of_it = _summary(reduced[known, place].astype(float), as_written(targets[known, place]), measure)
            each.append(of_it)
            suffix = self.settings.suffix(name)
            values |= {f"{key}{suffix}": value for key, value in of_it.items() if suffix or key != "r2"}
        if not self.labels:
            return values
        return {key: float(np.mean([of_it[key] for of_it in each])) for key in MEANS} | values

    def fit(self, reduced: np.ndarray, targets: np.ndarray, subjects: list[str]) -> dict[str, Any]:
        """The split-conformal quantile of absolute errors on validation; of several targets by name."""
        fitted = {name: self._fit_one(place, reduced, targets, subjects) for place, name in enumerate(self.measures)}
        return {"conformal": fitted if self.labels else fitted[self.settings.target]}

    def _fit_one(self, place: int, reduced: np.ndarray, targets: np.ndarray, subjects: list[str]) -> dict[str, Any]:
        from scantune.statistics import conformal

        known = np.isfinite(targets[:, place])
        truth, prediction = as_written(targets[known, place]), self._finished(reduced, place)[known]
        return conformal.fit(conformal.interval_scores(truth, prediction), self.miscoverage, np.array(subjects)[known])

    def columns(
        self,
        reduced: np.ndarray,
        targets: np.ndarray | None,
        fitted: Mapping[str, Any],
        spread: np.ndarray | None = None,
    ) -> dict[str, Any]:
        """``target, prediction, prediction_sd, lower, upper``, of several targets ``target/<name>`` and so on of each;
        the spread and the bounds only where there are any."""
        from scantune.statistics import conformal

        columns: dict[str, Any] = {}
        for place, (name, measure) in enumerate(self.measures.items()):
            suffix = self.settings.suffix(name)
            prediction = self._finished(reduced, place)
            if targets is not None:
                columns[f"target{suffix}"] = as_written(targets[:, place])
            columns[f"prediction{suffix}"] = prediction
            if spread is not None:
                columns[f"prediction_sd{suffix}"] = spread[:, place].astype(float)
            quantile = fitted.get("conformal", {})
            quantile = quantile.get(name, {}) if self.labels else quantile
            if quantile.get("quantile") is not None:
                bounds = conformal.intervals(prediction, conformal.quantiles_for(quantile, len(prediction)))
                for end, values in zip(("lower", "upper"), bounds):
                    columns[f"{end}{suffix}"] = _cut(values, measure)
        return columns

    def _finished(self, reduced: np.ndarray, place: int) -> np.ndarray:
        """Predictions of a target, rounded and cut off as its settings say."""
        measure = list(self.measures.values())[place]
        values, step = reduced[:, place].astype(float), measure.round
        return _cut(np.round(values / step) * step if step else values, measure)


def build(
    settings: Regression,
    *,
    classes: tuple[str, ...] | None = None,
    loss: str | None = None,
    calibration: str = "temperature",
    miscoverage: float = 0.1,
) -> RegressionTask:
    """The task of a ``task:`` block; see :func:`scantune.tasks.build.build_task`."""
    return RegressionTask(settings, miscoverage=miscoverage)


def _cut(values: np.ndarray, measure: Measure) -> np.ndarray:
    return np.clip(values, *measure.range) if measure.range else values


def _summary(prediction: np.ndarray, target: np.ndarray, measure: Measure) -> dict[str, float]:
    """An epoch's metrics of one target, of samples whose target is known."""
    names = ("mae", "rmse", "pearson_r", "spearman_rho", "r2")
    if not len(target):
        return dict.fromkeys((*names, *(f"mae_{name}" for name, _, _ in named_ranges(measure.cuts()))), float("nan"))
    error = prediction - target
    spread = float(((target - target.mean()) ** 2).mean())
    values = {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "pearson_r": pearson(prediction, target),
        "spearman_rho": spearman(prediction, target),
        "r2": 1 - float((error**2).mean()) / spread if spread > 0 else float("nan"),
    }
    for name, low, high in named_ranges(measure.cuts()):
        inside = (target >= low) & (target < high)
        values[f"mae_{name}"] = float(np.abs(error[inside]).mean()) if inside.any() else float("nan")
    return values
