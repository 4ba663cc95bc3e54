"""The MNI152 brain bent into a person's, with lesions and atrophy, before any scanner."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from scantune.records import ScantuneError
from scantune_phantoms.fields import smooth_3d, step
from scantune_phantoms.loes.regions import ITEMS, Item

#: Corner of the written grid, mm in MNI space, and its extent: the brain with a margin.
ORIGIN = (-80.0, -118.0, -72.0)
EXTENT = (160.0, 204.0, 160.0)


#: Where people's ventricles differ, ill or not.
_VENTRICLES = Item("ventricles", "", (0.0, -10.0, 18.0), (36.0, 46.0, 26.0), "any")
#: Items whose own tissue shrinks, having no ventricle within.
_SHRINK = {"brain stem atrophy": -0.2, "cerebellar atrophy": -0.2}


@dataclass(frozen=True)
class Template:
    """The MNI152 brain: float32 [D, H, W] at 1 mm, its T1 signal (white matter about 1), grey and white matter (0–1).

    Index (k, j, i) lies at ``first`` + (i, j, k) mm.
    """

    t1: np.ndarray
    grey: np.ndarray
    white: np.ndarray
    first: tuple[float, float, float]


@cache
def template() -> Template:
    """The brain that nilearn's wheel brings along; nilearn itself is not imported.

    V. Fonov et al., NeuroImage 2011;54:313 (ICBM 2009a nonlinear symmetric; its licence lies in nilearn's docs).

    Raises:
        ScantuneError: where nilearn is not installed.
    """
    nilearn = importlib.util.find_spec("nilearn")
    if nilearn is None or nilearn.origin is None:
        raise ScantuneError(
            "the demo cohort 'loes' bends the MNI152 brain in nilearn's wheel: pip install 'scantune[demo]'"
        )
    folder = Path(nilearn.origin).parent / "datasets" / "data"
    maps = [_load(folder / f"mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz") for kind in ("t1", "gm", "wm")]
    (t1, first), (grey, _), (white, _) = maps
    return Template(t1 / np.float32(np.percentile(t1[white > 240], 50)), grey / 255, white / 255, first)


def _load(path: Path) -> tuple[np.ndarray, tuple[float, float, float]]:
    from scantune import io

    volume = io.read(path)
    assert isinstance(volume, io.Volume)
    x, y, z = (float(value) for value in volume.affine[:3, 3])
    return np.ascontiguousarray(volume.array, dtype=np.float32), (x, y, z)


def affine(spacing: float) -> np.ndarray:
    """From the written grid's (W, H, D) indices to MNI mm."""
    matrix = np.diag([spacing, spacing, spacing, 1.0])
    matrix[:3, 3] = ORIGIN
    return matrix


@dataclass(frozen=True)
class Brain:
    """One scan before the scanner: float32 [D, H, W] each.

    Attributes:
        signal: T1 signal, white matter about 1, outside the brain 0.
        lesion: share of each voxel that is lesion, 0–1.
        mask: 1 in the brain.
    """

    signal: np.ndarray
    lesion: np.ndarray
    mask: np.ndarray


def grow(
    person: np.random.Generator,
    extents: Mapping[tuple[str, str], float],
    *,
    spacing: float,
    gadolinium: bool = False,
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Brain:
    """One person's brain at one stage of the disease.

    Args:
        person: draws the shape. Given the same state it gives the same person, so that sessions differ by the disease.
        extents: item and side to how much of it is taken (`disease.Course.extents`).
        spacing: of the grid, mm.
        gadolinium: whether the lesions' rim takes up contrast agent.
        shift: mm along D, H, W by which this scan's registration to the template missed.
    """
    from scipy import ndimage

    base = template()
    shape = (round(EXTENT[2] / spacing), round(EXTENT[1] / spacing), round(EXTENT[0] / spacing))
    z, y, x = (first + spacing * np.arange(count, dtype=np.float32) for first, count in zip(ORIGIN[::-1], shape))
    place = np.stack(np.broadcast_arrays(z[:, None, None], y[None, :, None], x[None, None, :]))  # zyx, D, H, W; mm
    sizes = person.normal(1, [0.03, 0.035, 0.03]).astype(np.float32)
    coarse = np.stack([smooth_3d(person, shape, (6, 7, 6)) for _ in range(3)]) * np.float32(2.6)
    fine = np.stack([smooth_3d(person, shape, (13, 16, 13)) for _ in range(3)]) * np.float32(0.7)
    edge = smooth_3d(person, shape, (26, 30, 26))
    mottle = 1 + 0.22 * smooth_3d(person, shape, (20, 24, 20))
    depth, roomy = person.uniform(0.14, 0.4), person.normal(0, 0.09)
    place += np.array(shift, np.float32)[:, None, None, None]
    source = place * sizes[:, None, None, None] + coarse + fine
    loss = _widen(source, place, extents, roomy)
    index = source - np.array(base.first[::-1], np.float32)[:, None, None, None]
    t1 = ndimage.map_coordinates(base.t1, index, order=1, mode="constant")
    inside = t1 > 0
    grey, white = np.zeros((2, *shape), np.float32)
    for tissue, source_map in ((grey, base.grey), (white, base.white)):
        tissue[inside] = ndimage.map_coordinates(source_map, index[:, inside], order=1, mode="constant")
    lesion = _lesion(source, white, grey, edge, extents)
    signal = _thinned(t1, grey + white, loss) if loss.any() else t1
    core = ndimage.gaussian_filter(lesion, 2.0)  # darkest in the middle of a large lesion
    signal = signal * (1 - lesion * np.clip(depth * mottle * (0.75 + 0.6 * core), 0, 0.6))
    if gadolinium:
        rim = np.clip(ndimage.gaussian_filter(lesion, 1.2) - lesion, 0, 1) * (white > 0.3) * step(edge, -0.6, 0.8)
        signal = signal + 0.8 * ndimage.gaussian_filter(rim, 0.6)
    return Brain(signal.astype(np.float32), lesion, _extracted(t1))


def _extracted(t1: np.ndarray) -> np.ndarray:
    """1 in the largest connected piece of tissue, 0 elsewhere; float32."""
    from scipy import ndimage

    pieces, _ = ndimage.label(ndimage.gaussian_filter(t1, 0.7) > 0.12)
    sizes = np.bincount(pieces.ravel())
    return (pieces == 1 + int(np.argmax(sizes[1:]))).astype(np.float32)


def _widen(source: np.ndarray, place: np.ndarray, extents: Mapping[tuple[str, str], float], roomy: float) -> np.ndarray:
    """Atrophy: what lies around an item's centre, the ventricle's horn, is drawn larger (in place).

    The person's own ventricles are larger or smaller than the template's by ``roomy``, which no score counts.

    Returns:
        How much of the tissue goes besides, 0–0.5; float32 [D, H, W].
    """
    total = np.float32(roomy) * np.exp(-_reach(place, _VENTRICLES, "midline") / 1.4)
    towards = total * (np.array(_VENTRICLES.centre[::-1], np.float32)[:, None, None, None] - place)
    total = np.abs(total)
    loss = np.zeros_like(total)
    for item in (item for item in ITEMS if item.atrophy):
        for side in ("left", "right", "midline"):
            extent = extents.get((item.name, side), 0.0)
            if not extent:
                continue
            near = extent * np.exp(-_reach(place, item, side) / 1.4)
            whole = item.name.endswith("global atrophy")
            pull = near * _SHRINK.get(item.name, 0.17 if whole else 0.34)
            centre = np.array(_centre(item, side)[::-1], np.float32)
            towards += pull * (centre[:, None, None, None] - place)
            total += np.abs(pull)
            loss += 0.13 if whole else 0.35 * near
    total = np.maximum(total, 1e-6)
    source += towards * (np.tanh(total / 0.6) * 0.6 / total) * _deep(place)  # many together must not fold space
    return np.minimum(loss, 0.5)


def _deep(place: np.ndarray) -> np.ndarray:
    """0 at the brain's surface, which the skull keeps where it is, 1 from 16 mm inward; float32 [D, H, W]."""
    inward = _inward()
    index = [
        np.clip(np.rint((axis[line] - first) / _COARSE), 0, size - 1).astype(int)
        for axis, line, first, size in zip(place, _LINES, template().first[::-1], inward.shape)
    ]
    return step(inward[np.ix_(*index)], 2, 16)


#: mm, of the map of depths.
_COARSE = 3
#: What leaves one axis of a [D, H, W] grid: D, H, W.
_LINES = ((slice(None), 0, 0), (0, slice(None), 0), (0, 0, slice(None)))


@cache
def _inward() -> np.ndarray:
    """Distance to the outside of the template's brain, mm: float32, every ``_COARSE`` mm."""
    from scipy import ndimage

    inside = ndimage.binary_fill_holes(template().t1[::_COARSE, ::_COARSE, ::_COARSE] > 0.1)
    return ndimage.distance_transform_edt(inside, sampling=_COARSE).astype(np.float32)


def _thinned(t1: np.ndarray, tissue: np.ndarray, loss: np.ndarray) -> np.ndarray:
    """Where a voxel is partly fluid, it becomes more so: wider sulci, a thinner corpus callosum."""
    kept = np.clip((tissue - loss) / (1 - loss), 0, 1) / np.maximum(tissue, 0.05)
    fluid = np.minimum(t1, 0.28)
    return fluid + (t1 - fluid) * np.clip(kept, 0, 1)


def _centre(item: Item, side: str) -> tuple[float, float, float]:
    x, y, z = item.centre
    return (-x if side == "left" else x), y, z


def _reach(place: np.ndarray, item: Item, side: str) -> np.ndarray:
    """Squared distance from a site's centre in units of its radii: 1 on the ellipsoid. [D, H, W]."""
    total = np.zeros(place.shape[1:], np.float32)
    for axis, centre, radius in zip(place, _centre(item, side)[::-1], item.radii[::-1]):
        total += ((axis - np.float32(centre)) / np.float32(radius)) ** 2
    return total


def _lesion(
    source: np.ndarray,
    white: np.ndarray,
    grey: np.ndarray,
    edge: np.ndarray,
    extents: Mapping[tuple[str, str], float],
) -> np.ndarray:
    """Share of lesion, 0–1: every hit site's ellipsoid, its edge frayed, kept to the tissue it takes."""
    lesion = np.zeros(white.shape, np.float32)
    for item in (item for item in ITEMS if not item.atrophy):
        tissue = np.clip(1.3 * white, 0, 1) if item.tissue == "white" else np.clip(white + grey, 0, 1)
        for side in ("left", "right", "midline"):
            extent = extents.get((item.name, side), 0.0)
            if extent:
                share = 1.0 if item.tissue == "white" else 0.7  # nuclei darken less
                box = _box(source, item, side)
                reach = np.sqrt(_reach(source[(slice(None), *box)], item, side)) + 0.2 * edge[box]
                lesion[box] = np.maximum(lesion[box], step(reach, extent + 0.26, extent - 0.2) * tissue[box] * share)
    return lesion


def _box(source: np.ndarray, item: Item, side: str) -> tuple[slice, slice, slice]:
    """The part of the grid that a site can reach, with a margin for bent brains."""
    spacing = (EXTENT[0] / source.shape[3], EXTENT[1] / source.shape[2], EXTENT[2] / source.shape[1])
    spans = []
    for axis, centre in reversed(list(enumerate(_centre(item, side)))):
        margin = 1.8 * item.radii[axis] + 14
        low = (centre - margin - ORIGIN[axis]) / spacing[axis]
        spans.append(slice(max(0, int(low)), max(1, int(low + 2 * margin / spacing[axis]) + 1)))
    return spans[0], spans[1], spans[2]
