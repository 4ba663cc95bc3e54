"""NIH ChestX-ray14: a table of all films, findings of a film in one cell; a part of the films suffices."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from pathlib import Path

from scantune.public.entry import WRITTEN, PublicCohort, PublicData, RemoteFile, layout, one, unused
from scantune.records import ScantuneError

_FEWEST = 30  # subjects without which a finding is not learned: four for the smallest partition
_NONE = "No Finding"
_TEST = "test_list.txt"
_VALIDATION = 0.125  # of those that do not test
_COLUMNS = {"Image Index", "Finding Labels", "Patient ID", "Patient Age", "Patient Gender", "View Position"}


def prepare(source: Path, out: Path) -> tuple[Path, list[PublicCohort]]:
    """The films that are there, with those findings that enough people have.

    Raises:
        ScantuneError: the table has other columns, no film of it is there, or too few people have any finding.
    """
    root = layout(source, ["Data_Entry*.csv", "images*"])
    table = one(root, "Data_Entry*.csv")
    with table.open(newline="", encoding="utf-8-sig") as file:
        entries = list(csv.DictReader(file))
    missing = _COLUMNS - set(entries[0] if entries else ())
    if missing:
        raise ScantuneError(f"{table}: no columns {', '.join(sorted(missing))}, as the NIH's table has them")
    films = {path.name: path for path in sorted(root.glob("images*/**/*")) if path.suffix in (".png", ".jpg")}
    rows = [_row(entry, films[entry["Image Index"]], root) for entry in entries if entry["Image Index"] in films]
    if not rows:
        raise ScantuneError(f"{table}: none of its {len(entries)} films lies below {root}/images")
    subjects = defaultdict(set)
    for row in rows:
        for finding in row["findings"].split("|"):
            subjects[finding].add(row["subject"])
    learned = sorted(name for name, ids in subjects.items() if name != _NONE and len(ids) >= _FEWEST)
    if not learned:
        raise ScantuneError(
            f"{root}: no finding of the {len(rows)} films is of {_FEWEST} subjects or more; unpack more of the images"
        )
    dataset = {
        **WRITTEN,
        "subject": "subject",
        "targets": ["findings"],
        "groups": ["sex", "age", "view"],
        "split": _split(root, rows),
    }
    task = {
        "name": "multilabel",
        "target": "findings",
        "findings": learned,
        "ignored": sorted({_NONE, *subjects} - {*learned}),
    }
    listed = {entry["Image Index"] for entry in entries}
    notes = unused([film for name, film in films.items() if name not in listed], len(films), f"not in {table.name}")
    return root, [PublicCohort("nih_chest", dataset, task, rows=rows, notes=notes)]


def _split(root: Path, rows: list[dict[str, str]]) -> dict[str, object]:
    """The makers' test films, where their list is there and films of both sides are: they are in the column ``split``.
    The list does not say which of the others validate."""
    drawn: dict[str, object] = {"method": "random", "fractions": [0.7, 0.1, 0.2], "seed": 42}
    listed = root / _TEST
    if not listed.is_file():
        return drawn
    names = {Path(line.strip()).stem for line in listed.read_text(encoding="utf-8-sig").splitlines()}
    sides = ["test" if row["sample_id"] in names else "train" for row in rows]
    if len(set(sides)) < 2:
        return drawn
    for row, side in zip(rows, sides, strict=True):
        row["split"] = side
    return {"method": "predefined", "columns": "split", "fill": {"validation": _VALIDATION}}


def _row(entry: dict[str, str], film: Path, root: Path) -> dict[str, str]:
    return {
        "sample_id": film.stem,
        "file": film.relative_to(root).as_posix(),
        "subject": entry["Patient ID"],
        "findings": entry["Finding Labels"],
        "sex": entry["Patient Gender"],
        "age": _years(entry["Patient Age"]),
        "view": entry["View Position"],
    }


def _years(text: str) -> str:
    """Completed years of an age: ``58``, or of DICOM's form ``058Y``, ``011M``, ``020W``, ``003D`` (the first release);
    another text as it is."""
    match = re.fullmatch(r"(\d+)([YMWD]?)", text.strip())
    return str(int(int(match[1]) / _PER_YEAR[match[2]])) if match else text.strip()


_PER_YEAR = {"": 1, "Y": 1, "M": 12, "W": 52.18, "D": 365.25}
_BOX = "https://nihcc.box.com/shared/static"
_MIRROR = "https://huggingface.co/datasets/alkzar90/NIH-Chest-X-ray-dataset/resolve/main/data"
ENTRIES = (
    PublicData(
        "nih_chest",
        "the first 4,999 of 112,120 chest films, fourteen findings read from reports by a program",
        "https://nihcc.app.box.com/v/ChestXray-NIHCC",
        "free to use; cite X. Wang et al., CVPR 2017, and name the NIH Clinical Center and the page",
        prepare,
        (
            RemoteFile(f"{_BOX}/vfk49d74nhbxq3nqjg0900w5nvkorp5c.gz", "images_001.tar.gz"),
            RemoteFile(f"{_MIRROR}/Data_Entry_2017_v2020.csv", "Data_Entry_2017_v2020.csv"),
            RemoteFile(f"{_MIRROR}/{_TEST}", _TEST),
        ),
        "mean AUROC of all films, official test set: .745 (Wang 2017), .841 (CheXNet)",
    ),
)
