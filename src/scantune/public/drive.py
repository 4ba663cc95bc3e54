"""DRIVE: retinal photographs and vessel masks in folders of two partitions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scantune.public.entry import WRITTEN, PublicCohort, PublicData, layout, unused
from scantune.records import ScantuneError


def prepare(source: Path, out: Path) -> tuple[Path, list[PublicCohort]]:
    """The first observer's masks; an image without one (the test half of later releases) is not in the table.

    Metrics are computed inside the field of view, as in the publications; where every image of the test half has a mask
    of the second observer, that one stands beside the model.

    Raises:
        ScantuneError: no image has a mask.
    """
    root = layout(source, ["training/images", "training/1st_manual"])
    rows: list[dict[str, str]] = []
    images, bare = 0, []
    for folder, split in (("training", "train"), ("test", "test"), ("testing", "test")):
        for image in sorted((root / folder / "images").glob("*_*.tif")):
            number = image.name.partition("_")[0]
            mask = root / folder / "1st_manual" / f"{number}_manual1.gif"
            images += 1
            if not mask.is_file():
                bare.append(image)
            if mask.is_file():
                view = next((root / folder / "mask").glob(f"{number}_*mask.gif"), None)
                second = root / folder / "2nd_manual" / f"{number}_manual2.gif"
                places = {"file": image, "mask": mask, "view": view, "second": second if second.is_file() else None}
                paths = {name: path.relative_to(root).as_posix() if path else "" for name, path in places.items()}
                rows.append({"sample_id": number, **paths, "split": split})
    if not rows:
        raise ScantuneError(f"{root}: no image has a mask in 1st_manual/")
    partitions: dict[str, Any] = {"method": "predefined", "columns": "split"}
    if not any(row["split"] == "test" for row in rows):
        partitions["fill"] = {"test": 0.25}
    dataset = {**WRITTEN, "masks": "{mask}", "subject": "sample_id", "split": partitions}
    if all(row["view"] for row in rows):
        dataset["region"] = "{view}"
    if any(row["second"] for row in rows):
        dataset["rater_masks"] = {"second": "{second}"}
    task = {"name": "segmentation", "classes": ["background", "vessel"]}
    notes = unused(bare, images, "no mask in 1st_manual/")
    return root, [PublicCohort("drive", dataset, task, rows=rows, notes=notes)]


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
