"""A model that predicts source files: the functions that prepared the training tensors, then the networks."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.plugins import open_carried
from scantune.records import ReadError, ScantuneError, Sent, Source, first_line
from scantune.registry.model import MODEL, OTHER_VERSION, ModelFacts, input_of, load_networks, read_facts

if TYPE_CHECKING:
    from scantune.models.covariates import Covariates
    from scantune.preprocess.within import Within

Files = str | Path | Sequence[str | Path] | Source
#: Covariates of a sample: column to text, number or None (unknown).
Cells = Mapping[str, object]


@dataclass(frozen=True)
class Answer:
    """The model's prediction of one sample.

    Attributes:
        values: the task's columns of ``predictions.csv`` (without targets); empty where the files cannot be used.
        reason: why they cannot, or "".
        mask: predicted labels of a segmentation on the grid of the file as it is read (a volume in RAS+ order of
            axes), [H, W] or [D, H, W], uint8.
        prepared_mask: the same on the prepared grid.
        prepared: the prepared sample (tensor, spacing, facts), also of one that the model would not answer.
        covariates: of the sample, [Q]; None of a model without any.
        note: what a reader of the prediction must know: a covariate's level that the training set lacks, a number
            outside of its range, what was noted when the files were read (one frame only, MONOCHROME1 inverted); or "".
    """

    values: Mapping[str, Any]
    reason: str = ""
    mask: np.ndarray | None = None
    prepared_mask: np.ndarray | None = None
    prepared: Any = None
    covariates: np.ndarray | None = None
    note: str = ""


@dataclass(frozen=True)
class Reading:
    """How files are read.

    Attributes:
        isolated: in a process beside this one, so that a decoder that crashes or hangs costs its file alone. False
            where no process may be started; ``SCANTUNE_ISOLATION=off`` in the environment makes that the default.
        time_limit: seconds that one sample may take there; None for the value of the model's ``input:`` block.
        workers: such processes.
        within: the only folders that may be read, where strangers name the files; None where any may.
    """

    isolated: bool = field(default_factory=lambda: os.environ.get("SCANTUNE_ISOLATION", "").lower() != "off")
    time_limit: float | None = None
    workers: int = 1
    within: Within | None = None


class Predictor:
    """A model folder, opened.

    Example:
        >>> predictor = Predictor.load("outputs/digits/train/model")  # doctest: +SKIP
        >>> predictor.predict(["scan.dcm", "series/"])[0].values  # doctest: +SKIP
        {'p/0': 0.01, …}
    """

    def __init__(
        self, facts: ModelFacts, networks: Sequence[Any], *, reading: Reading | None = None, device: str = "cpu"
    ) -> None:
        from scantune.preprocess.agreement import check_facts
        from scantune.registry.tensors import tensor_predictor
        from scantune.tasks.build import build_task
        from scantune.tasks.catalogue import settings_of

        self.facts = facts
        self.folder: Path | None = None  # that it was opened from
        self.networks = list(networks)
        self.reading = reading or Reading()
        self.input: Any = input_of(facts)
        check_facts(facts.name, self.input, facts.training.get("shape"))
        try:
            schema = settings_of(facts.task)
        except ScantuneError as error:
            raise ScantuneError(f"{MODEL}: {error}. If another version saved the model, {OTHER_VERSION}") from error
        self.task = build_task(schema, classes=facts.classes, loss=facts.loss)
        self.tensors = tensor_predictor(facts, self.networks, self.task, device)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        device: str = "cpu",
        *,
        reading: Reading | None = None,
        trust: bool = False,
        remedy: str = "trust=True",
    ) -> Predictor:
        """Open a model folder.

        Args:
            folder: with ``model.json`` and the weights.
            device: where it computes.
            reading: how files are read; without it in a process of its own, as ``SCANTUNE_ISOLATION`` allows.
            trust: run the plugins in the model. Those of the project itself need no permission.
            remedy: how a user allows that, for the message.

        Raises:
            UntrustedCode: it needs plugins that are not this project's own, and ``trust`` is not set.
            ScantuneError: it is not one.
        """
        folder, reading = Path(folder), reading or Reading()
        facts = read_facts(folder)
        open_carried(folder, facts.plugins, trust=trust, remedy=remedy)
        if reading.isolated:
            from scantune.preprocess import ahead

            ahead.start()  # it comes up while the weights are read
        try:
            opened = cls(facts, load_networks(folder, facts), reading=reading, device=device)
            opened.folder = folder
            return opened
        except ScantuneError:
            raise
        except Exception as error:  # values of a stranger's model.json that no model has
            raise ScantuneError(f"{folder / MODEL}: not the facts of a model: {first_line(error)}") from error

    @property
    def covariates(self) -> Covariates | None:
        """Columns that the model requires beside the image; None without any."""
        return self.tensors.covariates

    def predict(
        self, samples: Iterable[Files | Sent], batch_size: int = 8, covariates: Sequence[Cells] | None = None
    ) -> list[Answer]:
        """One answer per sample, in order; all answers and prepared samples are kept in memory.

        See :meth:`answers`.
        """
        return list(self.answers(samples, batch_size, covariates))

    def answers(
        self, samples: Iterable[Files | Sent], batch_size: int = 8, covariates: Sequence[Cells] | None = None
    ) -> Iterator[Answer]:
        """One answer per sample, in order, as an iterator.

        Files are read and prepared in another process while the networks are at work on the batch before.

        Args:
            samples: each a file, a folder (DICOM series), several files (one a channel), a source that says which
                series and volume of them, or the content of a file.
            batch_size: samples that go through the networks at once.
            covariates: of each sample, column to cell, for a model that has covariates.

        Yields:
            Answers; a sample whose files or covariates cannot be used has a ``reason`` and no values, and ends nothing,
            be it that its decoder crashes or hangs.

        Raises:
            ScantuneError: the process that reads cannot be started.
        """
        if self.covariates is None:
            yield from self._answers(samples, batch_size, None)
            return
        if covariates is None:
            samples = list(samples)
            covariates = [{}] * len(samples)
        cells, rows = covariates, [_row(self.covariates, of_sample) for of_sample in covariates]
        usable = (files for files, row in zip(samples, rows, strict=True) if not isinstance(row, str))
        answers = self._answers(usable, batch_size, [row for row in rows if not isinstance(row, str)])
        for row, of_sample in zip(rows, cells, strict=True):
            if isinstance(row, str):
                yield Answer({}, reason=row)
            else:
                yield _noted(next(answers), self.covariates, of_sample)

    def _answers(
        self, samples: Iterable[Files | Sent], batch_size: int, rows: list[np.ndarray] | None
    ) -> Iterator[Answer]:
        """:meth:`answers` with the covariates of each sample as numbers."""
        from scantune.preprocess.ahead import prepared

        settings = self.input.model_dump(mode="json")
        if self.reading.time_limit is not None:
            settings["time_limit"] = self.reading.time_limit
        reading = self.reading
        prepared_samples = prepared(
            (sample if isinstance(sample, Sent) else Source.of(sample) for sample in samples),
            settings,
            isolated=reading.isolated,
            workers=reading.workers,
            ahead=batch_size,
            within=reading.within,
        )
        with closing(prepared_samples) as stream:  # type: ignore[type-var]
            pairs = zip(stream, itertools.repeat(None) if rows is None else rows)
            for batch in _batches(pairs, batch_size):
                yield from self._batch(batch)

    def _batch(self, batch: list[tuple[Any, np.ndarray | None]]) -> list[Answer]:
        usable = [pair for pair in batch if not isinstance(pair[0], ReadError)]
        shapes = {p.tensor.shape for p, _ in usable}
        together = len(shapes) == 1 and self.tensors.windows is None
        groups = [usable] if together else [[p] for p in usable]  # grids of their own size go one by one
        answers = iter([answer for group in groups for answer in each_alone(self._forward, group)])
        return [Answer({}, reason=p.reason) if isinstance(p, ReadError) else next(answers) for p, _ in batch]

    def _forward(self, pairs: list[tuple[Any, np.ndarray | None]]) -> list[Answer]:
        import torch

        from scantune.prediction.predictor import ANSWERED, NOT_FINITE
        from scantune.preprocess.own_grid import own_grid
        from scantune.preprocess.places import Place
        from scantune.preprocess.store import as_float

        prepared, rows = [p for p, _ in pairs], [row for _, row in pairs if row is not None]
        tensors = [as_float(p.tensor) for p in prepared]
        inputs = torch.from_numpy(tensors[0][None] if len(tensors) == 1 else np.stack(tensors))
        output = self.tensors.output(inputs, torch.from_numpy(np.stack(rows)) if rows else None)
        places = [Place(p.spacing, own_grid(p.facts)) for p in prepared]
        masks, labels = self.tensors.file_masks(output, places), self.tensors.masks(output, places)
        columns = self.tensors.columns(output, places=places, masks=masks)
        drawn: list[dict[str, Any]] = [{}] * len(prepared)
        if masks is not None and labels is not None:
            drawn = [{"mask": mask, "prepared_mask": label} for mask, label in zip(masks, labels, strict=True)]
        values = [{name: _plain(column[i]) for name, column in columns.items()} for i in range(len(prepared))]
        answers = [
            Answer({}, reason=f"{NOT_FINITE}: its weights or the file's values are not what they should be")
            if not finite
            else _not_answered(row, prepared[i])
            if row.get(ANSWERED) == "no"
            else Answer(row, prepared=prepared[i], covariates=pairs[i][1], **drawn[i])
            for i, (row, finite) in enumerate(zip(values, output.finite, strict=True))
        ]
        return [replace(answer, note=_read_note(of)) for answer, of in zip(answers, prepared, strict=True)]


def each_alone(predict: Callable[[list[Any]], list[Answer]], batch: list[Any]) -> list[Answer]:
    """Answers of a batch; if the model fails on the batch, each sample is predicted alone, and those that fail are
    named."""
    try:
        return predict(batch)
    except Exception as error:
        if len(batch) == 1:
            return [Answer({}, reason=f"the model failed on this file ({type(error).__name__})")]
    return [answer for one in batch for answer in each_alone(predict, [one])]


def _read_note(prepared: Any) -> str:
    """What the manifest of a training notes of a sample."""
    return "; ".join(prepared.facts.get("notes") or ())


def _not_answered(row: Mapping[str, Any], prepared: Any) -> Answer:
    """The answer of a model that abstains, without its prediction."""
    from scantune.prediction.predictor import ANSWERED, DISTANCE

    reason = f"not answered: unlike the training images (distance {row[DISTANCE]:.2f}, and 1 is the limit)"
    return Answer({name: row[name] for name in (DISTANCE, ANSWERED)}, reason=reason, prepared=prepared)


def _row(covariates: Covariates, cells: Cells) -> np.ndarray | str:
    """A sample's covariates as numbers, or why they cannot be used."""
    try:
        return covariates.row(cells)
    except ValueError as error:
        return str(error)


def _noted(answer: Answer, covariates: Covariates, cells: Cells) -> Answer:
    """The answer, with what its covariates have that the training set has not."""
    sentences = [f"{name} {next(iter(texts))!r} is {what}" for name, texts, what in covariates.unlike([cells])]
    return replace(answer, note="; ".join([*sentences, *([answer.note] if answer.note else [])]))


def _batches(samples: Iterable[Any], size: int) -> Iterator[list[Any]]:
    samples = iter(samples)
    while batch := list(itertools.islice(samples, size)):
        yield batch


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
