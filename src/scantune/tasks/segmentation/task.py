"""A class for every pixel or voxel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scantune.tasks.segmentation.settings import EPOCH_METRICS

if TYPE_CHECKING:
    from torch import Tensor, nn

    from scantune.tasks.protocol import Batch
    from scantune.tasks.segmentation.settings import Segmentation


class SegmentationTask:
    """Foreground classes against the background, per pixel or voxel.

    What is kept of a sample while training is three sums a foreground class (both, predicted, true); the figures that
    need the whole mask (surface distances, centre lines) are computed by :meth:`measure` where asked for.

    Args:
        foreground: names of the classes but the background; one gives one sigmoid channel, several a softmax with
            the background as channel 0.
        nsd_tolerance: distance up to which a surface counts as met, in mm (pixels where there is no spacing).
        cldice: whether the centre lines' Dice is computed.
        empty: what two empty masks mean; see the settings of the task.
        missed: Hausdorff distance where one of the masks is empty.
        sided: left and right structures are different classes.
    """

    name = "segmentation"
    dense = True
    class_axis: int | None = 1

    def __init__(
        self,
        foreground: Sequence[str] = ("foreground",),
        *,
        nsd_tolerance: float = 1.0,
        cldice: bool = True,
        empty: Literal["undefined", "one"] = "undefined",
        missed: Literal["diagonal", "infinite"] = "diagonal",
        sided: bool = False,
    ) -> None:
        self.foreground = tuple(foreground)
        self.outputs = 1 if len(self.foreground) == 1 else len(self.foreground) + 1
        self.output_shape = (self.outputs,)
        self.class_count = len(self.foreground) + 1
        self.labels = self.foreground
        self.nsd_tolerance = nsd_tolerance
        self.cldice = cldice
        self.empty = empty
        self.missed = missed
        self.sided = sided

    def head(self, feature_dim: int, targets: np.ndarray | None = None) -> nn.Module:
        """Not called: a dense network brings its own last layer."""
        raise TypeError("a segmentation network has no head of its own")

    def encode(self, targets: Mapping[str, str]) -> np.ndarray:
        """Nothing: the target is the mask beside the image."""
        return np.zeros(0, np.float32)

    def strata(self, encoded: np.ndarray) -> np.ndarray:
        """Not called: a mask is no target to balance samples by."""
        raise TypeError("masks have no strata")

    def flip(self, target: np.ndarray) -> np.ndarray:
        """The mask is mirrored with the image; its labels have no side."""
        return target

    def masks(self, output: Tensor) -> Tensor:
        """Logits [B, outputs, …] to labels [B, …], int64: 0 is background."""
        if self.outputs == 1:
            return (output[:, 0] > 0).long()
        return output.argmax(dim=1)

    def reduce(self, output: Tensor, batch: Batch) -> Tensor:
        """Pixels in both, predicted and true, a foreground class: [B, F, 3]."""
        import torch

        said, truth = self.masks(output).flatten(1), batch["target"].flatten(1)
        sums = []
        for label in range(1, len(self.foreground) + 1):
            a, b = said == label, truth == label
            sums.append(torch.stack([(a & b).sum(1), a.sum(1), b.sum(1)], dim=1))
        return torch.stack(sums, dim=1).float()

    def kept_target(self, batch: Batch) -> Tensor:
        """Zeros [B]: the masks are in the sums already, and too large to keep."""
        import torch

        return torch.zeros_like(batch["index"])

    @property
    def epoch_metrics(self) -> Mapping[str, str]:
        """Metrics of :meth:`summarise`, and which way each is better."""
        return EPOCH_METRICS

    def summarise(self, reduced: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """``dice`` and ``iou``: means over samples and classes that have either mask; NaN where none has."""
        both, said, truth = (reduced[..., i].astype(float) for i in range(3))
        there = said + truth > 0
        if not there.any():
            return {"dice": float("nan"), "iou": float("nan")}
        return {
            "dice": float((2 * both[there] / (said + truth)[there]).mean()),
            "iou": float((both[there] / (said + truth - both)[there]).mean()),
        }

    def fit(self, reduced: np.ndarray, targets: np.ndarray, subjects: list[str]) -> dict[str, Any]:
        """Nothing is fitted on validation."""
        return {}

    def measure(self, said: np.ndarray, truth: np.ndarray, spacing: Sequence[float] | None) -> dict[str, float]:
        """All figures of one sample's masks, means over the foreground classes; undefined is NaN.

        Args:
            said: predicted labels, [H, W] or [D, H, W].
            truth: true labels, the same shape.
            spacing: of the axes in that order, mm; None counts pixels.
        """
        from scantune.statistics.overlap import overlap_figures

        rows = [
            overlap_figures(
                said == label,
                truth == label,
                spacing=spacing,
                tolerance=self.nsd_tolerance,
                cldice=self.cldice,
                empty=self.empty,
                missed=self.missed,
            )
            for label in range(1, len(self.foreground) + 1)
        ]
        return {name: _mean([row[name] for row in rows]) for name in rows[0]}

    def columns(
        self,
        reduced: np.ndarray,
        targets: np.ndarray | None,
        fitted: Mapping[str, Any],
        spread: np.ndarray | None = None,
    ) -> dict[str, Any]:
        """``dice, iou, precision, recall`` from the sums; :meth:`measure` gives the rest from the masks."""
        both, said, truth = (reduced[..., i].astype(float) for i in range(3))
        with np.errstate(invalid="ignore", divide="ignore"):
            per_class = {
                "dice": 2 * both / (said + truth),
                "iou": both / (said + truth - both),
                "precision": both / said,
                "recall": both / truth,
            }
            return {name: _mean_rows(values) for name, values in per_class.items()}


def build(
    settings: Segmentation,
    *,
    classes: tuple[str, ...] | None = None,
    loss: str | None = None,
    calibration: str = "temperature",
    miscoverage: float = 0.1,
) -> SegmentationTask:
    """The task of a ``task:`` block; see :func:`scantune.tasks.build.build_task`."""
    return SegmentationTask(
        settings.foreground,
        nsd_tolerance=settings.nsd_tolerance,
        cldice=settings.cldice,
        empty=settings.empty,
        missed=settings.missed,
        sided=settings.sided,
    )


def _mean(values: Sequence[float]) -> float:
    held = [v for v in values if v == v]
    return sum(held) / len(held) if held else float("nan")


def _mean_rows(values: np.ndarray) -> np.ndarray:
    return np.array([_mean(list(row)) for row in values])
