"""Frames with positions to one volume: sorted, checked for gaps, duplicates and tilt, written straight to RAS+."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from scantune.io import geometry
from scantune.io.arrays import Options, SeriesRule
from scantune.records import ReadError

_SAME_PLACE = 1e-3  # mm
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
        slope: rescale slope.
        intercept: rescale intercept.
        keys: what tells stacks apart (echo, b-value, time …), by name.
        load: gives the stored values [H, W].
        source: what the frame comes from.
        same_bytes: whether two frames are copies, asked only where two lie at one place.
    """

    name: str
    rows: int
    columns: int
    position: np.ndarray | None
    orientation: np.ndarray | None
    spacing: tuple[float, float] | None
    slope: float
    intercept: float
    keys: dict[str, str | float]
    load: Callable[[], np.ndarray]
    source: object = None
    same_bytes: Callable[[Frame, Frame], bool] = field(default=lambda one, other: False)


@dataclass(eq=False)
class Stack:
    """Frames in the order of their places.

    Attributes:
        frames: sorted along the normal.
        affine: from stored (column, row, slice) indices to mm in RAS.
    """

    frames: list[Frame]
    affine: np.ndarray


def choose(frames: Sequence[Frame], options: Options, notes: list[str]) -> Stack:
    """The one stack that the frames make, or the one of several that the rule names.

    Raises:
        ReadError: no geometry, mixed sizes or orientations, duplicates, gaps, or several stacks and no rule.
    """
    _check_present(frames)
    stacks = [part for group in _orientations(frames) for part in _told_apart(group, notes)]
    if len(stacks) > 1:
        frames = _chosen(stacks, options, notes)
    else:
        frames = stacks[0][1]
        if options.volume_index not in (None, 0):
            raise ReadError(f"volume_index is {options.volume_index}, but there is one stack")
    return _stacked(list(frames), options)


def _check_present(frames: Sequence[Frame]) -> None:
    for what, values in (
        ("position", [frame.position for frame in frames]),
        ("orientation", [frame.orientation for frame in frames]),
        ("pixel spacing", [frame.spacing for frame in frames]),
    ):
        missing = [frame.name for frame, value in zip(frames, values, strict=True) if value is None]
        if missing:
            raise ReadError(
                f"{len(missing)} of {len(frames)} slices have no {what}: {_few(missing)}; no geometry is made up"
            )
    for frame in frames:
        _check_cosines(frame)
    sizes = Counter((frame.rows, frame.columns) for frame in frames)
    if len(sizes) > 1:
        common = sizes.most_common(1)[0][0]
        odd = [f"{f.name} ({f.rows}×{f.columns})" for f in frames if (f.rows, f.columns) != common]
        raise ReadError(f"slices of different sizes: {_few(odd)} where the others are {common[0]}×{common[1]}")
    spacings = np.array([frame.spacing for frame in frames])
    middle = np.median(spacings, axis=0)
    odd = [f.name for f, s in zip(frames, spacings, strict=True) if (np.abs(s - middle) > 1e-3 * middle + 1e-6).any()]
    if odd:
        raise ReadError(f"slices of different pixel spacing: {_few(odd)}")


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


def _orientations(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Groups of one orientation. A lone slice of another one is a fault, two stacks are a choice."""
    rest, groups = list(frames), []
    while rest:
        first = rest[0].orientation
        group = [frame for frame in rest if np.abs(frame.orientation - first).max() < 5e-3]  # type: ignore[operator]
        rest = [frame for frame in rest if frame not in group] if len(group) < len(rest) else []
        groups.append(group)
    lone = [group[0].name for group in groups if len(group) == 1]
    if len(groups) > 1 and lone:
        raise ReadError(f"slices of different orientations: {_few(lone)} lie across the others")
    return groups


def _distances(frames: Sequence[Frame]) -> np.ndarray:
    orientation = frames[0].orientation
    assert orientation is not None
    normal = np.cross(orientation[:3], orientation[3:])
    return np.array([frame.position for frame in frames]) @ normal


def _unique(frames: Sequence[Frame]) -> bool:
    return len(frames) < 2 or float(np.diff(np.sort(_distances(frames))).min()) > _SAME_PLACE


def _told_apart(frames: list[Frame], notes: list[str]) -> list[tuple[str, list[Frame]]]:
    """Split frames that share places by the first key, or pair of keys, that gives each stack places of its own."""
    if _unique(frames):
        return [("", frames)]
    frames = _without_copies(frames, notes)
    if _unique(frames):
        return [("", frames)]
    names = [name for name in frames[0].keys if len({frame.keys.get(name) for frame in frames}) > 1]
    attempts = [(name,) for name in names] + [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    for attempt in attempts:
        parts: dict[tuple, list[Frame]] = {}
        for frame in frames:
            parts.setdefault(tuple(frame.keys.get(name) for name in attempt), []).append(frame)
        if len({len(part) for part in parts.values()}) == 1 and all(_unique(part) for part in parts.values()):
            ordered = sorted(parts.items(), key=lambda item: [(str(type(v)), v) for v in item[0]])
            return [(_label(attempt, key), part) for key, part in ordered]
    raise ReadError(f"different slices at one place: {_few(_doubled(frames))}")


def _doubled(frames: Sequence[Frame]) -> list[str]:
    distances = _distances(frames)
    order = np.argsort(distances, kind="stable")
    close = np.flatnonzero(np.diff(distances[order]) <= _SAME_PLACE)
    return [f"{frames[order[at]].name} and {frames[order[at + 1]].name}" for at in close]


def _without_copies(frames: list[Frame], notes: list[str]) -> list[Frame]:
    """One of each set of identical slices."""
    order = np.argsort(_distances(frames), kind="stable")
    distances = _distances(frames)
    kept: list[Frame] = []
    places: list[float] = []
    for at in order:
        frame = frames[at]
        near = [
            k for k, place in zip(kept[::-1], places[::-1], strict=True) if abs(place - distances[at]) <= _SAME_PLACE
        ]
        if not any(frame.keys == other.keys and frame.same_bytes(frame, other) for other in near):
            kept.append(frame)
            places.append(float(distances[at]))
    if len(kept) < len(frames):
        notes.append(f"{len(frames) - len(kept)} identical copies of slices left aside")
    return kept


def _chosen(stacks: list[tuple[str, list[Frame]]], options: Options, notes: list[str]) -> list[Frame]:
    rule = options.series or SeriesRule()
    index = rule.stack if rule.stack is not None else options.volume_index
    wanted = {"echo time": rule.echo_time, "b-value": rule.b_value}
    left = list(range(len(stacks)))
    if index is not None:
        left = [at for at in left if at == index]
    for name, value in wanted.items():
        if value is not None:
            left = [at for at in left if _near(stacks[at][1][0].keys.get(name), value)]
    labels = [f"{at}: {label or 'orientation'} ({len(part)} slices)" for at, (label, part) in enumerate(stacks)]
    if len(left) != 1:
        raise ReadError(f"{len(stacks)} stacks in one series, and no rule that chooses one: {'; '.join(labels)}")
    notes.append(f"one of {len(stacks)} stacks of the series, chosen by rule: {labels[left[0]]}")
    return stacks[left[0]][1]


def _near(found: str | float | None, wanted: float) -> bool:
    return isinstance(found, (int, float)) and abs(found - wanted) <= 1e-3 * max(1.0, abs(wanted))


def _stacked(frames: list[Frame], options: Options) -> Stack:
    if len(frames) < 2:
        raise ReadError("one slice only: this is an image, not a volume")
    distances = _distances(frames)
    order = np.argsort(distances, kind="stable")
    frames = [frames[at] for at in order]
    _check_gaps(frames, distances[order], options)
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
    whole = np.rint(steps)
    missing = all(whole[at] >= 2 and abs(gaps[at] - whole[at] * usual) <= 0.1 * usual for at in off)
    if missing:
        count = int((whole[off] - 1).sum())
        places = [f"{int(whole[at]) - 1} after slice {at + 1} (at {distances[at]:.2f} mm)" for at in off]
        raise ReadError(
            f"{count} {'slice is' if count == 1 else 'slices are'} missing of {len(frames) + count}: {_few(places)}"
        )
    places = [f"{gaps[at]:.4g} mm after slice {at + 1}" for at in off]
    raise ReadError(f"uneven slice spacing: {_few(places)} where {usual:.4g} mm is usual")


def _few(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _label(names: Sequence[str], values: Sequence[object]) -> str:
    words = [f"{value:g}" if isinstance(value, float) else str(value) for value in values]
    return ", ".join(f"{name} {word}" for name, word in zip(names, words, strict=True))


def fill(stack: Stack, orientation: geometry.Orientation, keep_integers: bool = False) -> np.ndarray:
    """Decode the stack's frames into float32 [D, H, W].

    Each frame is rescaled by its own slope and intercept, exact in float32, and written flipped where its axes run
    against R, A or S, so that no second pass over the volume is needed; the transposition is a view.

    Args:
        stack: sorted frames; its affine is that of (column, row, slice).
        orientation: of that affine.
        keep_integers: int16 where every rescaled value is one.
    """
    found = _filled(stack, orientation, np.int16, _add_into) if keep_integers else None
    return _filled(stack, orientation, np.float32, rescale_into) if found is None else found  # type: ignore[return-value]


def _filled(
    stack: Stack, orientation: geometry.Orientation, dtype: type, into: Callable[..., bool]
) -> np.ndarray | None:
    """The frames by ``into``, or None where one does not fit."""
    first = stack.frames[0]
    steps = [slice(None)] * 3  # of stored axes column, row, slice
    for world, axis in enumerate(orientation.source):
        if orientation.flipped[world]:
            steps[axis] = slice(None, None, -1)
    stored: np.ndarray = np.empty((len(stack.frames), first.rows, first.columns), dtype=dtype)  # slice, row, column
    target = stored[steps[2]]
    for at, frame in enumerate(stack.frames):
        raw = frame.load()
        if raw.shape != (first.rows, first.columns):
            raise ReadError(f"{frame.name} is in colour or of another size; a volume has one number a voxel")
        if not into(target[at], raw[steps[1], steps[0]], frame.slope, frame.intercept):
            return None
    right, anterior, superior = orientation.source
    # stored axes (slice, row, column) are (2, 1, 0) of (column, row, slice)
    return stored.transpose(2 - superior, 2 - anterior, 2 - right)


def _add_into(target: np.ndarray, raw: np.ndarray, slope: float, intercept: float) -> bool:
    """``raw + intercept`` as int16; False where that is not exact."""
    if slope != 1 or raw.dtype.kind not in "iu" or raw.dtype.itemsize > 2 or not _small_whole(intercept):
        return False
    if not -32768 <= int(raw.min()) + int(intercept) <= int(raw.max()) + int(intercept) <= 32767:
        return False
    np.copyto(target, raw.astype(np.int32) + int(intercept) if intercept else raw, casting="unsafe")
    return True


def rescale_into(target: np.ndarray, raw: np.ndarray, slope: float, intercept: float) -> bool:
    """``raw * slope + intercept``, rounded once to float32. Always True."""
    if slope == 1 and intercept == 0:
        np.copyto(target, raw, casting="unsafe")
    elif slope == 1 and raw.dtype.kind in "iu" and raw.dtype.itemsize <= 2 and _small_whole(intercept):
        np.add(raw, np.float32(intercept), out=target, casting="unsafe", dtype=np.float32)
    else:
        np.copyto(target, raw.astype(np.float64) * slope + intercept, casting="same_kind")
    return True


def _small_whole(number: float) -> bool:
    """Whether a sum with a 16-bit integer is exact in float32."""
    return number == int(number) and abs(number) < 1 << 23
