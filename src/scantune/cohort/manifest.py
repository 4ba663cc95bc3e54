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
    """One usable sample of an input: a row of ``manifest.csv``, and the side that the split put it on.

    Attributes:
        sample_id: names its cached tensor.
        subject_id: the person.
        split: train, validation or test; as the table itself has it, or "", before the split.
        fold: the fold in which it is held out, or None.
        shape: of the cached tensor, [C, …].
        targets: target name to text.
        groups: grouping column to text.
        raters: reader to text.
        row: the complete row.
        mask_from: the sample whose mask is the target; "" for its own. Others only in checks of maps.
    """

    sample_id: str
    subject_id: str
    split: str
    fold: int | None
    shape: tuple[int, ...]
    targets: Mapping[str, str]
    groups: Mapping[str, str]
    raters: Mapping[str, str]
    row: Mapping[str, str]
    mask_from: str = ""

    @property
    def digest(self) -> str:
        """Of its files, however they are prepared; "" where unknown."""
        return self.row.get("digest", "")

    @property
    def tensor_digest(self) -> str:
        """Of the cached tensor; "" where unknown."""
        return self.row.get("tensor_digest", "")

    @property
    def perceptual_hash(self) -> str:
        """Near for pictures that look alike; "" where there is none."""
        return self.row.get("perceptual_hash", "")


def read_manifest(path: Path) -> list[Sample]:
    """Rows of ``manifest.csv``.

    Raises:
        ScantuneError: not found.
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
                    shape=tuple(int(n) for n in row["shape"].split("x")),
                    targets={n.removeprefix("target/"): row[n] for n in names if n.startswith("target/")},
                    raters={n.removeprefix("rater/"): row[n] for n in names if n.startswith("rater/")},
                    groups={n: row[n] for n in names[first_group:]},
                    split=row["split"],
                    fold=None,
                    row=row,
                )
            )
        return samples
