"""Stacks of frames to one volume: decoded, averaged if requested, with padding, polarity and window applied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from scantune.io import geometry
from scantune.io.arrays import Options, Volume
from scantune.io.dicom_alike import rescale_note
from scantune.io.dicom_file import DicomFile
from scantune.io.dicom_stack import Stack, fill
from scantune.io.dicom_window import series_window
from scantune.io.values import apply_window, blank_padding, check_values
from scantune.records import ReadError


def assemble(stacks: Sequence[Stack], options: Options, facts: dict[str, Any]) -> Volume:
    """Decode a stack, or the mean of several, into a volume in RAS+.

    Args:
        stacks: one, or several of one geometry.
        options: how to read.
        facts: of the series; get the orientation and notes.

    Raises:
        ReadError: a tilt that is not to be resampled, values that are none.
    """
    stack = stacks[0]
    affine, first = stack.affine, stack.frames[0]
    geometry.check_affine(affine)
    shape = (first.columns, first.rows, len(stack.frames))
    sheared = _sheared(affine, shape, options)
    orientation = geometry.orientation_of(affine)
    facts["orientation"] = orientation.codes
    note = rescale_note([frame.meaning for part in stacks for frame in part.frames])
    if note:
        facts["notes"].append(note)
    array, empty = fill(stack, orientation, options.keep_integers and len(stacks) == 1)
    for other in stacks[1:]:
        _check_alike(stack, other, shape)
        more, also = fill(other, orientation)
        array += more
        empty = also if empty is None else empty if also is None else empty | also
    facts["notes"] += notes_of([frame.source for part in stacks for frame in part.frames])
    if len(stacks) > 1:
        array /= np.float32(len(stacks))
    array = check_values(array, options, facts["notes"])
    array = _windowed(array, stack, options, facts)
    if empty is not None:
        empty = blank_padding(array, empty, first.meaning.padding, options, facts["notes"])
    volume = Volume(array, geometry.to_ras(affine, shape, orientation), facts, empty)
    if sheared:
        from scantune.io.upright import resample_upright

        return resample_upright(volume, labels=options.labels)
    return volume


def notes_of(sources: Sequence[DicomFile]) -> list[str]:
    """What was odd about the files of a series, each once; how many of the files where not all."""
    files = list(dict.fromkeys(sources))
    count = Counter(note for file in files for note in set(file.notes))
    return [note if n == len(files) else f"{note} ({n} of {len(files)} files)" for note, n in count.items()]


def _sheared(affine: np.ndarray, shape: tuple[int, int, int], options: Options) -> bool:
    """Whether the grid is sheared by more than a quarter of a pixel in all."""
    shear, spacing = geometry.shear_of(affine), geometry.spacing_of(affine)
    drift = shear * spacing[2] * (shape[2] - 1)
    sheared = bool(drift > 0.25 * float(spacing[:2].min()) and shear > 1e-4)
    if sheared and options.tilt == "refuse":
        raise ReadError(
            f"the slices are sheared by {np.degrees(np.arcsin(min(1.0, shear))):.2f}° (gantry tilt); "
            "'tilt: resample' in the input's block resamples them upright"
        )
    return sheared


def _check_alike(stack: Stack, other: Stack, shape: tuple[int, int, int]) -> None:
    """Refuse a mean of volumes that lie on different grids."""
    same = len(other.frames) == shape[2]
    if not same or geometry.corner_distance(stack.affine, other.affine, shape) > 0.1 * min(
        geometry.spacing_of(stack.affine)
    ):
        raise ReadError(
            f"the volumes of 'take: mean' lie on different grids ({shape[2]} and {len(other.frames)} slices)"
        )


def _windowed(array: np.ndarray, stack: Stack, options: Options, facts: dict[str, Any]) -> np.ndarray:
    """The window and MONOCHROME1, as asked for."""
    meaning = stack.frames[0].meaning
    if options.window == "file":
        window = series_window(stack.frames)
        if window is None:
            raise ReadError("this series has no window of its own")
        array = apply_window(array, *window)
    elif options.window is not None:
        array = apply_window(array, *options.window)
    if meaning.turned(options, facts["notes"]):
        low, high = (0.0, 1.0) if options.window is not None else meaning.range or (array.min(), array.max())
        array = np.float32(low + high) - array
    return array
