"""A class for every pixel or voxel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scantune.records import ScantuneError
from scantune.tasks.protocol import Copies
from scantune.tasks.segmentation.settings import EPOCH_METRICS

if TYPE_CHECKING:
    from torch import Tensor

    from scantune.models.network import Network
    from scantune.tasks.networks import NetworkFacts
    from scantune.tasks.protocol import Batch, Spacing
    from scantune.tasks.segmentation.settings import Segmentation


class SegmentationTask:
    """Foreground classes against the background, per pixel or voxel.

    What is kept of a sample while training is three sums a foreground class (both, predicted, true); the metrics that
    need the whole mask (surface distances, centre lines) are computed by :meth:`answers`.

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
    copies: Copies = "mirrored"
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

    def network(self, facts: NetworkFacts, targets: np.ndarray | None = None) -> Network:
        """A network that answers per pixel: it has its own last layer, which starts from random weights.

        Raises:
            ScantuneError: ``first_stride`` is set.
        """
        from scantune import models

        options = dict(facts.options)
        if options.pop("first_stride", None) is not None:
            raise ScantuneError("model.first_stride: networks that answer per pixel keep their full resolution")
        return models.Network(
            models.build_dense(
                facts.backbone,
                ndim=3 if facts.modality == "volume" else 2,
                in_channels=facts.shape[0],
                out_channels=self.outputs,
                seed=facts.seed,
                **options,
            )
        )

    def encode(self, targets: Mapping[str, str]) -> None:
        """None: the target is the mask beside the image."""

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

        predicted, truth = self.masks(output).flatten(1), batch["target"].flatten(1)
        sums = []
        for label in range(1, len(self.foreground) + 1):
            a, b = predicted == label, truth == label
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
        both, predicted, truth = (reduced[..., i].astype(float) for i in range(3))
        there = predicted + truth > 0
        if not there.any():
            return {"dice": float("nan"), "iou": float("nan")}
        return {
            "dice": float((2 * both[there] / (predicted + truth)[there]).mean()),
            "iou": float((both[there] / (predicted + truth - both)[there]).mean()),
        }

    def epoch_answers(self, reduced: np.ndarray, targets: np.ndarray) -> None:
        """None: sums of pixels are no answers."""

    def fit(self, reduced: np.ndarray, targets: np.ndarray, subjects: list[str]) -> dict[str, Any]:
        """Nothing is fitted on validation."""
        return {}

    def measure(self, predicted: np.ndarray, truth: np.ndarray, spacing: Spacing) -> dict[str, float]:
        """All metrics of one sample's masks, means over the foreground classes; undefined is NaN.

        Args:
            predicted: labels, [H, W] or [D, H, W].
            truth: true labels, the same shape.
            spacing: of the axes in that order, mm; None counts pixels.
        """
        from scantune.statistics.overlap import overlap_figures

        rows = [
            overlap_figures(
                predicted == label,
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

    def answers(
        self,
        output: np.ndarray,
        targets: np.ndarray | None,
        fitted: Mapping[str, Any],
        spread: np.ndarray | None = None,
        spacings: Sequence[Spacing] | None = None,
    ) -> dict[str, Any]:
        """The metrics of :meth:`measure`, ``volume_target``, ``volume_prediction``; without the true masks the last
        alone. Volumes are in mm³ (mm² in 2D); pixels where there is no spacing.

        Args:
            output: logits [N, outputs, …space].
            targets: true labels [N, …space], or None.
            fitted: nothing.
            spread: None.
            spacings: of the N samples, mm.
        """
        import torch

        labels = self.masks(torch.from_numpy(output)).numpy().astype(np.uint8)
        distances = spacings or [None] * len(labels)
        units = [float(np.prod(spacing)) if spacing else 1.0 for spacing in distances]
        columns: dict[str, Any] = {}
        if targets is not None:
            truths = targets.astype(np.uint8)
            rows = [self.measure(*sample) for sample in zip(labels, truths, distances, strict=True)]
            columns = {name: np.array([row[name] for row in rows]) for name in (rows[0] if rows else ())}
            columns["volume_target"] = _volumes(truths, units)
        columns["volume_prediction"] = _volumes(labels, units)
        return columns


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


def _volumes(labels: np.ndarray, units: Sequence[float]) -> np.ndarray:
    """Foreground of each of N masks [N, …space] times the size of its pixels, float64 [N]."""
    return np.array([float((mask > 0).sum()) * unit for mask, unit in zip(labels, units, strict=True)])


def _mean(values: Sequence[float]) -> float:
    defined = [v for v in values if v == v]
    return sum(defined) / len(defined) if defined else float("nan")
