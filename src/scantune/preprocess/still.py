"""One still image → tensor [C, H, W], rows from the top, columns from the left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from scantune import io
from scantune.preprocess import intensity as intensities
from scantune.preprocess.masks import MaskError, MaskRule, merged, palette_words, read_labels, sample_masks
from scantune.preprocess.plane import fit, place, place_measured, surroundings
from scantune.preprocess.prepared import Prepared, source_facts
from scantune.preprocess.reading import read_image
from scantune.records import ReadError


def prepare_image(
    files: Sequence[Path],
    masks: Sequence[Path] = (),
    *,
    shape: Sequence[int] | None = None,
    resize: str = "pad",
    channels: int = 1,
    intensity: Mapping[str, Any],
    invert_monochrome1: bool = True,
    clahe: Mapping[str, Any] | None = None,
    mask_text: bool = False,
    series: io.SeriesRule | None = None,
    affine: str = "refuse",
    padding: Literal["lowest", "keep"] = "lowest",
    dtype: str | None = None,
    nan: str | float = "exclude",
    mask_labels: Sequence[int] | None = None,
    empty_mask: str = "keep",
    mask_values: Mapping[Any, int | str] | None = None,
    mask_threshold: float | None = None,
    mask_overlap: bool = False,
    mask_grid: str = "refuse",
    max_voxels: int = 2**30,
    region: Path | None = None,
    rater_masks: Mapping[str, Sequence[Path]] | None = None,
) -> Prepared:
    """Read, window, blank burned-in text, resize, equalise, scale.

    Args:
        files: one file; several become channels in that order, and must be of one size.
        masks: mask files of the same size, or DICOM SEG or RTSTRUCT; several become labels 1, 2, …
        shape: (height, width) of the result, or None for the file's own.
        resize: "pad", "crop" or "stretch".
        channels: 1 (grey) or 3 (colour; a grey file is repeated).
        intensity: name and options, see :mod:`scantune.preprocess.intensity`.
        invert_monochrome1: turn MONOCHROME1 round.
        clahe: clip and tiles, or None.
        mask_text: find burned-in text and blank it.
        series: which one of a folder of several DICOM series.
        affine: "refuse", or the form ("sform", "qform") that is trusted where a NIfTI file's two disagree.
        padding: DICOM pixels that stand for none take the lowest value of the others, or are kept.
        dtype: of the result; None picks uint8 where intensities end in 0 … 1.
        nan: "exclude", or what to put in the place of values that are not finite.
        mask_labels: labels that may stand in a mask.
        empty_mask: "keep" or "exclude".
        mask_values: value in a mask's file → label, or ``ignore``.
        mask_threshold: values from which on a mask is label 1.
        mask_overlap: labels may overlap: a bit for each.
        mask_grid: of images that an EXIF tag turns: "stored", "shown", or "refuse" where image and mask are not turned
            alike.
        max_voxels: refuse larger files.
        region: mask of the region that metrics are limited to.
        rater_masks: reader's name to that reader's masks.

    Raises:
        ReadError: the file cannot be used.
    """
    name, options = intensity["name"], {k: v for k, v in intensity.items() if k != "name"}
    dtype = dtype or ("uint8" if name in intensities.BOUNDED else "float16")
    reading: dict[str, Any] = {
        "affine": "agree" if affine == "refuse" else affine,
        "monochrome1": "invert" if invert_monochrome1 else "keep",
        "padding": padding,
        "limits": io.Limits(max_bytes=4 * max_voxels),
        "fill_nan": None if nan == "exclude" else float(nan),
    }
    window = "file" if name == "window" and options.get("center") is None else None
    images = [read_image(path, window=window, series=series, **reading) for path in files]
    shapes = [image.array.shape[-2:] for image in images]
    if len(set(shapes)) > 1:
        raise ReadError(f"channels of different size: {' and '.join('×'.join(map(str, s)) for s in shapes)}")
    facts = {**images[0].facts, **source_facts(images[0].array, shapes[0], images[0].spacing, _by_channel(images[0]))}
    fitted = fit(shapes[0], (shape[0], shape[1]) if shape else None, resize)
    facts["fit"] = fitted.as_dict()
    planes = []
    for image in images:
        picture = np.ascontiguousarray(image.array.transpose(1, 2, 0))  # [C, H, W] -> [H, W, C]
        if mask_text:
            from scantune.preprocess.text import blank_text

            picture, boxes = blank_text(picture)
            facts["text_areas"] = facts.get("text_areas", 0) + boxes
        picture = _coloured(picture, channels if len(images) == 1 else 1)
        picture, empty = place_measured(picture, fitted, image.empty)
        around = surroundings(fitted) if name in intensities.BY_DISTRIBUTION else None
        if around is not None:
            empty = around if empty is None else empty | around
        planes.append(_scaled(picture, name, options, empty))
    picture = np.concatenate(planes, axis=2) if len(planes) > 1 else planes[0]
    if clahe:
        picture = _equalised(picture, **clahe)
    tensor = np.ascontiguousarray(intensities.to_dtype(picture, dtype).transpose(2, 0, 1))  # [H, W, C] -> [C, H, W]
    mask = drawn = None
    if masks:
        same_way = {name: reading[name] for name in ("limits", "affine")}
        rule = MaskRule(mask_labels, empty_mask, mask_values or {}, mask_threshold, mask_overlap)
        read = partial(_mask, image=images[0], source=(files[0], series), grid=mask_grid, reading=same_way)
        drawn = sample_masks(read, masks, rule, region, rater_masks)
        mask = place(drawn.labels, fitted, nearest=True)[None]
        facts |= {**drawn.facts, "notes": [*facts.get("notes", ()), *drawn.facts["notes"]]}
    spacing = images[0].spacing
    if spacing is not None:
        factors = (shapes[0][0] / fitted.resized[0], shapes[0][1] / fitted.resized[1])
        spacing = (spacing[0] * factors[0], spacing[1] * factors[1])
    steps = tuple(spacing) if spacing else None
    if drawn is None:
        return Prepared(tensor, None, steps, facts)
    return Prepared(tensor, mask, steps, facts, drawn.measured, drawn.readers)


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
    mask, facts = merged([m.array for m in masks], image.array.shape[-2:], rule, [m.facts for m in masks])
    return mask, {**facts, "notes": [note for m in masks for note in palette_words(m.facts)]}


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


def _equalised(picture: np.ndarray, *, clip: float, tiles: int) -> np.ndarray:
    """CLAHE, per channel for grey and on the lightness (CIE Lab) for colour; [H, W, C] in 0 … 1 or uint8."""
    import cv2

    method = cv2.createCLAHE(clipLimit=clip, tileGridSize=(tiles, tiles))
    if picture.dtype == np.uint8 and picture.shape[2] == 3:
        lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)
        lab[..., 0] = method.apply(lab[..., 0])
        return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
    if picture.dtype == np.uint8:
        return np.stack([method.apply(picture[..., c]) for c in range(picture.shape[2])], axis=2)
    if float(picture.min()) < 0 or float(picture.max()) > 1:
        raise ReadError("CLAHE needs intensities in 0 … 1: use intensity scale, percentile or window with it")
    fine = np.rint(picture * np.float32(65535)).astype(np.uint16)
    equal = np.stack([method.apply(np.ascontiguousarray(fine[..., c])) for c in range(picture.shape[2])], axis=2)
    return equal.astype(np.float32) / np.float32(65535)
