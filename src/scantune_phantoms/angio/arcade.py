"""The cohort in the layout of ARCADE: PNG frames, and COCO files with a polygon for each segment.

M. Popov et al., "Dataset for Automatic Region-based Coronary Artery Disease Diagnostics Using X-Ray Angiography
Images", Scientific Data 11, 20 (2024), https://doi.org/10.1038/s41597-023-02871-z: ``syntax/<side>/images/*.png`` and
``syntax/<side>/annotations/<side>.json`` with images, categories (the segments of the SYNTAX score, "stenosis" the
last) and annotations.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scantune import io
from scantune_phantoms.angio.frame import make_frame
from scantune_phantoms.angio.subjects import Subject
from scantune_phantoms.cohort import SYNTHETIC, generator, side_by_side

README = """
Synthetic coronary angiograms made by scantune: nobody's arteries, not for diagnosis. Folders and COCO files are as in
ARCADE (https://doi.org/10.1038/s41597-023-02871-z), none of whose pictures is here: `syntax/<side>/images/*.png`,
`syntax/<side>/annotations/<side>.json` with a polygon for each segment of the SYNTAX score. Frames of one person are on
one side.
"""
CATEGORIES = (
    "1", "2", "3", "4", "5", "6", "7", "8", "9", "9a", "10", "10a", "11", "12", "12a", "13", "14", "14a", "15", "16",
    "16a", "16b", "16c", "12b", "14b", "stenosis",
)  # fmt: skip
SIDES = ("train", "val", "test")
FINE = 4  # points of an outline along a pixel


def write(
    out_dir: Path, seed: int, site: str, subjects: Sequence[Subject], *, size: int, confounder: bool, workers: int
) -> int:
    """Write all frames; the number of them is returned."""
    sides = _sides(generator(seed, "angio", site, "sides"), len(subjects))
    jobs: list[tuple[Any, ...]] = []
    for side in SIDES:
        shots = [(s, k) for s, own in zip(subjects, sides) if own == side for k in range(len(s.shots))]
        for number, (subject, shot) in enumerate(shots, start=1):
            path = out_dir / "syntax" / side / "images" / f"{number}.png"
            jobs.append((path, seed, site, subject, shot, size, confounder))
    drawn = side_by_side(_write_frame, jobs, workers)
    for side in sorted(set(sides)):
        own = [polygons for job, polygons in zip(jobs, drawn) if job[0].parent.parent.name == side]
        path = out_dir / "syntax" / side / "annotations" / f"{side}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(_coco(own, size)), encoding="utf-8")
    return len(jobs)


def _sides(rng: np.random.Generator, count: int) -> list[str]:
    """A side for each subject: about 70, 15 and 15 %, none empty from three subjects on."""
    each = max(1, round(0.15 * count)) if count >= 3 else 0
    sides = np.array(["val"] * each + ["test"] * each + ["train"] * (count - 2 * each))
    return sides[rng.permutation(count)].tolist()


def _write_frame(
    path: Path, seed: int, site: str, subject: Subject, number: int, size: int, confounder: bool
) -> list[tuple[str, list[list[float]], float]]:
    frame = make_frame(seed, site, subject, number, size=size, confounder=confounder)
    io.write_png(path, frame.pixels)
    return [(name, *polygons(mask)) for name, mask in frame.segments.items()]


def polygons(mask: np.ndarray) -> tuple[list[list[float]], float]:
    """Outlines of a bool [H, W] mask as COCO has them (x, y, … from the corner of the first pixel), and its area."""
    import cv2

    # so that a line of one pixel has two sides
    fine = mask.astype(np.uint8).repeat(FINE, axis=0).repeat(FINE, axis=1)
    contours, _ = cv2.findContours(fine, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    lines = [((contour.reshape(-1) + 0.5) / FINE).tolist() for contour in contours if len(contour) >= 3]
    return lines, float(mask.sum())


def _coco(frames: Sequence[Sequence[tuple[str, list[list[float]], float]]], size: int) -> dict[str, Any]:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, segments in enumerate(frames, start=1):
        images.append({"id": number, "width": size, "height": size, "file_name": f"{number}.png"})
        for name, lines, area in segments:
            if not lines:
                continue
            x = np.concatenate([line[0::2] for line in lines])
            y = np.concatenate([line[1::2] for line in lines])
            box = [float(x.min()), float(y.min()), float(np.ptp(x)), float(np.ptp(y))]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": CATEGORIES.index(name) + 1,
                    "segmentation": lines,
                    "area": area,
                    "bbox": box,
                    "iscrowd": 0,
                }
            )
    categories = [{"id": place, "name": name, "supercategory": ""} for place, name in enumerate(CATEGORIES, start=1)]
    info = {"description": SYNTHETIC}
    return {"info": info, "images": images, "categories": categories, "annotations": annotations}
