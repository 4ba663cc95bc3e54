"""One of two or more classes a sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.class_names import label
from scantune.records import ScantuneError
from scantune.statistics.logits import softmax
from scantune.tasks import laterality
from scantune.tasks.classification.settings import BINARY_LOSSES, EPOCH_METRICS
from scantune.tasks.per_sample import PerSample

if TYPE_CHECKING:
    from torch import nn

    from scantune.tasks.classification.settings import Classification


class ClassificationTask(PerSample):
    """One of K classes a sample.

    Args:
        target: name of the target among the data set's targets.
        classes: their names, in the order of the network's outputs.
        sigmoid: two classes as one logit (for the binary losses) instead of K logits.
        calibration: fitted on validation: ``temperature``, ``isotonic`` or ``none``.
        miscoverage: share of true classes that the conformal sets may miss.
    """

    name = "classification"
    class_axis: int | None = 1

    def __init__(
        self,
        target: str,
        classes: Sequence[str],
        *,
        sigmoid: bool = False,
        calibration: str = "temperature",
        miscoverage: float = 0.1,
    ) -> None:
        if sigmoid and len(classes) != 2:
            raise ScantuneError(f"a binary loss needs two classes, not {len(classes)} ({', '.join(classes)})")
        self.target = target
        self.classes = tuple(classes)
        self.sigmoid = sigmoid
        self.calibration = calibration
        self.miscoverage = miscoverage
        self.outputs = 1 if sigmoid else len(self.classes)
        self.output_shape = (self.outputs,)
        self.class_count = None if sigmoid else self.outputs
        self.labels = self.classes
        self.sided = laterality.named((target, *self.classes))
        self._codes = {label(name): code for code, name in enumerate(self.classes)}

    def head(self, feature_dim: int, targets: np.ndarray | None = None) -> nn.Module:
        """A linear layer, features [B, feature_dim] → logits [B, outputs]."""
        from torch import nn

        return nn.Linear(feature_dim, self.outputs)

    def encode(self, targets: Mapping[str, str]) -> np.ndarray:
        """The class's index: int64 [], or float32 [1] where one logit is used.

        Raises:
            ScantuneError: the class is unknown.
        """
        text = targets[self.target]
        code = self._codes.get(label(text))
        if code is None:
            raise ScantuneError(f"target {self.target!r} is {text!r}; the classes are {', '.join(self.classes)}")
        return np.array([code], np.float32) if self.sigmoid else np.array(code, np.int64)

    def strata(self, encoded: np.ndarray) -> np.ndarray:
        """The class."""
        return encoded.reshape(len(encoded)).astype(np.int64)

    def logits(self, reduced: np.ndarray) -> np.ndarray:
        """Logits of all K classes, [N, K] float64, also where the network gives one."""
        if self.sigmoid:
            return np.concatenate([np.zeros_like(reduced), reduced], axis=1).astype(np.float64)
        return reduced.astype(np.float64)

    @property
    def epoch_metrics(self) -> Mapping[str, str]:
        """Metrics of :meth:`summarise`, and which way each is better."""
        return EPOCH_METRICS

    def summarise(self, reduced: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """``auroc`` (of several classes the mean of each against the others) of the probabilities, and ``accuracy``,
        ``balanced_accuracy``, ``f1_macro`` of the largest logit. A class that is absent has no part in a mean."""
        truth = targets.reshape(len(targets)).astype(int)
        guess = self.logits(reduced).argmax(axis=1)
        confusion = np.zeros((len(self.classes),) * 2)
        np.add.at(confusion, (truth, guess), 1)
        hits, actual, predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
        present = actual > 0
        return {
            "auroc": _auroc(softmax(self.logits(reduced)), truth),
            "accuracy": float(hits.sum() / max(len(truth), 1)),
            "balanced_accuracy": float((hits[present] / actual[present]).mean()),
            "f1_macro": float((2 * hits[present] / (actual + predicted)[present]).mean()),
        }

    def fit(self, reduced: np.ndarray, targets: np.ndarray, subjects: list[str]) -> dict[str, Any]:
        """Calibration and the conformal threshold of the calibrated probabilities, from validation."""
        from scantune.statistics import calibration, conformal

        truth = targets.reshape(len(targets)).astype(int)
        plain = softmax(self.logits(reduced))
        fitted: dict[str, Any] = {}
        if self.calibration != "none":
            fit = {"temperature": calibration.fit_temperature, "isotonic": calibration.fit_isotonic}[self.calibration]
            fitted["calibration"] = fit(plain, truth)
        scores = conformal.set_scores(self.probabilities(reduced, fitted), truth)
        fitted["conformal"] = conformal.fit(scores, self.miscoverage, np.array(subjects))
        return fitted

    def probabilities(self, reduced: np.ndarray, fitted: Mapping[str, Any]) -> np.ndarray:
        """Calibrated probabilities [N, K]; the plain softmax where nothing was fitted."""
        from scantune.statistics import calibration

        plain = softmax(self.logits(reduced))
        return calibration.apply(fitted["calibration"], plain) if "calibration" in fitted else plain

    def columns(
        self,
        reduced: np.ndarray,
        targets: np.ndarray | None,
        fitted: Mapping[str, Any],
        spread: np.ndarray | None = None,
    ) -> dict[str, Any]:
        """``target, p/<class>…, set``; the set (classes joined by ``|``) where a quantile could be fitted."""
        probability = self.probabilities(reduced, fitted)
        columns: dict[str, Any] = {}
        if targets is not None:
            columns["target"] = [self.classes[int(code)] for code in targets.reshape(len(targets))]
        for code, name in enumerate(self.classes):
            columns[f"p/{name}"] = probability[:, code]
        if fitted.get("conformal", {}).get("quantile") is not None:
            from scantune.statistics import conformal

            inside = conformal.sets(probability, conformal.quantiles_for(fitted["conformal"], len(probability)))
            columns["set"] = [
                "|".join(n for n, is_member in zip(self.classes, row, strict=True) if is_member) for row in inside
            ]
        return columns


def build(
    settings: Classification,
    *,
    classes: tuple[str, ...] | None = None,
    loss: str | None = None,
    calibration: str = "temperature",
    miscoverage: float = 0.1,
) -> ClassificationTask:
    """The task of a ``task:`` block; see :func:`scantune.tasks.build.build_task`."""
    return ClassificationTask(
        settings.target,
        classes or settings.classes or (),
        sigmoid=loss in BINARY_LOSSES,
        calibration=calibration,
        miscoverage=miscoverage,
    )


def _auroc(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Mean over classes of each one's area against the others; of two classes they agree. NaN without two classes."""
    from scantune.statistics.discrimination import area_statistic

    areas, rows = [], np.arange(len(truth))
    for code in range(probabilities.shape[1]):
        positive = truth == code
        if 0 < positive.sum() < len(rows):
            figures = area_statistic(probabilities[:, code], positive, rows).figures(np.ones((len(rows), 1)))
            areas.append(float(figures["auroc"][0]))
    return float(np.mean(areas)) if areas else float("nan")
