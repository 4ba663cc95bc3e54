"""ARCADE: coronary angiograms with polygons in COCO's format, a folder for each partition."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

from scantune.public.entry import WRITTEN, PublicCohort, PublicData, RemoteFile, layout, one

_SIDES = {"train": "train", "validation": "val", "test": "test"}


def prepare(source: Path, out: Path) -> tuple[Path, list[PublicCohort]]:
    """Vessels of the part ``syntax``, drawn as masks below ``out``; images from elsewhere are copied there."""
    from scantune.cohort.coco import masks_of_coco

    folder = layout(source, ["syntax/train/images", "syntax/val/images", "syntax/test/images"])
    root = folder if folder.resolve().is_relative_to(out.resolve()) else out / "arcade"
    if root != folder:
        shutil.copytree(folder / "syntax", root / "syntax", dirs_exist_ok=True)
    files = {side: one(root / "syntax" / name / "annotations", "*.json", "*.JSON") for side, name in _SIDES.items()}
    table = masks_of_coco(files, root / "masks", root=root)
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    dataset = {**WRITTEN, "masks": "{mask}", "split": {"method": "predefined", "columns": "split"}}
    task = {"name": "segmentation", "classes": ["background", "vessel"]}
    keys = {"intensity": "percentile", "clahe": True, "empty_mask": "exclude"}
    return root, [PublicCohort("arcade", dataset, task, "masks/cohort.csv", rows, keys)]


ENTRIES = (
    PublicData(
        "arcade",
        "1,500 coronary angiograms with the segments of the vessels; which are of one person is not stated",
        "https://zenodo.org/records/10390295",
        "CC BY 4.0",
        prepare,
        (RemoteFile("https://zenodo.org/records/10390295/files/arcade.zip?download=1", "arcade.zip"),),
    ),
)
