"""One video → tensor [C, T, H, W]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scantune import io
from scantune.preprocess import intensity as intensities
from scantune.preprocess.masks import MaskRule, merged, read_labels
from scantune.preprocess.plane import Fit, fit, place, surroundings
from scantune.preprocess.prepared import Prepared, source_facts
from scantune.preprocess.reading import read_image
from scantune.records import ReadError


def prepare_video(
    files: Sequence[Path],
    masks: Sequence[Path] = (),
    *,
    shape: Sequence[int] = (112, 112),
    resize: str = "pad",
    frames: int = 32,
    period: int = 1,
    frame_rate: float | None = None,
    start: str = "first",
    min_frames: int = 1,
    channels: int = 1,
    sector: bool = False,
    series: io.SeriesRule | None = None,
    intensity: Mapping[str, Any],
    dtype: str | None = None,
    nan: str | float = "exclude",
    mask_labels: Sequence[int] | None = None,
    empty_mask: str = "keep",
    mask_values: Mapping[Any, int | str] | None = None,
    mask_threshold: float | None = None,
    mask_overlap: bool = False,
    max_voxels: int = 2**30,
) -> Prepared:
    """Choose frames, decode those alone, blank what is outside the sector, resize, scale.

    Args:
        files: one video.
        masks: pictures of the frames' size that apply to the complete video, or DICOM SEG, which may mark frames by
            number;
            several become labels 1, 2, …
        shape: (height, width) of the result.
        resize: "pad", "crop" or "stretch".
        frames: T of the result.
        period: interval between frames; a video shorter than frames × period starts again from its beginning.
        frame_rate: frames a second that the video is brought to before ``period`` counts; None leaves its own.
        start: "first" or "center": where the frames begin.
        min_frames: refuse a video with fewer frames that decode.
        channels: 1 (grey) or 3.
        sector: find the ultrasound sector and blank the rest.
        series: which one of a folder of several DICOM series.
        intensity: name and options, see :mod:`scantune.preprocess.intensity`.
        dtype: of the result; None picks uint8 where intensities end in 0 … 1.
        nan: of other modalities.
        mask_labels: labels that may stand in a mask.
        empty_mask: "keep" or "exclude".
        mask_values: value in a mask's file → label, or ``ignore``.
        mask_threshold: values from which on a mask is label 1.
        mask_overlap: labels may overlap: a bit for each.
        max_voxels: refuse larger files.

    Raises:
        ReadError: the video cannot be used.
    """
    if len(files) != 1:
        raise ReadError(f"a video sample is one video, but there are {len(files)} files")
    name, options = intensity["name"], {k: v for k, v in intensity.items() if k != "name"}
    loop = io.open_video(files[0], series=series, limits=io.Limits(max_bytes=max_voxels))
    if loop.n_frames < min_frames:
        raise ReadError(f"{loop.n_frames} frames can be decoded, fewer than min_frames {min_frames}")
    step = period * _own_frames(loop, frame_rate)
    chosen = frame_indices(loop.n_frames, frames, step, start)
    fitted = fit((loop.height, loop.width), (shape[0], shape[1]), resize)
    pictures = loop.frames(chosen, grey=channels == 1, scale=_decode_scale(loop.height, loop.width, fitted))
    if int(pictures.min()) == int(pictures.max()):
        raise ReadError("every pixel of every frame is the same")
    facts: dict[str, Any] = {**loop.facts, "frames": loop.n_frames, "frame_time": loop.frame_time}
    facts |= source_facts(pictures, (loop.height, loop.width), None)
    facts["looped"] = frames * step > loop.n_frames
    if sector:
        from scantune.preprocess.sector import sector_mask

        inside = sector_mask(pictures[: loop.n_frames].mean(axis=3).astype(np.uint8))
        pictures = pictures * inside[None, :, :, None]  # T h w C
        facts["sector_fraction"] = round(float(inside.mean()), 4)
    placed = np.stack([place(picture, fitted) for picture in pictures])  # T H W C
    if channels == 3 and placed.shape[3] == 1:
        placed = np.repeat(placed, 3, axis=3)
    kind = dtype or ("uint8" if name in intensities.BOUNDED else "float16")
    around = surroundings(fitted) if name in intensities.BY_DISTRIBUTION else None
    empty = None if around is None else np.broadcast_to(around[None, :, :, None], placed.shape)
    scaled = placed if name == "scale" else intensities.apply(placed.astype(np.float32), name, empty, **options)
    tensor = intensities.to_dtype(scaled, kind).transpose(3, 0, 1, 2)  # T H W C -> C T H W
    mask = None
    if masks:
        rule = MaskRule(mask_labels, empty_mask, mask_values or {}, mask_threshold, mask_overlap)
        drawn, mask_facts = _mask(masks, (loop.height, loop.width), chosen, (files[0], series), rule)
        facts |= mask_facts
        still = [place(frame, fitted, nearest=True) for frame in drawn]
        mask = np.stack(still * (len(chosen) if len(still) == 1 else 1))[None]  # T H W -> 1 T H W
    return Prepared(np.ascontiguousarray(tensor), mask, None, facts)


def _mask(
    paths: Sequence[Path],
    shape: tuple[int, int],
    chosen: Sequence[int],
    source: tuple[Path, io.SeriesRule | None],
    rule: MaskRule,
) -> tuple[np.ndarray, dict[str, Any]]:
    """uint8 [1, H, W]: what is marked in a still picture of the frames' size; [T, H, W] where chosen frames differ."""

    def labels_of(path: Path, names: tuple[str, ...]) -> io.Image:
        if io.is_mask_object(path):
            return io.read_image_mask(path, source[0], frames=True, series=source[1], names=names)
        return read_image(path, allow_constant=True, labels=True)

    read = read_labels(paths, rule, labels_of)
    moving = [one.facts["format"] == "dicom" and one.array.shape[0] > 1 for one in read]
    if not any(moving):
        mask, facts = merged([one.array for one in read], shape, rule, [one.facts for one in read])
        return mask[None], facts
    arrays = [
        one.array[None, list(chosen)] if moves else np.repeat(one.array[:, None], len(chosen), axis=1)  # C T H W
        for one, moves in zip(read, moving, strict=True)
    ]
    return merged(arrays, (len(chosen), *shape), rule, [one.facts for one in read])


def _own_frames(loop: io.Loop, frame_rate: float | None) -> float:
    """Frames of the video in the time of one frame at the rate.

    Raises:
        ReadError: the file does not state its own rate.
    """
    if frame_rate is None:
        return 1.0
    if not loop.frame_time:
        raise ReadError("the file does not state its frame rate, which the input key frame_rate needs")
    return 1000.0 / frame_rate / loop.frame_time


def frame_indices(available: int, frames: int, step: float, start: str = "first") -> list[int]:
    """Which frames make a sample: those nearest to every ``step``-th, starting again at the end of the video.

    Args:
        available: frames of the video.
        frames: frames of the sample.
        step: interval in frames of the video; below 1 a frame is taken more than once.
        start: "first", or "center" to leave out as much before as after (only if the video is long enough).
    """
    span = int((frames - 1) * step + 0.5) + 1
    first = max(0, (available - span) // 2) if start == "center" else 0
    return [(first + int(i * step + 0.5)) % available for i in range(frames)]


def _decode_scale(height: int, width: int, fitted: Fit) -> int:
    """Largest of 8, 4, 2, 1 at which the decoder still returns at least the required pixels."""
    for scale in (8, 4, 2):
        if height // scale >= fitted.resized[0] and width // scale >= fitted.resized[1]:
            return scale
    return 1
