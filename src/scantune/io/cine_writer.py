"""Cine loops and videos written. The same arguments give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from pydicom import DataElement, Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from scantune.io.dicom_writer import SOP_CLASSES, base_dataset, number, save, set_pixels
from scantune.records import ScantuneError


def write_cine(
    path: Path | str,
    frames: np.ndarray,
    *,
    patient_id: str,
    seed: str,
    modality: Literal["US", "XA"] = "US",
    frame_time: float | None = 33.3,
    encoding: Literal["jpeg", "raw"] = "jpeg",
    quality: int = 90,
    compression: str = "none",
    tags: Mapping[str, Any] | None = None,
) -> Path:
    """Write a loop as a multi-frame DICOM file.

    Args:
        path: of the file.
        frames: uint8 [T, H, W], [T, H, W, 1] or RGB [T, H, W, 3].
        patient_id: in the header as patient id and name.
        seed: all UIDs follow from it.
        modality: US or XA (grey).
        frame_time: ms between frames; None leaves it out.
        encoding: "jpeg" (baseline; colour as YBR_FULL_422) or "raw".
        quality: of the JPEG, 1–100.
        compression: of raw frames, one of `dicom_writer.SYNTAXES`.
        tags: further header items by keyword.
    """
    frames = np.ascontiguousarray(frames[..., 0] if frames.ndim == 4 and frames.shape[-1] == 1 else frames)
    if frames.dtype != np.uint8 or frames.ndim not in (3, 4):
        raise ScantuneError(f"a loop is uint8 [T, H, W] or [T, H, W, 3], not {frames.dtype} {list(frames.shape)}")
    colour = frames.ndim == 4
    sop = SOP_CLASSES["US cine" if modality == "US" else modality]
    dataset = base_dataset(sop, patient_id=patient_id, seed=seed, modality=modality)
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    set_pixels(dataset, frames, photometric="RGB" if colour else "MONOCHROME2")
    dataset.NumberOfFrames = len(frames)
    if frame_time is not None:
        dataset.FrameTime = number(frame_time)
        dataset.FrameIncrementPointer = 0x00181063
    if encoding == "jpeg":
        _to_jpeg(dataset, frames, quality)
    elif encoding != "raw":
        raise ScantuneError(f"encoding {encoding!r} is not one of jpeg, raw")
    return save(dataset, Path(path), tags, compression)


def _to_jpeg(dataset: Dataset, frames: np.ndarray, quality: int) -> None:
    streams = [_jpeg(frame, quality) for frame in frames]
    if frames.ndim == 4:
        dataset.PhotometricInterpretation = "YBR_FULL_422"
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.LossyImageCompression = "01"
    dataset.LossyImageCompressionMethod = "ISO_10918_1"
    dataset.LossyImageCompressionRatio = number(round(frames.nbytes / max(1, sum(map(len, streams))), 2))
    element = DataElement(0x7FE00010, "OB", encapsulate(streams, has_bot=True))
    element.is_undefined_length = True
    dataset["PixelData"] = element


def _jpeg(frame: np.ndarray, quality: int) -> bytes:
    colour = frame.ndim == 3
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    if colour:
        options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422]
    ok, coded = cv2.imencode(".jpg", frame[..., ::-1] if colour else frame, options)
    if not ok:
        raise ScantuneError("a frame could not be encoded as JPEG")
    stream = coded.tobytes()
    return stream + b"\0" * (len(stream) % 2)


_CODECS = {".avi": "MJPG", ".mp4": "mp4v"}


def write_video(path: Path | str, frames: np.ndarray, *, frame_time: float = 33.3) -> Path:
    """Write an AVI (motion JPEG) or MP4 (MPEG-4 part 2) file, by the path's suffix.

    Args:
        path: ending in .avi or .mp4.
        frames: uint8 [T, H, W], [T, H, W, 1] or RGB [T, H, W, 3].
        frame_time: ms between frames.

    Raises:
        ScantuneError: another suffix, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in _CODECS:
        raise ScantuneError(f"a video ends in .avi or .mp4, not {path.suffix!r}")
    if frames.ndim == 4 and frames.shape[-1] == 1:
        frames = frames[..., 0]
    path.parent.mkdir(parents=True, exist_ok=True)
    codec = cv2.VideoWriter.fourcc(*_CODECS[path.suffix.lower()])
    height, width = frames.shape[1:3]
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, 1000.0 / frame_time, (width, height))
    if not writer.isOpened():
        raise ScantuneError(f"{path} cannot be written as a video")
    for frame in frames:
        writer.write(
            np.ascontiguousarray(frame[..., ::-1]) if frame.ndim == 3 else cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)
        )
    writer.release()
    return path
