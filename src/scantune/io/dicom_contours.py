"""Contours of a DICOM structure set (RTSTRUCT) as labels on a grid."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from scantune.amounts import number_of
from scantune.io.arrays import Volume
from scantune.io.mask_grid import PLACED
from scantune.records import ReadError

_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # DICOM's axes run to left, posterior, superior
_OFF_SLICE = 0.3  # share of the distance of slices that a contour may lie off its slice
_MOST_PARTS = 200  # of a structure in which slices that were left out are looked for; a threshold makes thousands
_SAME = 0.05  # of a voxel: corners of a contour that is there twice
#: Of one structure: axis (0 W, 1 H, 2 D) and index of a slice → outlines [N, 2] there, the later axis first.
_Outlines = dict[tuple[int, int], list[np.ndarray]]


def from_structures(
    dataset: Any,
    image: Volume,
    strict: bool = True,
    numbers: Collection[int] | None = None,
    taken: Callable[[Any], bool] = lambda contour: True,
    facts: dict[str, Any] | None = None,
) -> np.ndarray:
    """Closed contours filled on their slices: a voxel belongs to a structure whose outlines hold its middle.

    Contours of one structure on one slice that lie within each other are holes (DICOM PS3.3 C.8.8.6.3, XOR); one that
    is there twice, from another corner or the other way round too, is one.

    Args:
        dataset: a structure set.
        image: the grid.
        strict: refuse contours between the grid's slices; else those that do not name one image are of other slices,
            and passed over.
        numbers: of the structures to read; None for all.
        taken: whether a contour is of the image, where it shares its place with others.
        facts: `mask_grid.PLACED` among them gets what was passed over or is in doubt, with numbers: contours outside of
            the grid, points and open lines, named structures without a contour, contours that cross one another, slices
            without a contour between two that have one.

    Returns:
        uint16 [D, H, W], numbers of structures.

    Raises:
        ReadError: contours lie between the grid's slices, on every second one alone, or all of them outside of the
            grid, or structures overlap.
    """
    labels = np.zeros(image.array.shape, np.uint16)
    to_image = np.linalg.inv(image.affine) @ _TO_RAS
    found, drawn = Counter[str](), set[int]()
    for structure in dataset.get("ROIContourSequence", []):
        if numbers is not None and int(structure.ReferencedROINumber) not in numbers:
            continue
        contours = [one for one in structure.get("ContourSequence", []) if taken(one)]
        closed = [one for one in contours if _encloses(one)]
        marks = numbers is None and {one.get("ContourGeometricType") for one in contours} == {"POINT"}  # isocentres
        found["marks" if marks else "open"] += len(contours) - len(closed)
        drawn |= {int(structure.ReferencedROINumber)} if closed else set()
        inside = _filled(_outlines(closed, to_image, strict), labels.shape, found)
        if (labels[inside] > 0).any():
            raise ReadError("structures overlap, so no voxel's label is certain")
        labels[inside] = int(structure.ReferencedROINumber)
    if found["outside"] and found["outside"] == found["drawn"]:
        raise ReadError("its contours lie outside of its image: use the image that they were drawn on")
    found["open"] += 0 if drawn else found["marks"]
    found["undrawn"] = len(set(numbers or ()) - drawn)
    notes = _notes(found)
    if notes and facts is not None:
        facts[PLACED] = notes
    return labels


def _notes(found: Mapping[str, int]) -> list[str]:
    notes = []
    if found["outside"]:
        notes.append(f"{found['outside']} of {found['drawn']} contours lie outside of the image and do not count")
    if found["open"]:
        what = number_of(found["open"], "contour is a point or open line", "contours are points or open lines")
        notes.append(f"{what}, and of no area")
    if found["undrawn"]:
        what = number_of(found["undrawn"], "structure that is named has", "structures that are named have")
        notes.append(f"{what} no closed contour: it was not drawn, or is not there")
    if found["crossing"]:
        what = number_of(found["crossing"], "pair of contours", "pairs of contours")
        notes.append(f"{what} of one structure cross; where both are, nothing is marked")
    if found["gaps"]:
        what = number_of(found["gaps"], "slice has", "slices have")
        notes.append(f"{what} no contour between two slices on which a structure is at one place")
    return notes


def _outlines(contours: Sequence[Any], to_image: np.ndarray, strict: bool) -> _Outlines:
    """Closed contours in voxels, by slice; each once.

    Raises:
        ReadError: one lies between slices.
    """
    slices: _Outlines = defaultdict(list)
    for contour in contours:
        points = np.asarray(contour.ContourData, float).reshape(-1, 3) @ to_image[:3, :3].T + to_image[:3, 3]
        one_image = len(contour.get("ContourImageSequence") or []) == 1  # which is this one
        if not (strict or one_image) and abs(float(points[:, 2].mean())) > _OFF_SLICE:
            continue
        axis, index = _slice_of(points)
        outline = np.delete(points, axis, axis=1)
        if not any(_same(outline, other) for other in slices[axis, index]):
            slices[axis, index].append(outline)
    return slices


def _encloses(contour: Any) -> bool:
    """Whether a contour is closed and of three points at least; planning systems write closed ones of one too."""
    closed = str(contour.get("ContourGeometricType", "")).startswith("CLOSED")
    return closed and len(contour.get("ContourData") or ()) >= 9


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two outlines have the same corners, in whatever order."""
    if max(np.abs(a.min(0) - b.min(0)).max(), np.abs(a.max(0) - b.max(0)).max()) > _SAME:
        return False
    from scipy.spatial import KDTree

    return all(bool((KDTree(one).query(other, p=np.inf)[0] <= _SAME).all()) for one, other in ((a, b), (b, a)))


def _filled(slices: _Outlines, shape: tuple[int, ...], found: Counter[str]) -> np.ndarray:
    """bool [D, H, W] inside of one structure's outlines; what is in doubt is counted.

    Raises:
        ReadError: only every second (third, …) slice has an outline.
    """
    inside = np.zeros(shape, bool)
    for (axis, index), outlines in slices.items():
        found["drawn"] += len(outlines)
        if not 0 <= index < shape[2 - axis]:
            found["outside"] += len(outlines)
            continue
        plane = np.moveaxis(inside, 2 - axis, 0)[index]  # the two other axes, the later of W, H, D first
        size = plane.shape[0], plane.shape[1]
        found["outside"] += sum(_is_beside(outline, size) for outline in outlines)
        parts = [_inside(outline, size) for outline in outlines]
        found["crossing"] += sum(_cross(parts[a], parts[b]) for a, b in _beside_one_another(outlines))
        for part in parts:
            plane ^= part
    for axis in {axis for axis, _ in slices}:
        planes = np.moveaxis(inside, 2 - axis, 0)
        drawn = sorted(index for of, index in slices if of == axis and 0 <= index < len(planes))
        pairs = list(pairwise(drawn))
        apart = [b - a for a, b in pairs if b - a > 1 and (planes[a] & planes[b]).any()]
        if len(apart) == len(pairs) > 1 and min(apart) == max(apart):
            raise ReadError(
                f"a structure has contours on every {_ORDINALS.get(apart[0], f'{apart[0]}th')} slice of its image "
                "alone, so that what is between them is not known: let the program that drew them interpolate"
            )
        found["gaps"] += len(_gaps(planes, drawn))
    return inside


def _gaps(planes: np.ndarray, drawn: Sequence[int]) -> set[int]:
    """Slices that seem to be left out within one part of a structure.

    There a part ends and the next one upwards begins at the same place: one slice further, or, where more are missing,
    with half of its area in common and no more of them than the longer part has slices (parts of one slice: however
    many), since two lymph nodes or the discs of a spine lie above one another. A part of one slice counts where the
    next slice is empty; else it is a speck of a threshold.

    Args:
        planes: bool [N, ., .], inside of the structure.
        drawn: the slices with outlines, ascending.
    """
    from scipy.ndimage import find_objects, label

    across = planes[drawn[0] : drawn[-1] + 1].any(axis=0) if drawn else np.zeros(planes.shape[1:], bool)
    if not across.any():
        return set()
    planes = planes[drawn[0] : drawn[-1] + 1, *find_objects(across.astype(np.uint8))[0]]
    labels, _ = label(planes, np.ones((3, 3, 3)))
    empty = ~np.pad(planes.any(axis=(1, 2)), 1)  # one slice further on both sides
    parts = [
        (number, box)
        for number, box in enumerate(find_objects(labels), start=1)
        if box[0].stop - box[0].start > 1 or empty[box[0].start] or empty[box[0].stop + 1]
    ]
    gaps: set[int] = set()
    for part, box in parts if len(parts) <= _MOST_PARTS else ():
        end, last = box[0].stop, labels[box[0].stop - 1][box[1:]] == part
        above = sorted(((n, of[0].start, of[0].stop) for n, of in parts if of[0].start > end), key=lambda one: one[1])
        for other, start, stop in above:
            first = labels[start] == other
            common = last & first[box[1:]]
            if not common.any():
                continue
            alike = start == end + 1 or 2 * common.sum() >= max(last.sum(), first.sum())
            longer = max(end - box[0].start, stop - start)
            if alike and (longer == 1 or start - end <= longer) and not planes[end:start][:, *box[1:]][:, common].any():
                gaps |= set(range(end, start))
            break
    return gaps


_ORDINALS = {2: "second", 3: "third"}


def _beside_one_another(outlines: Sequence[np.ndarray]) -> list[tuple[int, int]]:
    """Indices of pairs of outlines whose boxes meet: a slice of bone can have hundreds of outlines."""
    low, high = (np.array([edge(outline, axis=0) for outline in outlines]) for edge in (np.min, np.max))
    meet = (low[:, None] <= high).all(axis=-1)
    return [(int(a), int(b)) for a, b in np.argwhere(np.triu(meet & meet.T, 1))]


def _cross(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two areas overlap and neither lies within the other."""
    both = int((a & b).sum())
    return 0 < both < min(int(a.sum()), int(b.sum()))


def _is_beside(outline: np.ndarray, shape: tuple[int, int]) -> bool:
    """Whether an outline [N, 2], second axis first, lies outside of a plane of ``shape``."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    return bool((high < -0.5).any() or (low > np.array(shape[::-1]) - 0.5).any())


def _slice_of(points: np.ndarray) -> tuple[int, int]:
    """Axis (0 W, 1 H, 2 D) along which a contour is flat, and its index there."""
    spread = np.ptp(points, axis=0)
    axis = 2 - int(np.argmin(spread[::-1].round(3)))  # W or H of an outline that is flat along D too has no area
    place = float(points[:, axis].mean())
    if spread[axis] > _OFF_SLICE or abs(place - round(place)) > _OFF_SLICE:
        raise ReadError("contours do not lie on the image's slices")
    return axis, round(place)


def _inside(outline: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """bool ``shape``: middles with an odd number of crossings before them; ``outline`` is [N, 2], second axis first."""
    crossings = np.zeros((shape[0], shape[1] + 1), int)
    rows = np.arange(shape[0])
    for (x0, y0), (x1, y1) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        at = rows[(y0 <= rows) != (y1 <= rows)]
        x = x0 + (at - y0) * (x1 - x0) / (y1 - y0) if len(at) else np.empty(0)
        np.add.at(crossings, (at, np.clip(np.ceil(x), 0, shape[1]).astype(int)), 1)
    return np.cumsum(crossings, axis=1)[:, :-1] % 2 == 1
