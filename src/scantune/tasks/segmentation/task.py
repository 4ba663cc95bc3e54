"""A class for every pixel or voxel, or several that overlap."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.mask_codes import IGNORED, code_of
from scantune.preprocess.places import Place
from scantune.records import ScantuneError
from scantune.tasks.protocol import ClassAxis, Copies
from scantune.tasks.segmentation import postprocessing
from scantune.tasks.segmentation.measuring import MaskMetrics, has_label
from scantune.tasks.segmentation.settings import EPOCH_METRICS

if TYPE_CHECKING:
    from torch import Tensor

    from scantune.models.network import Network
    from scantune.preprocess.places import OwnGrid
    from scantune.tasks.networks import NetworkFacts
    from scantune.tasks.protocol import Batch, Spacing
    from scantune.tasks.segmentation.settings import Segmentation


class SegmentationTask:
    """Foreground classes against the background, per pixel or voxel.

    What is kept of a sample while training is three sums a foreground class (both, predicted, true); the metrics that
    need the whole mask (surface distances, centre lines) are computed by :meth:`answers`.

    Args:
        settings: of the task. One foreground class has one sigmoid channel; several have a softmax with the background
            as channel 0, or, where labels may overlap, a sigmoid channel each, and masks have a bit for each
            (:mod:`scantune.mask_codes`).
    """

    name = "segmentation"
    copies: Copies = "mirrored"

    def __init__(self, settings: Segmentation) -> None:
        self.metrics = MaskMetrics(settings)
        self.foreground, self.overlapping = self.metrics.foreground, self.metrics.overlapping
        self.sided = settings.sided
        self.outputs = len(self.foreground) + (not self.overlapping and len(self.foreground) > 1)
        self.output_shape = (self.outputs,)
        self.class_axis: ClassAxis = "each" if self.overlapping else 1
        self.class_count = None if self.overlapping else len(self.foreground) + 1
        self.labels = self.foreground

    def network(self, facts: NetworkFacts, targets: np.ndarray | None = None) -> Network:
        """A network with an output per pixel: it has its own last layer, which starts from random weights.

        Raises:
            ScantuneError: ``first_stride`` is set.
        """
        from scantune import models

        options = dict(facts.options)
        if options.pop("first_stride", None) is not None:
            raise ScantuneError("model.first_stride: networks with an output per pixel keep their full resolution")
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
        """The mask is mirrored with the image; its labels stay, also those that are named left and right."""
        return target

    def masks(self, output: Tensor) -> Tensor:
        """Logits [B, outputs, …] to labels [B, …], int64: 0 is background. Overlapping labels are sums of bits."""
        if self.outputs == 1:
            return (output[:, 0] > 0).long()
        if not self.overlapping:
            return output.argmax(dim=1)
        bits = [(output[:, i] > 0).long() << i for i in range(self.outputs)]
        return functools.reduce(operator.or_, bits)

    def loss_target(self, target: Tensor) -> tuple[Tensor, Tensor | None]:
        """The mask of a batch, int64 [B, …space], as losses take it, and where it does not count.

        Returns:
            Labels [B, …space], of overlapping ones 0 or 1 [B, F, …space]; and bool [B, …space], None where all count.
        """
        ignored = target == IGNORED
        some = bool(ignored.any())
        labels = target.masked_fill(ignored, 0) if some else target
        if self.overlapping:
            import torch

            labels = torch.stack([(labels >> i) & 1 for i in range(self.outputs)], dim=1)  # [B, …] -> [B, F, …]
        return labels, ignored if some else None

    def reduce(self, output: Tensor, batch: Batch) -> Tensor:
        """Pixels in both, predicted and true, a foreground class: [B, F, 3]; without those that do not count."""
        import torch

        predicted, truth = self.masks(output).flatten(1), batch["target"].flatten(1)
        counts = truth != IGNORED
        sums = []
        for label in range(1, len(self.foreground) + 1):
            a, b = (has_label(mask, label, self.overlapping) & counts for mask in (predicted, truth))
            sums.append(torch.stack([(a & b).sum(1), a.sum(1), b.sum(1)], dim=1))
        return torch.stack(sums, dim=1).float()

    def reduced_target(self, batch: Batch) -> Tensor:
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
        present = predicted + truth > 0
        if not present.any():
            return {"dice": float("nan"), "iou": float("nan")}
        return {
            "dice": float((2 * both[present] / (predicted + truth)[present]).mean()),
            "iou": float((both[present] / (predicted + truth - both)[present]).mean()),
        }

    def epoch_answers(self, reduced: np.ndarray, targets: np.ndarray) -> None:
        """None: sums of pixels are no answers."""

    def place_of(self, path: Path, spacing: Spacing, own_truth: bool) -> Place:
        """Where a stored sample lies, see :func:`scantune.preprocess.own_grid.place_of`."""
        from scantune.preprocess.own_grid import place_of

        return place_of(path, spacing, own_truth)

    def fit_rows(self, output: Tensor, targets: Tensor, places: Sequence[Place]) -> np.ndarray:
        """Dice of each sample and class with all components and with the largest alone, [B, F, 2], on the grid of the
        mask's file where there is one; [B, 0] where nothing is to be chosen."""
        if not self.metrics.settings.largest_component:
            return np.zeros((len(output), 0))
        rows = []
        for row, (target, place) in enumerate(zip(targets, places, strict=True)):
            one = output[row : row + 1]
            if place.own is None or place.truth is None:
                (mask,), truth = self.prepared_masks(one, places=[place]), target.cpu().numpy().astype(np.uint8)
            else:
                (mask,), truth = self.file_masks(one, [place]), place.truth()
            rows.append(postprocessing.dice_both_ways(self.metrics, mask, truth))
        return np.stack(rows)

    def fit(self, reduced: np.ndarray, targets: np.ndarray, subjects: list[str]) -> dict[str, Any]:
        """The classes that are their largest component alone, from :meth:`fit_rows` of validation [N, F, 2]."""
        if not self.metrics.settings.largest_component:
            return {}
        return postprocessing.chosen(self.foreground, reduced)

    def file_masks(
        self, output: Tensor, places: Sequence[Place] | None, fitted: Mapping[str, Any] = MappingProxyType({})
    ) -> list[np.ndarray]:
        """Labels of each sample of an output [B, outputs, …space] on the grid of its file, uint8.

        Probabilities are resampled, not labels; where the prepared grid does not reach, all is background.
        """
        cleaned, metrics = [], self.metrics
        for logits, place in zip(output, places or [Place()] * len(output), strict=True):
            labels = self._labels(logits) if place.own is None else self._resampled(logits, place.own)
            cleaned.append(postprocessing.cleaned(metrics, labels, fitted, metrics.pixel(place)))
        return cleaned

    def prepared_masks(
        self,
        output: Tensor,
        fitted: Mapping[str, Any] = MappingProxyType({}),
        places: Sequence[Place] | None = None,
    ) -> list[np.ndarray]:
        """Labels of each sample of an output [B, outputs, …space] on the prepared grid, uint8."""
        metrics = self.metrics
        return [
            postprocessing.cleaned(metrics, self._labels(logits), fitted, metrics.prepared_pixel(place))
            for logits, place in zip(output, places or [Place()] * len(output), strict=True)
        ]

    def _labels(self, logits: Tensor) -> np.ndarray:
        return self.masks(logits[None])[0].cpu().numpy().astype(np.uint8)

    def _resampled(self, logits: Tensor, grid: OwnGrid) -> np.ndarray:
        """Labels, uint8, from logits [outputs, …space]; one class at a time, since a scan may be large."""
        if self.outputs == 1:
            return (grid.back(logits[0].float().sigmoid().cpu().numpy(), 0.0) > 0.5).astype(np.uint8)
        if self.overlapping:
            labels = np.zeros(grid.shape, np.uint8)
            for label, logit in enumerate(logits, start=1):
                here = grid.back(logit.float().sigmoid().cpu().numpy(), 0.0) > 0.5
                labels[here] |= np.uint8(code_of(label, True))
            return labels
        whole = logits.float().logsumexp(0)
        return _largest(((logit.float() - whole).exp_().cpu().numpy() for logit in logits), grid)

    def measure(self, predicted: np.ndarray, truth: np.ndarray, spacing: Spacing) -> dict[str, float]:
        """See :meth:`MaskMetrics.measure`."""
        return self.metrics.measure(predicted, truth, spacing)

    def measured(self, mask: np.ndarray, truth: np.ndarray, spacing: Spacing) -> dict[str, float]:
        """See :meth:`MaskMetrics.measured`."""
        return self.metrics.measured(mask, truth, spacing)

    def answers(
        self,
        output: np.ndarray,
        targets: np.ndarray | None,
        fitted: Mapping[str, Any],
        spread: np.ndarray | None = None,
        places: Sequence[Place] | None = None,
        masks: Sequence[np.ndarray] | None = None,
    ) -> dict[str, Any]:
        """The metrics of :class:`MaskMetrics` on the grid of the mask's file, ``dice_prepared`` (Dice on the prepared
        grid), ``volume_target``, ``volume_prediction``; without the true masks the last alone. Volumes are in mm³
        (mm² in 2D); pixels where there is no spacing.

        Args:
            output: logits [N, outputs, …space].
            targets: true labels [N, …space] on the prepared grid, or None.
            fitted: of :meth:`fit`.
            spread: None.
            places: of the N samples; None counts pixels of the prepared grid.
            masks: what :meth:`file_masks` gives, where it is known already.
        """
        import torch

        logits = torch.from_numpy(output)
        known = list(places or [Place()] * len(output))
        predicted = self.file_masks(logits, known, fitted) if masks is None else masks
        if targets is None:
            return _columns([self.metrics.sizes(*pair) for pair in zip(predicted, known, strict=True)])
        prepared = zip(self.prepared_masks(logits, fitted, known), targets.astype(np.uint8), strict=True)
        return _columns(
            [self.metrics.row(*sample, *pair) for sample, pair in zip(zip(predicted, known), prepared, strict=True)]
        )


def build(
    settings: Segmentation,
    *,
    classes: tuple[str, ...] | None = None,
    loss: str | None = None,
    calibration: str = "temperature",
    miscoverage: float = 0.1,
) -> SegmentationTask:
    """The task of a ``task:`` block; see :func:`scantune.tasks.build.build_task`."""
    return SegmentationTask(settings)


def _largest(shares: Iterable[np.ndarray], grid: OwnGrid) -> np.ndarray:
    """The class with the largest share on the file's grid, uint8; the first of equal ones.

    Args:
        shares: of each class on the prepared grid, background first.
        grid: of the file.
    """
    labels, best = np.zeros(grid.shape, np.uint8), np.empty(0, np.float32)
    for label, share in enumerate(shares):
        here = grid.back(share, 0.0 if label else 1.0)
        if not label:
            best = here
            continue
        more = here > best
        labels[more] = label
        best = np.maximum(best, here, out=here)
    return labels


def _columns(rows: Sequence[Mapping[str, float]]) -> dict[str, np.ndarray]:
    return {name: np.array([row[name] for row in rows]) for name in (rows[0] if rows else ())}
