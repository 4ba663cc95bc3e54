"""One video → tensor [C, T, H, W]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scantune import io
from scantune.config.input import VideoInput
from scantune.preprocess import intensity as intensities
from scantune.preprocess.mask_rule import MaskRule
from scantune.preprocess.masks import MaskError, merged, read_labels
from scantune.preprocess.plane import Fit, fit, place, surroundings
from scantune.preprocess.prepared import Prepared, source_facts
from scantune.preprocess.reading import read_image
from scantune.preprocess.sample_files import SampleFiles
from scantune.records import ReadError

_LOSS = 24  # of 255: the difference of channels that lossy compression makes of grey


def prepare_video(sources: SampleFiles, settings: VideoInput) -> Prepared:
    """Choose frames, decode those alone, blank what is outside the sector, resize, scale.

    Args:
        sources: one video. Masks are pictures of the frames' size that apply to the complete video, videos with as many
            frames, or DICOM SEG, which may mark frames by number.
        settings: the block of ``inputs:``.

    Raises:
        ReadError: the video cannot be used.
    """
    if len(sources.files) != 1:
        raise ReadError(f"a video sample is one video, but there are {len(sources.files)} files")
    name, options = settings.intensity.name, settings.intensity.model_dump(exclude={"name"})
    loop = io.open_video(sources.files[0], series=sources.series, limits=io.Limits(max_bytes=settings.max_voxels))
    if loop.n_frames < settings.min_frames:
        raise ReadError(f"{loop.n_frames} frames can be decoded, fewer than min_frames {settings.min_frames}")
    step = settings.period * _frames_per_sample_frame(loop, settings.frame_rate)
    if settings.frame_rate is None or loop.times is None:
        chosen = frame_indices(loop.n_frames, settings.frames, step, settings.start)
    else:
        chosen = _nearest_in_time(loop.times, settings.frames, step, settings.start)
    size = (settings.shape[0], settings.shape[1])
    fitted = fit((loop.height, loop.width), size, settings.resize, loop.facts.get("pixel_sides"))
    scale, inside = _decode_scale(loop.height, loop.width, fitted), None
    if settings.sector:
        pictures, inside = _with_sector(loop, chosen, settings.channels == 1, scale)
    else:
        pictures = loop.frames(chosen, grey=settings.channels == 1, scale=scale)
    if int(pictures.min()) == int(pictures.max()):
        raise ReadError("every pixel of every frame is the same")
    facts: dict[str, Any] = {**loop.facts, "frames": loop.n_frames, "frame_time": loop.frame_time}
    facts |= source_facts(pictures, (loop.height, loop.width), None)
    facts["looped"] = settings.frames * step > loop.n_frames
    if inside is not None:
        pictures = pictures * inside.mask[None, :, :, None]  # T h w C
        facts["sector_fraction"] = round(float(inside.mask.mean()), 4)
        facts["notes"] = [*facts.get("notes", ()), *inside.notes]
    placed = np.stack([place(picture, fitted) for picture in pictures])  # T H W C
    if settings.channels == 3 and placed.shape[3] == 1:
        placed = np.repeat(placed, 3, axis=3)
    kind = settings.dtype or ("uint8" if name in intensities.BOUNDED else "float16")
    around = surroundings(fitted) if name in intensities.BY_DISTRIBUTION else None
    empty = None if around is None else np.broadcast_to(around[None, :, :, None], placed.shape)
    scaled = placed if name == "scale" else intensities.apply(placed.astype(np.float32), name, empty, **options)
    tensor = intensities.to_dtype(scaled, kind).transpose(3, 0, 1, 2)  # T H W C -> C T H W
    mask = None
    if sources.masks:
        drawn, mask_facts = _mask(sources, loop, chosen, MaskRule.of(settings))
        facts |= mask_facts
        still = [place(frame, fitted, nearest=True) for frame in drawn]
        mask = np.stack(still * (len(chosen) if len(still) == 1 else 1))[None]  # T H W -> 1 T H W
    return Prepared(np.ascontiguousarray(tensor), mask, None, facts)


class _Sector(NamedTuple):
    """The ultrasound sector, bool [h, w], and what a user should know of it."""

    mask: np.ndarray
    notes: list[str]


def _with_sector(loop: io.Loop, chosen: Sequence[int], grey: bool, scale: int) -> tuple[np.ndarray, _Sector]:
    """The chosen frames [T, h, w, C], and the sector, which frames over the whole loop show."""
    from scantune.preprocess.sector import STILL, sector_mask, spread_over, still_share

    every = sorted({*chosen, *spread_over(loop.n_frames)})
    pictures = loop.frames(every, grey=grey, scale=scale)
    seen = pictures.mean(axis=3).astype(np.uint8)
    mask = sector_mask(seen)
    still = still_share(seen, mask)
    told = f"{100 * still:.0f} % of the lit picture around the ultrasound sector stands still and is blanked"
    return pictures[np.searchsorted(every, chosen)], _Sector(mask, [told] if still > STILL else [])


class _Drawn(NamedTuple):
    """One file of masks: [H, W] or [1 or 3, H, W] of a still, [1 or 3, T, H, W] of the chosen frames where it moves."""

    array: np.ndarray
    facts: Mapping[str, Any]
    moves: bool


def _mask(
    sources: SampleFiles, loop: io.Loop, chosen: Sequence[int], rule: MaskRule
) -> tuple[np.ndarray, dict[str, Any]]:
    """uint8 [1, H, W]: what is marked in a still picture of the frames' size; [T, H, W] where chosen frames differ."""

    def labels_of(path: Path, names: tuple[str, ...]) -> _Drawn:
        if io.is_mask_object(path):
            one = io.read_image_mask(path, sources.files[0], frames=True, series=sources.series, names=names)
            moves = one.facts["format"] == "dicom" and one.array.shape[0] > 1
            return _Drawn(one.array[None, list(chosen)] if moves else one.array, one.facts, moves)
        drawn = _loop_of_masks(path)
        if drawn is None:
            still = read_image(path, allow_constant=True, labels=True)
            return _Drawn(still.array, still.facts, False)
        if drawn.n_frames != loop.n_frames:
            raise MaskError(
                f"it has {drawn.n_frames} frames where the video has {loop.n_frames}: a frame for each, or one "
                "picture for all"
            )
        pixels = drawn.frames(chosen).transpose(3, 0, 1, 2)  # T H W C -> C T H W
        return _Drawn(_as_grey(pixels) if drawn.facts["lossy"] else pixels, drawn.facts, True)

    read = read_labels(sources.masks, rule, labels_of)
    shape = loop.height, loop.width
    facts = [one.facts for one in read]
    if not any(one.moves for one in read):
        mask, about = merged([one.array for one in read], shape, rule, facts)
        return mask[None], about
    arrays = [one.array if one.moves else _at_each_frame(one.array, len(chosen)) for one in read]
    return merged(arrays, (len(chosen), *shape), rule, facts)


def _as_grey(pixels: np.ndarray) -> np.ndarray:
    """[1, T, H, W] where channels differ by no more than compression changes; as they are where there are colours."""
    first, *others = pixels.astype(np.int16)
    grey = all(np.abs(first - other).max() <= _LOSS for other in others)
    return pixels[:1] if grey else pixels


def _at_each_frame(still: np.ndarray, frames: int) -> np.ndarray:
    """[C, T, H, W] of a still [H, W] or [C, H, W]."""
    return np.repeat(still.reshape(-1, *still.shape[-2:])[:, None], frames, axis=1)


def _loop_of_masks(path: Path) -> io.Loop | None:
    """A mask that is a video, an animated picture or a DICOM file of several frames; None for a still.

    Compression that is not lossless leaves values that no label has: merging tells it by the values.
    """
    family = io.family_of(path) if path.is_file() else ""
    if family == "dicom":
        frames = io.read_texts(path, ("NumberOfFrames",)).get("NumberOfFrames", "")
        if not frames.isdecimal() or int(frames) < 2:
            return None
    elif family not in ("video", "animation"):
        return None
    drawn = io.open_video(path)
    if family == "animation" and drawn.n_frames == 1:
        return None
    drawn.facts["lossy"] = family == "video" or bool(drawn.facts.get("lossy"))
    return drawn


def _frames_per_sample_frame(loop: io.Loop, frame_rate: float | None) -> float:
    """Frames of the video in the time of one frame at the rate.

    Raises:
        ReadError: the file does not state its own rate.
    """
    if frame_rate is None:
        return 1.0
    if not loop.frame_time:
        raise ReadError("the file does not state its frame rate, which the input key frame_rate needs")
    mean = loop.frame_time if loop.times is None else float(loop.times[-1]) / (loop.n_frames - 1)
    return 1000.0 / frame_rate / mean


def _nearest_in_time(times: np.ndarray, frames: int, step: float, start: str) -> list[int]:
    """As :func:`frame_indices` for frames whose intervals vary: those nearest in time.

    Args:
        times: ms from the first frame to each.
        frames: of the sample.
        step: interval in mean intervals of the video.
        start: "first" or "center".
    """
    parts, mean = 100, float(times[-1]) / (len(times) - 1)
    moments = frame_indices(len(times) * parts, frames, step * parts, start)
    return [int(np.abs(times - at / parts * mean).argmin()) for at in moments]


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
