"""White blood cells of two laboratories: two tables with titles of their own, images numbered by three digits."""

from __future__ import annotations

from pathlib import Path

from scantune.public.entry import PublicCohort, PublicData, RemoteFile, layout

#: Images of laboratory 1 that are there twice: 139 is 112.
_COPIES = {1: {"image ID": {"exclude": [139]}}}
CLASSES = ("neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil")


def prepare(source: Path, out: Path) -> tuple[Path, list[PublicCohort]]:
    """Laboratory 1 trains and tests; laboratory 2 is the external validation. Neither says who the subjects are."""
    root = layout(source, ["Dataset 1", "Dataset 2", "Class Labels of Dataset 1.csv"])
    return root, [
        _laboratory(root, 1, "white_cells", "class label"),
        _laboratory(root, 2, "white_cells_2", "class", external_of="white_cells"),
    ]


def _laboratory(root: Path, number: int, name: str, column: str, external_of: str = "") -> PublicCohort:
    ending = "png" if any((root / f"Dataset {number}").glob("*_image.png")) else "bmp"
    numbers = {str(i): kind for i, kind in enumerate(CLASSES, 1)}
    dataset = {
        "files": f"Dataset {number}/{{image ID:03d}}{'_image.png' if ending == 'png' else '.bmp'}",
        "targets": {"kind": {"column": column, "recode": numbers}},
        "where": {column: {"exclude": [5]}, **_COPIES.get(number, {})},  # one basophil in laboratory 1
        "split": {"method": "stratified", "on": "kind", "fractions": [0.7, 0.15, 0.15], "seed": 42},
    }
    task = {"name": "classification", "target": "kind", "classes": list(CLASSES[:4])}
    return PublicCohort(name, dataset, task, f"Class Labels of Dataset {number}.csv", external_of=external_of)


ENTRIES = (
    PublicData(
        "white_cells",
        "300 + 100 white blood cells of two laboratories with different stains, four kinds (one has too few)",
        "https://github.com/zxaoyou/segmentation_WBC",
        "none stated; the makers ask to be cited: X. Zheng et al., Micron 2018;107:55",
        prepare,
        (RemoteFile("https://codeload.github.com/zxaoyou/segmentation_WBC/zip/refs/heads/master", "white_cells.zip"),),
    ),
)
