"""The interface of a task to the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from scantune.models.network import Network
    from scantune.preprocess.places import Place
    from scantune.tasks.networks import NetworkFacts

#: Which copies of a sample test-time augmentation averages over: changed as samples are in training, or mirror images,
#: whose answers are mirrored back.
Copies = Literal["augmented", "mirrored"]

#: Axis of the classes in a batch's output, along which it is averaged as probabilities; ``each``: every number is the
#: logit of a question of its own, yes or no; None: plain numbers.
ClassAxis = int | Literal["each"] | None

#: mm along the axes of space of a sample; None where unknown.
Spacing = tuple[float, ...] | None

#: What a data set gives the loop, stacked: ``input`` float32 [B, C, …]; ``target`` [B, …] as :meth:`Task.encode` made
#: it (or the mask, uint8 → int64 [B, …space], where it made none); ``index`` int64 [B], the row in the data set;
#: ``group`` int64 [B], the code of the scanner (−1 unknown). Covariates add ``covariates`` float32 [B, Q], NaN where
#: unknown. Mixing adds ``target_b`` and ``lam`` (float in [0, 1], the share of ``target``); degraded copies add
#: ``partner`` [B, C, …] and ``has_partner`` bool [B].
Batch = dict[str, Any]


class Task(Protocol):
    """A task as the engine sees it. One folder in ``tasks/`` gives one.

    A task whose answers are T plain numbers [B, T] may have ``standard_units(targets)``: from the training targets
    [N, T] (NaN where unknown) the mean and the standard deviation of each. Of several numbers the loss is then taken of
    each by itself, on the samples that have it and in units of its standard deviation.

    A task in whose masks some pixels do not count may have ``loss_target(target)``: the target [B, …space] as the loss
    takes it, and which pixels do not count, bool [B, …space]; None where all do.
    """

    name: str
    outputs: int
    """Numbers the network gives a sample, or channels where it has an output per pixel."""
    output_shape: tuple[int, ...]
    """Axes of one sample's output but those of space: [K], or [Z, K] for several places."""

    @property
    def class_axis(self) -> ClassAxis:
        """How outputs are averaged, see :data:`ClassAxis`."""
        ...

    class_count: int | None
    """K where a target is one of K classes, for weights by class; None where it is none."""
    labels: tuple[str, ...]
    """What the outputs are of, by name: classes, zones, structures; empty for a single number."""
    sided: bool
    """Left and right are different answers, so that a mirrored sample has another one."""
    copies: Copies
    """What test-time augmentation averages over."""

    @property
    def epoch_metrics(self) -> Mapping[str, str]:
        """Names that :meth:`summarise` gives, and which way each is better: ``min`` or ``max``.

        The first one appears on the lines of a training."""
        ...

    def network(self, facts: NetworkFacts, targets: np.ndarray | None = None) -> Network:
        """A network for the task, with starting weights.

        Args:
            facts: what the task does not decide.
            targets: [N, …] as :meth:`encode` made them of the training side, where the output is to start from them.

        Raises:
            ScantuneError: an option that such a network does not have.
        """
        ...

    def encode(self, targets: Mapping[str, str]) -> np.ndarray | None:
        """One record's targets (text, as in the table) as the array the loss takes; None where it is the mask.

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
        """What an epoch keeps of a batch, [B, …]: the output, or sums per sample where it is per pixel."""
        ...

    def reduced_target(self, batch: Batch) -> Tensor:
        """The targets [B, …] that :meth:`summarise` takes beside what :meth:`reduce` keeps of a batch."""
        ...

    def summarise(self, reduced: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """Metrics of an epoch from all N samples' ``reduced`` [N, …]; names without prefix; undefined is NaN."""
        ...

    def epoch_answers(self, reduced: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Reference and prediction [N, …] that an epoch's custom metrics are given; None where they do not fit."""
        ...

    def fit(self, reduced: np.ndarray, targets: np.ndarray, subjects: list[str]) -> dict[str, Any]:
        """What is fitted on validation after training (calibration, conformal quantiles), as values for JSON; of masks
        ``reduced`` is that of :meth:`MaskTask.fit_rows`."""
        ...

    def masks(self, output: Tensor) -> Tensor | None:
        """The network's output [B, outputs, …space] as labels [B, …space], int64: 0 is background; None where the task
        answers per sample."""
        ...

    def answers(
        self,
        output: np.ndarray,
        targets: np.ndarray | None,
        fitted: Mapping[str, Any],
        spread: np.ndarray | None = None,
        places: Sequence[Place] | None = None,
        masks: Sequence[np.ndarray] | None = None,
    ) -> dict[str, Any]:
        """The task's own columns of ``predictions.csv``, each of N values; without target columns where None.

        Args:
            output: [N, …], of the network.
            targets: [N, …], those of a batch, or None.
            fitted: what :meth:`fit` gave.
            spread: [N, …], standard deviation between networks or copies, of a task whose answer is a plain number.
            places: of the N samples, where volumes and distances are measured; None counts pixels.
            masks: of the N samples as :meth:`MaskTask.file_masks` gives them, where they are known already.
        """
        ...


class MaskTask(Task, Protocol):
    """A task with an output for every pixel or voxel."""

    foreground: tuple[str, ...]
    """Names of the labels 1, 2, …"""

    def file_masks(self, output: Tensor, places: Sequence[Place] | None, fitted: Mapping[str, Any]) -> list[np.ndarray]:
        """Labels of each sample of an output [B, outputs, …space] on the grid of its file, uint8."""
        ...

    def prepared_masks(
        self, output: Tensor, fitted: Mapping[str, Any], places: Sequence[Place] | None
    ) -> list[np.ndarray]:
        """The same on the prepared grid."""
        ...

    def place_of(self, path: Path, spacing: Spacing, own_truth: bool) -> Place:
        """Where a stored sample lies, for :meth:`fit_rows`.

        Args:
            path: of the sample in the cache.
            spacing: of the prepared grid, mm.
            own_truth: whether its own mask is the one that is compared with.
        """
        ...

    def fit_rows(self, output: Tensor, targets: Tensor, places: Sequence[Place]) -> np.ndarray:
        """What :meth:`fit` needs of each sample of an output [B, outputs, …space], [B, …].

        Args:
            output: of the network.
            targets: those of the batch, [B, …space].
            places: of the samples.
        """
        ...

    def measure(self, predicted: np.ndarray, truth: np.ndarray, spacing: Spacing) -> dict[str, float]:
        """All metrics of one sample's masks [… space]; undefined is NaN."""
        ...

    def measured(self, mask: np.ndarray, truth: np.ndarray, spacing: Spacing) -> dict[str, float]:
        """The metrics of :meth:`measure`, and both volumes."""
        ...
