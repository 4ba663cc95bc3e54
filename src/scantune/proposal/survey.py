"""What the files of a cohort are: kind, size, spacing, colour, depth; all of them, or a sample of many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scantune import io
from scantune.proposal.listing import spread
from scantune.records import ReadError, ScantuneError

MOST = 2000
"""Files whose headers are read; of more an even sample."""
_COLOURS = 12  # files whose pixels are compared between channels
_SERIES = 40  # folders that are read; each is many files
_THREADS = 4


@dataclass(frozen=True)
class Survey:
    """What the files have in common.

    Attributes:
        kind: most files' kind.
        shapes: [N, axes] sizes, as :class:`~scantune.io.Extent` has them.
        spacings: [N, 3] mm of volumes; [0, 3] otherwise.
        frames: [N] of videos.
        frame_times: [N] ms between the frames of videos; NaN where a file does not state it.
        colour: channels differ in at least half of the files compared.
        volumes: a file or series has several volumes.
        bits: largest depth.
        read: files that were read.
        total: files that there are.
        unreadable: paths of those that could not be read.
        other_kinds: paths of files of other kinds.
    """

    kind: str
    shapes: np.ndarray
    spacings: np.ndarray
    frames: np.ndarray
    frame_times: np.ndarray
    colour: bool
    volumes: bool
    bits: int
    read: int
    total: int
    unreadable: tuple[str, ...]
    other_kinds: tuple[str, ...]

    def middle(self) -> list[int]:
        """Median size along each axis."""
        return [int(v) for v in np.median(self.shapes, axis=0)]

    def span(self) -> str:
        """Smallest and largest sizes as text."""
        low, high = self.shapes.min(axis=0), self.shapes.max(axis=0)
        texts = ["×".join(str(int(v)) for v in values) for values in (low, high)]
        return texts[0] if texts[0] == texts[1] else f"{texts[0]} to {texts[1]}"


def survey(root: Path, files: Sequence[str], series: str = "") -> Survey:
    """Read headers of files below ``root``.

    Args:
        root: folder of the files.
        files: paths below it.
        series: words in the description of the DICOM series of folders that have several; "" for none.

    Raises:
        ScantuneError: none of them can be read.
    """
    some = spread(files, MOST)
    if any((root / file).is_dir() for file in some[:3]):
        some = spread(some, _SERIES)
    with ThreadPoolExecutor(_THREADS) as pool:
        read = list(pool.map(lambda file: _extent(root / file, series), some))
    extents = [(file, extent) for file, extent in zip(some, read) if isinstance(extent, io.Extent)]
    unreadable = tuple(file for file, extent in zip(some, read) if not isinstance(extent, io.Extent))
    if not extents:
        raise ScantuneError(f"none of {len(some)} files below {root} can be read; the first, {some[0]}: {read[0]}")
    kind = Counter(extent.kind for _, extent in extents).most_common(1)[0][0]
    same = [(file, extent) for file, extent in extents if extent.kind == kind]
    coloured = [file for file, extent in same if extent.colour]
    return Survey(
        kind,
        np.array([extent.shape for _, extent in same]),
        np.array([extent.spacing for _, extent in same if extent.spacing]).reshape(-1, 3),
        np.array([extent.frames for _, extent in same]),
        np.array([extent.frame_time or np.nan for _, extent in same]),
        2 * sum(_has_colour(root / file, kind) for file in spread(coloured, _COLOURS))
        >= max(1, min(len(same), _COLOURS)),
        any(extent.volumes > 1 for _, extent in same),
        max(extent.bits for _, extent in same),
        len(extents),
        len(files),
        unreadable,
        tuple(file for file, extent in extents if extent.kind != kind),
    )


def _extent(path: Path, series: str) -> io.Extent | str:
    try:
        return io.read_extent(path, io.SeriesRule(description=series) if series else None)
    except ReadError as error:
        return error.reason


def _has_colour(path: Path, kind: str) -> bool:
    """Whether the channels differ: films are often stored as RGB with equal channels."""
    try:
        if kind == "video":
            loop = io.open_video(path)
            frames = loop.frames([0, loop.n_frames // 2])  # the first may be black
            pictures = np.moveaxis(frames.astype(np.int16), -1, 1)
        else:
            content = io.read(path)
            if not isinstance(content, io.Image):
                return False
            pictures = np.asarray(content.array, np.int16)[None]
    except ReadError:
        return False
    if pictures.shape[1] < 3:  # T C H W
        return False
    differences = np.ptp(pictures[:, :3], axis=1)
    marked = np.percentile(differences, 80, axis=(1, 2)) > 12  # marks in colour and JPEG's noise leave most pixels grey
    return bool(marked.any())
