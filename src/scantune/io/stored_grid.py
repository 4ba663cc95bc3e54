"""Voxels as a file stores them (i, j, k) to a volume in RAS+, or to the picture of one slice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scantune.io import geometry
from scantune.io.arrays import Image, Options, Volume, VolumeRule
from scantune.io.values import apply_window, check_values, note_sides
from scantune.records import ReadError


@dataclass(frozen=True)
class Placement:
    """Where a header says that voxels lie.

    Attributes:
        affine: gives the affine of the stored axes in mm, RAS; raises ReadError where the header states none.
        unplaced: why the header states none; "" where it does.
        zooms: mm along i, j, k, for a picture without an affine; values that are no sizes count as not stated.
    """

    affine: Callable[[], np.ndarray]
    unplaced: str
    zooms: Sequence[float]


def chosen_volumes(count: int, rule: VolumeRule | None, file: str) -> list[int] | None:
    """Which volumes of a 4D file the rule names, None where there is one.

    Args:
        count: of volumes.
        rule: the setting.
        file: what the file is, in words: "a NIfTI file".

    Raises:
        ReadError: several without a rule, or none that the rule names.
    """
    if rule is not None and rule.keys:
        named = " and ".join(key for key, _ in rule.keys)
        raise ReadError(f"{file} does not state {named}; name its volume with 'volume: {{index: 0}}'")
    if rule is not None and rule.index is not None and not 0 <= rule.index < count:
        raise ReadError(f"volume {{index: {rule.index}}} is not one of the file's {count} volumes (0 to {count - 1})")
    if count == 1:
        return None
    if rule is None:
        raise ReadError(
            f"it is 4D with {count} volumes; say which with 'volume: first', 'volume: mean' or 'volume: {{index: 0}}'"
        )
    if rule.index is not None:
        return [rule.index]
    return [0] if rule.take == "first" else list(range(count))


def volume_notes(volumes: Sequence[int] | None, count: int) -> list[str]:
    """Which volumes of a file were read, for the manifest; nothing of a file of one."""
    if not volumes:
        return []
    return [f"the mean of {len(volumes)} volumes" if len(volumes) > 1 else f"volume {volumes[0]} of {count}, from 0"]


def volume_or_slice(
    values: np.ndarray, placement: Placement, options: Options, facts: dict[str, Any], file: str
) -> Volume | Image:
    """Voxels as a volume in RAS+, or as a picture where they are one slice and no volume was asked for.

    Args:
        values: [i, j, k].
        placement: of these axes.
        options: how to read.
        facts: of the file; gets ``orientation`` and notes.
        file: what the file is, in words.

    Raises:
        ReadError: it is of another kind than asked for, has no place, or holds no image's values.
    """
    if options.kind == "video":
        raise ReadError(f"{file} is not a video")
    if min(values.shape) == 1 and options.kind != "volume":
        return _slice(values, placement, options, facts)
    if min(values.shape) == 1:
        raise ReadError("one slice only: this is an image, not a volume")
    if options.kind == "image":
        raise ReadError(f"a volume of {'×'.join(map(str, values.shape))} voxels is not an image")
    return _oriented(values, placement.affine(), options, facts)


def _oriented(values: np.ndarray, affine: np.ndarray, options: Options, facts: dict[str, Any]) -> Volume:
    """A stored grid (axes i, j, k) to a Volume in RAS+ by permutation and flips only."""
    geometry.check_affine(affine)
    shear = geometry.shear_of(affine)
    if shear > geometry.MAX_SHEAR and options.tilt == "refuse":
        degrees = float(np.degrees(np.arcsin(shear)))
        raise ReadError(
            f"the grid is sheared by {degrees:.2f}°; 'tilt: resample' in the input's block resamples it upright"
        )
    orientation = geometry.orientation_of(affine)
    facts["orientation"] = orientation.codes
    turned = geometry.to_ras(affine, values.shape, orientation)
    array = _turned(values, orientation, options.keep_integers)
    array = check_values(array, options, facts["notes"])
    if options.window is not None:
        array = _windowed(array, options)
    volume = Volume(array, turned, facts)
    if shear > geometry.MAX_SHEAR:
        from scantune.io.upright import resample_upright

        return resample_upright(volume, labels=options.labels)
    return volume


def _turned(values: np.ndarray, orientation: geometry.Orientation, keep_integers: bool = False) -> np.ndarray:
    """Stored voxels (i, j, k) as float32 [D, H, W]: flipped while converted, transposed as a view.

    Args:
        values: as stored.
        orientation: of their affine.
        keep_integers: integers of at most 16 bits are only viewed.
    """
    steps: list[slice] = [slice(None)] * 3
    for world, axis in enumerate(orientation.source):
        if orientation.flipped[world]:
            steps[axis] = slice(None, None, -1)
    flipped = values[tuple(steps)]
    right, anterior, superior = orientation.source
    if keep_integers and values.dtype.kind in "iu" and values.dtype.itemsize <= 2 and values.dtype.isnative:
        return flipped.transpose(superior, anterior, right)  # i j k -> D H W
    fresh = np.empty_like(values, dtype=np.float32, order="K", subok=False)
    np.copyto(fresh, flipped, casting="unsafe")
    return fresh.transpose(superior, anterior, right)


def _slice(values: np.ndarray, placement: Placement, options: Options, facts: dict[str, Any]) -> Image:
    """One slice as a radiologist sees it: anterior or superior on top, the patient's right at the picture's left."""
    thin = int(np.argmin(values.shape))
    if placement.unplaced:
        facts["notes"].append(f"{placement.unplaced}: shown as stored, sides unknown")
        plane = np.squeeze(values, axis=thin).T  # rows, columns
        return picture(
            _pixels(plane, options, facts),
            [zoom for axis, zoom in enumerate(placement.zooms) if axis != thin],
            options,
            facts,
        )
    affine = placement.affine()
    geometry.check_affine(affine)
    orientation = geometry.orientation_of(affine)
    facts["orientation"] = orientation.codes
    array = _turned(values, orientation)  # D H W, one of them 1 long
    x, y, z = geometry.spacing_of(geometry.to_ras(affine, values.shape, orientation))
    world = orientation.source.index(thin)
    # R A S: sagittal has A to the left; coronal and axial have R to the left; the top is S, or A where S is thin
    plane = {0: array[::-1, ::-1, 0], 1: array[::-1, 0, ::-1], 2: array[0, ::-1, ::-1]}[world]
    spacing = {0: (float(z), float(y)), 1: (float(z), float(x)), 2: (float(y), float(x))}[world]
    if options.labels and orientation.codes[:thin] + orientation.codes[thin + 1 :] not in ("LP", "PI", "LI"):
        facts["shown_turned"] = True  # it is stored in another order than it is shown in
    _note_unequal(spacing, facts)
    facts["patient_orientation"] = {0: ["P", "F"], 1: ["L", "F"], 2: ["L", "P"]}[world]  # as in DICOM
    pixels = _pixels(plane, options, facts)
    return Image(pixels if options.window is None else _windowed(pixels, options), spacing, facts)


def _pixels(plane: np.ndarray, options: Options, facts: dict[str, Any]) -> np.ndarray:
    return check_values(np.ascontiguousarray(plane, dtype=np.float32)[None], options, facts["notes"])  # C H W


def picture(pixels: np.ndarray, zooms: Sequence[float], options: Options, facts: dict[str, Any]) -> Image:
    """A picture that is shown as stored.

    Args:
        pixels: [C, H, W].
        zooms: mm along columns and rows, in this order; values that are no sizes count as not stated.
        options: how to read.
        facts: of the file; its orientation is unknown.
    """
    facts["orientation"] = None
    steps = np.asarray(zooms[:2], dtype=float)
    spacing = (float(steps[1]), float(steps[0])) if np.isfinite(steps).all() and (steps > 0).all() else None
    if spacing is not None:
        _note_unequal(spacing, facts)
    return Image(pixels if options.window is None else _windowed(pixels, options), spacing, facts)


def _note_unequal(spacing: tuple[float, float], facts: dict[str, Any]) -> None:
    note_sides(spacing, f"{spacing[0]:.4g} by {spacing[1]:.4g} mm", facts)


def _windowed(array: np.ndarray, options: Options) -> np.ndarray:
    assert options.window is not None
    if options.window == "file":
        raise ReadError("this file has no window of its own")
    return apply_window(array, *options.window)
