"""Frames with positions to one volume: sorted, checked for gaps, duplicates and tilt, written straight to RAS+."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from scantune.io import geometry
from scantune.io.arrays import Options
from scantune.io.dicom_alike import differences
from scantune.io.dicom_file import DicomFile
from scantune.io.dicom_meaning import Meaning
from scantune.records import ReadError

SAME_PLACE = 1e-3  # mm
_ROUNDING = 0.011  # mm; positions are often written with two decimals


@dataclass(eq=False)
class Frame:
    """One slice before it is stacked.

    Attributes:
        name: what a message calls it ("instance 12", "frame 3"); no file name.
        rows: height in pixels.
        columns: width in pixels.
        position: of the first pixel's centre, mm in LPS, or None.
        orientation: direction cosines along a row and down a column, LPS, or None.
        spacing: (row, column) distance in mm, or None.
        meaning: of its stored values.
        keys: what tells stacks apart (echo, b-value, time …), by name.
        load: gives the stored values [H, W].
        order: a number that grows by acquisition, or None where the file has none.
        source: what the frame comes from.
        instance: UID of the instance, "" for a frame of a larger file.
        number: of a frame in its larger file, from 1; None elsewhere.
        window: center, width and function by the functional groups of an enhanced file; None elsewhere.
    """

    name: str
    rows: int
    columns: int
    position: np.ndarray | None
    orientation: np.ndarray | None
    spacing: tuple[float, float] | None
    meaning: Meaning
    keys: dict[str, str | float]
    load: Callable[[], np.ndarray]
    source: DicomFile
    order: float | None = None
    instance: str = ""
    number: int | None = None
    window: tuple[float, float, str] | None = None


@dataclass(eq=False)
class Stack:
    """Frames in the order of their places.

    Attributes:
        frames: sorted along the normal.
        affine: from stored (column, row, slice) indices to mm in RAS.
    """

    frames: list[Frame]
    affine: np.ndarray


def check_present(frames: Sequence[Frame]) -> None:
    """Refuse frames without geometry, or of different sizes.

    Raises:
        ReadError: with the frames' names.
    """
    for what, values in (
        ("position", [frame.position for frame in frames]),
        ("orientation", [frame.orientation for frame in frames]),
        ("pixel spacing", [frame.spacing for frame in frames]),
    ):
        missing = [frame.name for frame, value in zip(frames, values, strict=True) if value is None]
        if missing:
            raise ReadError(
                f"{len(missing)} of {len(frames)} slices have no {what}: {few(missing)}; no geometry is made up"
            )
    for frame in frames:
        _check_cosines(frame)
    sizes = Counter((frame.rows, frame.columns) for frame in frames)
    if len(sizes) > 1:
        common = sizes.most_common(1)[0][0]
        odd = [f"{f.name} ({f.rows}×{f.columns})" for f in frames if (f.rows, f.columns) != common]
        raise ReadError(f"slices of different sizes: {few(odd)} where the others are {common[0]}×{common[1]}")
    spacings = np.array([frame.spacing for frame in frames])
    middle = np.median(spacings, axis=0)
    odd = [f.name for f, s in zip(frames, spacings, strict=True) if (np.abs(s - middle) > 1e-3 * middle + 1e-6).any()]
    if odd:
        raise ReadError(f"slices of different pixel spacing: {few(odd)}")


def _check_cosines(frame: Frame) -> None:
    assert frame.orientation is not None
    assert frame.spacing is not None
    assert frame.position is not None
    row, column = frame.orientation[:3], frame.orientation[3:]
    lengths = np.array([row @ row, column @ column])
    if not np.isfinite(frame.orientation).all() or (np.abs(lengths - 1) > 0.01).any() or abs(row @ column) > 0.01:
        raise ReadError(f"the orientation of {frame.name} is not two perpendicular directions; no geometry is made up")
    if not np.isfinite(frame.position).all():
        raise ReadError(f"the position of {frame.name} is not finite")
    if not all(geometry.MIN_SPACING < value < geometry.MAX_SPACING for value in frame.spacing):
        raise ReadError(f"the pixel spacing of {frame.name} is {frame.spacing} mm")


def distances_of(frames: Sequence[Frame]) -> np.ndarray:
    """Place of each frame along the first one's normal, mm."""
    orientation = frames[0].orientation
    assert orientation is not None
    normal = np.cross(orientation[:3], orientation[3:])
    return np.array([frame.position for frame in frames]) @ normal


def stacked(frames: Sequence[Frame], options: Options) -> Stack:
    """Frames of one orientation, size and contrast in the order of their places.

    Raises:
        ReadError: one slice, gaps, slices shifted against each other or of different meaning.
    """
    if len(frames) < 2:
        raise ReadError("one slice only: this is an image, not a volume")
    distances = distances_of(frames)
    order = np.argsort(distances, kind="stable")
    frames = [frames[at] for at in order]
    _check_gaps(frames, distances[order], options)
    differences([frame.meaning for frame in frames], [frame.name for frame in frames])
    positions = np.array([frame.position for frame in frames])
    step = (positions[-1] - positions[0]) / (len(frames) - 1)
    orientation, spacing = frames[0].orientation, frames[0].spacing
    assert orientation is not None
    assert spacing is not None
    line = positions[0] + np.arange(len(frames))[:, None] * step
    normal = np.cross(orientation[:3], orientation[3:])
    aside = positions - line
    aside -= np.outer(aside @ normal, normal)
    wander = float(np.linalg.norm(aside, axis=1).max())
    if wander > 0.25 * min(spacing) + _ROUNDING:
        raise ReadError(f"slices are shifted against each other by up to {wander:.3g} mm")
    affine = np.eye(4)
    affine[:3, 0] = orientation[:3] * spacing[1]  # column index runs along a row
    affine[:3, 1] = orientation[3:] * spacing[0]
    affine[:3, 2] = step
    affine[:3, 3] = positions[0]
    return Stack(frames, geometry.LPS_TO_RAS @ affine)


def _check_gaps(frames: list[Frame], distances: np.ndarray, options: Options) -> None:
    gaps = np.diff(distances)
    usual = float(np.median(gaps))
    if usual <= 0:
        raise ReadError("the slices all lie at one place")
    steps = gaps / usual
    off = np.flatnonzero(np.abs(gaps - usual) > options.slice_tolerance * usual + _ROUNDING)
    if off.size == 0:
        return
    rounded = np.rint(steps)
    missing = all(rounded[at] >= 2 and abs(gaps[at] - rounded[at] * usual) <= 0.1 * usual for at in off)
    if missing:
        count = int((rounded[off] - 1).sum())
        places = [f"{int(rounded[at]) - 1} after slice {at + 1} (at {distances[at]:.2f} mm)" for at in off]
        raise ReadError(
            f"{count} {'slice is' if count == 1 else 'slices are'} missing of {len(frames) + count}: {few(places)}"
        )
    places = [f"{gaps[at]:.4g} mm after slice {at + 1}" for at in off]
    raise ReadError(f"uneven slice spacing: {few(places)} where {usual:.4g} mm is usual")


def few(names: Sequence[str], most: int = 8) -> str:
    """The first of some names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def fill(
    stack: Stack, orientation: geometry.Orientation, keep_integers: bool = False
) -> tuple[np.ndarray, np.ndarray | None]:
    """Decode the stack's frames into float32 [D, H, W].

    Each frame is brought to values by its own meaning, exact in float32, and written flipped where its axes run
    against R, A or S, so that no second pass over the volume is needed; the transposition is a view.

    Args:
        stack: sorted frames; its affine is that of (column, row, slice).
        orientation: of that affine.
        keep_integers: int16 where every value is one.

    Returns:
        The values, and which voxels are padding (bool of the same shape) or None where none is.
    """
    filled = _filled(stack, orientation, np.int16, Meaning.integers_into) if keep_integers else None
    filled = _filled(stack, orientation, np.float32, Meaning.values_into) if filled is None else filled
    assert filled is not None
    return filled


def _filled(
    stack: Stack, orientation: geometry.Orientation, dtype: type, into: Callable[..., bool]
) -> tuple[np.ndarray, np.ndarray | None] | None:
    """The frames by ``into``, or None where one does not fit."""
    first = stack.frames[0]
    steps = [slice(None)] * 3  # of stored axes column, row, slice
    for world, axis in enumerate(orientation.source):
        if orientation.flipped[world]:
            steps[axis] = slice(None, None, -1)
    stored: np.ndarray = np.empty((len(stack.frames), first.rows, first.columns), dtype=dtype)  # slice, row, column
    target, empty = stored[steps[2]], None
    for at, frame in enumerate(stack.frames):
        raw = frame.load()
        if raw.shape != (first.rows, first.columns):
            raise ReadError(f"{frame.name} is in colour or of another size; a volume has one number a voxel")
        if not into(frame.meaning, target[at], raw[steps[1], steps[0]]):
            return None
        padding = frame.meaning.is_padding(raw)
        if padding is not None:
            empty = np.zeros(stored.shape, dtype=bool) if empty is None else empty
            empty[steps[2]][at] = padding[steps[1], steps[0]]
    if empty is not None:
        _check_padding(stack)
    right, anterior, superior = orientation.source
    # stored axes (slice, row, column) are (2, 1, 0) of (column, row, slice)
    axes = 2 - superior, 2 - anterior, 2 - right
    return stored.transpose(axes), None if empty is None else empty.transpose(axes)


def _check_padding(stack: Stack) -> None:
    """Refuse a volume of which some slices state a padding value and others none or another one."""
    values = [frame.meaning.padding for frame in stack.frames]
    if len(set(values)) > 1:
        common = max(set(values), key=values.count)
        odd = [frame.name for frame, value in zip(stack.frames, values, strict=True) if value != common]
        raise ReadError(f"PixelPaddingValue differs by slice, and there is padding: {few(odd)} unlike the others")
