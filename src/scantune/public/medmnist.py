"""MedMNIST: arrays of small images or volumes in one file, written as PNG or NIfTI with a table."""

from __future__ import annotations

import csv
import hashlib
from functools import partial
from pathlib import Path
from typing import Any

from scantune.public.entry import WRITTEN, PublicCohort, PublicData, RemoteFile, one
from scantune.public.medmnist_sets import SETS

_ZENODO = "https://zenodo.org/records/10519652/files"
_ORDINAL = "retinamnist"
_POSITIVE = {"breastmnist": "malignant"}  # its number is 0; elsewhere the finding has the higher one
_SIDED = "organmnist3d"  # organs of both sides, in arrays that do not say which axis leads from left to right
_NOT_MIRRORED = {"default": True, "flip_left_right": 0.0}


def prepare(source: Path, out: Path, *, name: str, edge: int) -> tuple[Path, list[PublicCohort]]:
    """The partitions are those of the file; it does not say which images are of one person."""
    from scantune.cohort.medmnist import table_of_medmnist

    classes, file = SETS[name].classes, file_name(name, edge)
    arrays = one(source, file, f"*/{file}")
    table = table_of_medmnist(arrays, out, names=classes)
    with table.open(newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    several = "label" not in rows[0]
    targets = list(classes) if several else ["label"]
    dataset = {**WRITTEN, "targets": targets, "split": {"method": "predefined", "columns": "split"}}
    single: dict[str, Any] = {"name": "classification", "target": "label", "classes": list(classes)}
    if name == _ORDINAL:
        single["ordinal"] = True
    if name in _POSITIVE:
        single["positive"] = _POSITIVE[name]
    task = {"name": "multilabel", "findings": targets} if several else single
    train = {"augment": _NOT_MIRRORED} if name == _SIDED else {}
    return out, [
        PublicCohort(
            set_name(name, edge), dataset, task, "cohort.csv", rows, train=train, notes=_release(arrays, name, edge)
        )
    ]


def _release(arrays: Path, name: str, edge: int) -> list[str]:
    """A note of a file that is not the one of which classes and metrics were published."""
    with arrays.open("rb") as file:
        digest = hashlib.file_digest(file, "md5").hexdigest()
    if digest == SETS[name].md5[edge]:
        return []
    return [
        f"{arrays.name} is not the file that its makers publish now (MD5 {digest}, theirs {SETS[name].md5[edge]}): its "
        "labels and partitions may be of an earlier release, and the published metrics of another"
    ]


def file_name(name: str, edge: int) -> str:
    """The makers' name of a set's file."""
    return f"{set_name(name, edge)}.npz"


def set_name(name: str, edge: int) -> str:
    """``pathmnist`` has 28 pixels, ``pathmnist_224`` 224."""
    return name if edge == 28 else f"{name}_{edge}"


def _entry(name: str, edge: int) -> PublicData:
    known = SETS[name]
    size = f"{edge}³ voxels" if name.endswith("3d") else f"{edge}² pixels"
    file = file_name(name, edge)
    return PublicData(
        set_name(name, edge),
        f"{known.samples:,} samples of {size}: {known.shows}",
        "https://medmnist.com",
        known.licence,
        partial(prepare, name=name, edge=edge),
        (RemoteFile(f"{_ZENODO}/{file}?download=1", file, f"md5:{known.md5[edge]}"),),
        f"ResNet-18 at 28: AUROC {known.auroc:.3f}, accuracy {known.accuracy:.3f} (Yang 2023)",
    )


ENTRIES = tuple(_entry(name, edge) for name, known in SETS.items() for edge in known.md5)
