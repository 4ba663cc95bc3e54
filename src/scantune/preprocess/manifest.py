"""``manifest.csv``: the samples that came out, with what later stages need of the table."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scantune.cohort.files import unguarded, write_csv
from scantune.preprocess.sample import Outcome
from scantune.records import Record, ScantuneError

FACTS = ("shape", "dtype", "spacing", "mean", "sd", "min", "max")


def write_manifest(path: Path, rows: Sequence[tuple[Record, Outcome]]) -> None:
    """``manifest.csv``: what came out, with what later stages need of the table."""
    targets = list(rows[0][0].targets) if rows else []
    groups = list(rows[0][0].groups) if rows else []
    raters = list(rows[0][0].raters) if rows else []
    header = [
        "sample_id", "subject_id", "digest", "tensor_digest", "perceptual_hash", *FACTS,
        *(f"target/{name}" for name in targets), *(f"rater/{name}" for name in raters), "split", "order", *groups,
    ]  # fmt: skip
    taken = sorted(set(groups) & set(header[: len(header) - len(groups)]))
    if taken:
        raise ScantuneError(f"groups {taken} have the names of other columns of manifest.csv: name them otherwise")
    write_csv(path, header, [_manifest_row(record, outcome) for record, outcome in rows])


def _manifest_row(record: Record, outcome: Outcome) -> list[str]:
    facts = outcome.facts
    shape, spacing = facts["shape"], facts["spacing"]
    return [
        record.sample_id, record.subject_id, outcome.digest, facts["digest"], facts["perceptual_hash"],
        "x".join(map(str, shape)), facts["dtype"], "x".join(f"{s:g}" for s in spacing) if spacing else "",
        *(f"{facts[name]:.6g}" for name in ("mean", "sd", "min", "max")),
        *record.targets.values(), *record.raters.values(), record.split or "", record.order or "",
        *record.groups.values(),
    ]  # fmt: skip


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
