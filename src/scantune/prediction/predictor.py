"""Prediction from tensors: networks, averaging, test-time augmentation, calibration, intervals and sets, masks."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from scantune.batches import network_inputs
from scantune.engine import distributed
from scantune.engine.data import Samples
from scantune.engine.distributed import Processes
from scantune.engine.loading import Loader, sample_ids, to_device
from scantune.engine.local import Local
from scantune.engine.samplers import shard
from scantune.prediction.augmentation import Augmentation
from scantune.prediction.averaging import averaged, mean_output
from scantune.prediction.windows import Windows
from scantune.progress import with_progress
from scantune.records import ScantuneError
from scantune.tasks.protocol import Batch, MaskTask, Task

if TYPE_CHECKING:
    from scantune.models.covariates import Covariates
    from scantune.models.network import Network
    from scantune.preprocess.places import Place

CPU = torch.device("cpu")
NO_AUGMENTATION = Augmentation()
DISTANCE = "distance"
"""Column of the distance from the training images: above 1 a sample is unlike them."""
ANSWERED = "answered"
"""Column of a model that abstains: ``no`` where the distance is above 1, else ``yes``."""
NOT_FINITE = "the prediction of the network is not a finite number"


@dataclass(frozen=True)
class Output:
    """The averaged output for a batch.

    Attributes:
        mean: [B, …] float32, of the shape of one network's output, see :func:`scantune.prediction.mean_output`.
        spread: [B, …], standard deviation (n − 1) between the networks, or between the copies where there is one
            network; None for classes and masks, or for a single network without copies.
        distance: [B] from the training images, see :mod:`scantune.models.reference`; the mean over the networks, None
            where one has no reference.
    """

    mean: Tensor
    spread: Tensor | None = None
    distance: Tensor | None = None

    @property
    def finite(self) -> np.ndarray:
        """Samples with a finite output, bool [B]."""
        return torch.isfinite(self.mean).flatten(1).all(1).cpu().numpy()


@dataclass(frozen=True)
class Predicted:
    """Reduced outputs of the samples of a data set, in its order.

    Attributes:
        reduced: [N, …] of :meth:`Task.reduce`.
        targets: [N, …] of :meth:`Task.reduced_target`.
        spread: [N, …] as in :class:`Output`.
        fit_rows: [N, …] of :meth:`MaskTask.fit_rows`; None of other tasks, and where no places were given.
    """

    reduced: np.ndarray
    targets: np.ndarray
    spread: np.ndarray | None = None
    fit_rows: np.ndarray | None = None


@dataclass(frozen=True)
class TensorPredictor:
    """Predictions of a model for preprocessed samples, the same in evaluation and in the served model.

    All computations are in float32, independently of the precision in training, but for those of ``windows`` with a
    precision of their own.

    Attributes:
        networks: whose outputs are averaged; set to evaluation mode and moved to ``device``.
        task: decodes their output.
        fitted: calibration and conformal quantiles of :meth:`Task.fit`; empty for none.
        augmentation: of each sample.
        device: of the computation.
        windows: of samples that are larger than what the networks were trained on, and may differ in size; None: they
            go through the networks whole.
        covariates: columns that the networks have beside the images; None for none.
        abstain: samples at a distance above 1 from the training images are not answered.
    """

    networks: Sequence[nn.Module]
    task: Task
    fitted: Mapping[str, Any]
    augmentation: Augmentation = NO_AUGMENTATION
    device: torch.device = CPU
    windows: Windows | None = None
    covariates: Covariates | None = None
    abstain: bool = False

    def __post_init__(self) -> None:
        for network in self.networks:
            network.to(self.device).eval()

    @cached_property
    def network(self) -> nn.Module:
        """The averaged network without test-time augmentation and windows, for saliency maps."""
        return averaged(self.networks, self.task.class_axis).eval()

    def with_fitted(self, fitted: Mapping[str, Any]) -> TensorPredictor:
        """A predictor with the same networks, and other calibration and quantiles."""
        return replace(self, fitted=fitted)

    def output(self, inputs: Tensor, covariates: Tensor | None = None) -> Output:
        """The averaged output for a batch.

        Args:
            inputs: [B, C, …space] float32.
            covariates: [B, Q] float32 of networks that have covariates.
        """
        return replace(self._averaged(inputs, covariates), distance=self._distance(inputs))

    def _averaged(self, inputs: Tensor, covariates: Tensor | None) -> Output:
        beside = () if covariates is None else (covariates.to(self.device),)
        variants = self.augmentation.variants(inputs)
        with torch.inference_mode(), _float32(self.device):
            if self.task.class_axis is not None:
                outputs = (output for pair in variants for output in self._outputs(*pair, beside))
                return Output(mean_output(outputs, self.task.class_axis))
            copies = [torch.stack(list(self._outputs(*pair, beside))) for pair in variants]
            answers = torch.stack(copies)  # [copies, M, B, …]
        by_network = answers.mean(0)  # [M, B, …]
        compared = by_network if len(by_network) > 1 else answers[:, 0]
        return Output(by_network.mean(0), compared.std(0) if len(compared) > 1 else None)

    def _distance(self, inputs: Tensor) -> Tensor | None:
        """Distance of each sample from the training images, [B]; None where that was not fitted."""
        references = [getattr(network, "reference", None) for network in self.networks]
        if self.windows or not all(references):
            return None
        from scantune.models.reference import features

        moved = inputs.to(self.device)
        with torch.inference_mode(), _float32(self.device):
            distances = [
                known.distance(features(cast("Network", network).backbone, moved, known.layer))
                for network, known in zip(self.networks, references, strict=True)
                if known is not None
            ]
        return torch.stack(distances).mean(0)

    def _outputs(self, inputs: Tensor, mirrored: tuple[int, ...], beside: tuple[Tensor, ...]) -> Iterator[Tensor]:
        """Output of each network, reflected back along ``mirrored``."""
        moved = inputs if self.windows else inputs.to(self.device)
        for network in self.networks:
            output = self.windows(network, moved) if self.windows else network(moved, *beside).float()
            yield output.flip(mirrored) if mirrored else output

    def columns(
        self,
        output: Output,
        targets: np.ndarray | None = None,
        places: Sequence[Place] | None = None,
        masks: Sequence[np.ndarray] | None = None,
    ) -> dict[str, Any]:
        """The task's columns of ``predictions.csv`` for a batch, calibrated, with intervals or sets.

        Args:
            output: of the batch.
            targets: [B, …] of the data set; None omits their columns.
            places: of the samples; None counts pixels of the prepared grid.
            masks: what :meth:`file_masks` gives, where it is known already.
        """
        spread = None if output.spread is None else output.spread.cpu().numpy()
        columns = self.task.answers(output.mean.cpu().numpy(), targets, self.fitted, spread, places, masks)
        if output.distance is None:
            return columns
        columns = {**columns, DISTANCE: output.distance.cpu().numpy()}
        return {**columns, ANSWERED: np.where(columns[DISTANCE] > 1, "no", "yes")} if self.abstain else columns

    def masks(self, output: Output, places: Sequence[Place] | None = None) -> np.ndarray | None:
        """Labels on the prepared grid, uint8 [B, …space]; None for a task with an output per sample."""
        task = self._mask_task
        return None if task is None else np.stack(task.prepared_masks(output.mean, self.fitted, places))

    def file_masks(self, output: Output, places: Sequence[Place]) -> list[np.ndarray] | None:
        """Labels of each sample of a batch on the grid of its file, uint8; None for a task without masks."""
        task = self._mask_task
        return None if task is None else task.file_masks(output.mean.cpu(), places, self.fitted)

    @cached_property
    def _mask_task(self) -> MaskTask | None:
        """The task, if it has an output per pixel."""
        return cast(MaskTask, self.task) if hasattr(self.task, "file_masks") else None

    def answers(
        self,
        data: Samples,
        *,
        places: Sequence[Place] | None = None,
        batch_size: int = 8,
        each: Callable[[list[int], Output, list[np.ndarray] | None], None] | None = None,
    ) -> dict[str, np.ndarray]:
        """The columns of :meth:`columns` for a data set, with those of the targets, in its order.

        Args:
            data: the samples; at least one.
            places: of all of them; None counts pixels of the prepared grid.
            batch_size: samples at once.
            each: receives the rows and the output of each batch, and with ``places`` its masks as of
                :meth:`file_masks`.

        Raises:
            ScantuneError: as :meth:`over`.
        """
        parts = []
        with closing(self.over(data, batch_size=batch_size)) as outputs:
            for batch, output in outputs:
                rows = batch["index"].tolist()
                there = None if places is None else [places[i] for i in rows]
                masks = None if there is None else self.file_masks(output, there)
                if each is not None:
                    each(rows, output, masks)
                parts.append(self.columns(output, batch["target"].numpy(), there, masks))
        return {name: np.concatenate([np.asarray(part[name]) for part in parts]) for name in parts[0]}

    def over(
        self, data: Samples, *, batch_size: int = 8, workers: int = 0, processes: Processes | None = None
    ) -> Generator[tuple[Batch, Output]]:
        """Batches of a data set and their outputs; with several processes those of this process.

        Args:
            data: the samples.
            batch_size: samples per batch; with windows one sample goes at a time.
            workers: number of loading processes.
            processes: the Fabric; None for a single process.

        Raises:
            ScantuneError: an output is not finite; with the ids of the samples.
        """
        group = processes or Local(self.device)
        batch_size = 1 if self.windows else batch_size
        share = shard(len(data), batch_size, group.world_size, group.global_rank)
        batches = Loader(data, workers=workers).batches(0, share)
        if group.global_rank == 0:
            batches = with_progress(batches, len(share), "predict, in batches")
        with closing(batches):
            for batch in batches:
                output = self.output(*network_inputs(batch))
                if not output.finite.all():
                    names = sample_ids(data, batch["index"][~torch.from_numpy(output.finite)].tolist())
                    raise ScantuneError(
                        f"{NOT_FINITE}, of sample {', '.join(names)}: the weights contain NaN or the layers overflow. "
                        "Train again with a lower learning rate, train.clip_norm or precision: 32"
                    )
                yield batch, output

    def predict(
        self,
        data: Samples,
        *,
        places: Sequence[Place] | None = None,
        batch_size: int = 8,
        workers: int = 0,
        processes: Processes | None = None,
    ) -> Predicted:
        """Reduced outputs of every sample of a data set; arguments as in :meth:`over`.

        With ``places`` of all samples, what a task with masks is fitted to as well.
        """
        batches = []
        measured = None if places is None else self._mask_task
        share = self.over(data, batch_size=batch_size, workers=workers, processes=processes)
        with closing(share) as outputs:
            for batch, output in outputs:
                answer = self.task.reduce(output.mean, to_device(batch, self.device))
                spread = torch.zeros(len(answer)) if output.spread is None else output.spread
                parts = [t.cpu().numpy() for t in (answer, spread, self.task.reduced_target(batch), batch["index"])]
                if measured is not None and places is not None:
                    there = [places[i] for i in batch["index"].tolist()]
                    parts.append(measured.fit_rows(output.mean.cpu(), batch["target"], there))
                batches.append(parts)
        shares = distributed.gather_objects(processes or Local(self.device), batches)
        rows = [row for share in shares for row in share]
        if not rows:
            return Predicted(np.zeros(0), np.zeros(0))
        joined = [np.concatenate(parts) for parts in zip(*rows)]
        order = np.argsort(joined[3], kind="stable")
        values, spreads, targets, _, *fit_rows = (part[order] for part in joined)
        return Predicted(values, targets, spreads if self._compares else None, fit_rows[0] if fit_rows else None)

    @property
    def _compares(self) -> bool:
        """Whether outputs have a spread."""
        several = len(self.networks) > 1 or (self.augmentation.copies > 0 and self.augmentation.change is not None)
        return several and self.task.class_axis is None


@contextmanager
def _float32(device: torch.device) -> Iterator[None]:
    """Context without autocast and without TF32 in convolutions."""
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.backends.cudnn.allow_tf32 = allowed
