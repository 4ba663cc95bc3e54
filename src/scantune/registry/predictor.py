"""A model that takes files as they come: the same functions that made the training tensors, then the networks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scantune.records import ReadError, ScantuneError
from scantune.registry.model import ModelFacts, load_networks, read_facts

Files = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class Answer:
    """What the model says of one sample.

    Attributes:
        values: the task's columns of ``predictions.csv`` (without targets); empty where the files cannot be used.
        reason: why they cannot, or "".
        mask: predicted labels on the prepared grid ([H, W] or [D, H, W], uint8) of a segmentation.
        prepared: the prepared sample (tensor, spacing, facts).
    """

    values: Mapping[str, Any]
    reason: str = ""
    mask: np.ndarray | None = None
    prepared: Any = None


class Predictor:
    """A model folder, opened.

    Example:
        >>> predictor = Predictor.load("outputs/digits/train/model")  # doctest: +SKIP
        >>> predictor.predict(["scan.dcm", "series/"])[0].values  # doctest: +SKIP
        {'p/0': 0.01, …}
    """

    def __init__(self, facts: ModelFacts, networks: Sequence[Any]) -> None:
        from pydantic import TypeAdapter

        from scantune.config.input import InputConfig
        from scantune.config.task import TaskConfig
        from scantune.tasks.build import build_task

        self.facts = facts
        self.networks = list(networks)
        self.input: Any = TypeAdapter(InputConfig).validate_python(facts.input)
        schema: Any = TypeAdapter(TaskConfig).validate_python(facts.task)
        self.task = build_task(schema, classes=facts.classes, loss=facts.loss)

    @classmethod
    def load(cls, folder: str | Path, device: str = "cpu") -> Predictor:
        """Open a model folder.

        Raises:
            ScantuneError: it is not one.
        """
        folder = Path(folder)
        facts = read_facts(folder)
        return cls(facts, load_networks(folder, facts, device))

    def predict(self, samples: Iterable[Files], batch_size: int = 8) -> list[Answer]:
        """One answer a sample, in their order.

        Args:
            samples: each a file, a folder (DICOM series) or several files (one a channel).
            batch_size: samples that go through the networks at once.

        Returns:
            Answers; a sample whose files cannot be used has a ``reason`` and no values, and ends nothing.
        """
        answers: list[Answer] = []
        for batch in _batches(samples, batch_size):
            answers.extend(self._batch(batch))
        return answers

    def _batch(self, batch: list[tuple[Path, ...]]) -> list[Answer]:
        from scantune.preprocess import prepare

        prepared: list[Any] = []
        for files in batch:
            try:
                prepared.append(prepare(files, (), self.input))
            except ReadError as error:
                prepared.append(Answer({}, reason=error.reason))
        usable = [p for p in prepared if not isinstance(p, Answer)]
        if not usable:
            return prepared
        shapes = {p.tensor.shape for p in usable}
        groups = [usable] if len(shapes) == 1 else [[p] for p in usable]  # grids of their own size go one by one
        given = iter([answer for group in groups for answer in self._forward(group)])
        return [p if isinstance(p, Answer) else next(given) for p in prepared]

    def _forward(self, prepared: list[Any]) -> list[Answer]:
        import torch

        from scantune.preprocess.store import as_float

        x = torch.from_numpy(np.stack([as_float(p.tensor) for p in prepared]))
        device = next(self.networks[0].parameters()).device
        with torch.inference_mode():
            output = torch.stack([network(x.to(device)).float() for network in self.networks]).mean(0).cpu()
        if self.task.dense:
            masks = self.task.masks(output).numpy().astype(np.uint8)  # type: ignore[attr-defined]
            rows: list[dict[str, Any]] = [{"volume_prediction": _volume(m, p.spacing)} for m, p in zip(masks, prepared)]
            return [Answer(row, mask=m, prepared=p) for row, m, p in zip(rows, masks, prepared)]
        columns = self.task.columns(output.numpy(), None, self.facts.fitted)
        return [
            Answer({name: _plain(values[i]) for name, values in columns.items()}, prepared=p)
            for i, p in enumerate(prepared)
        ]


def _batches(samples: Iterable[Files], size: int) -> Iterator[list[tuple[Path, ...]]]:
    batch: list[tuple[Path, ...]] = []
    for files in samples:
        batch.append((Path(files),) if isinstance(files, (str, Path)) else tuple(Path(f) for f in files))
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _volume(mask: np.ndarray, spacing: Sequence[float] | None) -> float:
    """Marked mm³ (mm² in 2D); pixels where the file has no spacing."""
    unit = float(np.prod(spacing)) if spacing else 1.0
    return float((mask > 0).sum()) * unit


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def allowed(path: str | Path, folders: Sequence[Path], max_bytes: int) -> Path:
    """``path`` where a served model may read it.

    Args:
        path: as a client sent it.
        folders: the only ones that may be read.
        max_bytes: largest file that is taken.

    Raises:
        ScantuneError: an address, a path outside the folders (links followed), a file that is too large or not there.
    """
    text = str(path)
    if "://" in text:
        raise ScantuneError("addresses are not fetched; give a file below the folders that are served")
    resolved = Path(text).resolve()
    if not any(resolved.is_relative_to(folder.resolve()) for folder in folders):
        raise ScantuneError("the path is outside the folders that are served (SCANTUNE_SERVED_FOLDERS)")
    if not resolved.exists():
        raise ScantuneError("there is no such file below the folders that are served")
    size = sum(f.stat().st_size for f in resolved.rglob("*")) if resolved.is_dir() else resolved.stat().st_size
    if size > max_bytes:
        raise ScantuneError(f"{size:,} bytes; at most {max_bytes:,} are taken (SCANTUNE_SERVED_BYTES)")
    return resolved
