"""The results beside the table of ``scantune predict``: reports, masks and maps, written, and stored at a server."""

from __future__ import annotations

import functools
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from scantune.files import DiskFullError
from scantune.records import ScantuneError

if TYPE_CHECKING:
    from scantune.cohort.unlabelled import Sample
    from scantune.commands.remote_samples import RemoteSamples


def refuse_idle(opened: Any, folders: Mapping[str, Path | None], statistics: bool) -> None:
    """Refuse options that would write nothing, before anything is predicted.

    Args:
        opened: the model.
        folders: option to the folder that it names, or None.
        statistics: whether the image's statistics are to be columns.

    Raises:
        ScantuneError: masks of a model without any, results of another tool's model, or a folder that is a file.
    """
    from scantune.tasks.catalogue import settings_of

    named = {option: folder for option, folder in folders.items() if folder is not None}
    if opened.facts is None:
        options = [*named, *(["--statistics"] if statistics else [])]
        if options:
            raise ScantuneError(f"predict: {', '.join(options)}: of scantune's own models, and this is another tool's")
        return
    if "--seg" in named and not settings_of(opened.facts.task).mask_classes:
        name = opened.facts.task["name"]
        raise ScantuneError(f"predict: --seg: this model predicts no masks (task: {name}); leave the option out")
    for option, folder in named.items():
        if folder.exists() and not folder.is_dir():
            raise ScantuneError(f"predict: {option} {folder}: is a file; name a folder")


def whole(write: Callable[..., Path], folder: Path, of: Sequence[Any], sample_id: str) -> Path:
    """Write a report or mask under its name, or not at all: a disk that is full, or a kill, leaves no half file there.

    Args:
        write: of :mod:`scantune.registry.results`: writes into the folder that is its first argument.
        folder: for the file; it is created.
        of: the writer's other arguments.
        sample_id: the file's name; "" for the one that the writer gives it.

    Returns:
        The file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as half:
        path = write(Path(half), *of)
        ending = ".nii.gz" if path.name.endswith(".nii.gz") else path.suffix
        return path.replace(folder / (f"{sample_id}{ending}" if sample_id else path.name))


def writers_of(
    sr: Path | None, seg: Path | None, maps: Path | None, map_method: str, map_layer: str | None
) -> list[tuple[str, Path, Callable[..., Any]]]:
    """Column, folder and function of each requested kind of result."""
    if sr is None and seg is None and maps is None:
        return []
    from scantune.pipeline.maps import predicted as predicted_maps
    from scantune.registry import results

    mapped = functools.partial(predicted_maps.write_map, method=map_method, layer=map_layer)
    known = (("report", sr, results.write_scores), ("mask", seg, results.write_mask), ("map", maps, mapped))
    return [(column, folder, write) for column, folder, write in known if folder is not None]


def _in_words(error: Exception) -> str:
    """An error; of an attribute that a DICOM header lacks, which one (its keywords begin with a capital letter)."""
    if isinstance(error, AttributeError) and error.name and error.name[0].isupper():
        return f"its header has no {error.name}, which the result would have to repeat"
    return f"{type(error).__name__}: {error}"


class Results:
    """Report, mask and map beside the table; one that cannot be written or stored is reported and ends nothing.

    Attributes:
        other_modalities: number of samples of each DICOM modality that the model was not trained on.
        stored: number of results that a server has taken.
        not_stored: number of those that it has not.
        not_written: number of those that the disk has not taken.
    """

    def __init__(
        self,
        opened: Any,
        writers: Sequence[tuple[str, Path, Callable[..., Any]]],
        remote: RemoteSamples,
        store: str | None,
        modalities: frozenset[str] = frozenset(),
    ) -> None:
        self.modalities, self.other_modalities = modalities, Counter[str]()
        self.opened, self.writers, self.remote, self.address = opened, writers, remote, store
        self.connection = None if store is None else remote.connection  # whose settings are refused before the work
        self.stored = self.not_stored = self.not_written = 0

    @property
    def failed(self) -> int:
        """Number of results that the same command may write or store at another time."""
        return self.not_stored + self.not_written

    def of(self, sample: Sample, answer: Any, sample_id: str = "") -> dict[str, str]:
        """The name of each file by its column of the table (of a sample without an id a report and a mask are named by
        a digest, and the table says whose they are), and as ``<column>_reason`` why there is none, or why it is not
        stored."""
        from scantune.pipeline.data.training_cohort import is_foreign

        names: dict[str, str] = {}
        modality = str(answer.prepared.facts.get("modality") or "") if answer.prepared is not None else ""
        if is_foreign(modality, self.modalities):
            self.other_modalities[modality] += 1
        for column, folder, write in self.writers if self.opened.facts is not None else ():
            try:
                of = sample.source, answer, self.opened
                written = write(folder, *of) if column == "map" else whole(write, folder, of, sample_id)
                names[column] = written.name
                reason = self._store(written) if column != "map" else ""
            except ScantuneError as error:
                reason, self.not_written = str(error), self.not_written + isinstance(error, DiskFullError)
            except OSError as error:
                reason, self.not_written = f"it cannot be written ({error.strerror or error})", self.not_written + 1
            except Exception as error:  # a header that lacks a required attribute; the prediction is in the table
                reason = f"no result can be written for this source ({_in_words(error)})"
            if reason:
                names[f"{column}_reason"] = reason
                typer.echo(f"  {sample.file}: {reason}", err=True)
        return names

    def take_up(self, row: Mapping[str, Any]) -> None:
        """Count the results of a row that the command before has stored; a row with one that is not is not kept."""
        sent = [name for name, _, _ in self.writers if name != "map"] if self.connection is not None else []
        self.stored += sum(name in row and f"{name}_reason" not in row for name in sent)

    def _store(self, path: Path) -> str:
        """Send a result; why it is not stored, or ""."""
        from scantune.dicomweb.store import store

        if self.connection is None or self.address is None:
            return ""
        reason = "it is no DICOM" if path.suffix != ".dcm" else store(self.connection, self.address, path)
        self.stored, self.not_stored = self.stored + (not reason), self.not_stored + bool(reason)
        return f"not stored: {reason}" if reason else ""
