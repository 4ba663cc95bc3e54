"""From planned batches to tensors on the device: worker processes, what happens when one dies, the copy to a GPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from scantune.engine.data import Samples
from scantune.engine.randomness import generator
from scantune.records import ScantuneError

#: A place: the epoch, and the sample's index in the data set.
Place = tuple[int, int]


class LoadingError(ScantuneError):
    """A sample that could not be loaded, or the process that was loading it died."""


def sample_ids(samples: Samples, indices: Sequence[int]) -> list[str]:
    """The samples' names where the data set has them (``ids``), else their indices."""
    ids = getattr(samples, "ids", None)
    return [str(ids[i]) if ids is not None else f"index {i}" for i in indices]


class _Places(Dataset):
    """A data set by (epoch, index), which tells each worker's copy its epoch and names a sample that fails."""

    def __init__(self, samples: Samples, workers: int) -> None:
        self.samples = samples
        self.busy = torch.full((max(workers, 1),), -1, dtype=torch.int64).share_memory_()
        self._epoch: int | None = None

    def __getitem__(self, place: Place) -> dict[str, Any]:
        epoch, index = place
        worker = get_worker_info()
        self.busy[worker.id if worker else 0] = index
        if epoch != self._epoch and hasattr(self.samples, "set_epoch"):
            self.samples.set_epoch(epoch)
        self._epoch = epoch
        try:
            held = self.samples[index]
            return {name: _tensor(value) for name, value in held.items()}
        except Exception as error:
            name = sample_ids(self.samples, [index])[0]
            raise LoadingError(f"sample {name} could not be loaded: {type(error).__name__}: {error}") from error


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else torch.as_tensor(value)


class _Planned:
    """The batches to come, as places; set before each pass, so that the workers live on between epochs."""

    def __init__(self) -> None:
        self.batches: list[list[Place]] = []

    def __iter__(self) -> Iterator[list[Place]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class Loader:
    """Batches of a data set, in the order asked for.

    Args:
        samples: the data set.
        workers: processes; 0 loads in this one.
        pin_memory: page-locked memory, for faster copies to a GPU.
    """

    def __init__(self, samples: Samples, *, workers: int = 0, pin_memory: bool = False) -> None:
        self.samples = samples
        self.places = _Places(samples, workers)
        self.planned = _Planned()
        self.loader: DataLoader = DataLoader(
            self.places,
            batch_sampler=self.planned,  # type: ignore[arg-type]
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=pin_memory,
            generator=generator("workers"),  # else every pass would draw from the global state
        )

    def batches(self, epoch: int, planned: Sequence[np.ndarray]) -> Iterator[dict[str, Any]]:
        """The batches of ``planned``, each an array of sample indices.

        Raises:
            LoadingError: a sample that fails, or a worker that dies, with the samples' names.
        """
        self.planned.batches = [[(epoch, int(i)) for i in batch] for batch in planned]
        try:
            yield from self.loader
        except LoadingError as error:
            raise LoadingError(_own_words(error)) from None
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            busy = [int(i) for i in self.places.busy if i >= 0]
            names = ", ".join(sample_ids(self.samples, busy))
            raise LoadingError(
                f"a process that loads samples died ({str(error).splitlines()[0]}); the samples in work were {names}. "
                "Out of memory is the usual cause: lower train.workers or the batch size"
            ) from error


def _own_words(error: Exception) -> str:
    """The message without the worker's traceback that PyTorch puts around it."""
    text = str(error)
    marker = f"{LoadingError.__name__}: "
    return text.rsplit(marker, 1)[-1].strip() if marker in text else text


def to_device(batch: Mapping[str, Any], device: torch.device, channels_last: bool = False) -> dict[str, Any]:
    """A batch on the device; inputs in channels-last order where asked for."""
    moved = {k: v.to(device, non_blocking=True) if isinstance(v, Tensor) else v for k, v in batch.items()}
    if channels_last:
        moved["input"] = moved["input"].contiguous(memory_format=memory_format(moved["input"].dim()))
    return moved


def memory_format(dims: int) -> torch.memory_format:
    """Channels-last for [B, C, H, W] or [B, C, D, H, W]."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    return formats.get(dims, torch.contiguous_format)
