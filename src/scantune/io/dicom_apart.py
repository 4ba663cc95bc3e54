"""Frames of one series separated into volumes by contrast, time or order, and one of them chosen."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from scantune.io.arrays import VOLUME_KEYS, Options, VolumeRule
from scantune.io.dicom_stack import SAME_PLACE, Frame, Stack, check_present, distances_of, few, stacked
from scantune.records import ReadError

#: What must agree within a volume. Trigger time, acquisition number, the label of a real-world value map and the file's
#: own dimensions may differ by slice: they only tell volumes apart that share places.
CONTRASTS = (
    "stack", "echo time", "echo", "b-value", "gradient", "inversion time", "flip angle", "component", "image type",
    "label", "time", "kernel", "tube voltage", "velocity",
)  # fmt: skip
TIMES = ("trigger time", "acquisition", "value map", "dimension")


@dataclass(eq=False)
class Part:
    """The frames of one volume.

    Attributes:
        frames: in no order.
        keys: what tells it from the others, by name.
    """

    frames: list[Frame]
    keys: dict[str, str | float | None]

    @property
    def order(self) -> float:
        """Place in the order of acquisition."""
        return min((frame.order for frame in self.frames if frame.order is not None), default=0.0)

    @property
    def words(self) -> str:
        """What tells it from the others, and its length."""
        parts = [f"{name} {_formatted(value)}" for name, value in self.keys.items()]
        return f"{', '.join(parts) or 'orientation'} ({len(self.frames)} slices)"


def choose(frames: Sequence[Frame], options: Options, notes: list[str]) -> list[Stack]:
    """The one volume that the frames make, or of several what the rule names: one, or those to take the mean of.

    Raises:
        ReadError: no geometry, mixed sizes or orientations, duplicates, gaps, or several volumes and no rule.
    """
    check_present(frames)
    parts = [part for group in _orientations(frames) for part in separate_by_keys(group, notes)]
    parts.sort(key=lambda part: part.order)
    chosen = _chosen(parts, options.volume, notes)
    return [stacked(part.frames, options) for part in chosen]


def _orientations(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Groups of one orientation. A lone slice of another one is a fault, two stacks are a choice."""
    rest, groups = list(frames), []
    while rest:
        near = np.abs(np.array([frame.orientation for frame in rest]) - rest[0].orientation).max(axis=1) < 5e-3
        groups.append([frame for frame, close in zip(rest, near, strict=True) if close])
        rest = [frame for frame, close in zip(rest, near, strict=True) if not close]
    lone = [group[0].name for group in groups if len(group) == 1]
    if len(groups) > 1 and lone:
        raise ReadError(f"slices of different orientations: {few(lone)} lie across the others")
    return groups


def separate_by_keys(frames: list[Frame], notes: list[str]) -> list[Part]:
    """Volumes of one orientation.

    First by all contrasts at once; then, where slices still share places, by time, by the order of instances, and last
    without slices that were sent twice.

    Raises:
        ReadError: different slices at one place, and nothing tells them apart.
    """
    if not _unique(frames):
        frames = _without_copies(frames, notes, _same_instance)
    separated = []
    names = [name for name in CONTRASTS if len({frame.keys.get(name) for frame in frames}) > 1]
    for key, part in _grouped(frames, names).items():
        values = dict(zip(names, key, strict=True))
        separated += [Part(inner.frames, values | inner.keys) for inner in _by_time(part, notes)]
    return separated


def _grouped(frames: Sequence[Frame], names: Sequence[str]) -> dict[tuple, list[Frame]]:
    groups: dict[tuple, list[Frame]] = {}
    for frame in frames:
        groups.setdefault(tuple(frame.keys.get(name) for name in names), []).append(frame)
    return groups


def _by_time(frames: list[Frame], notes: list[str]) -> list[Part]:
    """Repetitions of one contrast."""
    if _unique(frames):
        return [Part(frames, {})]
    n_places = int(_places(frames).max()) + 1
    for name in TIMES:
        groups = _grouped(frames, [name])
        if all(len(group) == n_places and _unique(group) for group in groups.values()):
            return [Part(group, {name: key[0]}) for key, group in groups.items()]
    ranked = _by_order(frames)
    if ranked is not None:
        return [Part(group, {"repetition": at + 1}) for at, group in enumerate(ranked)]
    single = _without_copies(frames, notes, _same_pixels)
    if len(single) < len(frames):
        return _by_time(single, notes)
    raise ReadError(f"different slices at one place: {few(_doubled(frames))}")


def _by_order(frames: list[Frame]) -> list[list[Frame]] | None:
    """Repetitions by instance number: one whole volume after the other, or all times of one slice after the other.

    None where the numbers are not of either kind.
    """
    orders = [frame.order for frame in frames]
    if None in orders or len(set(orders)) < len(orders):
        return None
    at = np.argsort(np.array(orders, dtype=float))
    places = _places(frames)[at]
    n_places = int(places.max()) + 1
    if len(frames) % n_places:
        return None
    n_times = len(frames) // n_places
    by_volume, by_place = places.reshape(n_times, n_places), places.reshape(n_places, n_times)
    if all(len(set(row.tolist())) == n_places for row in by_volume):
        return [[frames[k] for k in row] for row in at.reshape(n_times, n_places)]
    if (by_place == by_place[:, :1]).all() and len(set(by_place[:, 0].tolist())) == n_places:
        return [[frames[k] for k in row] for row in at.reshape(n_places, n_times).T]
    return None


def _places(frames: Sequence[Frame]) -> np.ndarray:
    """Each frame's place as a number from 0, one for all that lie together."""
    distances = distances_of(frames)
    order = np.argsort(distances, kind="stable")
    number = np.concatenate([[0], np.cumsum(np.diff(distances[order]) > SAME_PLACE)])
    places = np.empty(len(frames), dtype=int)
    places[order] = number
    return places


def _unique(frames: Sequence[Frame]) -> bool:
    return len(frames) < 2 or float(np.diff(np.sort(distances_of(frames))).min()) > SAME_PLACE


def _doubled(frames: Sequence[Frame]) -> list[str]:
    distances = distances_of(frames)
    order = np.argsort(distances, kind="stable")
    close = np.flatnonzero(np.diff(distances[order]) <= SAME_PLACE)
    return [f"{frames[order[at]].name} and {frames[order[at + 1]].name}" for at in close]


def _same_instance(one: Frame, other: Frame) -> bool:
    return one.instance == other.instance != "" and _same_pixels(one, other)


def _same_pixels(one: Frame, other: Frame) -> bool:
    if one.keys != other.keys or (one.meaning.slope, one.meaning.intercept) != (
        other.meaning.slope,
        other.meaning.intercept,
    ):
        return False
    return bool(np.array_equal(one.load(), other.load()))


def _without_copies(frames: list[Frame], notes: list[str], same: Callable[[Frame, Frame], bool]) -> list[Frame]:
    """One of each set of identical slices."""
    distinct: list[Frame] = []
    at_place: dict[int, list[Frame]] = {}
    for frame, place in zip(frames, _places(frames).tolist(), strict=True):
        near = at_place.setdefault(place, [])
        if not any(same(frame, other) for other in near):
            near.append(frame)
            distinct.append(frame)
    if len(distinct) < len(frames):
        notes.append(f"{len(frames) - len(distinct)} identical copies of slices ignored")
    return distinct


def _chosen(parts: list[Part], rule: VolumeRule | None, notes: list[str]) -> list[Part]:
    listed = [f"{at}: {part.words}" for at, part in enumerate(parts)]
    if rule is None:
        if len(parts) == 1:
            return parts
        raise ReadError(
            f"{len(parts)} volumes in one series: say which with 'volume: first', 'mean' or "
            f"{{{_example(parts)}}}. There are {few(listed, 24)}"
        )
    left = [at for at, part in enumerate(parts) if _fits(at, part, rule)]
    if not left or (len(left) > 1 and rule.take is None):
        raise ReadError(f"{describe(rule)} leaves {len(left)} of {len(parts)} volumes in the series: {few(listed, 24)}")
    left = left[:1] if rule.take == "first" else left
    _check_mean([parts[at] for at in left], rule, few(listed, 24))
    if len(parts) > 1:
        words = (
            listed[left[0]] if len(left) == 1 else f"the mean of {len(left)} ({few([listed[at] for at in left], 4)})"
        )
        notes.append(f"one of {len(parts)} volumes of the series, by {describe(rule)}: {words}")
    return [parts[at] for at in left]


#: What volumes must share to have a mean: a magnitude and a phase, or an ADC map and the images that it is computed
#: from, are different quantities.
_QUANTITIES = ("component", "image type", "value map", "velocity")


def _check_mean(parts: list[Part], rule: VolumeRule, listed: str) -> None:
    """Volumes whose mean is requested must show one quantity, in one unit."""
    first = parts[0]
    for part in parts[1:]:
        odd = [name for name in _QUANTITIES if _value(part, name) != _value(first, name)]
        odd += ["unit"] if part.frames[0].meaning.unit != first.frames[0].meaning.unit else []
        if odd:
            raise ReadError(
                f"{describe(rule)}: volumes that differ in {' and '.join(odd)} have no mean; name some of them, as in "
                f"{{{_example(parts)}, take: mean}}, or one by its index: {listed}"
            )


def _example(parts: list[Part]) -> str:
    words = {word: key for key, word in VOLUME_KEYS.items()}
    for name, value in parts[0].keys.items():
        if name in words and value is not None:
            return f"{words[name]}: {_formatted(value)}"
    return "index: 0"


def describe(rule: VolumeRule) -> str:
    """A rule as it is written in ``params.yaml``."""
    pairs = [f"{key}: {_formatted(value)}" for key, value in rule.keys]
    pairs += [f"index: {rule.index}"] if rule.index is not None else []
    if not pairs:
        return f"volume: {rule.take}"
    pairs += [f"take: {rule.take}"] if rule.take else []
    return f"volume: {{{', '.join(pairs)}}}"


def _fits(at: int, part: Part, rule: VolumeRule) -> bool:
    if rule.index is not None and at != rule.index:
        return False
    return all(_near(_value(part, VOLUME_KEYS[key]), value) for key, value in rule.keys)


def _value(part: Part, name: str) -> str | float | None:
    return part.keys[name] if name in part.keys else part.frames[0].keys.get(name)


def _near(value: str | float | None, target: float | str) -> bool:
    one, other = _number(value), _number(target)
    if one is not None and other is not None:  # a stack may be called "2", and be written as 2
        return abs(one - other) <= 1e-3 * max(1.0, abs(other))
    return value is not None and str(value).casefold() == str(target).casefold()


def _number(value: str | float | None) -> float | None:
    """A number, or the text of one; None for anything else."""
    try:
        number = math.nan if value is None else float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _formatted(value: object) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
