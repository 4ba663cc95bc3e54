"""One volume → tensor [C, D, H, W] in RAS+."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from scantune import io
from scantune.io.geometry import same_geometry
from scantune.preprocess import intensity as intensities
from scantune.preprocess.grid import Grid, beyond, resample, resample_measured, target_grid
from scantune.preprocess.masks import MaskError, MaskRule, merged, read_labels, sample_masks
from scantune.preprocess.prepared import Prepared, source_facts
from scantune.preprocess.reading import read_volume
from scantune.records import ReadError


def prepare_volume(
    files: Sequence[Path],
    masks: Sequence[Path] = (),
    *,
    spacing: Sequence[float] | None = None,
    shape: Sequence[int] | None = None,
    center: str = "image",
    crop: str = "none",
    interpolation: str = "linear",
    antialias: bool = True,
    intensity: Mapping[str, Any],
    deface: bool = False,
    brain: Mapping[str, Any] | None = None,
    volume: io.VolumeRule | None = None,
    padding: Literal["lowest", "keep"] = "lowest",
    philips_values: Literal["displayed", "precise"] = "displayed",
    series: io.SeriesRule | None = None,
    affine: str = "refuse",
    tilt: str = "exclude",
    dtype: str = "float16",
    nan: str | float = "exclude",
    mask_labels: Sequence[int] | None = None,
    empty_mask: str = "keep",
    mask_values: Mapping[Any, int | str] | None = None,
    mask_threshold: float | None = None,
    mask_overlap: bool = False,
    max_voxels: int = 2**30,
    region: Path | None = None,
    rater_masks: Mapping[str, Sequence[Path]] | None = None,
) -> Prepared:
    """Read, deface, extract and register the brain, resample once onto the target grid, scale.

    Args:
        files: a NIfTI file, a DICOM file or a folder with a series; several become channels on the first one's grid.
        masks: label volumes of the first file's geometry, or DICOM SEG or RTSTRUCT; several become labels 1, 2, …
        spacing: mm along R, A, S; None is the file's own.
        shape: voxels along R, A, S; None is its own extent.
        center: "image" or "foreground": the middle of the crop.
        crop: "foreground" crops the background if no shape is set.
        interpolation: "linear", "nearest" or "bspline".
        antialias: smooth before shrinking.
        intensity: name and options, see :mod:`scantune.preprocess.intensity`.
        deface: blank the face of a head MRI first.
        brain: how the brain is extracted and registered, by the keys of ``inputs.<name>.brain``; the target grid lies
            in the template's space where it is registered.
        volume: which one of a 4D file or of a series with several, or their mean.
        padding: DICOM pixels that stand for none take the lowest value of the others, or are kept.
        philips_values: "displayed" or "precise".
        series: which one of a folder of several DICOM series.
        affine: "refuse", or the form ("sform", "qform") that is trusted where a NIfTI file's two disagree.
        tilt: "exclude" or "resample".
        dtype: "float16" or "float32".
        nan: "exclude", or what to put in the place of values that are not finite.
        mask_labels: labels that may stand in a mask.
        empty_mask: "keep" or "exclude".
        mask_values: value in a mask's file → label, or ``ignore``.
        mask_threshold: values from which on a mask is label 1.
        mask_overlap: labels may overlap: a bit for each.
        max_voxels: refuse larger files.
        region: mask of the region that metrics are limited to.
        rater_masks: reader's name to that reader's masks.

    Raises:
        ReadError: a file cannot be used, mask and image differ in geometry, channels show different places.
    """
    limits = io.Limits(max_bytes=4 * max_voxels)
    reading: dict[str, Any] = {
        "series": series,
        "affine": "agree" if affine == "refuse" else affine,
        "volume": volume,
        "padding": padding,
        "philips_values": philips_values,
        "limits": limits,
        "keep_integers": not deface,
        "tilt": "resample" if tilt == "resample" else "refuse",
        "fill_nan": None if nan == "exclude" else float(nan),
    }
    volumes = [read_volume(path, **reading) for path in files]
    first = volumes[0]
    facts = {**first.facts, **source_facts(first.array, first.array.shape[::-1], first.spacing, first.empty)}
    facts["own_affine"] = np.round(first.affine, 6).tolist()
    if deface:
        from scantune.preprocess.deface import defaced

        pairs = [defaced(channel) for channel in volumes]
        volumes = [channel for channel, _ in pairs]
        first, facts["defaced_fraction"] = volumes[0], [round(share, 4) for _, share in pairs]
    scanned, to_template = first, np.eye(4)
    if brain:
        from scantune.preprocess.brain.space import into_brain_space

        space = into_brain_space(
            volumes,
            extract=brain["extract"],
            bias_field=brain["bias_field"],
            registration=brain["registration"],
            min_overlap=brain["min_overlap"],
        )
        volumes, to_template, facts["brain"] = space.volumes, space.to_template, space.facts
        first = volumes[0]
    if brain and brain["registration"] != "none":
        from scantune.preprocess.brain.registration import template_grid

        grid = template_grid(spacing or scanned.spacing, shape)
    else:
        grid = _grid(first, spacing, shape, center, crop)
    name, options = intensity["name"], {k: v for k, v in intensity.items() if k != "name"}
    channels = []
    for channel in volumes:
        _check_overlap(channel, first)
        array, empty = resample_measured(channel, grid, interpolation=interpolation, antialias=antialias)
        if empty is None and name in intensities.BY_DISTRIBUTION:
            empty = beyond(channel, grid)
        channels.append(intensities.to_dtype(intensities.apply(array, name, empty, **options), dtype))
    own_affine = np.linalg.inv(to_template) @ grid.affine  # indices of the prepared grid to mm of the scan itself
    mask = drawn = None
    if masks:
        rule = MaskRule(mask_labels, empty_mask, mask_values or {}, mask_threshold, mask_overlap)
        drawn = sample_masks(partial(_mask, image=scanned, reading=reading), masks, rule, region, rater_masks)
        mask = _placed(drawn.labels, scanned, Grid(grid.shape, own_affine))
        facts |= drawn.facts
    facts["affine"] = np.round(own_affine, 6).tolist()
    steps = np.sqrt((grid.affine[:3, :3] ** 2).sum(axis=0))[::-1]  # D, H, W
    return Prepared(
        channels[0][None] if len(channels) == 1 else np.stack(channels),
        mask,
        (float(steps[0]), float(steps[1]), float(steps[2])),
        facts,
        None if drawn is None else drawn.measured,
        {} if drawn is None else drawn.readers,
    )


def _grid(
    volume: io.Volume, spacing: Sequence[float] | None, shape: Sequence[int] | None, center: str, crop: str
) -> Grid:
    if center != "foreground" and (crop != "foreground" or shape is not None):
        return target_grid(volume, spacing, shape)
    low, high = _foreground_box(volume)
    middle = (low + high)[::-1] / 2  # D, H, W -> W, H, D
    if shape is None:
        source_spacing = np.array(volume.spacing)
        target_spacing = source_spacing if spacing is None else np.array(spacing)
        shape = np.maximum(1, np.rint((high - low + 1)[::-1] * source_spacing / target_spacing)).astype(int).tolist()
    return target_grid(volume, spacing, shape, middle)


def _foreground_box(volume: io.Volume) -> tuple[np.ndarray, np.ndarray]:
    """First and last index (D, H, W) of the foreground."""
    mask = intensities.foreground(volume.array, volume.empty)
    low, high = [], []
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        low.append(hit[0])
        high.append(hit[-1])
    return np.array(low), np.array(high)


def _check_overlap(volume: io.Volume, first: io.Volume) -> None:
    """Channels may be of different grids, but must show the same place."""
    if volume is first:
        return
    middle = volume.affine @ np.append((np.array(volume.array.shape[::-1]) - 1) / 2, 1.0)
    index = (np.linalg.inv(first.affine) @ middle)[:3]
    if (index < 0).any() or (index > np.array(first.array.shape[::-1]) - 1).any():
        raise ReadError(f"channels differ in geometry: {same_geometry(first, volume)[1]}")


def _mask(
    paths: Sequence[Path], rule: MaskRule, *, image: io.Volume, reading: Mapping[str, Any]
) -> tuple[np.ndarray, dict[str, Any]]:
    """uint8 [D, H, W] on the image's grid, and facts of it."""
    same_way = {name: reading[name] for name in ("limits", "affine")}

    def labels_of(path: Path, names: tuple[str, ...]) -> io.Volume:
        if io.is_mask_object(path):
            return io.read_mask_object(path, image, names)
        return read_volume(path, allow_constant=True, labels=True, **same_way)

    volumes = read_labels(paths, rule, labels_of)
    for volume in volumes:
        same, words = same_geometry(image, volume)
        if not same:
            raise MaskError(f"mask and image differ in geometry: {words}")
    return merged([v.array for v in volumes], image.array.shape, rule, [v.facts for v in volumes])


def _placed(mask: np.ndarray, image: io.Volume, grid: Grid) -> np.ndarray:
    """Labels of the image's grid on another one: uint8 [1, D, H, W], each voxel the label of the nearest one."""
    volume = io.Volume(mask.astype(np.float32), image.affine)
    return resample(volume, grid, interpolation="nearest", antialias=False, fill=0.0).astype(np.uint8)[None]
