"""A MedMNIST array file (npz) → one PNG or NIfTI file a sample and a table of labels and sides.

J. Yang et al., "MedMNIST v2", Scientific Data 10, 41 (2023), https://doi.org/10.1038/s41597-022-01721-8: the arrays
``train_images``, ``val_images``, ``test_images`` (uint8 [N, H, W], [N, H, W, 3] or [N, D, H, W]) and ``train_labels``
… ([N, 1], or [N, L] of 0 and 1 where a sample has several labels).

>>> table_of_medmnist("pneumoniamnist.npz", "pneumonia")     # doctest: +SKIP
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from scantune import io
from scantune.cohort.drawn import write_grey, write_rows
from scantune.cohort.faults import CohortError

SIDES = {"train": "train", "val": "validation", "test": "test"}


def table_of_medmnist(
    source: Path | str, out_dir: Path | str, *, names: Mapping[int, str] | Sequence[str] | None = None
) -> Path:
    """Write the samples to ``out_dir/images/<side>/<number>.png`` and list them in ``out_dir/cohort.csv``.

    Volumes become ``.nii.gz`` of 1 mm along each axis, since the file states neither spacing nor orientation.

    Columns: ``sample_id``, ``file``, ``split`` (train, validation, test: the file's own), ``label``, or ``label_0`` …
    where a sample has several. MedMNIST does not state subjects: a sample counts as one.

    Args:
        source: the npz file.
        out_dir: a new folder.
        names: class number to name; the table then has names for numbers (of one label), or as columns (of several).

    Returns:
        The table.

    Raises:
        CohortError: the file is not there or no MedMNIST file.
    """
    source, target = Path(source), Path(out_dir)
    arrays = _arrays(source)
    for side in SIDES:
        _check_names(arrays[f"{side}_labels"], names)
    rows: list[dict[str, object]] = []
    for side, split in SIDES.items():
        images, labels = arrays[f"{side}_images"], arrays[f"{side}_labels"]
        digits = max(5, len(str(len(images))))
        for number, (picture, label) in enumerate(zip(images, labels, strict=True)):
            volume = picture.ndim == 3 and picture.shape[2] != 3
            place = f"images/{side}/{number:0{digits}d}{'.nii.gz' if volume else '.png'}"
            if volume:
                io.write_nifti(target / place, io.Volume(picture, np.eye(4)))
            else:
                write_grey(target / place, picture)
            row: dict[str, object] = {"sample_id": f"{side}-{number:0{digits}d}", "file": place, "split": split}
            rows.append(row | _targets(label, names))
    return write_rows(target / "cohort.csv", rows)


def _check_names(labels: np.ndarray, names: Mapping[int, str] | Sequence[str] | None) -> None:
    """Refuse names that lack a class."""
    if names is None:
        return
    classes = set(range(labels.shape[1])) if labels.shape[1] > 1 else set(np.unique(labels).tolist())
    known = set(names) if isinstance(names, Mapping) else set(range(len(names)))
    if classes - known:
        raise CohortError("names of classes", [f"class {number} has no name" for number in sorted(classes - known)])


def _targets(label: np.ndarray, names: Mapping[int, str] | Sequence[str] | None) -> dict[str, object]:
    if label.size == 1:
        number = int(label[0])
        return {"label": number if names is None else names[number]}
    columns = [f"label_{k}" if names is None else names[k] for k in range(label.size)]
    return {column: int(value) for column, value in zip(columns, label)}


def _arrays(source: Path) -> dict[str, np.ndarray]:
    """The six arrays, checked together."""
    if not source.is_file():
        raise CohortError(f"no file {source}", ["name the npz file of MedMNIST"])
    needed = [f"{side}_{part}" for side in SIDES for part in ("images", "labels")]
    try:
        with np.load(source, allow_pickle=False) as content:
            missing = [name for name in needed if name not in content]
            if missing:
                raise CohortError(f"array file {source.name}", [f"no array {name!r}" for name in missing])
            arrays = {name: content[name] for name in needed}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise CohortError(f"array file {source.name}", [f"it cannot be read ({type(error).__name__})"]) from error
    faults = []
    for side in SIDES:
        images, labels = arrays[f"{side}_images"], arrays[f"{side}_labels"]
        if images.dtype != np.uint8 or images.ndim not in (3, 4):
            shapes = "uint8 [N, H, W], [N, H, W, 3] or [N, D, H, W] are read"
            faults.append(f"{side}_images: {list(images.shape)} {images.dtype}; {shapes}")
        if labels.ndim != 2 or len(labels) != len(images) or labels.dtype.kind not in "iub":
            faults.append(f"{side}_labels: {list(labels.shape)} {labels.dtype}; whole numbers [{len(images)}, labels]")
    if faults:
        raise CohortError(f"array file {source.name}", faults)
    return arrays
