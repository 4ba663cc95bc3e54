"""``manifest.csv`` written: the samples that came out, with what later stages need of the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from scantune.cohort.provenance import Provenance
from scantune.preprocess.mask_labels import column_text
from scantune.preprocess.sample import Outcome
from scantune.records import Record, ScantuneError
from scantune.tables import write_csv

FACTS = ("shape", "dtype", "spacing", "mean", "sd", "min", "max")


def write_manifest(path: Path, rows: Sequence[tuple[Record, Outcome]], provenance: Provenance | None = None) -> None:
    """``manifest.csv``: what came out, with what later stages need of the table.

    Args:
        path: the file.
        rows: each prepared record and what became of it.
        provenance: of the cohort; its column ``synthetic`` is empty where nothing is known.
    """
    targets = list(rows[0][0].targets) if rows else []
    groups = list(rows[0][0].groups) if rows else []
    raters = list(rows[0][0].raters) if rows else []
    header = [
        "sample_id", "subject_id", "digest", "tensor_digest", "perceptual_hash", *FACTS, "notes", "synthetic",
        "mask_labels",
        *(f"target/{name}" for name in targets), *(f"rater/{name}" for name in raters), "split", "order", *groups,
    ]  # fmt: skip
    duplicates = sorted(set(groups) & set(header[: len(header) - len(groups)]))
    if duplicates:
        raise ScantuneError(f"groups {duplicates} have the names of other columns of manifest.csv: rename them")
    places = _places([record.order for record, _ in rows])
    synthetic = "" if provenance is None else str(provenance.synthetic).lower()
    write_csv(path, header, [_manifest_row(record, outcome, places, synthetic) for record, outcome in rows])


def _places(order: Sequence[str | None]) -> dict[str | None, str]:
    """Value to its place in the order, from 1: the values themselves may be dates of examinations, which identify."""
    known = sorted({value for value in order if value is not None}, key=_by_number_or_text)
    return {None: "", **{value: str(place) for place, value in enumerate(known, start=1)}}


def _by_number_or_text(value: str) -> tuple[float, str]:
    try:
        return float(value), ""
    except ValueError:
        return 0.0, value


def _manifest_row(record: Record, outcome: Outcome, places: Mapping[str | None, str], synthetic: str) -> list[str]:
    facts = outcome.facts
    shape, spacing = facts["shape"], facts["spacing"]
    return [
        record.sample_id, record.subject_id, outcome.digest, facts["tensor_digest"], facts["perceptual_hash"],
        "x".join(map(str, shape)), facts["dtype"], "x".join(f"{s:g}" for s in spacing) if spacing else "",
        *(f"{facts[name]:.6g}" for name in ("mean", "sd", "min", "max")),
        "; ".join(facts["reading"].get("notes", ())), synthetic, column_text(facts["reading"]),
        *record.targets.values(), *record.raters.values(), record.split or "", places[record.order],
        *record.groups.values(),
    ]  # fmt: skip
