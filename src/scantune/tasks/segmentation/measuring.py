"""What a mask is measured by: overlap, distances, lesions and volumes, per class, and readers beside the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.mask_codes import IGNORED, pixels_by_label

if TYPE_CHECKING:
    from scantune.preprocess.places import Place
    from scantune.tasks.protocol import Spacing
    from scantune.tasks.segmentation.settings import Segmentation


def has_label(mask: Any, label: int, overlapping: bool) -> Any:
    """Where an array or tensor of labels has a label; of overlapping ones the mask has a bit for each."""
    return ((mask >> (label - 1)) & 1) == 1 if overlapping else mask == label


def size_of(spacing: Spacing) -> float:
    """Size of a pixel or voxel: mm³, mm² in 2D; 1 without a spacing."""
    return float(np.prod(spacing)) if spacing else 1.0


class MaskMetrics:
    """The metrics of masks, by the settings of a segmentation."""

    def __init__(self, settings: Segmentation) -> None:
        self.settings = settings
        self.foreground = settings.foreground
        self.overlapping = settings.overlapping and len(self.foreground) > 1

    def _has(self, mask: np.ndarray, label: int) -> np.ndarray:
        return has_label(mask, label, self.overlapping)

    def measure(self, predicted: np.ndarray, truth: np.ndarray, spacing: Spacing) -> dict[str, float]:
        """All metrics of one sample's masks, means over the foreground classes, and of several classes each one's as
        ``<metric>/<class>``; undefined is NaN.

        Args:
            predicted: labels, [H, W] or [D, H, W].
            truth: true labels, the same shape; where they do not count, both masks are taken for background.
            spacing: of the axes in that order, mm; None counts pixels.
        """
        predicted, truth = _compared(predicted, truth)
        rows = {
            name: self._of_class(self._has(predicted, label), self._has(truth, label), spacing)
            for label, name in enumerate(self.foreground, start=1)
        }
        names = next(iter(rows.values()))
        return {metric: _mean([row[metric] for row in rows.values()]) for metric in names} | self._by_class(rows)

    def _of_class(self, predicted: np.ndarray, truth: np.ndarray, spacing: Spacing) -> dict[str, float]:
        from scantune.statistics.lesions import lesion_figures
        from scantune.statistics.overlap import overlap_figures

        metrics = overlap_figures(
            predicted,
            truth,
            spacing=spacing,
            tolerance=self.settings.nsd_tolerance,
            cldice=self.settings.cldice,
            empty=self.settings.empty,
            missed=self.settings.missed,
        )
        if self.settings.lesion_overlap is not None:
            metrics |= lesion_figures(predicted, truth, overlap=self.settings.lesion_overlap, empty=self.settings.empty)
        return metrics

    def _by_class(self, rows: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
        """``<metric>/<class>`` where there are several classes."""
        if len(rows) == 1:
            return {}
        return {f"{metric}/{name}": value for name, row in rows.items() for metric, value in row.items()}

    def row(self, mask: np.ndarray, place: Place, labels: np.ndarray, target: np.ndarray) -> dict[str, float]:
        """The columns of one sample: its mask on the file's grid, its labels and its target on the prepared one."""
        if place.own is None or place.truth is None:  # the prepared grid is all that the mask is known on
            mask, truth, spacing = labels, target, place.spacing
        else:
            truth, spacing = place.truth(), place.own.spacing
        return {
            "dice_prepared": _mean(self.dice_by_class(labels, target)),
            **self.measured(mask, truth, spacing),
            **self._by_readers(mask, truth, place),
        }

    def _by_readers(self, mask: np.ndarray, truth: np.ndarray, place: Place) -> dict[str, float]:
        """``rater/<name>/<metric>``: a reader against the reference; ``rater/<name>/model/<metric>``: the model against
        the reader. NaN where the reader has not drawn the sample."""
        columns: dict[str, float] = {}
        for name, read in place.readers.items():
            pairs: dict[str, tuple[np.ndarray, np.ndarray]] = {}
            if read is not None:
                drawn = np.where(truth == IGNORED, truth, read())
                pairs = {f"rater/{name}": (drawn, truth), f"rater/{name}/model": (mask, drawn)}
            for start in (f"rater/{name}", f"rater/{name}/model"):
                values = self.measure(*pairs[start], self._spacing(place)) if pairs else self._unknown()
                columns |= {f"{start}/{metric}": value for metric, value in values.items()}
        return columns

    def measured(self, mask: np.ndarray, truth: np.ndarray, spacing: Spacing) -> dict[str, float]:
        """The metrics of :meth:`measure` and both volumes, arguments as there."""
        return {
            **self.measure(mask, truth, spacing),
            **self._volumes("volume_target", _compared(truth, truth)[0], spacing),
            **self._volumes("volume_prediction", _compared(mask, truth)[0], spacing),
        }

    def pixel(self, place: Place) -> float:
        """Size of a pixel of :meth:`_spacing`'s grid: mm³, mm² in 2D; 1 without a spacing."""
        return size_of(self._spacing(place))

    def prepared_pixel(self, place: Place) -> float:
        """Size of a pixel of the prepared grid in the same unit."""
        if place.own is None or place.own.spacing is not None:
            return size_of(place.spacing)
        return place.own.pixels

    @staticmethod
    def _spacing(place: Place) -> Spacing:
        """Of the grid that masks are measured on."""
        return place.spacing if place.own is None else place.own.spacing

    def _unknown(self) -> dict[str, float]:
        """The names of :meth:`measure`, each undefined."""
        nothing = np.zeros((1, 1), np.uint8)
        return dict.fromkeys(self.measure(nothing, nothing, None), float("nan"))

    def sizes(self, mask: np.ndarray, place: Place) -> dict[str, float]:
        """The columns of one sample without a reference."""
        return self._volumes("volume_prediction", mask, self._spacing(place))

    def _volumes(self, column: str, labels: np.ndarray, spacing: Spacing) -> dict[str, float]:
        """Size of the foreground, and of each of several classes: mm³ (mm² in 2D); pixels without a spacing."""
        unit = size_of(spacing)
        counts = pixels_by_label(labels, self.overlapping)
        by_class = {name: {column: unit * counts.get(i, 0)} for i, name in enumerate(self.foreground, start=1)}
        return {column: unit * int(np.count_nonzero(labels)), **self._by_class(by_class)}

    def dice_by_class(self, predicted: np.ndarray, truth: np.ndarray) -> list[float]:
        """Dice of each class, arguments as of :meth:`measure`."""
        from scantune.statistics.overlap import dice

        predicted, truth = _compared(predicted, truth)
        labels = range(1, len(self.foreground) + 1)
        values = [dice(self._has(truth, label), self._has(predicted, label)) for label in labels]
        return [1.0 if self.settings.empty == "one" and value != value else value for value in values]


def _compared(predicted: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both masks, background where either does not count (a reader's may not, a model's always does)."""
    ignored = (truth == IGNORED) | (predicted == IGNORED)
    if not ignored.any():
        return predicted, truth
    first, second = (np.where(ignored, np.zeros((), mask.dtype), mask) for mask in (predicted, truth))
    return first, second


def _mean(values: Sequence[float]) -> float:
    defined = [v for v in values if v == v]
    return sum(defined) / len(defined) if defined else float("nan")
