"""``manifest.csv``: the samples that came out, with what later stages need of the table."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scantune.records import ScantuneError
from scantune.tables import unguarded


@dataclass(frozen=True)
class Sample:
    """A row of ``manifest.csv``.

    Attributes:
        sample_id, subject_id, digest, tensor_digest, perceptual_hash: as there.
        shape: of the tensor.
        targets, raters, groups: name to text.
        split: the table's own side, or "".
        row: the whole row.
    """

    sample_id: str
    subject_id: str
    digest: str
    tensor_digest: str
    perceptual_hash: str
    shape: tuple[int, ...]
    targets: Mapping[str, str]
    raters: Mapping[str, str]
    groups: Mapping[str, str]
    split: str
    row: Mapping[str, str]


def read_manifest(path: Path) -> list[Sample]:
    """Rows of ``manifest.csv``.

    Raises:
        ScantuneError: it is not there.
    """
    if not path.is_file():
        raise ScantuneError(f"no {path.name} in {path.parent}: run preprocess first")
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        names = [unguarded(name) for name in reader.fieldnames or []]
        first_group = names.index("order") + 1
        samples = []
        for cells in reader:
            row = dict(zip(names, map(unguarded, cells.values()), strict=True))
            samples.append(
                Sample(
                    sample_id=row["sample_id"],
                    subject_id=row["subject_id"],
                    digest=row["digest"],
                    tensor_digest=row["tensor_digest"],
                    perceptual_hash=row["perceptual_hash"],
                    shape=tuple(int(n) for n in row["shape"].split("x")),
                    targets={n.removeprefix("target/"): row[n] for n in names if n.startswith("target/")},
                    raters={n.removeprefix("rater/"): row[n] for n in names if n.startswith("rater/")},
                    groups={n: row[n] for n in names[first_group:]},
                    split=row["split"],
                    row=row,
                )
            )
        return samples
