"""Medical Segmentation Decathlon: ten tasks, ``imagesTr`` and ``labelsTr`` of NIfTI files with equal names."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from scantune.public.entry import WRITTEN, PublicCohort, PublicData, RemoteFile, layout, one, unused
from scantune.records import ScantuneError

_ABDOMEN = {"intensity": {"name": "window", "center": 40, "width": 400}}
_LUNG = {"intensity": {"name": "window", "center": -600, "width": 1500}}
#: Task → (MD5 of its archive, structures in the order of their labels, what it shows, keys of the input).
_TASKS: dict[str, tuple[str, tuple[str, ...], str, dict[str, Any]]] = {
    "Task01_BrainTumour": (
        "240a19d752f0d9e9101544901065d872",
        ("edema", "non_enhancing_tumour", "enhancing_tumour"),
        "484 brain MRI of gliomas, four contrasts of which the first (FLAIR) is taken",
        {"volume": {"index": 0}},
    ),
    "Task02_Heart": ("06ee59366e1e5124267b774dbd654057", ("left_atrium",), "20 cardiac MRI, left atrium", {}),
    "Task03_Liver": ("a90ec6c4aa7f6a3d087205e23d4e6397", ("liver", "tumour"), "131 abdominal CT", _ABDOMEN),
    "Task04_Hippocampus": ("9d24dba78a72977dbd1d2e110310f31b", ("anterior", "posterior"), "260 crops of brain MRI", {}),
    "Task05_Prostate": (
        "35138f08b1efaef89d7424d2bcc928db",
        ("peripheral_zone", "transition_zone"),
        "32 prostate MRI, two contrasts of which the first (T2) is taken",
        {"volume": {"index": 0}},
    ),
    "Task06_Lung": ("8afd997733c7fc0432f71255ba4e52dc", ("tumour",), "63 chest CT", _LUNG),
    "Task07_Pancreas": ("4f7080cfca169fa8066d17ce6eb061e4", ("pancreas", "tumour"), "281 abdominal CT", _ABDOMEN),
    "Task08_HepaticVessel": ("641d79e80ec66453921d997fbf12a29c", ("vessel", "tumour"), "303 abdominal CT", _ABDOMEN),
    "Task09_Spleen": ("410d4a301da4e5b2f6f86ec3ddba524e", ("spleen",), "41 abdominal CT", _ABDOMEN),
    "Task10_Colon": (
        "bad7a188931dc2f6acf72b08eb6202d0",
        ("tumour",),
        "126 abdominal CT, cancer of the colon",
        _ABDOMEN,
    ),
}
_PUBLISHED = {"Task04_Hippocampus": "Dice on the challenge's hidden test set: nnU-Net .90 anterior, .89 posterior"}


def prepare(source: Path, out: Path, *, task: str) -> tuple[Path, list[PublicCohort]]:
    """Pairs of image and mask; the scans of ``imagesTs`` have no masks and are not in the table.

    Raises:
        ScantuneError: there is no pair.
    """
    _, structures, _, keys = _TASKS[task]
    name = _name(task)
    root = layout(source, ["images*", "labels*"])
    images, labels = one(root, "imagesTr", "images"), one(root, "labelsTr", "labels")
    there = {folder: {path.name: path for path in sorted(folder.glob("[!.]*.nii.gz"))} for folder in (images, labels)}
    pairs = [(image, there[labels][name]) for name, image in there[images].items() if name in there[labels]]
    if not pairs:
        raise ScantuneError(f"{root}: no image of {images.name}/ has a mask of the same name in {labels.name}/")
    notes = [
        note
        for folder, other, lacks in ((images, labels, "no mask"), (labels, images, "no image"))
        for note in unused(
            [path for name, path in there[folder].items() if name not in there[other]],
            len(there[folder]),
            f"{lacks} of the same name in {other.name}/",
        )
    ]
    rows = [
        {
            "sample_id": image.name.removesuffix(".nii.gz"),
            "file": image.relative_to(root).as_posix(),
            "mask": mask.relative_to(root).as_posix(),
        }
        for image, mask in pairs
    ]
    split = {"method": "random", "fractions": [0.7, 0.15, 0.15], "seed": 42}
    dataset = {**WRITTEN, "masks": "{mask}", "subject": "sample_id", "split": split}
    block = {"name": "segmentation", "classes": ["background", *structures]}
    return root, [PublicCohort(name, dataset, block, rows=rows, input=keys, notes=notes)]


def _name(task: str) -> str:
    organ = task.partition("_")[2]
    return "msd_" + "".join(f"_{c.lower()}" if c.isupper() else c for c in organ).strip("_")


ENTRIES = tuple(
    PublicData(
        _name(task),
        f"{shows}: masks of {', '.join(structures)}",
        "http://medicaldecathlon.com",
        "CC BY-SA 4.0",
        partial(prepare, task=task),
        (RemoteFile(f"https://msd-for-monai.s3-us-west-2.amazonaws.com/{task}.tar", f"{task}.tar", f"md5:{md5}"),),
        _PUBLISHED.get(task, ""),
    )
    for task, (md5, structures, shows, _) in _TASKS.items()
)
