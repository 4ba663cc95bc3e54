"""Pixels that are not square are told of pictures, of loops in DICOM and of videos whose container states it."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from PIL import Image

from scantune import io


def video(path: Path, sides: tuple[int, int] | None) -> None:
    """An MP4 of six frames; ``sides`` go into the box ``pasp`` of its sample entry (ISO/IEC 14496-12, 12.1.4)."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (72, 58))
    for t in range(6):
        frame = np.zeros((58, 72, 3), np.uint8)
        frame[10:30, 10 + t : 30 + t] = 200
        writer.write(frame)
    writer.release()
    if sides is None:
        return
    content = bytearray(path.read_bytes())
    start = content.index(b"mp4v", content.index(b"stsd")) - 4
    end = start + struct.unpack(">I", content[start : start + 4])[0]
    above, at = [], 0
    while at != start:  # the boxes that contain the sample entry
        size, kind = struct.unpack(">I4s", content[at : at + 8])
        inside = at <= start < at + size
        above += [at] if inside else []
        at += (16 if kind == b"stsd" else 8) if inside else size
    for box in [*above, start]:
        size = struct.unpack(">I", content[box : box + 4])[0]
        content[box : box + 4] = struct.pack(">I", size + 16)
    content[end:end] = struct.pack(">I4sII", 16, b"pasp", *sides)
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(("sides", "told"), [((16, 15), "16:15"), ((1, 1), None), (None, None)])
def test_a_video_whose_pixels_are_not_square_is_told(tmp_path, sides, told):
    video(tmp_path / "loop.mp4", sides)
    loop = io.open_video(tmp_path / "loop.mp4")
    notes = [note for note in loop.facts["notes"] if "not square" in note]
    assert bool(notes) == bool(told)
    assert all(told in note for note in notes)
    assert (loop.height, loop.width) == (58, 72)


@pytest.mark.parametrize("frames", [1, 4])
@pytest.mark.parametrize(
    ("spacing", "told"), [((0.25, 0.5), True), ((0.5, 0.5), False), ((0.5, 0.501), False), (None, False)]
)
def test_dicom_whose_pixels_are_not_square_is_told(tmp_path, frames, spacing, told):
    path = tmp_path / "a.dcm"
    pixels = np.random.default_rng(0).integers(0, 255, (frames, 16, 20), np.uint8)
    if frames > 1:
        io.write_cine(path, pixels, patient_id="p", seed="s")
    else:
        io.write_dicom_image(path, pixels[0], patient_id="p", seed="s")
    header = pydicom.dcmread(path)
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        if keyword in header:
            delattr(header, keyword)
    if spacing:
        header.PixelSpacing = list(spacing)
    header.save_as(path)
    content = io.open_video(path) if frames > 1 else io.read(path)
    assert any("not square" in note for note in content.facts["notes"]) == told


def _jfif(path: Path, unit: int, x: int, y: int) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 20), np.uint8)).save(path)
    content = bytearray(path.read_bytes())
    at = content.index(b"JFIF") + 7
    content[at : at + 5] = struct.pack(">BHH", unit, x, y)
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("density", "sides"),
    [
        ((0, 2, 1), [1, 0.5]),
        ((1, 72, 36), [1 / 36, 1 / 72]),
        ((0, 0, 1), None),
        ((0, 1, 1), None),
        ((1, 300, 299), None),
    ],
)
def test_a_jpeg_whose_pixels_are_not_square_is_told(tmp_path, density, sides):
    _jfif(tmp_path / "a.jpg", *density)
    facts = io.read(tmp_path / "a.jpg").facts
    assert facts.get("pixel_sides") == (None if sides is None else pytest.approx(sides))
    assert any("not square" in note for note in facts["notes"]) == (sides is not None)


def test_a_density_that_no_picture_has_is_not_believed(tmp_path):
    _jfif(tmp_path / "a.jpg", 1, 1, 300)
    facts = io.read(tmp_path / "a.jpg").facts
    assert "pixel_sides" not in facts
    assert any("density 1:300 along rows and columns: not believed" in note for note in facts["notes"])
