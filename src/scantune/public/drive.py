"""DRIVE: retinal photographs and vessel masks in folders of two partitions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scantune.public.entry import WRITTEN, PublicCohort, PublicData, layout
from scantune.records import ScantuneError


def prepare(source: Path, out: Path) -> tuple[Path, list[PublicCohort]]:
    """The first observer's masks; an image without one (the test half of later releases) is not in the table.

    Raises:
        ScantuneError: no image has a mask.
    """
    root = layout(source, ["training/images", "training/1st_manual"])
    rows = []
    for folder, split in (("training", "train"), ("test", "test"), ("testing", "test")):
        for image in sorted((root / folder / "images").glob("*_*.tif")):
            number = image.name.partition("_")[0]
            mask = root / folder / "1st_manual" / f"{number}_manual1.gif"
            if mask.is_file():
                places = {"file": image.relative_to(root).as_posix(), "mask": mask.relative_to(root).as_posix()}
                rows.append({"sample_id": number, **places, "split": split})
    if not rows:
        raise ScantuneError(f"{root}: no image has a mask in 1st_manual/")
    partitions: dict[str, Any] = {"method": "predefined", "columns": "split"}
    if not any(row["split"] == "test" for row in rows):
        partitions["fill"] = {"test": 0.25}
    dataset = {**WRITTEN, "masks": "{mask}", "subject": "sample_id", "split": partitions}
    task = {"name": "segmentation", "classes": ["background", "vessel"]}
    return root, [PublicCohort("drive", dataset, task, rows=rows)]


ENTRIES = (
    PublicData(
        "drive",
        "40 retinal photographs with masks of the vessels, 20 of them for testing",
        "https://drive.grand-challenge.org",
        "for research and education, after registration on the page; do not pass the images on",
        prepare,
        published="Dice of the test half inside the field of view: U-Net .814, SA-UNet .826, second observer .788",
    ),
)
