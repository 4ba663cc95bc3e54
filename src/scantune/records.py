"""Types shared by the packages: a cohort's row, an unusable file, errors for users.

Letters of axes, used in every shape comment of the project:

======  ==========================================================================
``B``   batch
``C``   channel
``T``   time (frames of a video)
``D``   slices; in volumes from inferior to superior
``H``   rows; in volumes from posterior to anterior
``W``   columns; in volumes from left to right
``Z``   zone
``K``   class
======  ==========================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType


class ScantuneError(ValueError):
    """Base of every error that a user is meant to read: it names the place, the value and the remedy."""


class ReadError(ScantuneError):
    """A file or folder that cannot be used.

    Attributes:
        reason: a text that may be written to outputs: no path, no header text, nothing that identifies.
        detail: what only the local terminal may show (the file's path, positions, decoder messages).
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason} ({detail})" if detail else reason)
        self.reason = reason
        self.detail = detail


def first_line(error: BaseException) -> str:
    """The first line of an error's message, at most 300 letters; its type where it has no message."""
    text = str(error).strip()
    return text.splitlines()[0][:300] if text else type(error).__name__


_EMPTY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Source:
    """What one sample is read from.

    Attributes:
        files: one file, one folder (DICOM series) or several files (one a channel).
        series: what names the one series that is meant, see :class:`Record`; None where the files hold one, or the
            settings of the input choose.
        volume: what names the one volume that is meant, the same way.
        leaves_out: whether images that a folder holds beside its DICOM series are left out; else it is refused.
    """

    files: tuple[Path, ...]
    series: tuple[str, str] | None = None
    volume: tuple[str, str] | None = None
    leaves_out: bool = False

    @classmethod
    def of(cls, files: str | Path | Sequence[str | Path] | Source) -> Source:
        """A path, several paths, or a source, which stays as it is."""
        if isinstance(files, Source):
            return files
        return cls((Path(files),) if isinstance(files, (str, Path)) else tuple(Path(file) for file in files))


@dataclass(frozen=True)
class Sent:
    """The content of one file, or of a ZIP of the one DICOM series that is meant.

    Attributes:
        content: its bytes; a text is base64 of them, in which spaces and line ends do not count.
        name: its name, of which only the ending is used, for what the content cannot tell; or "".
    """

    content: bytes | str
    name: str = ""


@dataclass(frozen=True)
class Record:
    """One row of a cohort: one sample, the files it is read from and what is known of it.

    Attributes:
        sample_id: unique in the dataset; names the cached tensor. Safe as a file name.
        subject_id: the person (or, where none is given, the sample itself): splits and intervals are by subject.
        files: absolute paths of what is read: one file, one folder (DICOM series) or several files.
        masks: absolute paths of segmentation masks that belong to ``files``; empty where there are none.
        region: absolute path of the mask of the region that metrics are limited to, or None.
        rater_masks: reader's name to the absolute paths of that reader's masks; empty where the reader drew none.
        targets: target name to its value as text, as it stands in the table; "" where empty.
        groups: grouping columns (sex, age, site, scanner …) to their value as text.
        raters: reader's name to that reader's value as text.
        split: the side that the table itself names ("train", "validation", "test"), or None.
        series: what names the one series that is meant in a folder of several ("uid", "number" or "description") and
            its value, or None.
        volume: what names the one volume that is meant in a 4D file or a series of several ("index", "b_value",
            "echo_time" …) and its value, or None.
        order: the value by which sequential and temporal splits sort, or None.
        row: line of the table that it came from (1 is the header), or None for class folders.
    """

    sample_id: str
    subject_id: str
    files: tuple[Path, ...]
    masks: tuple[Path, ...] = ()
    region: Path | None = None
    rater_masks: Mapping[str, tuple[Path, ...]] = field(default_factory=lambda: MappingProxyType({}))
    targets: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    groups: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    raters: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    split: str | None = None
    series: tuple[str, str] | None = None
    volume: tuple[str, str] | None = None
    order: str | None = None
    row: int | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """All that is read of the sample: files, masks, region and readers' masks."""
        readers = (path for paths in self.rater_masks.values() for path in paths)
        return (*self.files, *self.masks, *([self.region] if self.region else []), *readers)
