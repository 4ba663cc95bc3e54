"""The loops in EchoNet-Dynamic's layout: ``FileList.csv`` and ``Videos/*.avi``.

D. Ouyang et al., Nature 2020;580:252; https://echonet.github.io/dynamic. Its pictures are 112 × 112, grey, with nothing
outside the sector, and its table names files without their suffix.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from scantune import io
from scantune_phantoms.cohort import SYNTHETIC, generator, side_by_side, write_table
from scantune_phantoms.echo.loop import make_loop
from scantune_phantoms.echo.subjects import Subject

SIDES = ("TRAIN", "VAL", "TEST")
README = """
Synthetic apical four-chamber loops made by scantune: nobody's heart, not for diagnosis.

`Videos/*.avi` and `FileList.csv` are laid out as in EchoNet-Dynamic (D. Ouyang et al., Nature 2020;580:252): 112 × 112
pixels, motion JPEG, grey, one loop a person. No loop of that data set is in here.

| column | |
| --- | --- |
| FileName | without its suffix: `files: "Videos/{FileName}.avi"` |
| EF | ejection fraction, percent |
| ESV, EDV | volumes at the end of systole and diastole, ml |
| FrameHeight, FrameWidth, FPS, NumberOfFrames | of the file |
| Split | TRAIN, VAL or TEST |
"""


def write(out_dir: Path, seed: int, site: str, subjects: list[Subject], *, workers: int) -> tuple[Path, int]:
    """Write the first loop of each person; returns the table and how many loops there are."""
    jobs = [(out_dir, seed, site, subject) for subject in subjects]
    rows = side_by_side(_write_video, jobs, workers)
    return write_table(out_dir / "FileList.csv", rows), len(rows)


def _write_video(out_dir: Path, seed: int, site: str, subject: Subject) -> Mapping[str, object]:
    import cv2

    cv2.setNumThreads(1)
    cine = make_loop(seed, site, subject, 0, size=(112, 112), margins=(0.03, 0.03))
    rng = generator(seed, "echo", site, subject.number, "echonet")
    name = f"0X{int(rng.integers(2**62, 2**63)):016X}"
    frames = np.rint(cine.pictures * 255).astype(np.uint8)
    frame_time = subject.loops[0].frame_time
    path = io.write_video(out_dir / "Videos" / f"{name}.avi", frames, frame_time=frame_time)
    comment(path, SYNTHETIC)
    filled, emptied = cine.volumes
    return {
        "FileName": name,
        "EF": round(100 * (1 - emptied / filled) + float(rng.normal(0, 2)), 6),
        "ESV": round(emptied, 6),
        "EDV": round(filled, 6),
        "FrameHeight": frames.shape[1],
        "FrameWidth": frames.shape[2],
        "FPS": round(1000 / frame_time),
        "NumberOfFrames": len(frames),
        "Split": str(rng.choice(SIDES, p=[0.75, 0.125, 0.125])),
    }


def comment(path: Path, text: str) -> None:
    """Append a comment (LIST INFO, ICMT) to an AVI file: it stands at the end, where players that want none skip it."""
    content = bytearray(path.read_bytes())
    words = text.encode("ascii") + b"\0"
    words += b"\0" * (len(words) % 2)
    item = b"INFO" + b"ICMT" + struct.pack("<I", len(words)) + words
    content += b"LIST" + struct.pack("<I", len(item)) + item
    content[4:8] = struct.pack("<I", len(content) - 8)
    path.write_bytes(bytes(content))
