"""The files of one sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from scantune import io
from scantune.records import ReadError

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class SampleFiles:
    """The files of one sample, and what of them is meant.

    Attributes:
        files: one file or folder, or several that become channels.
        masks: of the reference; several become labels 1, 2, …
        series: which one of a folder of several DICOM series.
        volume: which one of a 4D file or of a series with several, or their mean.
        region: mask of the region that metrics are limited to.
        rater_masks: reader's name to that reader's masks.
    """

    files: Sequence[Path]
    masks: Sequence[Path] = ()
    series: io.SeriesRule | None = None
    volume: io.VolumeRule | None = None
    region: Path | None = None
    rater_masks: Mapping[str, Sequence[Path]] = field(default_factory=dict)


@contextmanager
def fault_of_file(files: Sequence[Path], number: int) -> Iterator[None]:
    """Inside the context, a fault of one of several files says which: its number in ``reason``, its path in ``detail``.

    Args:
        files: of the sample.
        number: of the file in use, from 0.

    Raises:
        ReadError: as raised inside.
    """
    try:
        yield
    except ReadError as error:
        if len(files) == 1:
            raise
        detail = ": ".join(dict.fromkeys(filter(None, [str(files[number]), error.detail])))
        raise ReadError(f"file {number + 1} of {len(files)}: {error.reason}", detail) from error


def by_file(files: Sequence[Path], items: Sequence[Item], act: Callable[[Item], Result]) -> list[Result]:
    """What a function gives of each file of a sample, or of what was read of it; a fault says of which file it is.

    Args:
        files: of the sample.
        items: one for each file.
        act: of one of them.

    Raises:
        ReadError: as raised by ``act``, see :func:`fault_of_file`.
    """
    results = []
    for number, item in enumerate(items):
        with fault_of_file(files, number):
            results.append(act(item))
    return results
