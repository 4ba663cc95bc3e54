"""Several findings an image, each present, absent or unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.tasks import laterality
from scantune.tasks.multilabel.settings import EPOCH_METRICS, Multilabel, written
from scantune.tasks.per_sample import PerSample

if TYPE_CHECKING:
    from torch import nn


UNKNOWN = -1.0
"""The target of a finding of which nothing is known."""


class MultilabelTask(PerSample):
    """F findings, each of a logit of its own.

    Args:
        settings: of the task: what the cells of a table say.
        findings: their names, in the order of the network's outputs.
        calibration: fitted on validation, a finding at a time: ``temperature``, ``isotonic`` or ``none``.
    """

    name = "multilabel"
    class_axis: int | None = 2
    class_count: int | None = None

    def __init__(self, settings: Multilabel, findings: Sequence[str], *, calibration: str = "temperature") -> None:
        self.settings = settings
        self.findings = tuple(findings)
        self.calibration = calibration
        self.labels = self.findings
        self.outputs = len(self.findings)
        self.output_shape = (self.outputs, 1)
        self.mirrored = settings.mirrored(self.findings)
        self.unpaired = laterality.unpaired(self.findings, settings.sides)
        self.sided = bool(self.unpaired) or self.mirrored != tuple(range(self.outputs))

    def head(self, feature_dim: int, targets: np.ndarray | None = None) -> nn.Module:
        """A linear layer, features [B, feature_dim] → logits [B, F, 1]; with ``targets`` its bias is each finding's
        log odds in the training side, one present and one absent sample added."""
        import torch
        from torch import nn

        layer = nn.Linear(feature_dim, self.outputs)
        if targets is not None and len(targets):
            present, absent = ((targets == value).sum(axis=0) + 1.0 for value in (1, 0))
            with torch.no_grad():
                layer.bias.copy_(torch.from_numpy(np.log(present / absent)))
        return nn.Sequential(layer, nn.Unflatten(1, self.output_shape))

    def encode(self, targets: Mapping[str, str]) -> np.ndarray:
        """The findings' states as float32 [F]: 1 present, 0 absent, −1 unknown.

        Raises:
            ScantuneError: a cell that says none of these.
        """
        states = np.array(self.settings.states(targets, self.findings), np.float32)
        return np.nan_to_num(states, nan=UNKNOWN)

    def strata(self, encoded: np.ndarray) -> np.ndarray:
        """The finding that is rarest among those of a sample, counted from 1; 0 for samples without any."""
        present = encoded == 1
        rarity = np.where(present, present.sum(axis=0), len(encoded) + 1)
        return np.where(present.any(axis=1), rarity.argmin(axis=1) + 1, 0).astype(np.int64)

    def flip(self, target: np.ndarray) -> np.ndarray:
        """Findings of the right side and of the left change places."""
        return target[list(self.mirrored)]

    @property
    def epoch_metrics(self) -> Mapping[str, str]:
        """Metrics of :meth:`summarise`, and which way each is better."""
        return EPOCH_METRICS

    def summarise(self, reduced: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """``auroc`` and ``auprc``: the mean over findings of which these samples have both present and absent ones."""
        from scantune.statistics.discrimination import area_statistic

        by_metric: dict[str, list[float]] = {name: [] for name in EPOCH_METRICS}
        for place in range(self.outputs):
            rows = np.flatnonzero(targets[:, place] >= 0)
            positive = targets[rows, place] == 1
            if not 0 < positive.sum() < len(rows):
                continue
            area = area_statistic(reduced[rows, place, 0].astype(np.float64), positive, rows)
            values = area.figures(np.ones((len(rows), 1)))
            for name, per_finding in by_metric.items():
                per_finding.append(float(values[name][0]))
        return {
            name: float(np.mean(per_finding)) if per_finding else float("nan")
            for name, per_finding in by_metric.items()
        }

    def fit(self, reduced: np.ndarray, targets: np.ndarray, subjects: list[str]) -> dict[str, Any]:
        """Each finding's calibration, and the threshold of its calibrated probability, from validation."""
        from scantune.tasks.multilabel import calibration

        truth = np.where(targets >= 0, targets, np.nan)
        fitted: dict[str, Any] = {}
        if self.calibration != "none":
            plain = self.probabilities(reduced, {})
            fitted["calibration"] = calibration.fit(plain, truth, self.findings, self.calibration)
        p = self.probabilities(reduced, fitted)
        fitted["thresholds"] = calibration.thresholds(p, truth, self.findings, self.settings.threshold)
        return fitted

    def probabilities(self, reduced: np.ndarray, fitted: Mapping[str, Any]) -> np.ndarray:
        """Calibrated probabilities [N, F]; the plain ones where nothing was fitted."""
        from scantune.statistics.calibration import expit
        from scantune.tasks.multilabel import calibration

        return calibration.apply(fitted.get("calibration"), expit(reduced[..., 0].astype(np.float64)), self.findings)

    def columns(
        self,
        reduced: np.ndarray,
        targets: np.ndarray | None,
        fitted: Mapping[str, Any],
        spread: np.ndarray | None = None,
    ) -> dict[str, Any]:
        """``target/<finding>, p/<finding>…, set``; ``set`` names the findings that are called present, joined by ``|``,
        and is not there where no thresholds were fitted."""
        from scantune.tasks.multilabel import calibration

        p = self.probabilities(reduced, fitted)
        columns: dict[str, Any] = {}
        for place, name in enumerate(self.findings if targets is not None else ()):
            states = np.where(targets[:, place] >= 0, targets[:, place], np.nan)  # type: ignore[index]
            columns[f"target/{name}"] = [written(state) for state in states.tolist()]
        columns |= {f"p/{name}": p[:, place] for place, name in enumerate(self.findings)}
        if "thresholds" in fitted:
            present = calibration.called(p, fitted["thresholds"], self.findings)
            columns["set"] = calibration.names_of(present, self.findings)
        return columns


def build(
    settings: Multilabel,
    *,
    classes: tuple[str, ...] | None = None,
    loss: str | None = None,
    calibration: str = "temperature",
    miscoverage: float = 0.1,
) -> MultilabelTask:
    """The task of a ``task:`` block; see :func:`scantune.tasks.build.build_task`."""
    return MultilabelTask(settings, classes or settings.findings or (), calibration=calibration)
