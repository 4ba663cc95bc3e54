"""An ordinal grade, or ungradable, for each of several zones of one image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.records import ScantuneError
from scantune.statistics.logits import softmax
from scantune.statistics.ordinal import kappas
from scantune.tasks.per_sample import PerSample
from scantune.tasks.strata import fifths
from scantune.tasks.zones.metrics import mean_score
from scantune.tasks.zones.settings import EPOCH_METRICS

if TYPE_CHECKING:
    from torch import nn

    from scantune.tasks.zones.settings import Zones


class ZonesTask(PerSample):
    """A grade 0 … grades − 1, or ungradable, in each of Z zones.

    Args:
        zones: their names, in the order of the network's outputs; also the names of the targets.
        grades: number of grades; the class after the last is "ungradable".
        mirrored: for each zone the index of the zone whose place it takes in the left-right mirrored image.
        calibration: "temperature", "isotonic" or "none": what is fitted on validation.
        miscoverage: share of true grades that the conformal sets may miss.
    """

    name = "zones"
    class_axis: int | None = 2

    def __init__(
        self,
        zones: Sequence[str],
        *,
        grades: int = 4,
        mirrored: Sequence[int] | None = None,
        calibration: str = "temperature",
        miscoverage: float = 0.1,
    ) -> None:
        self.zones = tuple(zones)
        self.grades = grades
        self.calibration = calibration
        self.miscoverage = miscoverage
        self.classes = (*(str(grade) for grade in range(grades)), "ungradable")
        self.mirrored = tuple(mirrored) if mirrored is not None else tuple(range(len(self.zones)))
        self.sided = self.mirrored != tuple(range(len(self.zones)))
        self.outputs = len(self.zones) * len(self.classes)
        self.output_shape = (len(self.zones), len(self.classes))
        self.class_count = len(self.classes)
        self.labels = self.zones

    def head(self, feature_dim: int, targets: np.ndarray | None = None) -> nn.Module:
        """A linear layer for all zones, features [B, feature_dim] → logits [B, Z, K]."""
        from torch import nn

        shape = (len(self.zones), len(self.classes))
        return nn.Sequential(nn.Linear(feature_dim, self.outputs), nn.Unflatten(1, shape))

    def encode(self, targets: Mapping[str, str]) -> np.ndarray:
        """The zones' classes as int64 [Z]; an empty cell is ungradable.

        Raises:
            ScantuneError: a value that is no grade, with its zone.
        """
        return np.array([self._code(zone, targets[zone]) for zone in self.zones], np.int64)

    def _code(self, zone: str, text: str) -> int:
        plain = text.strip().lower()
        if plain in {"", "nan", "na", "ungradable"}:
            return self.grades
        try:
            value = float(plain)
        except ValueError:
            value = -1.0
        if not value.is_integer() or not 0 <= value <= self.grades:
            allowed = f"0 to {self.grades - 1}, or empty where ungradable"
            raise ScantuneError(f"zone {zone!r} is {text!r}; allowed: {allowed}")
        return int(value)

    def strata(self, encoded: np.ndarray) -> np.ndarray:
        """Which fifth of the training samples' mean classes each one lies in."""
        return fifths(encoded.astype(float).mean(axis=1))

    def flip(self, target: np.ndarray) -> np.ndarray:
        """Right and left zones change places."""
        return target[list(self.mirrored)]

    @property
    def epoch_metrics(self) -> Mapping[str, str]:
        """Metrics of :meth:`summarise`, and which way each is better."""
        return EPOCH_METRICS

    def summarise(self, reduced: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """``accuracy`` and ``kappa_quadratic`` pooled over gradable zones, ``mean_score_mae``; undefined is NaN."""
        guess = reduced.argmax(axis=2)
        gradable = (targets < self.grades) & (guess < self.grades)
        table = np.zeros((self.grades, self.grades))
        np.add.at(table, (targets[gradable].astype(int), guess[gradable]), 1)
        score_truth = mean_score(targets, self.grades)
        score_said = mean_score(guess, self.grades)
        both = np.isfinite(score_truth) & np.isfinite(score_said)
        error = np.abs(score_said - score_truth)[both]
        return {
            "accuracy": float((guess == targets).mean()),
            "kappa_quadratic": float(kappas(table)["kappa_quadratic"]),
            "mean_score_mae": float(error.mean()) if both.any() else float("nan"),
        }

    def fit(self, reduced: np.ndarray, targets: np.ndarray, subjects: list[str]) -> dict[str, Any]:
        """One calibration and one conformal threshold of the calibrated probabilities for all zones."""
        from scantune.statistics import calibration, conformal

        truth, fitted = targets.reshape(-1), dict[str, Any]()
        if self.calibration != "none":
            fit = {"temperature": calibration.fit_temperature, "isotonic": calibration.fit_isotonic}[self.calibration]
            fitted["calibration"] = fit(softmax(reduced).reshape(-1, len(self.classes)), truth)
        scores = conformal.set_scores(self.probabilities(reduced, fitted).reshape(-1, len(self.classes)), truth)
        fitted["conformal"] = conformal.fit(scores, self.miscoverage, np.repeat(subjects, len(self.zones)))
        return fitted

    def probabilities(self, reduced: np.ndarray, fitted: Mapping[str, Any]) -> np.ndarray:
        """Calibrated probabilities [N, Z, K]; the plain softmax where nothing was fitted."""
        from scantune.statistics import calibration

        flat = softmax(reduced).reshape(-1, len(self.classes))
        if "calibration" in fitted:
            flat = calibration.apply(fitted["calibration"], flat)
        return flat.reshape(reduced.shape)

    def columns(
        self,
        reduced: np.ndarray,
        targets: np.ndarray | None,
        fitted: Mapping[str, Any],
        spread: np.ndarray | None = None,
    ) -> dict[str, Any]:
        """``target/<zone>, p/<zone>/<class>…, set/<zone>``; an ungradable target is the word.

        A set (classes joined by ``|``) only where a quantile could be fitted.
        """
        from scantune.statistics import conformal

        probability = self.probabilities(reduced, fitted)
        columns: dict[str, Any] = {}
        for place, zone in enumerate(self.zones):
            if targets is not None:
                columns[f"target/{zone}"] = [self.classes[int(code)] for code in targets[:, place]]
            for code, name in enumerate(self.classes):
                columns[f"p/{zone}/{name}"] = probability[:, place, code]
        if fitted.get("conformal", {}).get("quantile") is not None:
            quantiles = conformal.quantiles_for(fitted["conformal"], len(probability))
            for place, zone in enumerate(self.zones):
                inside = conformal.sets(probability[:, place], quantiles)
                columns[f"set/{zone}"] = [
                    "|".join(n for n, is_member in zip(self.classes, row) if is_member) for row in inside
                ]
        return columns


def build(
    settings: Zones,
    *,
    classes: tuple[str, ...] | None = None,
    loss: str | None = None,
    calibration: str = "temperature",
    miscoverage: float = 0.1,
) -> ZonesTask:
    """The task of a ``task:`` block; see :func:`scantune.tasks.build.build_task`."""
    return ZonesTask(
        settings.zones,
        grades=settings.grades,
        mirrored=settings.mirrored(),
        calibration=calibration,
        miscoverage=miscoverage,
    )
