"""What the engine knows of a task, and all that it knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

#: What a data set gives the loop, stacked: ``input`` float32 [B, C, …]; ``target`` [B, …] as :meth:`Task.encode` made
#: it (for a dense task the mask, uint8 → int64 [B, …space]); ``index`` int64 [B], the row in the data set; ``group``
#: int64 [B], the code of the scanner (−1 unknown). Mixing adds ``target_b`` and ``lam`` (float in [0, 1], the share of
#: ``target``); spoiled partners add ``partner`` [B, C, …] and ``has_partner`` bool [B].
Batch = dict[str, Any]


class Task(Protocol):
    """A task as the engine sees it. One folder in ``tasks/`` gives one."""

    name: str
    dense: bool
    """The network answers per pixel (segmentation) rather than per sample."""
    outputs: int
    """Numbers the network gives a sample; channels where ``dense``."""
    output_shape: tuple[int, ...]
    """Axes of one sample's output but those of space: [K], or [Z, K] for several places."""
    class_axis: int | None
    """Axis of the classes in a batch's output, along which it is averaged as probabilities; None where the output is a
    plain number."""
    class_count: int | None
    """K where a target is one of K classes, for weights by class; None where it is none."""
    labels: tuple[str, ...]
    """What the outputs are of, by name: classes, zones, structures; empty for a single number."""
    sided: bool
    """Left and right are different answers, so that a mirrored sample has another one."""

    @property
    def epoch_metrics(self) -> Mapping[str, str]:
        """Names that :meth:`summarise` gives, and which way each is better: ``min`` or ``max``."""
        ...

    def head(self, feature_dim: int, targets: np.ndarray | None = None) -> nn.Module:
        """The layer from features [B, feature_dim] to the task's output. Not called where ``dense``.

        Args:
            feature_dim: features a sample.
            targets: [N, …] as :meth:`encode` made them of the training side, where the output is to start from them.
        """
        ...

    def encode(self, targets: Mapping[str, str]) -> np.ndarray:
        """One record's targets (text, as in the table) as the array the loss takes.

        Raises:
            ScantuneError: a value that the task cannot take, with the value and what would be right.
        """
        ...

    def strata(self, encoded: np.ndarray) -> np.ndarray:
        """For a balanced sampler: the stratum of each target of :meth:`encode`, int64 [N]."""
        ...

    def flip(self, target: np.ndarray) -> np.ndarray:
        """The target of the left-right mirrored sample."""
        ...

    def reduce(self, output: Tensor, batch: Batch) -> Tensor:
        """What validation and prediction keep of a batch, [B, …]: the output itself, or per-sample sums where dense."""
        ...

    def kept_target(self, batch: Batch) -> Tensor:
        """The targets [B, …] that :meth:`summarise` takes beside what :meth:`reduce` keeps of a batch."""
        ...

    def summarise(self, reduced: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """Figures of an epoch from all N samples' ``reduced`` [N, …]; names without prefix; undefined is NaN."""
        ...

    def fit(self, reduced: np.ndarray, targets: np.ndarray, subjects: list[str]) -> dict[str, Any]:
        """What is fitted on validation after training (calibration, conformal quantiles), as JSON-able values."""
        ...

    def columns(
        self,
        reduced: np.ndarray,
        targets: np.ndarray | None,
        fitted: Mapping[str, Any],
        spread: np.ndarray | None = None,
    ) -> dict[str, Any]:
        """The task's own columns of ``predictions.csv``, each of N values; without target columns where None.

        Args:
            reduced: [N, …].
            targets: [N, …], or None.
            fitted: what :meth:`fit` gave.
            spread: [N, …], standard deviation between networks or copies, of a task whose answer is a plain number.
        """
        ...


class DenseTask(Task, Protocol):
    """A task that answers for every pixel or voxel."""

    def masks(self, output: Tensor) -> Tensor:
        """The network's output [B, outputs, …space] as labels [B, …space], int64: 0 is background."""
        ...

    def measure(self, said: np.ndarray, truth: np.ndarray, spacing: Sequence[float] | None) -> dict[str, float]:
        """All figures of one sample's masks [… space]; undefined is NaN."""
        ...
