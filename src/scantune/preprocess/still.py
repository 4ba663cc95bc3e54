"""One still image → tensor [C, H, W], rows from the top, columns from the left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from scantune import io
from scantune.config.input import ImageInput
from scantune.io.mask_grid import PLACED
from scantune.mask_codes import IGNORED
from scantune.preprocess import intensity as intensities
from scantune.preprocess.mask_outlines import outline_notes
from scantune.preprocess.mask_rule import MaskRule
from scantune.preprocess.masks import MaskError, merged, palette_words, read_labels, sample_masks
from scantune.preprocess.plane import Fit, coarsened, fit, place, place_measured, surroundings
from scantune.preprocess.prepared import Prepared, source_facts
from scantune.preprocess.reading import read_image
from scantune.preprocess.sample_files import SampleFiles, by_file
from scantune.records import ReadError


def prepare_image(sources: SampleFiles, settings: ImageInput) -> Prepared:
    """Read, window, blank burned-in text, resize, equalise, scale.

    Args:
        sources: one file; several become channels in that order, and must be of one size. Masks are files of the same
            size, or DICOM SEG or RTSTRUCT.
        settings: the block of ``inputs:``.

    Raises:
        ReadError: the file cannot be used.
    """
    name, options = settings.intensity.name, settings.intensity.model_dump(exclude={"name"})
    dtype = settings.dtype or ("uint8" if name in intensities.BOUNDED else "float16")
    reading: dict[str, Any] = {
        "affine": "agree" if settings.affine == "refuse" else settings.affine,
        "monochrome1": "invert" if settings.invert_monochrome1 else "keep",
        "padding": settings.padding,
        "limits": io.Limits(max_bytes=4 * settings.max_voxels),
        "fill_nan": None if settings.nan == "exclude" else settings.nan,
    }
    window = "file" if name == "window" and options.get("center") is None else None
    read = partial(read_image, window=window, series=sources.series, **reading)
    images = by_file(sources.files, sources.files, read)
    by_file(sources.files, images, partial(_check_size, first=images[0]))
    shapes = [image.array.shape[-2:] for image in images]
    facts = {**images[0].facts, **source_facts(images[0].array, shapes[0], images[0].spacing, _by_channel(images[0]))}
    shape = settings.shape
    size = (shape[0], shape[1]) if shape else None
    fitted = fit(shapes[0], size, settings.resize, facts.get("pixel_sides"))
    facts["fit"] = fitted.as_dict()
    channels = settings.channels if len(images) == 1 else 1
    made = by_file(sources.files, images, partial(_plane, fitted=fitted, channels=channels, settings=settings))
    planes = [plane for plane, _ in made]
    if settings.mask_text:
        facts["text_areas"] = sum(boxes for _, boxes in made)
    if len({plane.dtype for plane in planes}) > 1:  # eight bits are 0 … 255 for 0 … 1, float ones 0 … 1
        planes = [intensities.to_dtype(plane, "float32") for plane in planes]
    picture = np.concatenate(planes, axis=2) if len(planes) > 1 else planes[0]
    if settings.clahe:
        from scantune.preprocess.clahe import equalised

        colour = len(images) == 1 and images[0].array.shape[0] == 3 and settings.channels == 3
        picture = equalised(picture, clip=settings.clahe.clip, tiles=settings.clahe.tiles, colour=colour)
    tensor = np.ascontiguousarray(intensities.to_dtype(picture, dtype).transpose(2, 0, 1))  # [H, W, C] -> [C, H, W]
    mask = drawn = inside = None
    if sources.masks:
        same_way = {name: reading[name] for name in ("limits", "affine")}
        source = sources.files[0], sources.series
        labels = partial(_mask, image=images[0], source=source, grid=settings.mask_grid, reading=same_way)
        drawn = sample_masks(labels, sources, MaskRule.of(settings))
        mask = place(drawn.labels, fitted, nearest=True)[None]
        counts = place((drawn.measured != IGNORED).astype(np.uint8), fitted, nearest=True)[None]
        inside = np.where(counts > 0, mask, np.uint8(IGNORED)) if sources.region else None
        facts |= {**drawn.facts, "notes": [*facts.get("notes", ()), *drawn.facts["notes"]]}
    spacing = images[0].spacing
    if spacing is not None:
        factors = (shapes[0][0] / fitted.resized[0], shapes[0][1] / fitted.resized[1])
        spacing = (spacing[0] * factors[0], spacing[1] * factors[1])
    steps = tuple(spacing) if spacing else None
    if drawn is None:
        return Prepared(tensor, None, steps, facts)
    return Prepared(tensor, mask, steps, facts, drawn.measured, drawn.readers, inside)


def _plane(image: io.Image, *, fitted: Fit, channels: int, settings: ImageInput) -> tuple[np.ndarray, int]:
    """One file scaled and resized, [H, W, C], and how many areas of burned-in text are blank in it."""
    picture, boxes = np.ascontiguousarray(image.array.transpose(1, 2, 0)), 0  # [C, H, W] -> [H, W, C]
    if settings.mask_text:
        from scantune.preprocess.text import blank_text

        picture, boxes = blank_text(picture)
    picture, empty = place_measured(_coloured(picture, channels), fitted, image.empty)
    if settings.resolution:
        picture = coarsened(picture, (settings.resolution[0], settings.resolution[1]))
    around = surroundings(fitted)
    if around is not None:
        empty = around if empty is None else empty | around
    name, options = settings.intensity.name, settings.intensity.model_dump(exclude={"name"})
    return _scaled(picture, name, options, empty), boxes


def _mask(
    paths: Sequence[Path],
    rule: MaskRule,
    *,
    image: io.Image,
    source: tuple[Path, io.SeriesRule | None],
    grid: str,
    reading: Mapping[str, Any],
) -> tuple[np.ndarray, dict[str, Any]]:
    """uint8 [H, W] on the image's grid, and facts of it."""
    turn = int(image.facts.get("turn", 1))
    options = {**reading, "allow_constant": True, "labels": True, "turn": turn if grid == "stored" else None}

    def labels_of(path: Path, names: tuple[str, ...]) -> io.Image:
        if io.is_mask_object(path):
            return io.read_image_mask(path, source[0], series=source[1], names=names)
        return read_image(path, **options)

    masks = read_labels(paths, rule, labels_of)
    for one in masks:
        mask_turn = int(one.facts.get("turn", 1))
        if grid == "refuse" and mask_turn != turn:
            raise MaskError(
                f"the EXIF tags of image and mask rotate them differently (orientation {turn} and {mask_turn}; 1 is "
                "as stored): state by 'mask_grid' whether masks were drawn on the image as 'stored' or as 'shown'"
            )
        if grid != "shown" and one.facts.get("shown_turned") and _sides_unknown(image.facts):
            raise MaskError(
                f"the axes of its mask run to {one.facts['orientation']}, and the picture states no orientation: "
                "which way round the mask lies cannot be told. Save it as PNG, or set 'mask_grid: shown' if viewers "
                "show it as its picture"
            )
    mask, facts = merged([m.array for m in masks], image.array.shape[-2:], rule, [m.facts for m in masks])
    return mask, {
        **facts,
        "notes": [
            *(note for m in masks for note in (*palette_words(m.facts), *m.facts.get(PLACED, ()))),
            *([] if rule.overlap else outline_notes(mask)),
        ],
    }


def _sides_unknown(facts: Mapping[str, Any]) -> bool:
    """Whether a picture's file has no room for the patient's sides, or does not state them."""
    own = facts["format"] in ("dicom", "nifti")
    return not own and not facts.get("patient_orientation")


def _check_size(image: io.Image, first: io.Image) -> None:
    """Files that become channels must be of one size."""
    own, size = ("×".join(map(str, one.array.shape[-2:])) for one in (image, first))
    if own != size:
        raise ReadError(f"{own} pixels, but the first file has {size}: files that become channels must be of one size")


def _coloured(picture: np.ndarray, channels: int) -> np.ndarray:
    """[H, W, 1 or 3] -> [H, W, channels]; grey is the luminance of ITU-R BT.601."""
    if picture.shape[2] == channels:
        return picture
    if channels == 3:
        return np.repeat(picture, 3, axis=2)
    import cv2

    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None]


def _by_channel(image: io.Image) -> np.ndarray | None:
    """The padding values of an image [C, H, W]."""
    return None if image.empty is None else np.broadcast_to(image.empty, image.array.shape)


def _scaled(picture: np.ndarray, name: str, options: Mapping[str, Any], empty: np.ndarray | None) -> np.ndarray:
    """Eight bits under ``scale`` are in scale already; all else goes by float32."""
    if name == "scale" and picture.dtype == np.uint8:
        return picture
    if name == "window" and options.get("center") is None and picture.dtype == np.uint8:
        return picture
    if empty is not None:
        empty = np.broadcast_to(empty[..., None], picture.shape)
    return intensities.apply(picture.astype(np.float32, copy=False), name, empty, **options)
