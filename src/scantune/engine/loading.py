"""Loading of planned batches: worker processes, errors of a worker, and the copy to the device."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from multiprocessing import get_start_method
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from scantune.engine.data import Samples
from scantune.engine.randomness import generator
from scantune.records import ScantuneError, first_line

#: The epoch, and the index of the sample in the data set.
SampleIndex = tuple[int, int]


class LoadingError(ScantuneError):
    """A sample could not be loaded, or the process that was loading it ended."""


def sample_ids(samples: Samples, indices: Sequence[int]) -> list[str]:
    """Ids of samples where the data set has them (``ids``), else their indices."""
    ids = getattr(samples, "ids", None)
    return [str(ids[i]) if ids is not None else f"index {i}" for i in indices]


class _IndexedSamples(Dataset):
    """A data set indexed by (epoch, index): sets the epoch in each worker, and names a sample that fails."""

    def __init__(self, samples: Samples, workers: int) -> None:
        self.samples = samples
        self.loading = torch.full((max(workers, 1),), -1, dtype=torch.int64).share_memory_()
        self._epoch: int | None = None

    def __getitem__(self, position: SampleIndex) -> dict[str, Any]:
        epoch, index = position
        worker = get_worker_info()
        self.loading[worker.id if worker else 0] = index
        if epoch != self._epoch and hasattr(self.samples, "set_epoch"):
            self.samples.set_epoch(epoch)
        self._epoch = epoch
        try:
            sample = self.samples[index]
            return {name: _tensor(value) for name, value in sample.items()}
        except Exception as error:
            name = sample_ids(self.samples, [index])[0]
            why = str(error) if isinstance(error, ScantuneError) else f"{type(error).__name__}: {error}"
            raise LoadingError(f"sample {name} could not be loaded: {why}") from error


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else torch.as_tensor(value)


class _BatchPlan:
    """The planned batches of a pass; set before each pass, so that workers persist between epochs."""

    def __init__(self) -> None:
        self.batches: list[list[SampleIndex]] = []

    def __iter__(self) -> Iterator[list[SampleIndex]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class Loader:
    """Batches of a data set, in the planned order.

    Args:
        samples: the data set.
        workers: number of processes; 0 loads in this process.
        pin_memory: page-locked memory for faster copies to a GPU.
    """

    def __init__(self, samples: Samples, *, workers: int = 0, pin_memory: bool = False) -> None:
        self.samples = samples
        self.workers = workers
        self.indexed_samples = _IndexedSamples(samples, workers)
        self.plan = _BatchPlan()
        self.loader: DataLoader = DataLoader(
            self.indexed_samples,
            batch_sampler=self.plan,  # type: ignore[arg-type]
            num_workers=workers,
            persistent_workers=workers > 0,
            # a server of forks (the default from Python 3.14) would outlive a training that is killed, with the workers
            multiprocessing_context="fork" if workers and get_start_method() == "forkserver" else None,
            pin_memory=pin_memory,
            generator=generator("workers"),  # otherwise every pass would draw from the global state
        )

    def batches(self, epoch: int, planned: Sequence[np.ndarray]) -> Generator[dict[str, Any]]:
        """The batches of ``planned``, each an array of sample indices.

        Raises:
            LoadingError: a sample or a worker fails; with the ids of the samples.
        """
        self.plan.batches = [[(epoch, int(i)) for i in batch] for batch in planned]
        try:
            yield from self.loader
        except LoadingError as error:
            raise LoadingError(_without_traceback(error)) from None
        except (RuntimeError, ConnectionError, EOFError) as error:  # the latter two: it ended while a batch came over
            if isinstance(error, RuntimeError) and "DataLoader worker" not in str(error):
                raise
            self._end_workers()
            loading = [int(i) for i in self.indexed_samples.loading if i >= 0]
            names = ", ".join(sample_ids(self.samples, loading))
            raise LoadingError(
                f"a worker process that loads samples ended ({first_line(error)}) while loading samples {names}. "
                "The usual cause is a lack of memory: lower train.workers or the batch size"
            ) from error

    def _end_workers(self) -> None:
        """End the worker processes now: if one ends later, PyTorch raises that in whatever this process does then."""
        iterator = self.loader._iterator
        if iterator is not None:
            with contextlib.suppress(RuntimeError):  # that signal, which comes while they are ended
                iterator._shutdown_workers()  # type: ignore[attr-defined]


def _without_traceback(error: Exception) -> str:
    """The message without the traceback of the worker, which PyTorch adds."""
    text = str(error)
    marker = f"{LoadingError.__name__}: "
    return text.rsplit(marker, 1)[-1].strip() if marker in text else text


def to_device(batch: Mapping[str, Any], device: torch.device, channels_last: bool = False) -> dict[str, Any]:
    """A batch on the device; inputs in channels-last memory format where ``channels_last``."""
    moved = {k: v.to(device, non_blocking=True) if isinstance(v, Tensor) else v for k, v in batch.items()}
    if channels_last:
        moved["input"] = moved["input"].contiguous(memory_format=memory_format(moved["input"].dim()))
    return moved


def memory_format(dims: int) -> torch.memory_format:
    """Channels-last for [B, C, H, W] or [B, C, D, H, W]."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    return formats.get(dims, torch.contiguous_format)
