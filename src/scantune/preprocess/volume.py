"""One volume → tensor [C, D, H, W] in RAS+."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from scantune import io
from scantune.config.input import VolumeInput
from scantune.io.geometry import same_geometry
from scantune.io.mask_grid import PLACED
from scantune.mask_codes import IGNORED
from scantune.preprocess import intensity as intensities
from scantune.preprocess.grid import Grid, beyond, resample, resample_measured, target_grid
from scantune.preprocess.mask_rule import MaskRule
from scantune.preprocess.masks import MaskError, merged, read_labels, sample_masks
from scantune.preprocess.prepared import Prepared, source_facts
from scantune.preprocess.reading import read_volume
from scantune.preprocess.sample_files import SampleFiles, by_file
from scantune.records import ReadError


def prepare_volume(sources: SampleFiles, settings: VolumeInput) -> Prepared:
    """Read, deface, extract and register the brain, resample once onto the target grid, scale.

    Args:
        sources: NIfTI files, DICOM files or folders with a series; several become channels on the first one's grid.
            Masks are label volumes, or DICOM SEG or RTSTRUCT; ``mask_grid`` is of one on another grid.
        settings: the block of ``inputs:``. Where the brain is registered, the target grid lies in the template's space.

    Raises:
        ReadError: a file cannot be used, the mask is on another grid, channels show different places.
    """
    reading: dict[str, Any] = {
        "series": sources.series,
        "affine": "agree" if settings.affine == "refuse" else settings.affine,
        "volume": sources.volume,
        "padding": settings.padding,
        "philips_values": settings.philips_values,
        "limits": io.Limits(max_bytes=4 * settings.max_voxels),
        "keep_integers": not settings.deface,
        "tilt": "resample" if settings.tilt == "resample" else "refuse",
        "fill_nan": None if settings.nan == "exclude" else settings.nan,
    }
    volumes = by_file(sources.files, sources.files, lambda path: read_volume(path, **reading))
    first = volumes[0]
    facts = {**first.facts, **source_facts(first.array, first.array.shape[::-1], first.spacing, first.empty)}
    facts["own_affine"] = np.round(first.affine, 6).tolist()
    if settings.deface:
        from scantune.preprocess.deface import defaced

        pairs = by_file(sources.files, volumes, defaced)
        volumes = [channel for channel, _ in pairs]
        facts["defaced_fraction"] = [round(share, 4) for _, share in pairs]
    scanned = volumes[0]
    volumes, to_template, grid, about = _in_space(volumes, settings)
    facts |= about
    scale = partial(_channel, first=volumes[0], grid=grid, settings=settings)
    channels = by_file(sources.files, volumes, scale)
    own_affine = np.linalg.inv(to_template) @ grid.affine  # indices of the prepared grid to mm of the scan itself
    mask = drawn = inside = None
    if sources.masks:
        drawn = sample_masks(
            partial(_mask, image=scanned, reading=reading, place=settings.mask_grid == "place"),
            sources,
            MaskRule.of(settings),
        )
        prepared_grid = Grid(grid.shape, own_affine)
        mask = _placed(drawn.labels, scanned, prepared_grid)
        if sources.region:
            counts = _placed(drawn.measured != IGNORED, scanned, prepared_grid)
            inside = np.where(counts > 0, mask, np.uint8(IGNORED))
        facts |= {**drawn.facts, "notes": [*facts.get("notes", ()), *drawn.facts["notes"]]}
    facts["affine"] = np.round(own_affine, 6).tolist()
    steps = np.sqrt((grid.affine[:3, :3] ** 2).sum(axis=0))[::-1]  # D, H, W
    return Prepared(
        channels[0][None] if len(channels) == 1 else np.stack(channels),
        mask,
        (float(steps[0]), float(steps[1]), float(steps[2])),
        facts,
        None if drawn is None else drawn.measured,
        {} if drawn is None else drawn.readers,
        inside,
    )


def _in_space(
    volumes: list[io.Volume], settings: VolumeInput
) -> tuple[list[io.Volume], np.ndarray, Grid, dict[str, Any]]:
    """The channels where they are prepared: as they are, or as brains; [4, 4] from mm of the scan to mm there, the
    target grid, and facts."""
    scanned, brain = volumes[0], settings.brain
    if not brain:
        return volumes, np.eye(4), _grid(scanned, settings), {}
    from scantune.preprocess.brain.space import into_brain_space

    space = into_brain_space(
        volumes,
        extract=brain.extract,
        bias_field=brain.bias_field,
        registration=brain.registration,
        min_overlap=brain.min_overlap,
    )
    if brain.registration == "none":
        grid = _grid(space.volumes[0], settings)
    else:
        from scantune.preprocess.brain.registration import template_grid

        grid = template_grid(settings.spacing or scanned.spacing, settings.shape)
    return space.volumes, space.to_template, grid, {"brain": space.facts}


def _channel(channel: io.Volume, *, first: io.Volume, grid: Grid, settings: VolumeInput) -> np.ndarray:
    """One channel on the target grid, scaled, [D, H, W]."""
    _check_overlap(channel, first)
    array, empty = resample_measured(channel, grid, interpolation=settings.interpolation, antialias=settings.antialias)
    name, options = settings.intensity.name, settings.intensity.model_dump(exclude={"name"})
    if empty is None and name in intensities.BY_DISTRIBUTION:
        empty = beyond(channel, grid)
    return intensities.to_dtype(intensities.apply(array, name, empty, **options), settings.dtype)


def _grid(volume: io.Volume, settings: VolumeInput) -> Grid:
    spacing, shape = settings.spacing, settings.shape
    if settings.center != "foreground" and (settings.crop != "foreground" or shape is not None):
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
    paths: Sequence[Path], rule: MaskRule, *, image: io.Volume, reading: Mapping[str, Any], place: bool
) -> tuple[np.ndarray, dict[str, Any]]:
    """uint8 [D, H, W] on the image's grid, and facts of it."""
    same_way = {name: reading[name] for name in ("limits", "affine", "tilt")}

    def labels_of(path: Path, names: tuple[str, ...]) -> io.Volume:
        if io.is_mask_object(path):
            return io.read_mask_object(path, image, names, "place" if place else "part")
        mask = read_volume(path, allow_constant=True, labels=True, **same_way)
        return io.onto_image(mask, image, "place" if place else "refuse")

    volumes = read_labels(paths, rule, labels_of)
    notes = list(dict.fromkeys(note for volume in volumes for note in volume.facts.get(PLACED, ())))
    if notes and rule.marks_zero:
        raise MaskError(
            "the mask is on another grid than its image, and 0 is one of its labels ('mask_values', 'mask_threshold'), "
            "so that what it does not cover would be marked: resample it onto the image"
        )
    mask, facts = merged([v.array for v in volumes], image.array.shape, rule, [v.facts for v in volumes])
    return mask, {**facts, "notes": notes}


def _placed(mask: np.ndarray, image: io.Volume, grid: Grid) -> np.ndarray:
    """Labels of the image's grid on another one: uint8 [1, D, H, W], each voxel the label of the nearest one."""
    volume = io.Volume(mask.astype(np.float32), image.affine)
    return resample(volume, grid, interpolation="nearest", antialias=False, fill=0.0).astype(np.uint8)[None]
